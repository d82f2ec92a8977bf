"""The job that adds up what drainage stations move, day by day in Beijing time."""

from gasmon.settings import StorageSettings
from gasmon.store import drainage
from gasmon.store.db import Connection
from gasmon.units import US_PER_DAY, US_PER_H

AGAIN_DAYS = 3
"""The newest days are counted again each time: readings come late. Ours."""

BACK_DAYS = 31
"""Days before them that are made up for, when nobody counted them. Ours."""

DAYS_AT_ONCE = 60
"""Days of stations counted in one go, so that others have their turn."""

_BEIJING_US = 8 * US_PER_H


def midnight_us(at_us: int) -> int:
    """The last midnight in Beijing [µs UTC]."""
    return (at_us + _BEIJING_US) // US_PER_DAY * US_PER_DAY - _BEIJING_US


def count_days(conn: Connection, storage: StorageSettings, now_us: int) -> str:
    """Count the newest days of every station, and older ones that were left out.

    Returns:
        One line about what was counted.
    """
    today_us = midnight_us(now_us)
    back = min(BACK_DAYS, storage.reading_retention_days - 1)
    n_days = n_missing = 0
    for station in drainage.load_stations(conn):
        if station.missing:
            n_missing += 1
            continue
        known = drainage.days_of(
            conn, 0, station.point_id, today_us - back * US_PER_DAY
        )
        for ago in range(back + 1):
            day_us = today_us - ago * US_PER_DAY
            day = drainage.day_of(day_us)
            is_whole = known.get(day, 0) >= day_us + US_PER_DAY
            if (is_whole and ago >= AGAIN_DAYS) or n_days >= DAYS_AT_ONCE:
                continue
            window = day_us, min(day_us + US_PER_DAY, now_us)
            told = drainage.measure(conn, 0, station, window)
            if ago and not told.n_samples and day not in known:
                continue  # it did not measure yet
            drainage.save_day(conn, 0, station, window, told, now_us)
            n_days += 1
    return f"{n_days} days, {n_missing} places not computed"
