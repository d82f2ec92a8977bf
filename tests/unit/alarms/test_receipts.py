"""Which steps of a delivery are missing, and from when to when."""

from __future__ import annotations

import pytest

from gasmon.alarms.receipts import (
    BLOCKED,
    PROMISED,
    SENT,
    STEPS,
    STORED,
    Allowed,
    gap,
    missing,
)

ALLOWED = Allowed(stored_us=10, drawn_us=20, confirmed_us=50)
PLATFORM = (SENT, STORED)


@pytest.mark.parametrize(
    ("done", "promised", "lacks"),
    [
        ((), (), ("sent", "stored")),
        (("sent",), (), ("stored",)),
        (("stored",), (), ()),
        (("drawn",), (), ()),
        (("sent", "stored"), ("drawn", "sounded"), ("drawn", "sounded")),
        (("sent", "sounded"), ("drawn", "sounded"), ("drawn",)),
        (("drawn", BLOCKED), ("drawn", "sounded"), ("sounded",)),
        (STEPS, PROMISED, ()),
    ],
)
def test_a_later_step_proves_the_earlier_ones(
    done: tuple[str, ...], promised: tuple[str, ...], lacks: tuple[str, ...]
) -> None:
    """But whether it was drawn or sounded, only the recipient's own word says."""
    assert missing(done, (*PLATFORM, *promised), 50, ALLOWED) == lacks


@pytest.mark.parametrize(
    ("age_us", "lacks"),
    [
        (9, ()),
        (10, ("sent", "stored")),
        (20, ("sent", "stored", "drawn", "sounded")),
        (49, ("sent", "stored", "drawn", "sounded")),
        (50, ("sent", "stored", "drawn", "sounded", "confirmed")),
    ],
)
def test_each_step_has_its_time(age_us: int, lacks: tuple[str, ...]) -> None:
    """A line may be dead for a moment, and people need longer than programs."""
    assert missing((), (*PLATFORM, *PROMISED), age_us, ALLOWED) == lacks


@pytest.mark.parametrize(
    ("done", "wanted", "found"),
    [
        ({}, PLATFORM, (110, None)),
        ({"sent": 105}, PLATFORM, (110, None)),
        ({"sent": 105, "stored": 110}, PLATFORM, None),
        ({"drawn": 108}, PLATFORM, None),
        ({"sent": 105, "stored": 111}, PLATFORM, (110, 111)),
        ({"stored": 111}, (*PLATFORM, "drawn"), (110, None)),
        ({"stored": 103}, (*PLATFORM, "drawn"), (120, None)),
        ({"stored": 111, "drawn": 130}, (*PLATFORM, "drawn"), (110, 130)),
        ({"drawn": 101, BLOCKED: 102}, ("drawn", "sounded"), (120, None)),
    ],
)
def test_a_gap_lasts_from_the_first_missing_step_to_the_last(
    done: dict[str, int], wanted: tuple[str, ...], found: tuple[int, int | None] | None
) -> None:
    """It is known beforehand from when a step will be missing."""
    got = gap(done, wanted, tier="county", rank=3, told_us=100, allowed=ALLOWED)
    assert (got and (got.from_us, got.until_us)) == found
