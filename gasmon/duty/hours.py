"""The job that gathers hours of points from the raw readings."""

from collections.abc import Callable

from gasmon.settings import StorageSettings
from gasmon.store import hours
from gasmon.store.db import Connection
from gasmon.store.migrate import detect_kind
from gasmon.store.retention import believed, past_spans
from gasmon.units import US_PER_DAY

AT_MOST_S = 1.0
"""How long one round lasts [s], so that others have their turn: 15,000 points are 60
slices an hour, of which a round gathers some; ours."""

AHEAD_US = 30 * US_PER_DAY
"""Partitions are made a few days ahead."""


def gather_hours(
    conn: Connection,
    storage: StorageSettings,
    now_us: int,
    monotonic_s: Callable[[], float],
) -> str:
    """Gather what is due for about :data:`AT_MOST_S`.

    Args:
        conn: connection with no open transaction.
        now_us: wall time [µs UTC].
        monotonic_s: steady clock [s].

    Returns:
        One line about what was done.
    """
    until_s = monotonic_s() + AT_MOST_S
    now_us = believed(conn, now_us)
    # A day back at least: what a mine sends again comes into hours like any other.
    oldest_us = now_us - US_PER_DAY
    for span in past_spans(conn, detect_kind(conn), now_us + AHEAD_US):
        oldest_us = min(oldest_us, span.start_us)
    begin_us = max(oldest_us, now_us - storage.reading_retention_days * US_PER_DAY)
    keep_us = storage.hour_retention_days * US_PER_DAY
    return hours.gather(
        conn, begin_us, keep_us, now_us, lambda: monotonic_s() < until_s
    )
