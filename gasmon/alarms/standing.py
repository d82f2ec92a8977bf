"""Alarms about what holds or does not: clocks, definitions, floods, the spool. Pure.

The engine judges readings. What is decided elsewhere (a mine's clock is off, the
database is away) comes here as the list of conditions that hold now; out come the same
events as the engine's, so that they are stored, told and heard by the same ways.

Times are those of our steady clock, and durations are added up from one look to the
next, at most STEP_US each: a clock that jumps, or a process that stood still, neither
raises nor worsens anything by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.kinds import (
    CLOCK_WRONG,
    DEFINITIONS_MISSING,
    LIMITS_CHANGED,
    LIMITS_LOOSER,
    MESSAGE_FLOOD,
    OUR_CLOCK,
    SPOOL_FILLING,
)
from gasmon.alarms.quiet import QuietTable
from gasmon.alarms.rule_match import Subject
from gasmon.alarms.rule_spec import KindParams
from gasmon.alarms.rules import RuleSet
from gasmon.alarms.speak import in_words
from gasmon.alarms.state import LONG_AGO_US
from gasmon.units import US_PER_MIN, US_PER_S, iso_us

STEP_US = 10 * US_PER_S
"""Longest time that counts between two looks [µs]; looks are a second apart."""


@dataclass(frozen=True, slots=True)
class Delays:
    """How long a condition must hold to be told, and be gone to be over [µs]."""

    on_us: int
    off_us: int


DELAYS = {
    # Until then the mines can say that it is ours; one at the edge must not chatter.
    CLOCK_WRONG: Delays(2 * US_PER_MIN, 10 * US_PER_MIN),
    # The gateway was asked for them when the first reading came.
    DEFINITIONS_MISSING: Delays(5 * US_PER_MIN, 10 * US_PER_S),
    OUR_CLOCK: Delays(0, US_PER_MIN),
    # A restart of the database is over by then.
    SPOOL_FILLING: Delays(US_PER_MIN, US_PER_MIN),
    # What a mine wrote down is no flutter.
    LIMITS_LOOSER: Delays(0, 10 * US_PER_S),
    LIMITS_CHANGED: Delays(0, 10 * US_PER_S),
    # A ring buffer that is sent again is soon through: a flood holds until the minute
    # after it ends, so this takes five minutes in a row above the limit, 15,000
    # messages as shipped, which a mine with a frame each 5 s makes in 20 h. Bursts with
    # a few calm minutes between them are one alarm.
    MESSAGE_FLOOD: Delays(5 * US_PER_MIN, 5 * US_PER_MIN),
}
"""By kind; ours."""

Slot = tuple[str, str, str]
"""(subject type, subject id, kind): at most one alarm stands in each."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that holds now.

    Attributes:
        subject_type: mine, or link for what has no mine.
        mine: 12 digits; empty for a link.
        explain: numbers that a person needs to see why.
        who: by what rules select the mine; empty for a link.
        rank: the level is at least this, whatever the rule file says of its duration.
    """

    kind: str
    subject_type: str
    subject_id: str
    area: str
    mine: str = ""
    explain: Mapping[str, Any] = field(default_factory=dict)
    rank: int = 0
    who: Subject = field(default_factory=Subject)

    @property
    def slot(self) -> Slot:
        """Where its alarm stands."""
        return (self.subject_type, self.subject_id, self.kind)


@dataclass(slots=True)
class _Standing:
    """A condition that holds, or an alarm whose condition is gone since a moment.

    Attributes:
        holds: at the last look.
        for_us: how long it holds, or is gone, added up from look to look.
        raised_us: when its alarm began; None while it is not told.
        lasting_us: how long its alarm lasts, added up.
    """

    condition: Condition
    holds: bool = True
    for_us: int = 0
    raised_us: int | None = None
    lasting_us: int = 0
    rank: int = 0


class StandingAlarms:
    """What stands, from look to look; not thread-safe."""

    def __init__(self, rules: RuleSet, run: int = 0) -> None:
        self._run = run
        self._said: dict[tuple[str, Subject], KindParams] = {}
        self.change_rules(rules)
        self._all: dict[Slot, _Standing] = {}
        self._ended_us: dict[Slot, int] = {}
        self._looked_us: int | None = None

    def change_rules(self, rules: RuleSet) -> None:
        """Other levels from now on; those that were reached stay."""
        self._rules = rules
        self._said.clear()

    def _params(self, about: Condition) -> KindParams:
        """What the rules say of a condition."""
        key = about.kind, about.who
        found = self._said.get(key) or self._rules.book.params(*key)
        assert found is not None  # these kinds are never off
        self._said[key] = found
        return found

    @property
    def n_raised(self) -> int:
        """Alarms that stand."""
        return sum(one.raised_us is not None for one in self._all.values())

    def restore(
        self, condition: Condition, raised_us: int, rank: int, now_us: int
    ) -> None:
        """Go on with an alarm that was open when the process ended.

        Args:
            condition: its kind and subject; whether it holds still, the next looks say.
            rank: its level, which stays latched.
            now_us: it stood all the time until now [µs UTC].
        """
        self._all[condition.slot] = _Standing(
            condition,
            raised_us=raised_us,
            lasting_us=max(0, now_us - raised_us),
            rank=rank,
        )

    def judge(
        self,
        conditions: Iterable[Condition],
        now_us: int,
        quiet: QuietTable | None = None,
    ) -> list[AlarmEvent]:
        """Take what holds now.

        Args:
            conditions: all that hold; of two with one slot the later counts.
            now_us: our steady time [µs UTC]; it may step in either direction.
            quiet: what keeps alarms of mines from waking people.

        Returns:
            What became of it: raised, level and cleared events.
        """
        looked_us = now_us if self._looked_us is None else self._looked_us
        step_us = min(max(0, now_us - looked_us), STEP_US)
        self._looked_us = now_us
        holding = {condition.slot: condition for condition in conditions}
        for slot, condition in holding.items():
            # A new one holds since now: the step before it does not count.
            self._all.setdefault(slot, _Standing(condition, for_us=-step_us))
        said = []
        for slot, one in list(self._all.items()):
            condition_now = holding.get(slot)
            holds = condition_now is not None
            one.condition = condition_now or one.condition
            # Time counts between two looks that saw the same.
            one.for_us = one.for_us + step_us if holds == one.holds else 0
            one.holds = holds
            if one.raised_us is not None:
                one.lasting_us += step_us
            event = self._step(slot, one, now_us)
            if event is not None:
                said.append(self._told(event, one, now_us, quiet or QuietTable()))
            is_over = event is not None and event[0] == "cleared"
            if not holds and (is_over or one.raised_us is None):
                del self._all[slot]
        return said

    def _step(self, slot: Slot, one: _Standing, now_us: int) -> tuple[str, int] | None:
        """What happens to one, and when [µs UTC]; None when nothing does."""
        delays = DELAYS[one.condition.kind]
        if one.raised_us is None:
            if not one.holds or one.for_us < delays.on_us:
                return None
            one.lasting_us = one.for_us - delays.on_us
            # After a step back of our clock: not the alarm before once more.
            after_us = self._ended_us.get(slot, LONG_AGO_US) + 1
            one.raised_us = max(now_us - one.lasting_us, after_us)
            one.rank = max(self._earned(one), one.condition.rank)
            return "raised", one.raised_us
        if not one.holds and one.for_us >= delays.off_us:
            ended_us = max(now_us - (one.for_us - delays.off_us), one.raised_us)
            self._ended_us[slot] = ended_us
            return "cleared", ended_us
        # What is gone for a moment does not get worse meanwhile.
        rank = max(self._earned(one), one.condition.rank) if one.holds else one.rank
        if rank <= one.rank:
            return None
        one.rank = rank
        return "level", max(now_us, one.raised_us)

    def _earned(self, one: _Standing) -> int:
        graded_by = self._rules.levels[self._params(one.condition).level]
        steps = graded_by.bands[0].steps
        return max(
            (rank for after, rank in steps if after <= one.lasting_us), default=0
        )

    def _told(
        self, event: tuple[str, int], one: _Standing, now_us: int, quiet: QuietTable
    ) -> AlarmEvent:
        condition, (word, happened_us) = one.condition, event
        assert one.raised_us is not None
        params = self._params(condition)
        subject = f"{condition.subject_type}:{condition.subject_id}"
        window = quiet.look_up((subject,), happened_us, one.rank, None, condition.kind)
        return AlarmEvent(
            event=word,
            kind=condition.kind,
            rule="standing",
            subject_type=condition.subject_type,
            subject_id=condition.subject_id,
            area=condition.area,
            mine=condition.mine,
            raised_at_us=one.raised_us,
            happened_at_us=happened_us,
            arrived_at_us=now_us,
            decided_at_us=now_us,
            rank=one.rank,
            run=self._run,
            planned=bool(window and window.planned),
            quiet=window.name if window else None,
            explain={
                **condition.explain,
                "level_rule": params.level + 1,
                **in_words(params.text),
                "since": iso_us(one.raised_us),
                "lasting_s": one.lasting_us / US_PER_S,
            },
        )
