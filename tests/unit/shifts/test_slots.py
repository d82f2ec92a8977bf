"""The shifts of a day as they are written down."""

from __future__ import annotations

import pytest

from gasmon.errors import BadRequest
from gasmon.shifts.slots import Slot, check_slots, parse_slots, slots_text

THREE = "早班 08:00-16:00, 中班 16:00-24:00, 夜班 00:00-08:00"


def test_shifts_are_read_in_any_order_and_written_by_their_begin() -> None:
    """The night shift from midnight is the first of its day."""
    slots = parse_slots(THREE)
    assert [slot.name for slot in slots] == ["夜班", "早班", "中班"]
    assert [slot.length_min for slot in slots] == [480, 480, 480]
    assert slots_text(slots) == ("夜班 00:00-08:00, 早班 08:00-16:00, 中班 16:00-24:00")
    assert parse_slots(slots_text(slots)) == slots


def test_a_shift_may_cross_midnight() -> None:
    """Its end is on the next day."""
    day, night = parse_slots("白班 08:00-20:00，夜班 20:00-08:00")
    assert (night.start_min, night.end_min) == (20 * 60, 32 * 60)
    assert day.end_min == night.start_min


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("three-8h 07:30", "早班 07:30-15:30, 中班 15:30-23:30, 夜班 23:30-07:30"),
        ("three-8h 14:00", "夜班 06:00-14:00, 早班 14:00-22:00, 中班 22:00-06:00"),
        ("two-12h 08:00", "白班 08:00-20:00, 夜班 20:00-08:00"),
        ("one-24h 09:00", "全日班 09:00-09:00"),
    ],
)
def test_usual_patterns_have_a_name_and_a_start(text: str, wanted: str) -> None:
    """Presets fill the day from any start."""
    assert slots_text(parse_slots(text)) == wanted


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "早班 08:00-15:30, 中班 16:00-24:00, 夜班 00:00-08:00",
            "a gap of 30 min between 早班, which ends at 15:30, and 中班, which"
            " begins at 16:00",
        ),
        (
            "早班 08:00-16:30, 中班 16:00-24:00, 夜班 00:00-08:00",
            "an overlap of 30 min between 早班, which ends at 16:30, and 中班",
        ),
        (
            "白班 08:00-20:00, 夜班 20:00-07:00",
            "a gap of 60 min between 夜班, which ends at 07:00, and 白班",
        ),
        (
            "白班 08:00-20:00, 夜班 20:00-09:00",
            "an overlap of 60 min between 夜班, which ends at 09:00, and 白班",
        ),
        ("班 08:00-20:00, 班 20:00-08:00", "shift '班' comes twice"),
        ("白班 08:00", "shift '白班 08:00': NAME HH:MM-HH:MM is wanted"),
        ("白班 08:70-20:00", "08:70 is no time of day"),
        ("白班 25:00-08:00", "25:00 is no time of day"),
        ("", "NAME HH:MM-HH:MM is wanted"),
        ("three-8h", "three-8h HH:MM is wanted"),
        ("three-8h eight", "three-8h HH:MM is wanted"),
        ("甲" * 21 + " 08:00-08:00", "1 to 20 characters"),
        (", ".join(f"{n} {n:02}:00-{n + 1:02}:00" for n in range(13)), "13 shifts"),
    ],
)
def test_gaps_overlaps_and_what_cannot_be_read_are_named(text: str, why: str) -> None:
    """The error names the shifts and the minutes."""
    with pytest.raises(BadRequest, match="^.*" + why.replace("(", "[(]")):
        parse_slots(text)


@pytest.mark.parametrize(
    ("slot", "why"),
    [
        (Slot("班", 1440, 60), "from 00:00 to 23:59"),
        (Slot("班", 0, 0), "from 1 min to 24 h"),
        (Slot("班", 0, 1441), "from 1 min to 24 h"),
        (Slot(" ", 0, 1440), "1 to 20 characters"),
        (Slot("a\nb", 0, 1440), "1 to 20 characters"),
    ],
)
def test_slots_of_programs_are_checked_too(slot: Slot, why: str) -> None:
    """Numbers out of range, and names that nobody can read."""
    with pytest.raises(BadRequest, match=why):
        check_slots([slot])
