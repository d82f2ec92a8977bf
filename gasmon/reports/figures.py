"""The figures of some alarms in a time. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from gasmon.reports.facts import METHANE, OVER_LIMIT, AlarmFact

N_RANKS = 5
GRADES_PCT = (2.0, 3.0)
"""Peaks of methane are graded below 2 %, below 3 % and from 3 % on (grades that
neighbouring platforms show afterwards)."""


@dataclass(frozen=True, slots=True)
class Peak:
    """The highest methane value of a time [%], and whose it was."""

    value: float
    at_us: int
    alarm_id: int
    mine: str | None
    mine_name: str
    place: str


@dataclass(frozen=True, slots=True)
class Figures:
    """What alarms came to.

    Attributes:
        n_alarms: raised in the time, planned ones not among them.
        n_planned: raised in it and kept quiet by planned work.
        n_late: of ``n_alarms`` discovered after the fact.
        by_rank: ``n_alarms`` by the highest level each had, ungraded first.
        n_carried_in: began before the time and were on in it, planned ones too.
        n_on_at_end: on at the end of the time, or now.
        n_over: over-limit alarms among ``n_alarms``; ``n_over_planned`` the planned.
        over_us: time over the limit within the time [µs], planned not among it.
        over_planned_us: the same under planned work [µs].
        longest_us: the longest over-limit alarm, also what of it lies before [µs].
        n_ongoing: over-limit alarms that are on at the end.
        peak: the highest methane value reached in the time in an over-limit alarm.
        by_grade: over-limit alarms of methane, by the grade of their peak.
    """

    n_alarms: int
    n_planned: int
    n_late: int
    by_rank: tuple[int, ...]
    n_carried_in: int
    n_on_at_end: int
    n_over: int
    n_over_planned: int
    over_us: int
    over_planned_us: int
    longest_us: int
    n_ongoing: int
    peak: Peak | None
    by_grade: tuple[int, ...]


def figures_of(facts: Sequence[AlarmFact], from_us: int, end_us: int) -> Figures:
    """Count alarms of a time.

    Args:
        facts: of any alarms; those that the time does not touch are passed over.
        from_us: first moment [µs UTC].
        end_us: first moment after it, not after now [µs UTC].
    """
    here = [fact for fact in facts if fact.touches(from_us, end_us)]
    raised = [fact for fact in here if fact.raised_us >= from_us]
    counted = [fact for fact in raised if not fact.planned]
    over = [fact for fact in here if fact.kind == OVER_LIMIT]
    n_over = sum(fact.kind == OVER_LIMIT for fact in counted)
    n_over_raised = sum(fact.kind == OVER_LIMIT for fact in raised)
    return Figures(
        n_alarms=len(counted),
        n_planned=len(raised) - len(counted),
        n_late=sum(fact.late for fact in counted),
        by_rank=tuple(
            sum(fact.rank == rank for fact in counted) for rank in range(N_RANKS)
        ),
        n_carried_in=len(here) - len(raised),
        n_on_at_end=sum(fact.is_on_at(end_us) for fact in here),
        n_over=n_over,
        n_over_planned=n_over_raised - n_over,
        over_us=sum(f.within_us(from_us, end_us) for f in over if not f.planned),
        over_planned_us=sum(f.within_us(from_us, end_us) for f in over if f.planned),
        longest_us=max((f.within_us(f.raised_us, end_us) for f in over), default=0),
        n_ongoing=sum(fact.is_on_at(end_us) for fact in over),
        peak=_peak(over, from_us, end_us),
        by_grade=_grades(counted),
    )


def _peak(over: Sequence[AlarmFact], from_us: int, end_us: int) -> Peak | None:
    """Of methane alone: other quantities are not to be compared with it."""
    found = [
        (fact.peak, -fact.peak_us, fact)
        for fact in over
        if fact.quantity == METHANE
        and fact.peak is not None
        and fact.peak_us is not None
        and from_us <= fact.peak_us < end_us
    ]
    if not found:
        return None
    value, before_us, fact = max(found, key=lambda one: one[:2])
    return Peak(value, -before_us, fact.alarm_id, fact.mine, fact.mine_name, fact.place)


def _grades(counted: Sequence[AlarmFact]) -> tuple[int, ...]:
    counts = [0] * (len(GRADES_PCT) + 1)
    for fact in counted:
        if fact.kind != OVER_LIMIT or fact.quantity != METHANE or fact.peak is None:
            continue
        counts[sum(fact.peak >= grade for grade in GRADES_PCT)] += 1
    return tuple(counts)
