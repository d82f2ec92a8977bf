"""Calendars: which shift has duty at a moment. Pure arithmetic in Beijing time.

A pattern holds from its day on until another one begins; a single day may differ from
it. Where a day's shifts begin at another time than those of the day before, whoever has
duty keeps it until they begin: however calendars change, each moment has one shift.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from gasmon.errors import BadRequest, StateConflict
from gasmon.shifts.slots import NAMES_EN, Slot
from gasmon.units import BEIJING, US_PER_MIN, from_datetime, iso_us, to_datetime

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Shift:
    """One shift of one day.

    Attributes:
        day: on which it began.
        from_us: first moment [µs UTC].
        until_us: first moment of the next one [µs UTC].
    """

    day: date
    name: str
    from_us: int
    until_us: int

    @property
    def name_en(self) -> str:
        """The usual English name; its own where there is none."""
        return NAMES_EN.get(self.name, self.name)

    def __str__(self) -> str:
        return f"{self.day} {self.name}"


@dataclass(frozen=True, slots=True)
class Pattern:
    """The shifts of every day from one on; none: there are no shifts any more."""

    from_day: date
    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True)
class Calendar:
    """The shifts of one post.

    Attributes:
        patterns: by the day from which they hold, each day once.
        days: days that differ from their pattern.
    """

    patterns: tuple[Pattern, ...] = ()
    days: Mapping[date, tuple[Slot, ...]] = field(default_factory=dict)

    def of_day(self, day: date) -> tuple[Shift, ...]:
        """The shifts that begin on a day, in their order; empty without a pattern."""
        slots = self._slots(day)
        if not slots:
            return ()
        start_us = day_start_us(day)
        begins = [start_us + slot.start_min * US_PER_MIN for slot in slots]
        then = self._slots(day + ONE_DAY)
        if then:
            ends_us = day_start_us(day + ONE_DAY) + then[0].start_min * US_PER_MIN
        else:
            ends_us = start_us + slots[-1].end_min * US_PER_MIN
        return tuple(
            Shift(day, slot.name, from_us, until_us)
            for slot, from_us, until_us in zip(
                slots, begins, [*begins[1:], ends_us], strict=True
            )
        )

    def at(self, at_us: int) -> Shift | None:
        """The shift that has duty at a moment [µs UTC]; None without a calendar."""
        day = day_of(at_us)
        # Of the day before only the last one may still be on: until today's first.
        for shift in (*self.of_day(day - ONE_DAY), *self.of_day(day)):
            if shift.from_us <= at_us < shift.until_us:
                return shift
        return None

    def after(self, at_us: int) -> Shift | None:
        """The first shift that begins after a moment [µs UTC]; None: there is none."""
        day = day_of(at_us)
        begins = {pattern.from_day for pattern in self.patterns} | self.days.keys()
        days = {day, day + ONE_DAY} | {begin for begin in begins if begin > day}
        later = (s for one in sorted(days) for s in self.of_day(one))
        return next((shift for shift in later if shift.from_us > at_us), None)

    def before(self, at_us: int) -> Shift | None:
        """The last shift that was over at a moment [µs UTC], of the three days before.

        None when the calendar begins later, or ended earlier.
        """
        day = day_of(at_us)
        for back in range(4):
            for shift in reversed(self.of_day(day - back * ONE_DAY)):
                if shift.until_us <= at_us:
                    return shift
        return None

    def between(self, from_day: date, n_days: int) -> Iterator[Shift]:
        """The shifts that begin on some days, in their order."""
        for number in range(n_days):
            yield from self.of_day(from_day + number * ONE_DAY)

    def _slots(self, day: date) -> tuple[Slot, ...]:
        if day in self.days:
            return self.days[day]
        at = bisect_right(self.patterns, day, key=lambda pattern: pattern.from_day)
        return self.patterns[at - 1].slots if at else ()


def with_pattern(calendar: Calendar, pattern: Pattern) -> Calendar:
    """The calendar with another pattern from a day on; what was set after it goes."""
    day = pattern.from_day
    kept = tuple(before for before in calendar.patterns if before.from_day < day)
    days = {other: slots for other, slots in calendar.days.items() if other < day}
    return Calendar((*kept, pattern), days)


def with_day(calendar: Calendar, day: date, slots: tuple[Slot, ...]) -> Calendar:
    """The calendar with other shifts on one day.

    Raises:
        StateConflict: no pattern holds on that day.
    """
    if not calendar.of_day(day):
        raise StateConflict(f"no shifts are set for {day}: set a pattern first")
    return replace(calendar, days={**calendar.days, day: slots})


def day_of(at_us: int) -> date:
    """The day in Beijing of a moment [µs UTC]."""
    return to_datetime(at_us).astimezone(BEIJING).date()


def day_start_us(day: date) -> int:
    """00:00 Beijing time of a day [µs UTC]."""
    return from_datetime(datetime(day.year, day.month, day.day, tzinfo=BEIJING))


def parse_day(text: str) -> date:
    """Read ``2026-11-27``.

    Raises:
        BadRequest: it is none, or lies outside of 2000 to 2100.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise BadRequest(f"day {text[:20]!r}: YYYY-MM-DD is wanted") from None
    if not 2000 <= day.year < 2100:
        raise BadRequest(f"day {text}: from 2000 to 2099")
    return day


