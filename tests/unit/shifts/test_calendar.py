"""Which shift has duty at a moment."""

from __future__ import annotations

from datetime import date

import pytest

from gasmon.errors import BadRequest, StateConflict
from gasmon.shifts.calendar import (
    Assignment,
    Calendar,
    Pattern,
    Shift,
    assigned,
    check_assignment,
    check_change,
    day_of,
    parse_day,
    with_day,
    with_pattern,
)
from gasmon.shifts.slots import parse_slots
from gasmon.units import parse_iso_us

THREE = parse_slots("three-8h 07:00")
EIGHT = parse_slots("早班 08:00-16:00, 中班 16:00-23:00, 夜班 23:00-08:00")
TWO = parse_slots("two-12h 08:00")
NOV = date(2026, 11, 27)


def at(text: str) -> int:
    """A moment in Beijing time [µs UTC]."""
    return parse_iso_us(text)


def told(shift: Shift | None) -> str:
    """A shift in a few letters."""
    return "none" if shift is None else str(shift)


def calendar(*patterns: tuple[date, str]) -> Calendar:
    """Patterns from days on."""
    made = Calendar()
    for day, text in patterns:
        made = with_pattern(made, Pattern(day, parse_slots(text) if text else ()))
    return made


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        ("2026-11-27T07:59:59", "2026-11-26 白班 | 2026-11-26 夜班 | 2026-11-27 白班"),
        ("2026-11-27T08:00", "2026-11-26 夜班 | 2026-11-27 白班 | 2026-11-27 夜班"),
        ("2026-11-27T20:00", "2026-11-27 白班 | 2026-11-27 夜班 | 2026-11-28 白班"),
        ("2026-12-01T00:30", "2026-11-30 白班 | 2026-11-30 夜班 | 2026-12-01 白班"),
        ("2027-01-01T03:00", "2026-12-31 白班 | 2026-12-31 夜班 | 2027-01-01 白班"),
        ("2028-02-29T23:00", "2028-02-29 白班 | 2028-02-29 夜班 | 2028-03-01 白班"),
    ],
)  # fmt: skip
def test_a_night_shift_belongs_to_the_day_on_which_it_began(
    moment: str, shown: str
) -> None:
    """Over midnight, ends of months and years, and a leap day."""
    made = calendar((date(2026, 1, 1), "two-12h 08:00"))
    found = [told(f(at(moment))) for f in (made.before, made.at, made.after)]
    assert " | ".join(found) == shown


def test_before_its_first_day_and_after_its_end_there_is_no_shift() -> None:
    """A pattern without shifts ends the calendar; the last shift still ends."""
    made = calendar((NOV, "two-12h 08:00"), (date(2026, 11, 30), ""))
    assert told(made.at(at("2026-11-27T07:00"))) == "none"
    assert told(made.after(at("2026-11-20T07:00"))) == "2026-11-27 白班"
    assert told(made.before(at("2026-11-27T19:00"))) == "none"
    assert told(made.at(at("2026-11-30T07:59"))) == "2026-11-29 夜班"
    assert told(made.at(at("2026-11-30T08:00"))) == "none"
    assert told(made.after(at("2026-11-30T08:00"))) == "none"
    assert Calendar().of_day(NOV) == ()


def test_whoever_has_duty_keeps_it_until_other_times_begin() -> None:
    """An earlier begin shortens the shift before it, a later one lengthens it."""
    earlier = calendar((NOV, "two-12h 08:00"), (date(2026, 12, 1), "three-8h 07:00"))
    night = earlier.at(at("2026-12-01T06:59"))
    assert told(night) == "2026-11-30 夜班"
    assert night is not None
    assert night.until_us == at("2026-12-01T07:00")
    later = calendar((NOV, "two-12h 08:00"), (date(2026, 12, 1), "two-12h 09:30"))
    assert told(later.at(at("2026-12-01T09:29"))) == "2026-11-30 夜班"


def test_one_day_may_differ() -> None:
    """And the days around it fit themselves to it."""
    made = with_day(calendar((NOV, "two-12h 08:00")), date(2026, 12, 1), THREE)
    assert [told(s) for s in made.of_day(date(2026, 12, 1))] == [
        "2026-12-01 早班",
        "2026-12-01 中班",
        "2026-12-01 夜班",
    ]
    assert told(made.at(at("2026-12-02T07:30"))) == "2026-12-01 夜班"
    assert told(made.at(at("2026-12-02T08:00"))) == "2026-12-02 白班"
    with pytest.raises(StateConflict, match="no shifts are set for 2026-11-01"):
        with_day(made, date(2026, 11, 1), THREE)


