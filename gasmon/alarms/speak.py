"""From a row and a slot to an AlarmEvent with its explanation.

Events are rare beside readings, so they are made one by one, as plain values.
"""

from math import isnan
from typing import Any

from gasmon.alarms.compiled import RuleTable
from gasmon.alarms.crossings import ON_DELAY, Crossing, chatters
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.kinds import (
    CUT_OFF,
    LOW_CUT_OFF,
    LOW_LIMIT,
    N_SLOTS,
    N_VALUE_SLOTS,
    OVER_LIMIT,
    POINT_KINDS,
    SWITCH,
    SWITCH_KINDS,
)
from gasmon.alarms.quiet import QuietTable
from gasmon.alarms.shape_words import PRE_LIMITS, why
from gasmon.alarms.state import LONG_AGO_US, PointState
from gasmon.points import LIMIT_FIELDS, PointTable
from gasmon.units import US_PER_S, iso_us

_RAISING_LIMIT = {OVER_LIMIT: 0, CUT_OFF: 2, LOW_LIMIT: 4, LOW_CUT_OFF: 6}


MOST_POINTS = 20
"""Points that an explanation of several names; a unit or a substation has fewer."""


def number(value: float) -> float | None:
    """A float as JSON has it: no value is None."""
    value = float(value)
    return None if isnan(value) else value


def in_words(text: tuple[str, ...]) -> dict[str, Any]:
    """The text of a rule as an explanation has it; nothing where there is none."""
    return {"text": dict(zip(("zh", "en"), text, strict=True))} if text else {}


def last_said(
    row: int, role: str, state: PointState, table: PointTable
) -> dict[str, Any]:
    """What a point last said, as an explanation of several points has it.

    Args:
        role: what it is in what is explained.
    """
    point, last_us = table.current[row], int(state.last_at_us[row])
    return {
        "no": point.key.no,
        "role": role,
        "place": point.place,
        "value": number(state.last_value[row]),
        "state": int(state.last_state[row]),
        "at": iso_us(last_us) if last_us > LONG_AGO_US else None,
    }


