"""Periods are those of Beijing, and are compared with as much of the one before."""

from __future__ import annotations

from datetime import date

import pytest

from gasmon.errors import BadRequest
from gasmon.reports.period import day_of, month_of, period_of, range_of, week_of
from gasmon.units import US_PER_DAY, US_PER_H, iso_us, parse_iso_us

NOON = parse_iso_us("2026-03-05T12:00:00+08:00")


def test_a_day_begins_at_midnight_in_beijing() -> None:
    """16:00 UTC of the day before; 23:59 belongs to it and 24:00 does not."""
    day = day_of(date(2026, 3, 5))

    assert iso_us(day.from_us) == "2026-03-05T00:00:00.000+08:00"
    assert day.to_us - day.from_us == US_PER_DAY
    assert period_of("day", day.from_us) == day
    assert period_of("day", day.to_us - 1) == day
    assert period_of("day", day.to_us) != day


def test_weeks_begin_on_monday() -> None:
    """The 5th of March 2026 is a Thursday."""
    week = week_of(date(2026, 3, 5))

    assert iso_us(week.from_us)[:10] == "2026-03-02"
    assert week == week_of(date(2026, 3, 8)) != week_of(date(2026, 3, 9))


def test_months_are_as_long_as_they_are() -> None:
    """28, 31 and over the end of a year."""
    assert month_of(date(2026, 2, 9)).to_us == month_of(date(2026, 3, 31)).from_us
    assert iso_us(month_of(date(2026, 12, 31)).to_us)[:10] == "2027-01-01"


def test_a_whole_month_is_compared_with_the_whole_month_before() -> None:
    """March with all of February, though that is shorter."""
    march = month_of(date(2026, 3, 1))

    assert march.before(march.to_us) == month_of(date(2026, 2, 1))


def test_what_has_passed_is_compared_with_as_much() -> None:
    """The 5th at noon: 4.5 days of February; the 31st at noon: all of February."""
    march = month_of(date(2026, 3, 1))
    begun = march.before(NOON)

    assert iso_us(begun.from_us)[:10] == "2026-02-01"
    assert begun.to_us - begun.from_us == 4 * US_PER_DAY + 12 * US_PER_H
    late = march.before(parse_iso_us("2026-03-31T12:00:00+08:00"))
    assert late.to_us == march.from_us


def test_a_day_that_is_not_over_is_compared_with_the_same_hours() -> None:
    """Today up to noon with yesterday up to noon; a future day with nothing."""
    today = period_of("day", NOON)

    before = today.before(NOON)
    assert before.to_us == NOON - US_PER_DAY
    future = day_of(date(2026, 3, 9))
    assert future.end_us(NOON) == future.from_us
    ahead = future.before(NOON)
    assert ahead.to_us == ahead.from_us


def test_a_range_is_compared_with_as_long_a_time_before_it() -> None:
    """Ten hours with the ten before."""
    asked = range_of(NOON - 10 * US_PER_H, NOON)

    before = asked.before(NOON)
    assert (before.from_us, before.to_us) == (
        NOON - 20 * US_PER_H,
        NOON - 10 * US_PER_H,
    )
    assert period_of("range", NOON, from_us=NOON - 10 * US_PER_H) == asked


@pytest.mark.parametrize(
    ("kind", "more", "words"),
    [
        ("year", {}, "day, week, month, range"),
        ("range", {}, "wants from"),
        ("range", {"from_us": 0, "day": date(2026, 3, 5)}, "no day"),
        ("day", {"from_us": 0}, "neither from nor to"),
        ("month", {"to_us": 1}, "neither from nor to"),
        ("range", {"from_us": NOON, "to_us": NOON}, "0 days"),
        ("range", {"from_us": NOON - 367 * US_PER_DAY}, "367 days"),
    ],
)
def test_what_is_no_period_is_refused_with_its_reason(
    kind: str, more: dict[str, object], words: str
) -> None:
    """The kind, what is missing, or how long it would be."""
    with pytest.raises(BadRequest, match=words):
        period_of(kind, NOON, **more)  # type: ignore[arg-type]
