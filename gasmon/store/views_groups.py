"""Read query for the api: open alarms of a flood, gathered by mine and kind.

A group names its worst alarm, so that folding hides no level; red ones are listed by
themselves besides (the page's tab does so).
"""

from typing import Any

from psycopg import sql

from gasmon.store.scope import Scope, scope_condition
from gasmon.store.views import Conn, Row, fetch, finite, is_alarm, iso, unconfirmed
from gasmon.store.views_alarms import PLACE

_GROUPS = sql.SQL(
    "WITH found AS (SELECT a.mine_id, a.area_code, a.kind, count(*) AS n,"
    "  count(*) FILTER (WHERE o.owed) AS n_owed, max(a.rank) AS worst_rank,"
    "  count(*) FILTER (WHERE a.rank = 4) AS n_red,"
    "  min(a.raised_at) AS first_at, max(a.raised_at) AS last_at,"
    "  (array_agg(a.alarm_id ORDER BY a.rank DESC, o.owed DESC, a.raised_at))[1]"
    "   AS worst_id"
    "  FROM alarm a LEFT JOIN mine m USING (mine_id)"
    "  CROSS JOIN LATERAL (SELECT {owed} AS owed) o"
    "  WHERE a.run = 0 AND a.cleared_at IS NULL AND {real} AND {scope}"
    "  AND (%(area)s::text IS NULL OR a.area_code = %(area)s::text"
    "   OR left(a.area_code, 4) || '00' = %(area)s::text)"
    "  AND (%(mine)s::text IS NULL OR m.code = %(mine)s::text)"
    "  GROUP BY 1, 2, 3),"
    " top AS (SELECT *, sum(n) OVER () AS total, count(*) OVER () AS n_groups"
    "  FROM found ORDER BY worst_rank DESC, n_owed DESC, n DESC, last_at DESC,"
    "   worst_id LIMIT %(limit)s)"
    " SELECT g.*, m.code AS mine, m.name AS mine_name, a.rank, a.value, a.raised_at,"
    " a.subject_id, v.place, v.uom"
    " FROM top g JOIN alarm a ON a.alarm_id = g.worst_id"
    " LEFT JOIN mine m ON m.mine_id = g.mine_id{place}"
    " ORDER BY g.worst_rank DESC, g.n_owed DESC, g.n DESC, g.last_at DESC, g.worst_id"
)


async def groups(
    conn: Conn,
    scope: Scope,
    tier: str | None,
    *,
    area: str | None = None,
    mine: str | None = None,
    limit: int = 200,
) -> dict[str, Any]:
    """Open live alarms by mine and kind, the worst group first.

    Args:
        tier: whose confirmations are counted as owed; None: nobody's yet.
        area: only this area (a prefecture's code means all of its counties).
        limit: groups at most; ``total`` and ``groups`` are of all.
    """
    query = _GROUPS.format(
        owed=unconfirmed(),
        real=is_alarm(),
        scope=scope_condition(scope, "a.area_code"),
        place=PLACE,
    )
    rows = await fetch(
        conn, query, {"tier": tier, "area": area, "mine": mine, "limit": limit}
    )
    return {
        "items": [_group(row) for row in rows],
        "total": int(rows[0]["total"]) if rows else 0,
        "groups": rows[0]["n_groups"] if rows else 0,
    }


def _group(row: Row) -> Row:
    return {
        "area": row["area_code"],
        "mine": row["mine"],
        "mine_name": row["mine_name"] or "",
        "kind": row["kind"],
        "n": row["n"],
        "unconfirmed": row["n_owed"],
        "red": row["n_red"],
        "worst_rank": row["worst_rank"],
        "first_at": iso(row["first_at"]),
        "last_at": iso(row["last_at"]),
        "worst": {
            "alarm_id": row["worst_id"],
            "rank": row["rank"],
            "place": row["place"] or row["subject_id"],
            "value": finite(row["value"]),
            "uom": row["uom"] or "",
            "raised_at": iso(row["raised_at"]),
        },
    }
