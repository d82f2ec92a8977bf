"""Ends of points' alarms as they are recorded: a restart asks what went ahead."""

from dataclasses import dataclass

from psycopg.rows import class_row

from gasmon.store.db import Connection
from gasmon.units import to_datetime


@dataclass(frozen=True, slots=True)
class EndedAlarm:
    """An alarm of a point that is over.

    Attributes:
        raised_at_us: event time of its beginning; ``cleared_at_us`` of its end [µs].
        rank: the highest that it reached.
    """

    mine: str
    system: str
    no: str
    kind: str
    raised_at_us: int
    rank: int
    cleared_at_us: int


def ended_since(conn: Connection, run: int, since_us: int) -> list[EndedAlarm]:
    """Alarms of points that ended after a moment, in the order of their beginnings.

    What was found only after it was over is not among them: it never lived.

    Args:
        since_us: event time [µs UTC].
    """
    with conn.cursor(row_factory=class_row(EndedAlarm)) as cursor:
        return cursor.execute(
            """
            SELECT m.code AS mine, p.system, p.no, a.kind, a.rank,
                   (extract(epoch FROM a.raised_at) * 1000000)::bigint AS raised_at_us,
                   (extract(epoch FROM a.cleared_at) * 1000000)::bigint
                       AS cleared_at_us
            FROM alarm a
            JOIN point p USING (point_id)
            JOIN mine m ON m.mine_id = p.mine_id
            WHERE a.run = %s AND a.cleared_at > %s AND a.subject_type = 'point'
              AND NOT a.late
            ORDER BY a.raised_at, a.alarm_id""",
            (run, to_datetime(since_us)),
        ).fetchall()
