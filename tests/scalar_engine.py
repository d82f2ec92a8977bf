"""The alarm rules once more, slowly: one point, one reading, ordinary ``if``s.

It is the reference that the vectorised engine is compared with. It was written from
the rules in docs/alarm-rules.md and shares with the engine only the reading of the
rule file and the choice of limits (``rules.resolve``), which have tests of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, isnan, nan
from typing import Any

from gasmon.alarms.engine import Patience
from gasmon.alarms.rules import Rule, RuleSet, resolve
from gasmon.alarms.substations import substation_of
from gasmon.points import LIMIT_FIELDS, PointDef, PointTable
from tests import scalar_shape
from tests.scalar_late import Past, first_after_gap, late, settle
from tests.scalar_shape import SHAPE_KINDS, Moves

ALARM, CUT_OFF, CALIBRATION, OVER_RANGE = 1, 2, 4, 8
SUBSTATION_FAULT, NOT_POLLED, PAUSED, SENSOR_FAULT = 16, 32, 64, 128
NO_VALUE = SUBSTATION_FAULT | NOT_POLLED | PAUSED | SENSOR_FAULT

VALUE_KINDS = ("over_limit", "cut_off", "low_limit", "low_cut_off")
OTHER_KINDS = (
    "over_range",
    "sensor_break",
    "substation_not_reachable",
    "calibration",
    "unknown_state",
    "no_data",
)
LIMIT_OF = {
    "over_limit": ("alarm_high", "clear_high"),
    "cut_off": ("cut_high", "restore_high"),
    "low_limit": ("alarm_low", "clear_low"),
    "low_cut_off": ("cut_low", "restore_low"),
}


@dataclass
class Version:
    """One version of a point with what was decided about its limits."""

    from_us: int
    point: PointDef
    limits: dict[str, float]
    rule: str
    asks: dict[str, Any]


@dataclass
class Life:
    """One kind of alarm at one point: asleep, pending, active or clearing."""

    kind: str
    phase: str = "idle"
    since: int = 0
    due: int = 0
    raised: int = 0
    rank: int = 0
    version: Version | None = None
    levels: Rule | None = None
    peak: float = nan
    peak_at: int | None = None
    beyond: bool = False
    unknown: bool = False
    told: list[tuple[int, int]] = field(default_factory=list)

    @property
    def living(self) -> bool:
        return self.phase in ("active", "clearing")


@dataclass(eq=False)
class Point:
    """All that is remembered of a point."""

    row: int
    mine: int
    versions: list[Version]
    arrived: int
    lag: int = 0
    last_at: float = -inf
    last_value: float = nan
    last_was_good: bool = False
    last_state: int = 0
    good_at: float = -inf
    good_value: float = nan
    near_at: float = -inf
    spoke: int = -(10**18)
    calibrating_since: int | None = None
    bands: dict[int, int] = field(default_factory=dict)
    lives: dict[str, Life] = field(default_factory=dict)
    past: Past = field(default_factory=Past)
    moves: Moves = field(default_factory=Moves)
    substation: Substation | None = None
    folded: bool = False

    @property
    def silent(self) -> bool:
        """Whether its silence was told, or that of its substation."""
        return self.folded or self.lives["no_data"].phase != "idle"

    def version_at(self, at: int) -> Version:
        """The newest version in force at a time; the first one counts for ever."""
        found = self.versions[0]
        for version in self.versions:
            if version.from_us <= at:
                found = version
        return found


@dataclass
class Link:
    """What is known of a mine's link."""

    code: str
    heard: int
    session: int
    raised: int | None = None
    since: int = 0
    ended: int = -(10**18)
    rank: int = 0


@dataclass(eq=False)
class Substation:
    """What is known of a substation."""

    name: str
    mine: str
    points: list[Point] = field(default_factory=list)
    raised: int | None = None
    since: int = 0
    ended: int = -(10**18)
    rank: int = 0


