"""Periods of Beijing time, and what each is compared with."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from gasmon.errors import BadRequest
from gasmon.units import BEIJING, US_PER_DAY, from_datetime, to_datetime

KINDS = ("day", "week", "month", "range")
MOST_DAYS = 366
"""Longest range [d]: a leap year."""


@dataclass(frozen=True, slots=True)
class Period:
    """A time that is counted over.

    Attributes:
        kind: one of ``KINDS``.
        from_us: first moment [µs UTC].
        to_us: first moment after it [µs UTC].
    """

    kind: str
    from_us: int
    to_us: int

    def end_us(self, now_us: int) -> int:
        """Up to where anything can have happened: its end, or now [µs UTC]."""
        return max(self.from_us, min(self.to_us, now_us))

    def before(self, now_us: int) -> "Period":
        """The one before it, cut to as much as has passed of this one.

        Five days of a month are compared with the first five days of the month before,
        and a whole month with a whole one, however long each is.
        """
        if self.kind == "month":
            first = _day_at(self.from_us) - timedelta(days=1)
            begin_us = _midnight_us(first.replace(day=1))
        else:
            begin_us = self.from_us - (self.to_us - self.from_us)
        passed_us = self.end_us(now_us) - self.from_us
        is_whole = now_us >= self.to_us
        end_us = self.from_us if is_whole else begin_us + passed_us
        return Period(self.kind, begin_us, min(end_us, self.from_us))


def day_of(day: date) -> Period:
    """A day of Beijing time."""
    begin_us = _midnight_us(day)
    return Period("day", begin_us, begin_us + US_PER_DAY)


def week_of(day: date) -> Period:
    """The week from Monday on that a day lies in (GB/T 7408: weeks begin on Monday)."""
    begin_us = _midnight_us(day - timedelta(days=day.weekday()))
    return Period("week", begin_us, begin_us + 7 * US_PER_DAY)


def month_of(day: date) -> Period:
    """The month that a day lies in."""
    first = day.replace(day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    return Period("month", _midnight_us(first), _midnight_us(following))


def range_of(from_us: int, to_us: int) -> Period:
    """Any range.

    Raises:
        BadRequest: it is empty, or longer than ``MOST_DAYS``.
    """
    if not 0 < to_us - from_us <= MOST_DAYS * US_PER_DAY:
        days = (to_us - from_us) / US_PER_DAY
        raise BadRequest(f"a range of {days:g} days: more than 0, at most {MOST_DAYS}")
    return Period("range", from_us, to_us)


_OF_A_DAY = {"day": day_of, "week": week_of, "month": month_of}


def period_of(
    kind: str,
    now_us: int,
    *,
    day: date | None = None,
    from_us: int | None = None,
    to_us: int | None = None,
) -> Period:
    """The period that somebody asks for.

    Args:
        kind: one of ``KINDS``.
        now_us: wall time [µs UTC]; without a day it is today's, and a range's end.
        day: any day of it; not for a range.
        from_us: begin of a range [µs UTC].
        to_us: end of a range, not included [µs UTC].

    Raises:
        BadRequest: the kind is none, or what it needs is missing or impossible.
    """
    if kind not in KINDS:
        raise BadRequest(f"period {kind!r}: one of {', '.join(KINDS)} is wanted")
    if kind == "range":
        if from_us is None or day is not None:
            raise BadRequest("period 'range' wants from, and no day")
        return range_of(from_us, now_us if to_us is None else to_us)
    if from_us is not None or to_us is not None:
        raise BadRequest(f"period {kind!r} wants a day, and neither from nor to")
    return _OF_A_DAY[kind](_day_at(now_us) if day is None else day)


def _day_at(time_us: int) -> date:
    return to_datetime(time_us).astimezone(BEIJING).date()


def _midnight_us(day: date) -> int:
    return from_datetime(datetime.combine(day, time(), BEIJING))
