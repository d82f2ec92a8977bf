"""What holds now besides the readings: clocks, definitions, limits, floods, the spool.

Looked at once a second by the evaluating thread, so its events go the engine's way: to
the annunciator at once, then through the turn to database or spool.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.kinds import (
    CLOCK_WRONG,
    DEFINITIONS_MISSING,
    LIMITS_CHANGED,
    MESSAGE_FLOOD,
    OUR_CLOCK,
    SPOOL_FILLING,
    STANDING_KINDS,
)
from gasmon.alarms.rule_match import Subject, subject_of
from gasmon.alarms.rules import RuleSet
from gasmon.alarms.standing import Condition, StandingAlarms
from gasmon.batch import Int32
from gasmon.ingest.floods import Floods
from gasmon.pipeline.evaluate import Evaluator, Judged
from gasmon.pipeline.limitwatch import LimitWatch
from gasmon.pipeline.ourclock import OurClock
from gasmon.pipeline.outage import Outage
from gasmon.points import PointTable
from gasmon.store.alarms import OpenAlarm
from gasmon.units import US_PER_MIN, US_PER_S

CITY = "530600"
"""The area of what belongs to no mine: who sees the city sees it."""

DATABASE = "platform-database"
CLOCK = "platform-clock"
"""Subjects of alarms about gasmon itself."""

SENDS_WITHIN_US = 2 * US_PER_MIN
"""A point without definition counts while it sends this often [µs]: less than the delay
of its alarm, so that one that sent once by mistake is not told."""

YELLOW_BELOW_MIN = 240.0
ORANGE_BELOW_MIN = 60.0
"""Levels of a filling spool by the minutes that are left; ours: time to bring a
database back in office hours, and time to come in at night."""

FIRST_POINTS = 5
"""Points without definition that an event names."""


class Standing:
    """The alarms that the engine does not decide, from turn to turn.

    Attributes:
        undefined: mines with points that send and are not defined, to be asked.
    """

    def __init__(
        self,
        rules: RuleSet,
        evaluator: Evaluator,
        our_clock: OurClock,
        floods: Floods,
        areas: Sequence[str] = (),
    ) -> None:
        """Nothing stands yet.

        Args:
            evaluator: whose points and clocks of mines are looked at.
            our_clock: says whether ours is in doubt.
            floods: says which mines send too many messages.
            areas: codes of the areas that this process owns; none means all.
        """
        self.undefined: set[str] = set()
        self._alarms = StandingAlarms(rules, evaluator.engine.run)
        self._evaluator = evaluator
        self._our_clock = our_clock
        self._floods = floods
        self._limits = LimitWatch(evaluator)
        self._areas = frozenset(areas)
        # Several processes must not end one another's alarms.
        self._suffix = "@" + "-".join(sorted(areas)) if areas else ""
        self._provisional: tuple[PointTable | None, Int32] = (
            None,
            np.empty(0, np.int32),
        )

    def change_rules(self, rules: RuleSet) -> None:
        """Other levels from now on."""
        self._alarms.change_rules(rules)

    def owns(self, about: OpenAlarm | AlarmEvent) -> bool:
        """Whether an alarm is one that we decide."""
        if about.kind not in STANDING_KINDS:
            return False
        if about.subject_type == "link":
            return about.subject_id in (CLOCK + self._suffix, DATABASE + self._suffix)
        return not self._areas or about.area in self._areas

    def begin(
        self, recorded: Iterable[OpenAlarm], said: Iterable[AlarmEvent], now_us: int
    ) -> None:
        """Go on with what stood when a former process ended.

        Args:
            recorded: alarms that are open in the database.
            said: what was told since then, in order; it lies in the spool.
        """
        open_now: dict[str, OpenAlarm | AlarmEvent] = {}
        for alarm in filter(self.owns, recorded):
            subject = f"{alarm.subject_type}:{alarm.subject_id}"
            key = f"{alarm.run}/{subject}/{alarm.kind}/{alarm.raised_at_us}"
            open_now[key] = alarm
        for event in filter(self.owns, said):
            if event.event == "cleared":
                open_now.pop(event.key, None)
            else:
                open_now[event.key] = event
        for about in open_now.values():
            if about.kind == LIMITS_CHANGED:
                self._limits.go_on(about.mine, dict(about.explain), about.raised_at_us)
            condition = Condition(
                about.kind,
                about.subject_type,
                about.subject_id,
                about.area,
                about.mine,
                about.explain,
                who=self._who(about.mine),
            )
            self._alarms.restore(condition, about.raised_at_us, about.rank, now_us)

    def judge(self, judged: Judged, outage: Outage | None, now_us: int) -> None:
        """Add to a turn what became of what stands, if it has a clock mark.

        Args:
            outage: of the database; None while it is there.
        """
        self._limits.note(judged, now_us)
        if not judged.marks:
            return
        conditions = [
            *self._wrong_clocks(),
            *self._undefined(now_us),
            *self._flooding(now_us),
            *self._spool(outage),
            *(self._of_mine(*found) for found in self._limits.look(now_us)),
        ]
        doubt = self._our_clock.doubt()
        if doubt is not None:
            subject = CLOCK + self._suffix
            conditions.append(Condition(OUR_CLOCK, "link", subject, CITY, "", doubt))
        judged.events += self._alarms.judge(conditions, now_us)

    def _who(self, mine: str) -> Subject:
        """By what rules select a mine; nothing where there is none."""
        table = self._evaluator.book.table
        if mine not in table.mine_index:
            return Subject()
        return subject_of(None, table.mines[table.mine_index[mine]])

    def _of_mine(self, kind: str, mine: str, explain: dict[str, Any]) -> Condition:
        who, area = self._who(mine), mine[:6]
        return Condition(kind, "mine", mine, area, mine, explain, who=who)

    def _wrong_clocks(self) -> Iterator[Condition]:
        for clock in self._evaluator.clocks.wrong(self._evaluator.engine.run):
            explain = {
                "offset_s": clock.error_us / US_PER_S,
                "corrected": clock.offset_us != 0,
                "boot": clock.boot,
            }
            yield self._of_mine(CLOCK_WRONG, clock.mine, explain)

    def _undefined(self, now_us: int) -> Iterator[Condition]:
        book, state = self._evaluator.book, self._evaluator.engine.state
        if self._provisional[0] is not book.table:
            rows = [
                row
                for row, point in enumerate(book.table.current)
                if point.source == "provisional"
            ]
            self._provisional = (book.table, np.asarray(rows, np.int32))
        rows_now = self._provisional[1]
        rows_now = rows_now[rows_now < state.n]
        sends = state.last_arrived_us[rows_now] > now_us - SENDS_WITHIN_US
        # What never sent has no value; a row just made counts as heard.
        sends &= state.last_at_us[rows_now] > 0
        by_mine: dict[str, list[str]] = {}
        for row in rows_now[sends].tolist():
            key = book.table.keys[row]
            by_mine.setdefault(key.mine, []).append(key.no)
        self.undefined = set(by_mine)
        for mine, nos in by_mine.items():
            explain = {"points": len(nos), "first": nos[:FIRST_POINTS]}
            yield self._of_mine(DEFINITIONS_MISSING, mine, explain)

    def _flooding(self, now_us: int) -> Iterator[Condition]:
        for mine, n in self._floods.now(now_us).items():
            # What is taken from nobody is no mine of ours, whatever it sends.
            if self._evaluator.book.admits(mine):
                explain = {"messages": n, "messages_limit": self._floods.per_minute}
                yield self._of_mine(MESSAGE_FLOOD, mine, explain)

    def _spool(self, outage: Outage | None) -> Iterator[Condition]:
        if outage is None:
            return
        left_min = outage.minutes_left
        rank = 0
        if outage.readings_refused:
            rank = 4
        elif left_min is not None and left_min < YELLOW_BELOW_MIN:
            rank = 3 if left_min < ORANGE_BELOW_MIN else 2
        explain = {
            "turns": outage.n_turns,
            "minutes_left": None if left_min is None else round(left_min, 1),
            "refused": outage.readings_refused,
        }
        subject = DATABASE + self._suffix
        yield Condition(SPOOL_FILLING, "link", subject, CITY, "", explain, rank)
