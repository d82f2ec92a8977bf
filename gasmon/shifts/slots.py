"""The shifts of one day as they are written down: name, begin, end. Pure.

A day's shifts follow each other without a gap or an overlap and fill 24 hours from the
begin of the first one; only so is somebody responsible at every moment.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gasmon.errors import BadRequest

DAY_MIN = 24 * 60
MOST_SLOTS = 12
"""Shifts of a day at most. Ours: two hours each are the shortest that anybody keeps."""

NAME_CHARS = 20

NAMES_EN = {
    "早班": "morning shift",
    "中班": "afternoon shift",
    "夜班": "night shift",
    "白班": "day shift",
    "全日班": "24 h duty",
}
"""English for the usual names of shifts; others are shown as they are."""

PRESETS = {
    "three-8h": ("早班", "中班", "夜班"),
    "two-12h": ("白班", "夜班"),
    "one-24h": ("全日班",),
}
"""Usual patterns: shifts of one length, from a start on. The hours are the site's own:
mines, counties and cities begin at different ones."""

_SLOT = re.compile(
    r"(\S(?:.*\S)?)\s+([0-9]{1,2}):([0-9]{2})\s*[-–]\s*([0-9]{1,2}):([0-9]{2})"
)
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})")


@dataclass(frozen=True, slots=True)
class Slot:
    """One shift of a day.

    Attributes:
        start_min: after 00:00 Beijing time, 0 to 1439 [min].
        length_min: 1 to 1440 [min]; it may end on the next day.
    """

    name: str
    start_min: int
    length_min: int

    @property
    def end_min(self) -> int:
        """End [min after 00:00 of the day on which it began]."""
        return self.start_min + self.length_min

    def __str__(self) -> str:
        return f"{self.name} {clock_text(self.start_min)}-{clock_text(self.end_min)}"


def clock_text(minute: int) -> str:
    """A minute of the day as a clock shows it; the end of the day is 24:00."""
    shown = minute if minute == DAY_MIN else minute % DAY_MIN
    return f"{shown // 60:02}:{shown % 60:02}"


def slots_text(slots: Sequence[Slot]) -> str:
    """Slots as people write them."""
    return ", ".join(str(slot) for slot in slots)


def parse_slots(text: str) -> tuple[Slot, ...]:
    """Read ``早班 08:00-16:00, 中班 16:00-24:00, 夜班 00:00-08:00`` or a preset.

    Args:
        text: shifts with commas between them, in any order; an end that is not after
            its begin is on the next day. Or ``three-8h 08:00``: a preset and the time
            at which its first shift begins.

    Raises:
        BadRequest: it cannot be read, or :func:`check_slots` refuses it.
    """
    words = text.split()
    if words and words[0] in PRESETS:
        return _preset(words)
    return check_slots([_slot(part.strip()) for part in re.split("[,，]", text)])


def check_slots(slots: Sequence[Slot]) -> tuple[Slot, ...]:
    """The slots in the order of their begin, if they are those of one day.

    Raises:
        BadRequest: a name is none or comes twice; there is a gap or an overlap.
    """
    if not 1 <= len(slots) <= MOST_SLOTS:
        raise BadRequest(f"{len(slots)} shifts: a day has 1 to {MOST_SLOTS}")
    ordered = sorted(slots, key=lambda slot: slot.start_min)
    for slot in ordered:
        _check_slot(slot)
    names = [slot.name for slot in ordered]
    for name in names:
        if names.count(name) > 1:
            raise BadRequest(f"shift {name!r} comes twice")
    first = ordered[0]
    following = [slot.start_min for slot in ordered[1:]] + [first.start_min + DAY_MIN]
    nexts = [*ordered[1:], first]
    for slot, then, start_min in zip(ordered, nexts, following, strict=True):
        apart_min = start_min - slot.end_min
        if apart_min:
            what = "a gap" if apart_min > 0 else "an overlap"
            raise BadRequest(
                f"{what} of {abs(apart_min)} min between {slot.name}, which ends at"
                f" {clock_text(slot.end_min)}, and {then.name}, which begins at"
                f" {clock_text(start_min)}"
            )
    return tuple(ordered)


def _check_slot(slot: Slot) -> None:
    name = slot.name
    if not name.strip() or len(name) > NAME_CHARS or not name.isprintable():
        raise BadRequest(f"a shift's name has 1 to {NAME_CHARS} characters: {name!r}")
    if not 0 <= slot.start_min < DAY_MIN:
        raise BadRequest(f"shift {name!r}: it must begin from 00:00 to 23:59")
    if not 0 < slot.length_min <= DAY_MIN:
        raise BadRequest(f"shift {name!r}: it lasts from 1 min to 24 h")


def _slot(text: str) -> Slot:
    found = _SLOT.fullmatch(text)
    if found is None:
        raise BadRequest(f"shift {text[:60]!r}: NAME HH:MM-HH:MM is wanted")
    start_min = _minute(found[2], found[3]) % DAY_MIN
    end_min = _minute(found[4], found[5])
    return Slot(found[1], start_min, (end_min - start_min - 1) % DAY_MIN + 1)


def _minute(hours: str, minutes: str) -> int:
    minute = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or minute > DAY_MIN:
        raise BadRequest(f"{hours}:{minutes} is no time of day")
    return minute


def _preset(words: Sequence[str]) -> tuple[Slot, ...]:
    found = _TIME.fullmatch(words[1]) if len(words) == 2 else None
    if found is None:
        raise BadRequest(f"{' '.join(words)!r}: {words[0]} HH:MM is wanted")
    names = PRESETS[words[0]]
    length_min = DAY_MIN // len(names)
    first_min = _minute(found[1], found[2])
    return check_slots(
        [
            Slot(name, (first_min + number * length_min) % DAY_MIN, length_min)
            for number, name in enumerate(names)
        ]
    )
