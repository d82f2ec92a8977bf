"""Read queries for the api: finding mines and points by words."""

from psycopg import sql

from gasmon.store.scope import Scope, scope_condition
from gasmon.store.views import Conn, Row, fetch, like

_MINES = sql.SQL(
    "SELECT trim(m.code) AS code, m.name, trim(m.area_code) AS area FROM mine m"
    " WHERE m.retired_at IS NULL AND m.code || ' ' || m.name ILIKE %(q)s AND {scope}"
    " ORDER BY m.name ILIKE %(begin)s DESC, m.code LIMIT %(limit)s"
)
_POINTS = sql.SQL(
    "SELECT p.point_id, p.no, p.system, v.place, v.sensor_type,"
    " trim(m.code) AS mine, m.name AS mine_name, trim(m.area_code) AS area"
    " FROM point p JOIN mine m USING (mine_id)"
    " JOIN LATERAL (SELECT w.place, w.sensor_type FROM point_version w"
    "   WHERE w.point_id = p.point_id AND w.effective_from_us <= %(now_us)s"
    "   ORDER BY w.effective_from_us DESC LIMIT 1) v ON true"
    " WHERE p.run = 0 AND p.retired_at IS NULL AND m.retired_at IS NULL"
    " AND {scope} AND {words}"
    " ORDER BY m.code, p.system, p.no LIMIT %(limit)s"
)
_TEXT = sql.SQL(
    "concat_ws(' ', m.code || '-' || p.system || '-' || p.no, p.no, v.place, m.name)"
)
MOST_WORDS = 5


async def mines(conn: Conn, scope: Scope, q: str, limit: int) -> list[Row]:
    """Mines whose name or code contains the text; names that begin with it first."""
    pattern = like(q.strip())
    assert pattern is not None
    query = _MINES.format(scope=scope_condition(scope))
    params = {"q": pattern, "begin": pattern[1:], "limit": limit}
    return await fetch(conn, query, params)


async def points(
    conn: Conn, scope: Scope, q: str, limit: int, now_us: int
) -> list[Row]:
    """Points whose number, place or mine contain every word of the text."""
    words = {f"w{i}": like(word) for i, word in enumerate(q.split()[:MOST_WORDS])}
    if not words:
        return []
    found = [
        sql.SQL("{} ILIKE {}").format(_TEXT, sql.Placeholder(name)) for name in words
    ]
    query = _POINTS.format(
        scope=scope_condition(scope), words=sql.SQL(" AND ").join(found)
    )
    return await fetch(conn, query, {**words, "limit": limit, "now_us": now_us})
