"""The job that holds what mines tell of themselves against their raw values."""

from gasmon.duty.drainage import midnight_us
from gasmon.settings import StorageSettings
from gasmon.store import differences
from gasmon.store.db import Connection
from gasmon.units import US_PER_DAY


def find_differences(conn: Connection, storage: StorageSettings, now_us: int) -> str:
    """Compare statistics whose values are there, and look at today and yesterday.

    Yesterday too: events end after midnight, and readings come late.

    Returns:
        One line about what was found.
    """
    n_statistics, n_waiting = differences.compare_statistics(conn, 0, now_us)
    today_us = midnight_us(now_us)
    n_found = sum(
        differences.find_of_day(conn, 0, day_us, now_us)
        for day_us in (today_us - US_PER_DAY, today_us)
    )
    # What it is compared with is gone by then.
    kept_us = storage.reading_retention_days * US_PER_DAY
    n_gone = differences.delete_before(conn, 0, now_us - kept_us)
    return (
        f"{n_found} differences of events, {n_statistics} of statistics"
        f" ({n_waiting} wait), {n_gone} events deleted"
    )