@dataclass
class Said:
    """An event, with the fields that readings decide."""

    event: str
    kind: str
    subject: str
    rule: str
    raised_at: int
    happened_at: int
    arrived_at: int
    rank: int
    value: float | None
    limit: float | None
    peak: float | None
    peak_at: int | None
    late: bool


def _none(number: float) -> float | None:
    return None if isnan(number) else number


def _fits(row: Rule, point: PointDef) -> bool:
    """Whether a rule is for a point, by what the worlds of the tests select by."""
    match, mine = row.match, point.key.mine
    return (
        (not match.quantity or point.quantity in match.quantity)
        and (not match.place_class or point.place_class in match.place_class)
        and (not match.area or mine[:6] in match.area)
        and (not match.mine or mine in match.mine)
        and (not match.point or str(point.key) in match.point)
    )


def _order(row: Rule) -> tuple[bool, ...]:
    """The greater is the more specific; a file's own before a shipped one."""
    match = row.match
    chosen = (match.point, match.mine, match.area, match.place_class, match.quantity)
    return (*map(bool, chosen), not row.shipped)


class ScalarEngine:
    """Readings, signs and marks one by one; ``said`` collects the events."""

    def __init__(
        self,
        rules: RuleSet,
        table: PointTable,
        versions: list[PointDef],
        patience: Patience,
        now_us: int,
    ) -> None:
        self.rules = rules
        self.patience = patience
        self.table = table
        self.definitions = versions
        self.said: list[Said] = []
        self.crossed: list[tuple[Any, ...]] = []
        # Of fans with a standby: whether each runs by the end of a frame, since when.
        self.standby: dict[int, list[tuple[bool, float]]] = {}
        self.mark_us: float = -inf
        self.links = [Link(mine.code, now_us, now_us) for mine in table.mines]
        self.points = [
            Point(row, int(table.mine_of[row]), [], now_us) for row in range(table.n)
        ]
        self.substations: dict[str, Substation] = {}
        for point in self.points:
            name = substation_of(table.current[point.row])
            if name is not None:
                own = Substation(name, table.keys[point.row].mine)
                own = point.substation = self.substations.setdefault(name, own)
                own.points.append(point)
        for point in self.points:
            for kind in (*VALUE_KINDS, *OTHER_KINDS, *SHAPE_KINDS):
                point.lives[kind] = Life(kind)
        for definition in versions:
            self._add(self.points[table.index[definition.key]], definition)

    def _add(self, point: Point, definition: PointDef) -> None:
        resolved = resolve(definition, self.rules)
        start = 0
        if point.versions:
            start = max(definition.effective_from_us, point.versions[-1].from_us)
        limits = dict(zip(LIMIT_FIELDS, resolved.limits, strict=True))
        mine = self.table.mines[point.mine]
        asks = {
            kind: self.rules.params(kind, definition, mine)
            for kind in (*SHAPE_KINDS, *scalar_shape.SWITCHES, "on_off_alarm")
            if kind != "switch"
        }
        point.versions.append(Version(start, definition, limits, resolved.rule, asks))

    # Readings

    def reading(
        self, row: int, value: float, at: int, arrived: int, state: int
    ) -> None:
        point = self.points[row]
        link = self.links[point.mine]
        if link.raised is not None:
            self._link_is_back(link, arrived)
        link.heard = max(link.heard, arrived)
        if at <= point.last_at:
            if at < point.last_at:
                late(self, point, value, at, arrived, state)
            return
        point.arrived = max(point.arrived, arrived)
        if point.folded:
            self._substation_is_back(point.substation, arrived)
        point.lag = int(max(arrived, self.mark_us)) - at
        self.mature(point, at, arrived)
        self.fresh(point, value, at, arrived, state)

    def fresh(
        self, point: Point, value: float, at: int, arrived: int, state: int
    ) -> None:
        version = point.version_at(at)
        if state & CALIBRATION:
            if point.calibrating_since is None:
                point.calibrating_since = at
            # Event times of a point only rise, so this never looks back.
            lasting = at - point.calibrating_since
            calibrating = lasting < self.patience.calibration_us
        else:
            point.calibrating_since = None
            calibrating = False
        good = not isnan(value) and not state & NO_VALUE and not calibrating
        if good and at - point.last_at > 25_000_000:
            first_after_gap(self, point, value, at, arrived, state)
        seen = scalar_shape.look(point, version, value, at, state, good)
        point.last_at, point.last_value, point.last_was_good = at, value, good
        point.last_state = state
        if good:
            point.good_at, point.good_value = at, value
            alarm = version.limits["alarm_high"]
            if value >= round(self.rules.rise_fraction * alarm, 9):
                point.near_at = at
            self.bands(point, version, value, at)
        for kind in VALUE_KINDS:
            life = point.lives[kind]
            raiser = life.version if life.phase in ("active", "clearing") else None
            raises, ends = self._value_says(
                kind, version, raiser, value, state, good, calibrating
            )
            if raises:
                point.past.held.clear()
            self._step(
                point, kind, version, value, at, arrived, raises, ends, good, good
            )
        for kind in OTHER_KINDS:
            raises, ends = self._state_says(kind, version, value, state, good)
            self._step(
                point, kind, version, value, at, arrived, raises, ends, True, good
            )
        for kind in SHAPE_KINDS:
            life = point.lives[kind]
            raises, ends = scalar_shape.says(
                kind, life, version, seen, value, state, good, calibrating
            )
            by = seen.before if kind == "evasion" and seen.before else version
            if kind == "switch" and self._is_spared(point, version, at, good):
                raises = False
            if kind == "switch" and raises and not life.living:
                life.kind = scalar_shape.switch_of(version) or ""
            self._step(point, kind, by, value, at, arrived, raises, ends, True, good)

    def _is_spared(self, point: Point, version: Version, at: int, good: bool) -> bool:
        """Whether a main fan may stop because its standby is known to run."""
        return (
            good
            and scalar_shape.switch_of(version) == "main_fan_stopped"
            and any(
                runs and abs(when - at) <= self.patience.point_us
                for runs, when in self.standby.get(point.row, ())
            )
        )

    def _value_says(
        self,
        kind: str,
        version: Version,
        raiser: Version | None,
        value: float,
        state: int,
        good: bool,
        calibrating: bool,
    ) -> tuple[bool, bool]:
        """Whether a reading raises, and whether it ends, a kind that has a limit.

        An alarm whose limit was taken away ends by the limit that raised it.
        """
        begin, back = LIMIT_OF[kind]
        limit, end = version.limits[begin], version.limits[back]
        held = isnan(limit) and raiser is not None
        if held and raiser is not None:
            end = raiser.limits[back]
            held = not isnan(raiser.limits[begin])
        at_its_end = bool(state & OVER_RANGE)
        if kind in ("low_limit", "low_cut_off"):
            if not good or at_its_end:
                return False, False
            if isnan(limit):
                return False, not held or value > end
            return value <= limit, value > end
        bit = state & (ALARM if kind == "over_limit" else CUT_OFF)
        judged = good and version.point.quantity != "UNKNOWN"
        if kind == "over_limit" and scalar_shape.switch_of(version):
            judged = True  # the bit is its own kind's
        if bit and not judged and not calibrating:
            return True, False
        if not good:
            return False, False
        if isnan(limit):
            over = value < end if held else not bit
            return False, not at_its_end and over
        if value >= limit:
            return True, False
        return False, not at_its_end and value < end

    def _state_says(
        self, kind: str, version: Version, value: float, state: int, good: bool
    ) -> tuple[bool, bool]:
        there = not isnan(value) and not state & NO_VALUE
        if kind == "over_range":
            over = bool(state & OVER_RANGE)
            if good and version.point.value_kind == "MN":
                over = over or value > version.point.range_high
            return over, good and not over
        if kind == "sensor_break":
            explained = state & (SUBSTATION_FAULT | NOT_POLLED | PAUSED)
            broken = bool(state & SENSOR_FAULT) or (isnan(value) and not explained)
            return broken, good and not broken
        if kind == "substation_not_reachable":
            away = bool(state & SUBSTATION_FAULT)
            return away, not away and not isnan(value)
        if kind == "calibration":
            bit = bool(state & CALIBRATION)
            return bit, not bit and there
        if kind == "unknown_state":
            strange = bool(state & ~255)
            return strange, not strange and there
        paused = bool(state & (NOT_POLLED | PAUSED))
        return paused, there

    def bands(self, point: Point, version: Version, value: float, at: int) -> None:
        row = self.level_row("over_limit", version)
        for number, band in enumerate(row.bands[1:], 1):
            lower = band.at_least
            if isnan(lower):
                lower = round(band.factor * version.limits["alarm_high"], 9)
            if value >= lower:
                point.bands.setdefault(number, at)
            else:
                point.bands.pop(number, None)
        for number in [n for n in point.bands if n >= len(row.bands)]:
            del point.bands[number]

    def _step(
        self,
        point: Point,
        kind: str,
        version: Version,
        value: float,
        at: int,
        arrived: int,
        raises: bool,
        ends: bool,
        known: bool,
        good: bool,
    ) -> None:
        life = point.lives[kind]
        on = self.delay(kind, version, "on_delay")
        off = self.delay(kind, version, "off_delay")
        if kind in VALUE_KINDS:
            was = life.beyond and life.phase != "idle"
            life.beyond = raises or (was and not known)
            if raises and not was and (life.phase, on) != ("idle", 0):
                self.cross(point, life, version, at, arrived, value, late=False)
        if life.phase == "idle":
            if raises:
                life.phase, life.since, life.due = "pending", at, at + on
                if on == 0:
                    self.raise_(point, life, version, at, arrived, value)
            return
        if life.phase == "pending":
            if known and not raises:
                life.phase = "idle"
                life.told.append((life.since, at))
            life.due = life.since + on
            return
        if ends and not raises:
            if life.phase == "active":
                life.phase, life.since = "clearing", at
            if at - life.since >= off:
                if kind in VALUE_KINDS:
                    point.past.other.setdefault(at, (value, arrived, 0))
                self.clear(point, life, life.since + off, arrived, value)
                return
        else:
            life.phase = "active"
        if kind in VALUE_KINDS:
            low = kind.startswith("low")
            if good and (
                isnan(life.peak) or (value < life.peak if low else value > life.peak)
            ):
                life.peak, life.peak_at = value, at
        if kind in VALUE_KINDS or kind == "switch":
            if life.unknown and good:
                life.unknown = False
                self.say("known", point, life, at, arrived, value)
            elif not life.unknown and not good:
                life.unknown = True
                self.say("unknown", point, life, at, arrived, value)
        if (
            kind != "evasion"
            and (kind != "switch" or life.kind == scalar_shape.switch_of(version))
            and not (kind in VALUE_KINDS and isnan(version.limits[LIMIT_OF[kind][0]]))
        ):
            # It goes on under the rules of its newest reading, as far as they grade it.
            after_rise = bool(life.levels and life.levels.after_rise)
            now = self.level_row(life.kind, version, after_rise)
            life.levels = now or life.levels
        rank = self.rank(point, life, at)
        if rank > life.rank:
            life.rank = rank
            self.say("level", point, life, at, arrived, value)

    def cross(
        self,
        point: Point,
        life: Life,
        version: Version,
        at: int,
        arrived: int,
        value: float,
        *,
        late: bool,
    ) -> None:
        """A value goes beyond, and no alarm begins by it."""
        held_by = {"active": "deadband", "clearing": "off_delay"}
        self.crossed.append(
            (
                f"point:{self.table.keys[point.row]}",
                life.kind,
                version.rule,
                at,
                arrived,
                _none(value),
                _none(version.limits[LIMIT_OF[life.kind][0]]),
                held_by.get(life.phase, "on_delay"),
                late,
            )
        )

    def raise_(
        self,
        point: Point,
        life: Life,
        version: Version,
        at: int,
        arrived: int,
        value: float,
        *,
        peak: tuple[float, int] | None = None,
    ) -> None:
        if life.kind == "no_data":
            at = max(at, point.spoke + 1)
        life.phase, life.raised, life.version = "active", at, version
        life.rank, life.unknown, life.peak, life.peak_at = 0, False, nan, None
        if life.kind in VALUE_KINDS:
            if peak is not None:
                life.peak, life.peak_at = peak
            elif point.good_at >= life.since:
                life.peak, life.peak_at = point.good_value, int(point.good_at)
        after_rise = (
            life.kind == "sensor_break"
            and version.point.quantity == "CH4"
            and at - point.near_at <= self.rules.rise_within_us
        )
        life.levels = self.level_row(life.kind, version, after_rise)
        life.rank = self.rank(point, life, at)
        self.say("raised", point, life, at, arrived, value)

    def clear(
        self, point: Point, life: Life, at: int, arrived: int, value: float
    ) -> None:
        at = max(at, life.raised)
        self.say("cleared", point, life, at, arrived, value)
        if life.kind == "no_data":
            point.spoke = at
        assert life.version is not None
        on = self.delay(life.kind, life.version, "on_delay")
        life.told.append((life.raised - on, at))
        life.phase, life.rank, life.unknown = "idle", 0, False

    # Levels

    def level_row(self, kind: str, version: Version, after_rise: bool = False) -> Any:
        # The most specific one: place, then quantity, then a file's before a shipped.
        fitting = [
            row
            for row in self.rules.levels
            if row.kind == kind
            and row.bands
            and (after_rise or not row.after_rise)
            and _fits(row, version.point)
        ]
        return max(
            fitting, key=lambda row: (row.after_rise, *_order(row)), default=None
        )

    def delay(self, kind: str, version: Version, name: str) -> int:
        """A delay of a kind: of the most specific rule that gives it, else of all."""
        if kind not in VALUE_KINDS:
            return 0
        fitting = [
            row
            for row in self.rules.rules
            if row.kind == kind and name in row.given and _fits(row, version.point)
        ]
        best = max(fitting, key=_order, default=None)
        if best is not None:
            return int(str(best.given[name]))
        rules = self.rules
        return rules.on_delay_us if name == "on_delay" else rules.off_delay_us

    def _steps(self, point: Point, life: Life) -> list[tuple[int, int]]:
        """(when, rank) of everything that the alarm can still earn."""
        assert life.levels is not None
        steps = []
        for number, band in enumerate(life.levels.bands):
            if number == 0:
                begun = life.raised
            elif life.kind == "over_limit" and number in point.bands:
                begun = max(point.bands[number], life.raised)
            else:
                continue
            steps += [(begun + lasting, rank) for lasting, rank in band.steps]
        return steps

    def rank(self, point: Point, life: Life, at: int) -> int:
        earned = [rank for when, rank in self._steps(point, life) if when <= at]
        return max([life.rank, *earned])

    # What time alone does

    def mature(
        self, point: Point, until: int, arrived: int, clock: int | None = None
    ) -> None:
        reached = until
        value = point.last_value if point.last_was_good else nan
        for life in point.lives.values():
            by_clock = life.kind == "no_data" and clock is not None
            until = clock if by_clock and clock is not None else reached
            if life.phase == "pending" and life.due <= until:
                version = point.version_at(life.due)
                self.raise_(point, life, version, life.due, arrived, value)
            while life.living:
                ahead = [w for w, rank in self._steps(point, life) if rank > life.rank]
                due = min(ahead, default=until + 1)
                if due > until:
                    break
                life.rank = self.rank(point, life, due)
                self.say("level", point, life, due, arrived, value)

    def mark(self, at: int) -> None:
        passed = at - self.mark_us
        if self.mark_us != -inf and not 0 <= passed <= self.patience.gap_us:
            self._pass_over(int(passed), at)
        for link in self.links:
            link.heard, link.session = min(link.heard, at), min(link.session, at)
        for point in self.points:
            point.arrived = min(point.arrived, at)
        self.mark_us = at
        for point in self.points:
            settle(self, point, at)
        for point in self.points:
            lag = point.lag
            is_silent = self.links[point.mine].raised is not None
            if is_silent or point.silent:
                lag = min(lag, 0)
            self.mature(point, at - lag, at, at)
        for number, link in enumerate(self.links):
            if link.raised is not None:
                self._link_levels(link, at)
            elif link.heard + self.patience.mine_us <= at:
                self._link_breaks(link, link.heard + self.patience.mine_us, at)
                self._doubt_mine(number, at)
        due = {
            point.row: max(point.arrived, self.links[point.mine].session)
            + self.patience.point_us
            for point in self.points
        }
        silent = [
            point
            for point in self.points
            if due[point.row] <= self.links[point.mine].heard and not point.folded
        ]
        for substation in self.substations.values():
            self._substation_at(substation, silent, due, at)
        for point in silent:
            life = point.lives["no_data"]
            if not point.silent:
                value, since = point.last_value, due[point.row]
                value = value if point.last_was_good else nan
                life.since = since
                self.raise_(point, life, point.version_at(at), since, at, value)
                self._doubt(point, at)

    def _pass_over(self, passed: int, at: int) -> None:
        """A gap that nobody lived through, or a step back of our clock."""
        skipped = passed if passed < 0 else passed - self.patience.gap_us

        def moved(arrived: int) -> int:
            return min(arrived + skipped, max(arrived, at)) if skipped > 0 else arrived

        for link in self.links:
            link.heard, link.session = moved(link.heard), moved(link.session)
            link.since += skipped
        for substation in self.substations.values():
            substation.since += skipped
        for point in self.points:
            point.arrived = moved(point.arrived)
            point.lag += passed

    def sign(self, mine: int, online: bool, arrived: int) -> None:
        link = self.links[mine]
        if online:
            if link.raised is not None:
                self._link_is_back(link, arrived)
            link.heard = max(link.heard, arrived)
        elif link.raised is None:
            self._link_breaks(link, arrived, arrived)
            self._doubt_mine(mine, arrived)

    def _doubt_mine(self, mine: int, at: int) -> None:
        for point in self.points:
            if point.mine == mine:
                self._doubt(point, at)

    def _doubt(self, point: Point, at: int) -> None:
        value = point.last_value if point.last_was_good else nan
        for kind in (*VALUE_KINDS, "switch"):
            life = point.lives[kind]
            if not life.living:
                continue
            life.phase = "active"
            if not life.unknown:
                life.unknown = True
                self.say("unknown", point, life, at, at, value)
        before, life = scalar_shape.rises_near(point), point.lives["evasion"]
        if before is not None and not life.living:
            since = int(point.last_at) + 1
            self.raise_(point, life, before, since, at, point.last_value)

    # Substations

    def _substation_at(
        self, own: Substation, silent: list[Point], due: dict[int, int], at: int
    ) -> None:
        """Its level rises; or all of its points are silent, two of them newly."""
        steps = self._silence_row("substation_break", own.mine).bands[0].steps
        if own.raised is not None:
            for lasting, rank in steps:
                if rank > own.rank and own.since + lasting <= at:
                    own.rank = rank
                    moment = max(own.since + lasting, own.raised)
                    self._say_substation("level", own, moment, at)
            return
        everything = all(point in silent for point in own.points)
        if not everything or sum(not point.silent for point in own.points) < 2:
            return
        since = max(due[point.row] for point in own.points)
        own.raised = own.since = max(since, own.ended + 1)
        own.rank = max(0, *(rank for lasting, rank in steps if lasting <= 0))
        self._say_substation("raised", own, own.raised, at)
        for point in own.points:
            point.folded = True
            self._doubt(point, at)

    def _substation_is_back(self, own: Substation | None, arrived: int) -> None:
        assert own is not None
        assert own.raised is not None
        own.ended = max(arrived, own.raised)
        self._say_substation("cleared", own, own.ended, arrived)
        own.raised, own.rank = None, 0
        for point in own.points:
            point.folded = False
            point.arrived = max(point.arrived, arrived)

    def _say_substation(
        self, event: str, own: Substation, happened: int, arrived: int
    ) -> None:
        assert own.raised is not None
        nothing: dict[str, Any] = dict.fromkeys(("value", "limit", "peak", "peak_at"))
        self.said.append(
            Said(
                event=event,
                kind="substation_break",
                subject=f"substation:{own.name}",
                rule="silence",
                raised_at=own.raised,
                happened_at=happened,
                arrived_at=arrived,
                rank=own.rank,
                late=False,
                **nothing,
            )
        )

    # Links

    def _silence_row(self, kind: str, code: str) -> Rule:
        """The most specific one: for the mine, for its county, for any."""
        rows = [
            row
            for row in self.rules.levels
            if row.kind == kind
            and (not row.match.mine or code in row.match.mine)
            and (not row.match.area or code[:6] in row.match.area)
        ]
        return max(
            rows,
            key=lambda r: (bool(r.match.mine), bool(r.match.area), not r.shipped),
        )

    def _link_breaks(self, link: Link, at: int, arrived: int) -> None:
        at = max(at, link.ended + 1)
        link.raised = link.since = at
        steps = self._silence_row("link_break", link.code).bands[0].steps
        link.rank = max([0, *(rank for lasting, rank in steps if lasting <= 0)])
        self._say_link("raised", link, at, arrived)

    def _link_levels(self, link: Link, until: int) -> None:
        assert link.raised is not None
        for lasting, rank in self._silence_row("link_break", link.code).bands[0].steps:
            due = link.since + lasting
            if rank > link.rank and due <= until:
                link.rank = rank
                self._say_link("level", link, max(due, link.raised), until)

    def _link_is_back(self, link: Link, arrived: int) -> None:
        assert link.raised is not None
        link.ended = max(arrived, link.raised)
        self._say_link("cleared", link, link.ended, arrived)
        link.raised, link.rank, link.session = None, 0, arrived

    # Words

    def say(
        self,
        event: str,
        point: Point,
        life: Life,
        happened: int,
        arrived: int,
        value: float,
        *,
        late: bool = False,
    ) -> None:
        assert life.version is not None
        limit = None
        if life.kind in LIMIT_OF:
            limit = _none(life.version.limits[LIMIT_OF[life.kind][0]])
        if life.kind.endswith("pre_warning"):
            high = life.kind == "high_pre_warning"
            limit = _none(scalar_shape.pre_warning(life.version, high)[0])
        self.said.append(
            Said(
                event=event,
                kind=life.kind,
                subject=f"point:{self.table.keys[point.row]}",
                rule=life.version.rule,
                raised_at=life.raised,
                happened_at=happened,
                arrived_at=arrived,
                rank=life.rank,
                value=_none(value),
                limit=limit,
                peak=_none(life.peak),
                peak_at=life.peak_at,
                late=late,
            )
        )

    def _say_link(self, event: str, link: Link, happened: int, arrived: int) -> None:
        assert link.raised is not None
        nothing: dict[str, Any] = dict.fromkeys(("value", "limit", "peak", "peak_at"))
        self.said.append(
            Said(
                event=event,
                kind="link_break",
                subject=f"mine:{link.code}",
                rule="silence",
                raised_at=link.raised,
                happened_at=happened,
                arrived_at=arrived,
                rank=link.rank,
                late=False,
                **nothing,
            )
        )
