"""Which alarms make the load."""

from __future__ import annotations

import pytest

from gasmon.shifts.causes import MOST_CAUSES, causes_of
from gasmon.units import US_PER_MIN, US_PER_S


def test_a_flood_is_ranked_by_what_made_it() -> None:
    """The alarm that came oftenest is first, with its share of everything."""
    often = [("point:a", "over_limit", i * US_PER_MIN) for i in range(6)]
    seldom = [("point:b", "over_limit", 0), ("point:a", "sensor_break", 0)]
    found = causes_of([*seldom, *often])
    named = [(one.subject, one.kind, one.n) for one in found]
    assert named == [
        ("point:a", "over_limit", 6),
        ("point:a", "sensor_break", 1),
        ("point:b", "over_limit", 1),
    ]
    assert [one.share_pct for one in found] == [75.0, 12.5, 12.5]


@pytest.mark.parametrize(
    ("times_s", "chattering"),
    [([0, 30, 59], True), ([0, 30, 60], False), ([59, 0, 30], True), ([0, 1], False)],
)
def test_three_in_a_minute_are_chattering(times_s: list[int], chattering: bool) -> None:
    """Three times in less than 60 s, whatever their order."""
    told = [("point:a", "over_limit", second * US_PER_S) for second in times_s]
    assert causes_of(told)[0].chattering is chattering


def test_only_ten_are_named_and_nothing_has_no_cause() -> None:
    """A list for people; an hour without alarms has none."""
    many = [(f"point:{i}", "over_limit", 0) for i in range(MOST_CAUSES + 5)]
    assert len(causes_of(many)) == MOST_CAUSES
    assert causes_of([]) == []
