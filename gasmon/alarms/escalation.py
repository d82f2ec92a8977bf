"""Escalation: when an alarm that nobody answers becomes whose duty. Pure.

Everything is computed from an alarm's history in **wall time** (people have minutes of
their own lives to answer in, whatever time a reading bears), and nothing is remembered:
no timer runs anywhere. What has come due up to a moment cannot be changed by what
happens after it, so one look after an hour finds the same steps as a look each second
would have, and a restart can neither lose nor invent one. Property tests hold this.

An alarm is *owed* while nobody up to a tier has answered its present level. Answers
are the marks of that tier and of those below it (the mine answers for itself, and an
upper tier's mark never lifts the duty of a lower one), and what keeps it quiet. A step
comes when an alarm was owed for its time. A level that rises past what was answered is
owed anew; one that rises while the alarm is owed calls again at the higher level, at
once where the time is over.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from gasmon.alarms.escalation_rules import (
    DELIVERED,
    EscalationRule,
    EscalationRules,
    Step,
)
from gasmon.alarms.events import RED
from gasmon.alarms.lifecycle import TIERS
from gasmon.alarms.receipts import Gap

NEVER_US = 2**62
"""A time that does not come [µs UTC]."""

REPORT = "report"
"""What a tier that handles owes again and again, beside what steps wait for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What answers an alarm for a time.

    Attributes:
        from_us: first moment [µs UTC].
        until_us: first moment at which it no longer does [µs UTC]; ``NEVER_US`` while
            nothing ended it.
        tier: whose it is; None counts for every tier.
        rank: the highest level that it is an answer to.
    """

    from_us: int
    until_us: int = NEVER_US
    tier: str | None = None
    rank: int = RED


@dataclass(frozen=True, slots=True)
class History:
    """What is known of one alarm, in wall time.

    Attributes:
        planned: planned work keeps it quiet.
        late: it was found after it was over.
        levels: (when it was told [µs UTC], rank), both rising; the first is its begin.
        confirmed: marks of the tiers.
        handled: records of handling and reports that stood from when to when; they
            answer every level, because whoever is at work there is at work.
        quiet: shelves and other windows.
        cleared_us: when it was told that the value is back [µs UTC].
        closed_us: when it was closed [µs UTC].
        gaps: whom its events did not reach in time.
    """

    kind: str
    area: str
    planned: bool
    late: bool
    levels: tuple[tuple[int, int], ...]
    confirmed: tuple[Answer, ...] = ()
    handled: tuple[Answer, ...] = ()
    quiet: tuple[Answer, ...] = ()
    cleared_us: int | None = None
    closed_us: int | None = None
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class Due:
    """One step that came, or will come if nothing more happens.

    Attributes:
        key: of the step; with ``rank`` and ``since_us`` it names what happens once.
        rule: name of the row that it comes from; empty for a status report.
        without: what is missing.
        rank: the level at which it came.
        since_us: from when on the alarm was owed without a break [µs UTC].
        due_us: when it came or will come [µs UTC].
        until_us: when it was answered or over [µs UTC]; ``NEVER_US`` while it is not.
        tier: who must act.
        of_tier: whom the rule names; another than ``tier`` where that one is missing.
        channels: names or kinds of channels to call.
    """

    key: str
    rule: str
    without: str
    rank: int
    since_us: int
    due_us: int
    until_us: int
    tier: str
    of_tier: str
    channels: tuple[str, ...]


def acting_tier(tier: str, present: frozenset[str]) -> str:
    """Who acts for a tier: itself, else the next above it that is there.

    Where nobody is, it is the highest: a duty that is nobody's would be seen by nobody.
    """
    for above in TIERS[TIERS.index(tier) :]:
        if above in present:
            return above
    return TIERS[-1]


def dues(
    rules: EscalationRules, history: History, present: frozenset[str]
) -> list[Due]:
    """All steps of an alarm, past and to come, in the order of their time.

    Args:
        present: the tiers that are there for this alarm.
    """
    found = [*_reports(rules, history), *_undelivered(rules, history, present)]
    for without, tier in sorted(_wanted(rules, history, present)):
        for piece in _owed(rules, history, without, tier):
            for step in piece.rule.steps:
                who = acting_tier(step.tier, present)
                if (step.without, who) == (without, tier):
                    found.extend(_due(piece, step, who))
    return sorted(found, key=lambda d: (d.due_us, TIERS.index(d.of_tier), d.key))


def came(steps: Iterable[Due], now_us: int) -> list[Due]:
    """Those whose time has come."""
    return [due for due in steps if due.due_us <= now_us]


def overdue_tiers(steps: Iterable[Due], now_us: int) -> tuple[str, ...]:
    """Who must act now: a step came, and nobody answered since."""
    late = {due.tier for due in came(steps, now_us) if due.until_us > now_us}
    return tuple(tier for tier in TIERS if tier in late)


def next_due(steps: Iterable[Due], now_us: int) -> Due | None:
    """The first step that is still to come, if nothing more happens."""
    return next((due for due in steps if due.due_us > now_us), None)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A time in which an alarm is owed at one level."""

    rule: EscalationRule
    rank: int
    since_us: int
    from_us: int
    until_us: int
    over_us: int