class Speech:
    """Collects what one tick says.

    Attributes:
        said: the events so far, in the order in which they were decided.
        crossed: crossings by which no alarm began.
        table: the points and mines that it speaks of.
    """

    def __init__(
        self,
        table: PointTable,
        rules: RuleTable,
        state: PointState,
        quiet: QuietTable,
        run: int,
        now_us: int,
    ) -> None:
        self.said: list[AlarmEvent] = []
        self.crossed: list[Crossing] = []
        self.table = table
        self._rules = rules
        self._state = state
        self._quiet = quiet
        self._run = run
        self.now_us = now_us

    def point(
        self,
        event: str,
        slot: int,
        row: int,
        happened_us: int,
        arrived_us: int,
        value: float,
        *,
        raised_us: int | None = None,
        late: bool = False,
        cause: str | None = None,
    ) -> None:
        """Say something about the alarm of one slot of one point.

        Args:
            cause: why, when no reading is the reason.
            raised_us: when the alarm began; None takes it from the state.
            late: it was over before we heard of it.
        """
        state, table = self._state, self.table
        key, point = table.keys[row], table.current[row]
        line = int(state.line[row, slot])
        begun = int(state.raised_us[row, slot]) if raised_us is None else raised_us
        rank = int(state.rank[row, slot])
        limit = self._limit(slot, line)
        unit = f"unit:{key.mine}/{point.unit_slug}"
        subjects = (f"point:{key}", unit, f"mine:{key.mine}")
        kind = self._kind(slot, row)
        window = self._quiet.look_up(subjects, happened_us, rank, number(value), kind)
        quiet = "late" if late else window.name if window else None
        self.said.append(
            AlarmEvent(
                event=event,
                kind=kind,
                rule=self._rules.rule[line],
                subject_type="point",
                subject_id=str(key),
                area=key.mine[:6],
                mine=key.mine,
                raised_at_us=begun,
                happened_at_us=happened_us,
                arrived_at_us=arrived_us,
                decided_at_us=self.now_us,
                rank=rank,
                run=self._run,
                system=key.system,
                no=key.no,
                unit=point.unit_slug,
                row=row,
                value=number(value),
                limit=limit,
                peak=self._peak(row, slot),
                peak_at_us=self._peak_at(row, slot),
                late=late,
                planned=bool(window and window.planned),
                quiet=quiet,
                explain={
                    **self._explain(slot, row, line, happened_us, value),
                    **({} if cause is None else {"cause": cause}),
                },
            )
        )

    def crossing(
        self,
        slot: int,
        row: int,
        line: int,
        times_us: tuple[int, int],
        value: float,
        *,
        held_by: str = ON_DELAY,
        late: bool = False,
    ) -> None:
        """Note a crossing that begins no alarm now.

        Args:
            line: the rule line that the value is judged by.
            times_us: event time and arrival of the value [µs UTC].
        """
        self.crossed.append(
            Crossing(
                row=row,
                kind=self._kind(slot, row),
                rule=self._rules.rule[line],
                at_us=times_us[0],
                arrived_us=times_us[1],
                value=number(value),
                limit=self._limit(slot, line),
                held_by=held_by,
                late=late,
            )
        )

    def about(
        self,
        event: str,
        kind_and_rule: tuple[str, str],
        subject: tuple[str, str],
        code: str,
        times_us: tuple[int, int, int],
        rank: int,
        explain: dict[str, Any],
        unit: str | None = None,
    ) -> None:
        """Say something about a mine or a unit of it.

        Args:
            subject: its type and identity.
            code: of the mine; ``unit``: slug of the unit.
            times_us: when the alarm began, when this happened, when what shows it
                arrived [µs UTC].
        """
        mine = self.table.mines[self.table.mine_index[code]]
        raised_us, happened_us, arrived_us = times_us
        subjects = [f"mine:{code}"]
        if unit is not None:
            subjects.insert(0, f"unit:{code}/{unit}")
        window = self._quiet.look_up(
            subjects, happened_us, rank, None, kind_and_rule[0]
        )
        self.said.append(
            AlarmEvent(
                event=event,
                kind=kind_and_rule[0],
                rule=kind_and_rule[1],
                subject_type=subject[0],
                subject_id=subject[1],
                area=mine.area,
                mine=code,
                unit=unit,
                raised_at_us=raised_us,
                happened_at_us=happened_us,
                arrived_at_us=arrived_us,
                decided_at_us=self.now_us,
                rank=rank,
                run=self._run,
                planned=bool(window and window.planned),
                quiet=window.name if window else None,
                explain=explain,
            )
        )

    def _kind(self, slot: int, row: int) -> str:
        """The name of a slot's alarm at a point."""
        if slot == SWITCH:
            return SWITCH_KINDS[int(self._state.switch_kind[row])]
        return POINT_KINDS[slot]

    def _text_of(self, slot: int, row: int) -> int:
        """Under which number ``RuleTable.texts`` has the text of a slot's alarm."""
        level = int(self._state.level[row, slot])
        return N_SLOTS if self._rules.levels.after_rise[level] else slot

    def _limit(self, slot: int, line: int) -> float | None:
        if slot in PRE_LIMITS:
            judge = self._rules.shapes.judge[self._rules.lines.shape[line]]
            return number(judge[PRE_LIMITS[slot][0]])
        which = _RAISING_LIMIT.get(slot)
        if which is None:
            return None
        return number(self._rules.lines.limits[line, which])

    def _peak(self, row: int, slot: int) -> float | None:
        return number(self._state.peak[row, slot]) if slot < N_VALUE_SLOTS else None

    def _peak_at(self, row: int, slot: int) -> int | None:
        if self._peak(row, slot) is None:
            return None
        return int(self._state.peak_at_us[row, slot])

    def _explain(
        self, slot: int, row: int, line: int, happened_us: int, value: float
    ) -> dict[str, Any]:
        """What a person needs to see: numbers, where they come from, since when."""
        state, lines = self._state, self._rules.lines
        point = self.table.current[row]
        told: dict[str, Any] = {
            "value": number(value),
            "state": int(state.last_state[row]),
            "quantity": point.quantity,
            "place_class": point.place_class,
            "limits": {
                name: float(limit)
                for name, limit in zip(LIMIT_FIELDS, lines.limits[line], strict=True)
                if not isnan(limit)
            },
            "limits_from": self._rules.rule[line],
            "level_rule": self._rules.levels.number_of(int(state.level[row, slot])),
        }
        if slot < N_VALUE_SLOTS:
            on_us = self._rules.delays.on_us[lines.delay[line], slot]
            told["on_delay_s"] = int(on_us) / US_PER_S
        told |= in_words(self._rules.texts[line].get(self._text_of(slot, row), ()))
        crossed = state.crossings.until(row, slot, happened_us)
        if len(crossed) > 1:
            told["crossings_10min"] = len(crossed)
            told["crossed_at"] = [iso_us(each) for each in crossed[-10:]]
            told["chattering"] = chatters(crossed)
        begun = int(state.raised_us[row, slot])
        if begun <= happened_us:
            told["since"] = iso_us(begun)
            told["lasting_s"] = (happened_us - begun) / US_PER_S
        return told | why(slot, state, self._rules, row)
