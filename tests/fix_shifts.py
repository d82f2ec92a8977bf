"""Shifts that are in their middle whenever a test runs."""

from __future__ import annotations

from datetime import date

from gasmon.clock import SystemClock
from gasmon.settings import DatabaseSettings
from gasmon.shifts.calendar import ONE_DAY, day_of
from gasmon.shifts.posts import Post
from gasmon.shifts.slots import parse_slots
from gasmon.store import db, shift_calendars
from gasmon.store.audit import BY_OPERATOR
from gasmon.units import BEIJING, US_PER_DAY, to_datetime


def begin_shifts(dsn: str, *posts: Post) -> None:
    """Give posts one shift a day that began about twelve hours ago.

    Neither its last hour, in which the next one can be signed on to, nor its end is
    near, at whatever time of the day this runs.
    """
    now_us = SystemClock().now_us()
    hour = (to_datetime(now_us).astimezone(BEIJING).hour + 12) % 24
    with db.connect(DatabaseSettings(url=dsn), autocommit=True) as conn:
        for post in posts:
            shift_calendars.set_slots(
                conn,
                post,
                parse_slots(f"one-24h {hour:02}:00"),
                BY_OPERATOR,
                from_day=day_of(now_us) - 2 * ONE_DAY,
                now_us=now_us - 2 * US_PER_DAY,
            )


def days_on(n_days: int) -> date:
    """A day some days from now; two of them are far enough over any midnight."""
    return day_of(SystemClock().now_us()) + n_days * ONE_DAY
