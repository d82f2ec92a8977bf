"""Read queries for the api: areas, mines, points, latest values.

Every query takes the caller's :class:`~gasmon.store.scope.Scope` and puts
``scope_condition`` into its WHERE, so that no route can forget it; what lies outside of
the scope looks exactly like what does not exist. Rows come back as plain dictionaries
in the shape that docs/api shows, times as RFC 3339 in Beijing time.
"""

from collections.abc import Mapping
from datetime import datetime
from math import isnan
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from gasmon import domain
from gasmon.alarms.kinds import MINE_ONLY_KINDS
from gasmon.domain import states
from gasmon.errors import NotFound
from gasmon.store.scope import Scope, area_condition, scope_condition
from gasmon.units import from_datetime, iso_us

Conn = psycopg.AsyncConnection[Any]
Row = dict[str, Any]

LIMIT_NAMES = (
    "alarm_high",
    "clear_high",
    "cut_high",
    "restore_high",
    "alarm_low",
    "clear_low",
    "cut_low",
    "restore_low",
)

# States whose value says nothing about the gas: it is kept, and never averaged.
BAD_BITS = states.NO_VALUE | states.CALIBRATION


def iso(moment: datetime | None) -> str | None:
    """A table's time as people see it; None stays None."""
    return None if moment is None else iso_us(from_datetime(moment))


async def fetch(
    conn: Conn, query: sql.SQL | sql.Composed, params: Mapping[str, Any] | None = None
) -> list[Row]:
    """Run one query and give its rows as dictionaries."""
    cursor = conn.cursor(row_factory=dict_row)
    await cursor.execute(query, params)
    return await cursor.fetchall()


def unconfirmed(alarm: str = "a") -> sql.Composed:
    """SQL: this tier (parameter ``tier``; NULL = any) owes a confirmation.

    A confirmation counts up to the level it was given at: a level above it asks again.
    What a rule closed without asking for one is owed by nobody.
    """
    return sql.SQL(
        "({alarm} AND NOT {a}.self_closed"
        " AND NOT EXISTS (SELECT FROM confirmation c"
        " WHERE c.alarm_id = {a}.alarm_id AND c.rank >= {a}.rank"
        " AND (%(tier)s::text IS NULL OR c.tier = %(tier)s::text)))"
    ).format(a=sql.Identifier(alarm), alarm=is_alarm(alarm))


def is_alarm(alarm: str = "a") -> sql.Composed:
    """SQL: an alarm, and not a pre-warning, which only the mine's own page shows."""
    return sql.SQL("{a}.kind <> ALL({kinds}::text[])").format(
        a=sql.Identifier(alarm), kinds=sql.Literal(list(MINE_ONLY_KINDS))
    )


async def areas(conn: Conn, scope: Scope, tier: str | None) -> list[Row]:
    """The areas in which anything may be seen, with what goes on there."""
    query = sql.SQL(
        "SELECT trim(r.code) AS code, r.slug, r.name_zh, r.name_en, r.platform,"
        " coalesce(n.mines, 0) AS mines, coalesce(n.online, 0) AS online,"
        " o.worst_rank, coalesce(o.open_alarms, 0) AS open_alarms,"
        " coalesce(o.unconfirmed, 0) AS unconfirmed"
        " FROM area r"
        " LEFT JOIN (SELECT m.area_code, count(*) AS mines,"
        "   count(*) FILTER (WHERE l.online) AS online"
        "   FROM mine m LEFT JOIN mine_latest l ON l.mine_id = m.mine_id AND l.run = 0"
        "   WHERE m.retired_at IS NULL AND {mines} GROUP BY 1) n"
        " ON n.area_code = r.code"
        " LEFT JOIN (SELECT a.area_code, count(*) AS open_alarms,"
        "   max(a.rank) AS worst_rank,"
        "   count(*) FILTER (WHERE {owed}) AS unconfirmed"
        "   FROM alarm a LEFT JOIN mine m USING (mine_id)"
        "   WHERE a.run = 0 AND a.cleared_at IS NULL AND {real} AND {alarms}"
        "   GROUP BY 1) o"
        " ON o.area_code = r.code"
        " WHERE {areas} ORDER BY r.code"
    ).format(
        mines=scope_condition(scope),
        owed=unconfirmed(),
        real=is_alarm(),
        alarms=scope_condition(scope, "a.area_code"),
        areas=area_condition(scope, "r.code"),
    )
    return await fetch(conn, query, {"tier": tier})


