"""The clock marks that the engine was given, for a deterministic replay."""

from collections.abc import Sequence

from gasmon.store.db import Connection
from gasmon.units import to_datetime


def append(
    conn: Connection, run: int, owner: str, marks: Sequence[int], now_us: int
) -> None:
    """Store marks in the caller's transaction; a repeated one vanishes.

    Args:
        owner: the ingest process that was given them.
        marks: times [µs UTC].
    """
    conn.cursor().executemany(
        "INSERT INTO clock_mark (run, owner, at, recorded_at) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        [(run, owner, to_datetime(mark), to_datetime(now_us)) for mark in marks],
    )
