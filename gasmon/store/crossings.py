"""Crossings: values that went beyond a limit and began no alarm (``alarms.crossings``).

They are written by the turn that judged them, so what a delay or a deadband holds back
is in the record as surely as an alarm.
"""

from collections.abc import Sequence

from psycopg import sql

from gasmon.alarms.crossings import Crossing
from gasmon.store.db import Connection
from gasmon.store.views import Conn, Row, fetch, iso
from gasmon.units import to_datetime


def append(
    conn: Connection, run: int, point_ids: Sequence[int], crossed: Sequence[Crossing]
) -> None:
    """Keep crossings; one that is known already stays as it is.

    Args:
        point_ids: the database's number of each one's point.
    """
    conn.cursor().executemany(
        "INSERT INTO crossing (run, point_id, kind, crossed_at, arrived_at, value,"
        " limit_value, rule, held_by, late)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        [
            (
                run,
                point_id,
                one.kind,
                to_datetime(one.at_us),
                to_datetime(one.arrived_us),
                one.value,
                one.limit,
                one.rule,
                one.held_by,
                one.late,
            )
            for point_id, one in zip(point_ids, crossed, strict=True)
        ],
    )


_CROSSINGS = sql.SQL(
    "SELECT kind, crossed_at, arrived_at, value, limit_value AS limit, rule, held_by,"
    " late FROM crossing WHERE run = 0 AND point_id = %(point)s"
    " AND crossed_at >= %(from)s AND crossed_at < %(to)s"
    " ORDER BY crossed_at DESC, kind LIMIT %(limit)s"
)


async def crossings_of(
    conn: Conn, point_id: int, from_us: int, to_us: int, most: int
) -> list[Row]:
    """The newest live crossings of a point in [from, to), the newest first.

    The caller has checked the point's scope.
    """
    given = {
        "point": point_id,
        "from": to_datetime(from_us),
        "to": to_datetime(to_us),
        "limit": most,
    }
    rows = await fetch(conn, _CROSSINGS, given)
    for row in rows:
        row["crossed_at"] = iso(row["crossed_at"])
        row["arrived_at"] = iso(row["arrived_at"])
    return rows