_MINES = sql.SQL(
    "SELECT m.mine_id, m.code, m.area_code AS area, m.name, m.kind, m.atmosphere_kpa,"
    " coalesce(l.online, false) AS online, l.arrived_at, l.points AS packed,"
    " (SELECT count(*) FROM point p WHERE p.mine_id = m.mine_id AND p.run = 0"
    "   AND p.retired_at IS NULL) AS points,"
    " o.worst_rank, coalesce(o.open_alarms, 0) AS open_alarms,"
    " coalesce(o.unconfirmed, 0) AS unconfirmed"
    " FROM mine m"
    " LEFT JOIN mine_latest l ON l.mine_id = m.mine_id AND l.run = 0"
    " LEFT JOIN (SELECT a.mine_id, count(*) AS open_alarms, max(a.rank) AS worst_rank,"
    "   count(*) FILTER (WHERE {owed}) AS unconfirmed"
    "   FROM alarm a WHERE a.run = 0 AND a.cleared_at IS NULL AND {real} GROUP BY 1) o"
    " ON o.mine_id = m.mine_id"
    " WHERE m.retired_at IS NULL AND {scope} AND {filter} ORDER BY m.code"
)


async def mines(
    conn: Conn,
    scope: Scope,
    tier: str | None,
    *,
    area: str | None = None,
    q: str | None = None,
    code: str | None = None,
) -> list[Row]:
    """Mines with their state; ``packed`` holds the latest values for the caller.

    Args:
        area: only this area (a prefecture's code means all of its counties).
        q: only names or codes that contain this.
        code: only this mine.
    """
    query = _MINES.format(
        owed=unconfirmed(),
        real=is_alarm(),
        scope=scope_condition(scope),
        filter=sql.SQL(
            "(%(area)s::text IS NULL OR m.area_code = %(area)s::text"
            "   OR left(m.area_code, 4) || '00' = %(area)s::text)"
            " AND (%(code)s::text IS NULL OR m.code = %(code)s::text)"
            " AND (%(q)s::text IS NULL OR m.code || ' ' || m.name ILIKE %(q)s)"
        ),
    )
    rows = await fetch(
        conn, query, {"tier": tier, "area": area, "code": code, "q": like(q)}
    )
    for row in rows:
        row["arrived_at"] = iso(row["arrived_at"])
    return rows


def like(words: str | None) -> str | None:
    """A pattern that finds these words literally anywhere."""
    if words is None:
        return None
    escaped = words.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"


async def mine_id(conn: Conn, scope: Scope, code: str) -> int:
    """The mine of this code.

    Raises:
        NotFound: there is none, or not for this scope.
    """
    query = sql.SQL("SELECT m.mine_id FROM mine m WHERE m.code = %(code)s AND {}")
    rows = await fetch(conn, query.format(scope_condition(scope)), {"code": code})
    if not rows:
        raise NotFound(f"no mine {code}")
    return int(rows[0]["mine_id"])


async def units(conn: Conn, mine: int) -> list[Row]:
    """The units of a mine whose scope was checked by :func:`mine_id`."""
    return await fetch(
        conn,
        sql.SQL(
            "SELECT slug AS id, kind, name FROM unit"
            " WHERE mine_id = %(mine)s AND retired_at IS NULL ORDER BY slug"
        ),
        {"mine": mine},
    )


