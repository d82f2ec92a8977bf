"""Calendars however they are changed: each moment has one shift, as time goes on."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gasmon.errors import StateConflict
from gasmon.shifts.calendar import (
    Calendar,
    Pattern,
    check_change,
    day_of,
    day_start_us,
    with_day,
    with_pattern,
)
from gasmon.shifts.slots import DAY_MIN, Slot, check_slots
from gasmon.units import US_PER_DAY, US_PER_MIN
from tests.fix_examples import examples

FIRST = date(2028, 2, 20)
"""A leap day and the end of a month are among the days."""


@st.composite
def slots(draw: st.DrawFn) -> tuple[Slot, ...]:
    """The shifts of a day, however long."""
    starts = sorted(draw(st.sets(st.integers(0, DAY_MIN - 1), min_size=1, max_size=6)))
    ends = [*starts[1:], starts[0] + DAY_MIN]
    return check_slots(
        [
            Slot(f"班{number}", start, end - start)
            for number, (start, end) in enumerate(zip(starts, ends, strict=True))
        ]
    )


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    """A pattern from the first day on, and whatever was set after it."""
    made = with_pattern(Calendar(), Pattern(FIRST, draw(slots())))
    for only_day, number, of_day in draw(
        st.lists(st.tuples(st.booleans(), st.integers(0, 15), slots()), max_size=6)
    ):
        day = FIRST + timedelta(days=number)
        made = (
            with_day(made, day, of_day)
            if only_day
            else with_pattern(made, Pattern(day, of_day))
        )
    return made


@examples(60)
@given(calendars())
def test_shifts_follow_each_other_without_gap_or_overlap(calendar: Calendar) -> None:
    """Over midnight, ends of months, changed days and changed patterns."""
    shifts = list(calendar.between(FIRST, 20))
    for shift, then in pairwise(shifts):
        assert shift.from_us < shift.until_us == then.from_us
        assert shift.until_us - shift.from_us < 2 * US_PER_DAY
        assert day_of(shift.from_us) == shift.day


@examples(60)
@given(calendars(), st.integers(0, 18 * DAY_MIN))
def test_every_moment_has_the_shift_that_lists_show(
    calendar: Calendar, minute: int
) -> None:
    """`at`, `after` and `before` agree with the list of all shifts."""
    at_us = day_start_us(FIRST) + minute * US_PER_MIN
    shifts = list(calendar.between(FIRST, 21))
    on = [s for s in shifts if s.from_us <= at_us < s.until_us]
    assert [calendar.at(at_us)] == (on or [None])
    assert calendar.after(at_us) == next(s for s in shifts if s.from_us > at_us)
    over = [s for s in shifts if s.until_us <= at_us]
    assert calendar.before(at_us) == (over[-1] if over else None)


@examples(60)
@given(calendars(), slots(), st.integers(0, 18), st.integers(0, 15 * DAY_MIN))
def test_a_change_that_is_let_through_changes_nothing_that_has_begun(
    calendar: Calendar, of_day: tuple[Slot, ...], number: int, minute: int
) -> None:
    """Whatever is changed at whatever moment."""
    now_us = day_start_us(FIRST) + minute * US_PER_MIN
    day = FIRST + timedelta(days=number)
    new = with_pattern(calendar, Pattern(day, of_day))
    begun = {s for s in calendar.between(FIRST, 20) if s.from_us <= now_us}
    stays = begun <= set(new.between(FIRST, 20))
    try:
        check_change(calendar, new, day, now_us)
    except StateConflict:
        assert not stays or day < day_of(now_us)
    else:
        assert stays
