"""Differences between what mines tell and what they measured, as people see them."""

from datetime import date

from psycopg import sql

from gasmon.store.scope import Scope, scope_condition
from gasmon.store.views import Conn, Row, fetch, iso

MOST = 2000
"""Differences of one answer; a day with more is one of a broken clock."""

_LIST = sql.SQL(
    "SELECT d.day, d.kind, m.code::text AS mine, m.name AS mine_name,"
    " m.area_code::text AS area, d.system::text AS system, d.no, d.at, d.until,"
    " d.ours, d.theirs, d.n, d.found_at, p.point_id, coalesce(v.place, '') AS place,"
    " coalesce(v.uom, '') AS uom"
    " FROM mine_difference d JOIN mine m USING (mine_id)"
    " LEFT JOIN point p ON p.mine_id = d.mine_id AND p.system = d.system"
    "   AND p.no = d.no AND p.run = d.run"
    " LEFT JOIN LATERAL (SELECT place, uom FROM point_version w WHERE"
    "   w.point_id = p.point_id ORDER BY effective_from_us DESC LIMIT 1) v ON true"
    " WHERE d.run = 0 AND d.day = %(day)s AND {scope} AND {only}"
    " ORDER BY m.code, d.at, d.kind, d.no LIMIT {most}"
)


async def differences(
    conn: Conn, scope: Scope, day: date, mine: str | None = None
) -> list[Row]:
    """The differences of a day in Beijing, mine by mine in the order of their times."""
    query = _LIST.format(
        scope=scope_condition(scope),
        only=scope_condition(Scope(None, None if mine is None else (mine,))),
        most=sql.Literal(MOST),
    )
    return [
        {
            **{name: row[name] for name in ("kind", "mine", "mine_name", "area")},
            "day": row["day"].isoformat(),
            "point": f"{row['system']}-{row['no']}" if row["no"] else None,
            "point_id": row["point_id"],
            "place": row["place"],
            "uom": row["uom"],
            "at": iso(row["at"]),
            "until": iso(row["until"]),
            "ours": row["ours"],
            "theirs": row["theirs"],
            "n": row["n"],
        }
        for row in await fetch(conn, query, {"day": day})
    ]