_POINTS = sql.SQL(
    "SELECT p.point_id, p.run, m.code AS mine, m.area_code AS area,"
    " m.name AS mine_name, p.system, p.no, p.provisional, p.retired_at, v.*"
    " FROM point p JOIN mine m USING (mine_id)"
    " LEFT JOIN LATERAL (SELECT w.sensor_type, w.value_kind, w.quantity, w.uom,"
    "   w.place, w.place_class, w.unit_slug, w.range_low, w.range_high, {limits}"
    "   FROM point_version w WHERE w.point_id = p.point_id"
    "   AND w.effective_from_us <= %(now_us)s"
    "   ORDER BY w.effective_from_us DESC LIMIT 1) v ON true"
    " WHERE {scope} AND {filter}"
    " ORDER BY m.code, p.system, p.no"
)


async def points(
    conn: Conn,
    scope: Scope,
    now_us: int,
    *,
    mine: int | None = None,
    point_id: int | None = None,
    run: int = 0,
) -> list[Row]:
    """Points with the attributes that hold now: of a mine, a run, or one by its id.

    Args:
        mine: of which; None with the run of a drill means all of its mines.
        point_id: one point, whatever run it belongs to.
        run: 0 for live points, else the number of a drill.
    """
    wanted = "p.run = %(run)s AND (%(mine)s::int IS NULL OR p.mine_id = %(mine)s::int)"
    query = _POINTS.format(
        limits=sql.SQL(", ").join(sql.Identifier("w", name) for name in LIMIT_NAMES),
        scope=scope_condition(scope),
        filter=sql.SQL(wanted if point_id is None else "p.point_id = %(point_id)s"),
    )
    rows = await fetch(
        conn,
        query,
        {"now_us": now_us, "mine": mine, "point_id": point_id, "run": run},
    )
    return [_point(row) for row in rows]


def _point(row: Row) -> Row:
    code = row["sensor_type"] or "0000"
    known = domain.sensor_types().get(code)
    return {
        "point_id": row["point_id"],
        "run": row["run"],
        "mine": row["mine"],
        "mine_name": row["mine_name"],
        "area": row["area"],
        "system": row["system"],
        "no": row["no"],
        "sensor_type": code,
        "type_zh": known.name_zh if known else "",
        "type_en": known.name_en if known else "",
        "value_kind": row["value_kind"] or "MN",
        "quantity": row["quantity"] or domain.UNKNOWN_QUANTITY,
        "uom": row["uom"] or "",
        "place": row["place"] or "",
        "place_class": row["place_class"],
        "unit_id": row["unit_slug"],
        "range": [finite(row["range_low"]), finite(row["range_high"])],
        "limits": {name: finite(row[name]) for name in LIMIT_NAMES},
        "provisional": row["provisional"],
        "retired_at": iso(row["retired_at"]),
        "state_0": known.state_0 if known else "",
        "state_1": known.state_1 if known else "",
    }


def finite(value: float | None) -> float | None:
    """JSON has no NaN: it means the same as nothing."""
    return None if value is None or isnan(value) else value


async def latest_row(conn: Conn, mine: int, run: int = 0) -> Row | None:
    """The packed latest values of a mine whose scope was checked; None before any.

    Args:
        run: 0 for live values, else the number of a drill, none after its end.
    """
    rows = await fetch(
        conn,
        sql.SQL(
            "SELECT seq, judged_at, arrived_at, online, points FROM mine_latest"
            " WHERE run = %(run)s AND mine_id = %(mine)s"
        ),
        {"run": run, "mine": mine},
    )
    return rows[0] if rows else None


async def point_names(conn: Conn, now_us: int, ids: list[int]) -> dict[int, Row]:
    """Number and place of points that are the caller's own to see, by id."""
    rows = await fetch(
        conn,
        sql.SQL(
            "SELECT p.point_id, p.no, v.place FROM point p"
            " LEFT JOIN LATERAL (SELECT w.place FROM point_version w"
            "   WHERE w.point_id = p.point_id AND w.effective_from_us <= %(now_us)s"
            "   ORDER BY w.effective_from_us DESC LIMIT 1) v ON true"
            " WHERE p.point_id = ANY(%(ids)s)"
        ),
        {"now_us": now_us, "ids": ids},
    )
    return {row["point_id"]: row for row in rows}