def check_change(old: Calendar, new: Calendar, day: date, now_us: int) -> None:
    """What has begun stays as it was, its end too: people signed for it.

    Args:
        day: the first one that changes.
        now_us: wall time [µs UTC].

    Raises:
        StateConflict: the day is over, or shifts that have begun would become others.
    """
    today = day_of(now_us)
    if day < today:
        raise StateConflict(f"{day} is over: calendars change from {today} on")
    for shift in old.between(today - ONE_DAY, 2):
        if shift.from_us <= now_us and new.at(shift.from_us) != shift:
            raise StateConflict(
                f"shift {shift} began at {iso_us(shift.from_us)[:16]}, and what has"
                f" begun stays until its end; change what begins after it"
            )


@dataclass(frozen=True, slots=True)
class Assignment:
    """Somebody who is to have duty.

    Attributes:
        name: a principal's.
        shift: name of the shifts that are meant.
        until_day: the last day; None: until further notice.
        instead_of: whose place it is for these days; None for nobody's.
    """

    name: str
    shift: str
    from_day: date
    until_day: date | None = None
    instead_of: str | None = None

    def is_about(self, shift: Shift) -> bool:
        """Whether a shift is meant."""
        until_day = shift.day if self.until_day is None else self.until_day
        return self.shift == shift.name and self.from_day <= shift.day <= until_day


def assigned(assignments: Sequence[Assignment], shift: Shift) -> tuple[str, ...]:
    """Names of those who are to have duty in a shift, substitutions counted."""
    meant = [one for one in assignments if one.is_about(shift)]
    replaced = {one.instead_of for one in meant}
    names = dict.fromkeys(one.name for one in meant if one.name not in replaced)
    return tuple(sorted(names))


def check_assignment(calendar: Calendar, wanted: Assignment) -> None:
    """Refuse days that are none, and shifts that the calendar does not have.

    Raises:
        BadRequest: says what is wrong.
    """
    if wanted.until_day is not None and wanted.until_day < wanted.from_day:
        raise BadRequest(f"{wanted.until_day} is before {wanted.from_day}")
    if wanted.instead_of == wanted.name:
        raise BadRequest(f"{wanted.name!r} cannot stand in for himself")
    names = [shift.name for shift in calendar.of_day(wanted.from_day)]
    if wanted.shift not in names:
        raise BadRequest(
            f"no shift {wanted.shift!r} on {wanted.from_day};"
            f" there are: {', '.join(names) or 'none'}"
        )
