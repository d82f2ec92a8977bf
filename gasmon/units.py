"""Time as one integer: microseconds UTC since 1970, called ``*_us``.

People see fixed UTC+08:00 (China has no summer time), so formatting needs no time
zone data base. Nothing here reads a clock.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

US_PER_MS = 1_000
US_PER_S = 1_000_000
US_PER_MIN = 60 * US_PER_S
US_PER_H = 3_600 * US_PER_S
US_PER_DAY = 24 * US_PER_H

BEIJING = timezone(timedelta(hours=8), "UTC+08:00")
"""The one time zone that people see [UTC+08:00, fixed]."""

PG_EPOCH_US = 946_684_800 * US_PER_S
"""2000-01-01T00:00:00Z, where PostgreSQL's binary timestamps begin [µs since 1970]."""

TIME_MIN_US = PG_EPOCH_US
"""Earliest time that may enter a table of readings: 2000-01-01 UTC [µs]."""

TIME_MAX_US = 4_102_444_800 * US_PER_S
"""First time that may not: 2100-01-01 UTC [µs]. A wilder stamp would create
partitions decades away; such a reading is judged at its arrival instead."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DURATION = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(us|ms|s|min|h|d)\s*", re.ASCII)
_UNIT_US = {
    "us": 1,
    "ms": US_PER_MS,
    "s": US_PER_S,
    "min": US_PER_MIN,
    "h": US_PER_H,
    "d": US_PER_DAY,
}


def to_datetime(time_us: int) -> datetime:
    """The same instant as an aware UTC datetime, exact to the microsecond."""
    return _EPOCH + timedelta(microseconds=time_us)


def from_datetime(moment: datetime) -> int:
    """Microseconds since 1970 of an aware datetime.

    Raises:
        ValueError: the datetime has no time zone; a guess would be hours wrong.
    """
    if moment.tzinfo is None:
        raise ValueError(f"time without a zone: {moment.isoformat()}")
    return (moment - _EPOCH) // timedelta(microseconds=1)


def iso_us(time_us: int) -> str:
    """RFC 3339 with milliseconds in Beijing time, as people and JSON see it."""
    minute, rest_us = divmod(time_us, US_PER_MIN)
    second, rest_us = divmod(rest_us, US_PER_S)
    return f"{_minute(minute)}:{second:02d}.{rest_us // US_PER_MS:03d}+08:00"


@lru_cache(maxsize=1024)
def _minute(minute: int) -> str:
    """Its begin without seconds; an alarm tells of a dozen times of one minute."""
    moment = to_datetime(minute * US_PER_MIN).astimezone(BEIJING)
    return moment.isoformat(timespec="minutes")[:16]


def parse_iso_us(text: str) -> int:
    """Read RFC 3339 / ISO 8601 text.

    Args:
        text: a date and time; without an offset it is taken as Beijing time, which
            is what a duty officer types and what mines write in their files.

    Raises:
        ValueError: the text is not a date and time.
    """
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=BEIJING)
    return from_datetime(moment)


def parse_duration_us(text: str) -> int:
    """Read ``"90s"``, ``"5min"``, ``"1.5h"``, ``"3d"``, ``"250ms"`` [µs].

    Raises:
        ValueError: no number with one of the units us, ms, s, min, h, d.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"not a duration such as '90s' or '5min': {text!r}")
    return round(float(match[1]) * _UNIT_US[match[2]])