def test_a_new_pattern_ends_what_was_set_after_its_day() -> None:
    """Later patterns and single days go, earlier ones stay."""
    made = with_day(calendar((NOV, "two-12h 08:00")), date(2026, 12, 5), THREE)
    made = with_day(made, date(2026, 11, 28), THREE)
    made = with_pattern(made, Pattern(date(2026, 12, 1), TWO))
    assert list(made.days) == [date(2026, 11, 28)]
    assert [p.from_day for p in made.patterns] == [NOV, date(2026, 12, 1)]
    made = with_pattern(made, Pattern(date(2026, 11, 30), TWO))
    assert [p.from_day for p in made.patterns] == [NOV, date(2026, 11, 30)]


def test_what_has_begun_stays_until_its_end() -> None:
    """Days that are over, shifts under way, and their ends."""
    old = calendar((NOV, "two-12h 08:00"))
    now_us = at("2026-11-29T21:00")
    for day, slots, why in (
        (date(2026, 11, 28), TWO, "2026-11-28 is over"),
        (date(2026, 11, 29), EIGHT, "2026-11-29 白班 began at 2026-11-29T08:00"),
        # The night shift before would have ended an hour earlier.
        (date(2026, 11, 29), THREE, "shift 2026-11-28 夜班 began"),
        # Tonight's shift would end an hour earlier.
        (date(2026, 11, 30), THREE, "shift 2026-11-29 夜班 began"),
    ):
        with pytest.raises(StateConflict, match=why):
            check_change(old, with_pattern(old, Pattern(day, slots)), day, now_us)
    tomorrow = date(2026, 11, 30)
    same_begin = with_pattern(old, Pattern(tomorrow, EIGHT))
    check_change(old, same_begin, tomorrow, now_us)
    # At noon tonight's shift has not begun.
    new = with_pattern(old, Pattern(tomorrow, THREE))
    check_change(old, new, tomorrow, at("2026-11-29T12:00"))
    # Where there was nothing, it may begin today.
    check_change(Calendar(), old, NOV, at("2026-11-27T12:00"))


def test_who_is_assigned_with_substitutions() -> None:
    """By name of the shift and day; a substitute takes the place for his days."""
    made = calendar((NOV, "two-12h 08:00"))
    people = [
        Assignment("李", "夜班", NOV),
        Assignment("王", "白班", NOV, date(2026, 11, 30)),
        Assignment("赵", "夜班", date(2026, 11, 28), date(2026, 11, 29), "李"),
        Assignment("钱", "夜班", NOV),
    ]

    def names(moment: str) -> tuple[str, ...]:
        shift = made.at(at(moment))
        assert shift is not None
        return assigned(people, shift)

    assert names("2026-11-27T21:00") == ("李", "钱")
    # The night of the 29th lasts into the 30th and is that of the 29th.
    assert names("2026-11-30T03:00") == ("赵", "钱")
    assert names("2026-11-30T21:00") == ("李", "钱")
    assert names("2026-11-30T12:00") == ("王",)
    assert names("2026-12-01T12:00") == ()


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (Assignment("李", "早班", NOV), "no shift '早班' .*there are: 白班, 夜班"),
        (Assignment("李", "白班", date(2026, 1, 1)), "there are: none"),
        (Assignment("李", "白班", NOV, date(2026, 11, 26)), "is before"),
        (Assignment("李", "白班", NOV, None, "李"), "cannot stand in for himself"),
    ],
)  # fmt: skip
def test_an_assignment_must_fit_the_calendar(wanted: Assignment, why: str) -> None:
    """Shift and days exist."""
    with pytest.raises(BadRequest, match=why):
        check_assignment(calendar((NOV, "two-12h 08:00")), wanted)


def test_days_are_read_and_reckoned_in_beijing() -> None:
    """From 2000 to 2099; midnight is Beijing's."""
    assert day_of(at("2026-11-27T00:00")) == NOV
    assert day_of(at("2026-11-27T00:00") - 1) == date(2026, 11, 26)
    assert parse_day("2026-11-27") == NOV
    for text in ("2026-13-01", "27.11.2026", "1999-12-31", "2100-01-01"):
        with pytest.raises(BadRequest, match="day"):
            parse_day(text)


def test_usual_names_have_an_english_one() -> None:
    """Others are shown as they are."""
    assert Shift(NOV, "夜班", 0, 1).name_en == "night shift"
    assert Shift(NOV, "甲班", 0, 1).name_en == "甲班"