def _wanted(
    rules: EscalationRules, history: History, present: frozenset[str]
) -> set[tuple[str, str]]:
    """(what is missing, who acts) of the steps that this alarm may meet."""
    return {
        (step.without, acting_tier(step.tier, present))
        for _, rank in history.levels
        for step in _row(rules, history, rank).steps
        if step.without != DELIVERED
    }


def _row(rules: EscalationRules, history: History, rank: int) -> EscalationRule:
    return rules.row_for(history.kind, history.area, rank, history.planned)


def _owed(
    rules: EscalationRules, history: History, without: str, tier: str
) -> list[_Piece]:
    """When nobody up to a tier had answered the level of that time."""
    said = history.confirmed if without == "confirmed" else history.handled
    upto = (None, *TIERS[: TIERS.index(tier) + 1])
    answers = [answer for answer in said if answer.tier in upto]
    answers.extend(history.quiet)
    found: list[tuple[EscalationRule, int, int, int, int]] = []
    since_us, last_us = 0, -1
    ends = [at_us for at_us, _ in history.levels[1:]] + [NEVER_US]
    for (start_us, rank), end_us in zip(history.levels, ends, strict=True):
        rule = _row(rules, history, rank)
        stop_us = min(end_us, _over_us(history, rule))
        counting = [answer for answer in answers if answer.rank >= rank]
        for from_us, until_us in _uncovered(start_us, stop_us, counting):
            if from_us != last_us:
                since_us = from_us
            last_us = until_us
            found.append((rule, rank, since_us, from_us, until_us))
    over = {since_us: until_us for _, _, since_us, _, until_us in found}
    return [_Piece(*piece, over_us=over[piece[2]]) for piece in found]


def _over_us(history: History, rule: EscalationRule) -> int:
    """When nobody is called for it any more at this rule's levels."""
    end_us = NEVER_US if history.closed_us is None else history.closed_us
    if history.cleared_us is not None and (history.late or not rule.goes_on):
        end_us = min(end_us, history.cleared_us)
    return end_us


def _uncovered(
    start_us: int, stop_us: int, answers: Iterable[Answer]
) -> Iterator[tuple[int, int]]:
    """The parts of [start, stop) that no answer covers, in order."""
    at_us = start_us
    for answer in sorted(answers, key=lambda a: a.from_us):
        if answer.from_us > at_us and at_us < stop_us:
            yield at_us, min(answer.from_us, stop_us)
        at_us = max(at_us, answer.until_us)
    if at_us < stop_us:
        yield at_us, stop_us


