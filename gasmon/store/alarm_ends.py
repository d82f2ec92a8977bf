"""Ends of alarms as they are recorded: a restart asks what went ahead of its log."""

from dataclasses import dataclass

from psycopg.rows import class_row

from gasmon.store.db import Connection
from gasmon.units import to_datetime


@dataclass(frozen=True, slots=True)
class EndedAlarm:
    """An alarm of a point, a unit or a mine that is over.

    Attributes:
        subject: ``point:…``, ``unit:…`` or ``mine:…``.
        mine: of its point; ``system`` and ``no`` likewise, None without one.
        raised_at_us: event time of its beginning; ``cleared_at_us`` of its end [µs].
        rank: the highest that it reached.
    """

    subject: str
    mine: str
    system: str | None
    no: str | None
    kind: str
    raised_at_us: int
    rank: int
    cleared_at_us: int


def ended_since(conn: Connection, run: int, since_us: int) -> list[EndedAlarm]:
    """Alarms about mines that ended after a moment, in the order of their beginnings.

    What was found only after it was over is not among them: it never lived.

    Args:
        since_us: event time [µs UTC].
    """
    with conn.cursor(row_factory=class_row(EndedAlarm)) as cursor:
        return cursor.execute(
            """
            SELECT a.subject_type || ':' || a.subject_id AS subject,
                   m.code AS mine, p.system, p.no, a.kind, a.rank,
                   (extract(epoch FROM a.raised_at) * 1000000)::bigint AS raised_at_us,
                   (extract(epoch FROM a.cleared_at) * 1000000)::bigint
                       AS cleared_at_us
            FROM alarm a
            JOIN mine m ON m.mine_id = a.mine_id
            LEFT JOIN point p ON p.point_id = a.point_id
            WHERE a.run = %s AND a.cleared_at > %s AND NOT a.late
              AND a.subject_type IN ('point', 'unit', 'mine')
            ORDER BY a.raised_at, a.alarm_id""",
            (run, to_datetime(since_us)),
        ).fetchall()
