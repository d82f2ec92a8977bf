"""Clock marks: the moments that the engine was given in between its readings."""

from collections.abc import Sequence

from gasmon.store.db import Connection
from gasmon.units import to_datetime


def append_marks(conn: Connection, run: int, owner: str, at_us: Sequence[int]) -> None:
    """Store marks in the caller's transaction; one that is there already stays.

    Args:
        owner: which engine was given them.
        at_us: their times [µs UTC].
    """
    if len(at_us) == 0:
        return
    conn.execute(
        "INSERT INTO clock_mark (run, owner, at) SELECT %s, %s, t"
        " FROM unnest(%s::timestamptz[]) AS t ON CONFLICT DO NOTHING",
        (run, owner, [to_datetime(t) for t in at_us]),
    )
