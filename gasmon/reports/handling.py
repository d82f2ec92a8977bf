"""Whether alarms were confirmed and handled in time. Pure.

The times are those of the escalation rules: a tier is late when the tier above would be
called. What asks nobody (ungraded, planned, discovered late) is not assessed, and where
the rule stops when the value is back, neither is what was over before its time came.
The mark that counts is the tier's own: a county that leaves it to its mines is late.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from gasmon.alarms.escalation_rules import EscalationRules
from gasmon.reports.facts import AlarmFact

CONFIRMED = "confirmed"
HANDLED = "handled"
WHAT = (CONFIRMED, HANDLED)

ASSESSED = {"county": "mine", "city": "county"}
"""Whose duty it was when a tier is called."""


@dataclass(frozen=True, slots=True)
class Timely:
    """How one tier answered.

    Attributes:
        n_asked: alarms whose time to answer is over, or that were answered.
        n_in_time: of which answered in time.
        median_us: from when it was told to the answer [µs]; None without an answer.
    """

    n_asked: int
    n_in_time: int
    median_us: int | None

    @property
    def n_late(self) -> int:
        """Answered late, or not at all."""
        return self.n_asked - self.n_in_time

    @property
    def rate_pct(self) -> float | None:
        """Share that was answered in time [%]; None when nothing was asked."""
        return 100.0 * self.n_in_time / self.n_asked if self.n_asked else None


Handling = dict[tuple[str, str], Timely]
"""By tier (of the values of ``ASSESSED``) and what (of ``WHAT``)."""


def handling_of(
    facts: Iterable[AlarmFact], rules: EscalationRules, now_us: int
) -> Handling:
    """How mines and counties answered alarms.

    Args:
        facts: of the alarms that are assessed.
        now_us: wall time [µs UTC]; what is not due yet and not answered is left out.
    """
    in_time: dict[tuple[str, str], list[bool]] = {}
    took_us: dict[tuple[str, str], list[int]] = {}
    for fact in facts:
        for about, due_us in _due(fact, rules).items():
            tier, what = about
            done = fact.confirmed if what == CONFIRMED else fact.handled
            at_us = done.get(tier)
            if at_us is not None:
                took_us.setdefault(about, []).append(max(0, at_us - fact.told_us))
            elif due_us > now_us:
                continue
            told = at_us is not None and at_us <= due_us
            in_time.setdefault(about, []).append(told)
    abouts = [(tier, what) for tier in ASSESSED.values() for what in WHAT]
    return {
        about: Timely(
            n_asked=len(in_time.get(about, ())),
            n_in_time=sum(in_time.get(about, ())),
            median_us=round(median(took_us[about])) if about in took_us else None,
        )
        for about in abouts
    }


def _due(fact: AlarmFact, rules: EscalationRules) -> dict[tuple[str, str], int]:
    """By when each tier owed what [µs UTC]."""
    if fact.planned or fact.late:
        return {}
    row = rules.row_for(fact.kind, fact.area, fact.rank, False)
    found: dict[tuple[str, str], int] = {}
    for step in row.steps:
        if step.without not in WHAT or step.tier not in ASSESSED:
            continue
        about = (ASSESSED[step.tier], step.without)
        due_us = fact.told_us + step.after_us
        is_over = fact.cleared_us is not None and fact.cleared_us <= due_us
        done = fact.confirmed if step.without == CONFIRMED else fact.handled
        if is_over and not row.goes_on and about[0] not in done:
            continue
        found[about] = min(due_us, found.get(about, due_us))
    return found
