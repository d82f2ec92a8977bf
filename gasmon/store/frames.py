"""Which frames were stored, and which alarms were confirmed: read by ingest."""

from typing import cast

from gasmon.store.db import Connection
from gasmon.units import to_datetime


def seen_since(
    conn: Connection, run: int, since_us: int
) -> list[tuple[str, str, int, int]]:
    """Frames that arrived since a moment: (mine, boot, seq, device time [ms]).

    Args:
        since_us: arrivals from here on [µs UTC]; a day of slack in event time keeps
            the scan to few partitions.
    """
    rows = conn.execute(
        "SELECT m.code, f.boot, f.seq, f.device_ms FROM frame f JOIN mine m"
        " USING (mine_id) WHERE f.run = %s AND f.arrived_at >= %s"
        " AND f.judged_at >= %s::timestamptz - interval '1 day'"
        " ORDER BY m.code, f.boot, f.seq",
        (run, to_datetime(since_us), to_datetime(since_us)),
    ).fetchall()
    return cast(list[tuple[str, str, int, int]], rows)


def confirmed_ranks(conn: Connection, run: int) -> dict[str, int]:
    """Open alarms that somebody confirmed: alarm key → highest rank confirmed at."""
    rows = conn.execute(
        "SELECT a.run || '/' || a.subject_type || ':' || a.subject_id || '/' || a.kind"
        " || '/' || (extract(epoch FROM a.raised_at) * 1000000)::bigint,"
        " max(c.rank) FROM alarm a JOIN confirmation c USING (alarm_id)"
        " WHERE a.run = %s AND a.cleared_at IS NULL GROUP BY 1",
        (run,),
    ).fetchall()
    return dict(cast(list[tuple[str, int]], rows))
