"""What does not get somewhere calls the tier above, once and until it arrives."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gasmon.alarms.escalation import Answer, Due, History, dues, overdue_tiers
from gasmon.alarms.escalation_rules import (
    DELIVERED,
    default_escalation,
    parse_escalation,
)
from gasmon.alarms.receipts import Gap
from gasmon.units import US_PER_MIN as MIN

RULES = default_escalation()
ALL = frozenset({"mine", "county", "city"})
ORANGE = History("over_limit", "530627", False, False, levels=((0, 3),))


def missing(
    *tiers: str, rank: int = 3, from_us: int = MIN, until_us: int | None = None
) -> tuple[Gap, ...]:
    """Gaps of the tiers' recipients, of an event told at 0."""
    return tuple(Gap(tier, rank, 0, from_us, until_us) for tier in tiers)


def calls(history: History, present: frozenset[str] = ALL) -> list[Due]:
    """Steps about deliveries."""
    return [d for d in dues(RULES, history, present) if d.without == DELIVERED]


@pytest.mark.parametrize(
    ("tier", "called"), [("mine", "county"), ("county", "city"), ("city", "city")]
)
def test_the_tier_above_is_called(tier: str, called: str) -> None:
    """The city for itself: there is nobody above it."""
    (due,) = calls(replace(ORANGE, gaps=missing(tier)))
    assert (due.tier, due.of_tier) == (called, called)
    assert due.key == f"delivered/{called}/1"
    assert (due.since_us, due.due_us) == (0, 2 * MIN)
    assert overdue_tiers([due], 2 * MIN) == (called,)


def test_a_missing_tier_is_stood_for() -> None:
    """Without a county the city is called for the mine's room."""
    (due,) = calls(replace(ORANGE, gaps=missing("mine")), ALL - {"county"})
    assert (due.tier, due.of_tier) == ("city", "county")


def test_many_recipients_make_one_call_for_an_event() -> None:
    """From the first of them on, until the last has it."""
    gaps = (
        *missing("county", from_us=2 * MIN, until_us=9 * MIN),
        *missing("county", from_us=MIN, until_us=5 * MIN),
        *missing("mine"),
    )
    upper, lower = sorted(calls(replace(ORANGE, gaps=gaps)), key=lambda d: d.tier)
    assert (upper.tier, upper.due_us, upper.until_us) == ("city", 2 * MIN, 9 * MIN)
    assert lower.tier == "county"


@pytest.mark.parametrize(
    "change",
    [
        {"gaps": missing("county", until_us=2 * MIN)},
        {"confirmed": (Answer(0, tier="county", rank=3),)},
        {"confirmed": (Answer(0, tier="city", rank=3),)},
        {"handled": (Answer(0, tier="county"),)},
        {"quiet": (Answer(0),)},
        {"closed_us": MIN},
        {"late": True, "cleared_us": MIN},
    ],
)
def test_what_arrived_or_is_known_calls_nobody(change: dict[str, object]) -> None:
    """Before its time was over."""
    history = replace(ORANGE, gaps=missing("county"))
    assert calls(replace(history, **change)) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"confirmed": (Answer(0, tier="mine", rank=3),)},
        {"confirmed": (Answer(0, tier="county", rank=2),)},
        {"handled": (Answer(0, 90_000_000, tier="county"),)},
    ],
)
def test_another_tiers_word_or_an_older_one_does_not_count(
    change: dict[str, object],
) -> None:
    """The mine's mark says nothing about the county's screen."""
    history = replace(ORANGE, gaps=missing("county"))
    (due,) = calls(replace(history, **change))  # type: ignore[arg-type]
    assert due.due_us == 2 * MIN


def test_after_a_shelf_it_is_called_for_at_its_end() -> None:
    """A quiet time only puts it off."""
    shelved = replace(ORANGE, quiet=(Answer(0, 7 * MIN),), gaps=missing("county"))
    (due,) = calls(shelved)
    assert due.due_us == 7 * MIN


def test_rules_may_leave_it_out() -> None:
    """A file without such a step calls nobody."""
    rules = parse_escalation(
        'nearly_due = "1min"\nfold = "1min"\nstatus_report = "0s"\n'
        '[[escalate]]\nname = "all"\n[[escalate.step]]\nwithout = "confirmed"\n'
        'after = "3min"\ntier = "city"\n',
        "x.toml",
    )
    history = replace(ORANGE, gaps=missing("county"))
    found = dues(rules, history, ALL)
    assert [due.without for due in found] == ["confirmed"]