def _due(piece: _Piece, step: Step, tier: str) -> Iterator[Due]:
    due_us = max(piece.since_us + step.after_us, piece.from_us)
    if due_us < piece.until_us:
        yield Due(
            key=step.key,
            rule=piece.rule.name,
            without=step.without,
            rank=piece.rank,
            since_us=piece.since_us,
            due_us=due_us,
            until_us=piece.over_us,
            tier=tier,
            of_tier=step.tier,
            channels=step.channels,
        )


def _undelivered(
    rules: EscalationRules, history: History, present: frozenset[str]
) -> Iterable[Due]:
    """An event that did not get somewhere calls the tier above, once for all of them.

    Whoever answered the alarm in that tier, or above it up to the one that is called,
    knows of it.
    """
    found: dict[tuple[str, int, int], Due] = {}
    for gap in history.gaps:
        rule = _row(rules, history, gap.rank)
        over_us = _over_us(history, rule)
        if gap.until_us is not None:
            over_us = min(over_us, gap.until_us)
        above = TIERS[min(TIERS.index(gap.tier) + 1, len(TIERS) - 1)]
        who = acting_tier(above, present)
        knowing = TIERS[TIERS.index(gap.tier) : TIERS.index(who) + 1]
        answers = [
            answer
            for answer in (*history.confirmed, *history.handled, *history.quiet)
            if answer.rank >= gap.rank and answer.tier in (None, *knowing)
        ]
        pieces = list(_uncovered(gap.from_us, over_us, answers))
        for step in rule.steps:
            if (step.without, step.tier) != (DELIVERED, above):
                continue
            due = _first_due(rule, step, gap, who, pieces)
            if due is None:
                continue
            key = (due.key, due.rank, due.since_us)
            before = found.setdefault(key, due)
            found[key] = replace(
                due,
                due_us=min(due.due_us, before.due_us),
                until_us=max(due.until_us, before.until_us),
            )
    return found.values()


def _first_due(
    rule: EscalationRule,
    step: Step,
    gap: Gap,
    tier: str,
    pieces: Iterable[tuple[int, int]],
) -> Due | None:
    """When a gap calls: in the first of its pieces that lasts until then."""
    for from_us, until_us in pieces:
        due_us = max(gap.from_us + step.after_us, from_us)
        if due_us < until_us:
            return Due(
                key=step.key,
                rule=rule.name,
                without=DELIVERED,
                rank=gap.rank,
                since_us=gap.told_us,
                due_us=due_us,
                until_us=until_us,
                tier=tier,
                of_tier=step.tier,
                channels=step.channels,
            )
    return None


def _reports(rules: EscalationRules, history: History) -> Iterator[Due]:
    """A report is due some time after the last word of a tier that handles."""
    if not rules.report_us:
        return
    ends = (history.cleared_us, history.closed_us)
    over_us = min(NEVER_US if end_us is None else end_us for end_us in ends)
    # Two words of one moment are one.
    words = {(word.tier, word.from_us): word for word in history.handled}
    for word in words.values():
        assert word.tier is not None, "whoever handles has a tier"
        later = [
            other.from_us
            for other in history.handled
            if other.tier == word.tier and other.from_us > word.from_us
        ]
        until_us = min(over_us, word.until_us, *later, NEVER_US)
        due_us = word.from_us + rules.report_us
        if due_us < until_us:
            yield Due(
                key=f"{REPORT}/{word.tier}/1",
                rule="",
                without=REPORT,
                rank=_rank_at(history, due_us),
                since_us=word.from_us,
                due_us=due_us,
                until_us=until_us,
                tier=word.tier,
                of_tier=word.tier,
                channels=rules.report_channels,
            )


def _rank_at(history: History, at_us: int) -> int:
    """The level at a time."""
    ranks = [rank for start_us, rank in history.levels if start_us <= at_us]
    return ranks[-1] if ranks else history.levels[0][1]
