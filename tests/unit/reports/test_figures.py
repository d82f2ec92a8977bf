"""Counts, times and maxima: midnight, what is still on, what lasted no time at all."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gasmon.reports.facts import AlarmFact
from gasmon.reports.figures import figures_of
from gasmon.units import US_PER_DAY, US_PER_H, US_PER_MIN
from tests.fix_reports import DAY, FACT, NEXT


def test_an_alarm_over_midnight_counts_once_and_its_time_on_both_days() -> None:
    """Raised 23:50, over at 00:20: one on the first day, 10 min and 20 min."""
    fact = replace(
        FACT, raised_us=NEXT - 10 * US_PER_MIN, cleared_us=NEXT + 20 * US_PER_MIN
    )

    first = figures_of([fact], DAY, NEXT)
    second = figures_of([fact], NEXT, NEXT + US_PER_DAY)

    assert (first.n_over, first.n_carried_in, first.n_on_at_end) == (1, 0, 1)
    assert (second.n_over, second.n_carried_in, second.n_on_at_end) == (0, 1, 0)
    assert (first.over_us, second.over_us) == (10 * US_PER_MIN, 20 * US_PER_MIN)
    assert (first.longest_us, second.longest_us) == (10 * US_PER_MIN, 30 * US_PER_MIN)


def test_what_is_still_on_has_lasted_until_now_and_not_0() -> None:
    """Open for three hours: three hours, ongoing."""
    found = figures_of([replace(FACT, cleared_us=None)], DAY, DAY + 4 * US_PER_H)

    assert found.over_us == found.longest_us == 3 * US_PER_H
    assert found.n_ongoing == found.n_on_at_end == found.n_over == 1


def test_an_alarm_that_lasted_no_time_is_counted() -> None:
    """Raised and cleared at one instant: an over-limit of 0 s, not ongoing."""
    found = figures_of([replace(FACT, cleared_us=FACT.raised_us)], DAY, NEXT)

    assert (found.n_over, found.over_us, found.n_ongoing) == (1, 0, 0)


def test_it_is_of_the_day_that_begins_at_its_first_moment() -> None:
    """Raised at midnight sharp: the new day; over at midnight sharp: not carried in."""
    at_midnight = replace(FACT, raised_us=NEXT, cleared_us=NEXT + US_PER_MIN)
    ended = replace(FACT, raised_us=NEXT - US_PER_MIN, cleared_us=NEXT)

    assert figures_of([at_midnight], DAY, NEXT).n_alarms == 0
    assert figures_of([at_midnight], NEXT, NEXT + US_PER_DAY).n_alarms == 1
    assert figures_of([ended], NEXT, NEXT + US_PER_DAY).n_carried_in == 0


def test_planned_alarms_are_counted_and_timed_apart() -> None:
    """One planned, one not: neither is among the other's figures."""
    found = figures_of([FACT, replace(FACT, planned=True, rank=4)], DAY, NEXT)

    assert (found.n_alarms, found.n_planned) == (1, 1)
    assert (found.n_over, found.n_over_planned) == (1, 1)
    assert found.over_us == found.over_planned_us == 6 * US_PER_MIN
    assert found.by_rank == (0, 0, 1, 0, 0)


def test_the_maximum_is_methane_reached_in_the_time() -> None:
    """No ppm of CO, no peak of another day, no missing one; the first of two."""
    others = [
        replace(FACT, alarm_id=2, quantity="CO", uom="ppm", peak=300.0),
        replace(FACT, alarm_id=3, peak=3.9, peak_us=NEXT),
        replace(FACT, alarm_id=4, peak=None, peak_us=None),
        replace(FACT, alarm_id=5, peak_us=FACT.peak_us and FACT.peak_us + 1),
        replace(FACT, alarm_id=6, kind="cut_off", peak=3.5),
    ]

    found = figures_of([*others, FACT], DAY, NEXT)

    assert found.peak is not None
    assert (found.peak.alarm_id, found.peak.value) == (1, 1.4)
    assert figures_of(others[:1], DAY, NEXT).peak is None


@pytest.mark.parametrize(
    ("peak", "grades"),
    [(1.99, (1, 0, 0)), (2.0, (0, 1, 0)), (3.0, (0, 0, 1)), (None, (0, 0, 0))],
)
def test_peaks_are_graded(peak: float | None, grades: tuple[int, ...]) -> None:
    """Below 2 %, below 3 %, from 3 % on."""
    assert figures_of([replace(FACT, peak=peak)], DAY, NEXT).by_grade == grades


def test_other_kinds_count_as_alarms_and_not_as_over_limits() -> None:
    """A cut-off at the same point lies within the over-limit's time."""
    late = replace(FACT, kind="cut_off", late=True)

    found = figures_of([FACT, late], DAY, NEXT)

    assert (found.n_alarms, found.n_over, found.n_late) == (2, 1, 1)
    assert found.over_us == 6 * US_PER_MIN


AT = st.integers(DAY - US_PER_DAY, DAY + 4 * US_PER_DAY)


@st.composite
def facts(draw: st.DrawFn) -> AlarmFact:
    """An alarm somewhere around three days."""
    raised_us = draw(AT)
    lasted_us = draw(st.none() | st.integers(0, 3 * US_PER_DAY))
    return replace(
        FACT,
        raised_us=raised_us,
        cleared_us=None if lasted_us is None else raised_us + lasted_us,
        planned=draw(st.booleans()),
        rank=draw(st.integers(0, 4)),
    )


@given(st.lists(facts(), max_size=8), st.integers(DAY, DAY + 3 * US_PER_DAY))
def test_days_add_up_to_their_month(alarms: list[AlarmFact], now_us: int) -> None:
    """Wherever now is: counts and times of three days are those of all three."""
    end_us = min(now_us, DAY + 3 * US_PER_DAY)
    whole = figures_of(alarms, DAY, end_us)
    days = [
        figures_of(alarms, min(begin, end_us), min(begin + US_PER_DAY, end_us))
        for begin in range(DAY, DAY + 3 * US_PER_DAY, US_PER_DAY)
    ]

    for name in ("n_alarms", "n_planned", "n_over", "over_us", "over_planned_us"):
        assert getattr(whole, name) == sum(getattr(day, name) for day in days), name
    assert max(day.longest_us for day in days) == whole.longest_us
