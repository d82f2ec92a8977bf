"""In time is before the tier above would be called, by the tier's own mark."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gasmon.alarms.escalation_rules import default_escalation, parse_escalation
from gasmon.reports.handling import Timely, handling_of
from gasmon.units import US_PER_MIN
from tests.fix_reports import FACT

RULES = default_escalation()
TOLD = FACT.told_us
LATER = TOLD + 100 * US_PER_MIN
SEVERE = replace(FACT, rank=3)


def timely(fact: Any, tier: str, what: str, now_us: int = LATER) -> Timely:
    """How one tier answered one alarm."""
    return handling_of([fact], RULES, now_us)[tier, what]


@pytest.mark.parametrize(
    ("tier", "what", "limit_min"),
    [
        ("mine", "confirmed", 3),
        ("county", "confirmed", 10),
        ("mine", "handled", 20),
        ("county", "handled", 40),
    ],
)
def test_the_time_is_that_of_the_rules(tier: str, what: str, limit_min: int) -> None:
    """At the limit in time, a microsecond later late; the shipped rules' times."""
    for after_us, n_in_time in ((0, 1), (1, 0)):
        at_us = TOLD + limit_min * US_PER_MIN + after_us
        fact = replace(SEVERE, cleared_us=None, **{what: {tier: at_us}})

        found = timely(fact, tier, what)

        assert (found.n_asked, found.n_in_time) == (1, n_in_time)
        assert found.median_us == at_us - TOLD
        assert found.n_late == 1 - n_in_time


def test_nobody_answered_is_late_once_its_time_is_over() -> None:
    """Before that it is neither; there is no answer to take a median of."""
    fact = replace(SEVERE, cleared_us=None)

    assert timely(fact, "mine", "confirmed", TOLD + US_PER_MIN).rate_pct is None
    late = timely(fact, "mine", "confirmed", TOLD + 4 * US_PER_MIN)
    assert (late.n_asked, late.rate_pct, late.median_us) == (1, 0.0, None)


def test_the_marks_of_other_tiers_do_not_count() -> None:
    """What the city confirmed is no merit of the county."""
    fact = replace(SEVERE, confirmed={"city": TOLD, "mine": TOLD})

    assert timely(fact, "county", "confirmed").n_in_time == 0
    assert timely(fact, "mine", "confirmed").rate_pct == 100.0


def test_what_was_over_by_itself_is_owed_only_where_the_rule_goes_on() -> None:
    """Yellow, over after a minute: nobody is late; orange goes on; an answer counts."""
    over = replace(FACT, cleared_us=TOLD + US_PER_MIN)

    assert timely(over, "mine", "confirmed").n_asked == 0
    assert timely(replace(over, rank=3), "mine", "confirmed").n_asked == 1
    answered = replace(over, confirmed={"mine": TOLD + 2 * US_PER_MIN})
    assert timely(answered, "mine", "confirmed").rate_pct == 100.0


@pytest.mark.parametrize("name", ["planned", "late"])
def test_what_asks_nobody_is_not_assessed(name: str) -> None:
    """Planned, discovered late, ungraded."""
    for fact in (replace(SEVERE, **{name: True}), replace(FACT, rank=0)):
        assert timely(fact, "mine", "confirmed").n_asked == 0


def test_the_first_of_two_steps_counts() -> None:
    """A site that calls the county twice: late from the first call on."""
    step = (
        '[[escalate.step]]\nwithout = "confirmed"\nafter = "%dmin"\ntier = "county"\n'
    )
    heads = 'nearly_due = "1min"\nfold = "10min"\nstatus_report = "0s"\n'
    text = heads + f'[[escalate]]\nname = "all"\nsource = "test"\n{step % 5}{step % 9}'
    rules = parse_escalation(text, "two.toml")
    fact = replace(SEVERE, cleared_us=None, confirmed={"mine": TOLD + 6 * US_PER_MIN})

    found = handling_of([fact], rules, LATER)

    assert found["mine", "confirmed"].n_late == 1
    assert found["county", "confirmed"].n_asked == 0
