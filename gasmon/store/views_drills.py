"""Drills as people and programs see them."""

from typing import Any

from psycopg import sql
from psycopg.rows import dict_row

from gasmon.errors import NotFound
from gasmon.store.access import Principal
from gasmon.store.db import Connection
from gasmon.store.drills import END_CAUSES, ENDERS
from gasmon.store.scope import scope_condition
from gasmon.store.views import iso
from gasmon.units import to_datetime

Row = dict[str, Any]

STATES = ("declared", "running", "ended")

SEES_UNANNOUNCED = ("trainer", "city_officer", "administrator")
"""Roles that see an unannounced drill from the start: whoever is tested by it must not
find it in a list before its first alarm, which says itself that it is an exercise."""

_DRILLS = sql.SQL(
    "SELECT d.*, j.judged_by, r.real_alarms, a.alarms, a.open_alarms,"
    " (SELECT jsonb_build_object('sheet', sheet, 'points', points,"
    "   'of_points', of_points, 'passed', passed, 'by', scored_by, 'at', scored_at)"
    "   FROM drill_score WHERE run = d.run ORDER BY score_id DESC LIMIT 1) AS score"
    " FROM drill d"
    " CROSS JOIN LATERAL (SELECT coalesce(jsonb_agg(jsonb_build_object("
    "   'scope', scope, 'owner', owner, 'since', begun_at) ORDER BY scope), '[]')"
    "   AS judged_by FROM drill_judge WHERE run = d.run) j"
    " CROSS JOIN LATERAL (SELECT coalesce(jsonb_agg(jsonb_build_object("
    "   'alarm_id', alarm_id, 'at', noted_at) ORDER BY alarm_id), '[]')"
    "   AS real_alarms FROM drill_real_alarm WHERE run = d.run) r"
    " CROSS JOIN LATERAL (SELECT count(*) AS alarms,"
    "   count(*) FILTER (WHERE cleared_at IS NULL) AS open_alarms"
    "   FROM alarm WHERE run = d.run) a"
    " WHERE {filter} ORDER BY d.run DESC LIMIT {limit}"
)

_MINES = sql.SQL(
    "SELECT m.code::text AS mine, m.name AS mine_name, count(*) AS points,"
    " l.arrived_at AS last_at, coalesce(l.online, false) AS online"
    " FROM point p JOIN mine m USING (mine_id)"
    " LEFT JOIN mine_latest l ON l.mine_id = m.mine_id AND l.run = p.run"
    " WHERE p.run = {run} AND p.retired_at IS NULL AND {scope}"
    " GROUP BY m.code, m.name, l.arrived_at, l.online ORDER BY m.code"
)


def _seen(who: Principal) -> sql.Composed:
    """The drills that a principal sees: those of an area of its own."""
    parts: list[sql.Composable] = [sql.SQL("true")]
    areas = who.areas
    if who.mines is not None:
        areas = tuple(sorted({mine[:6] for mine in who.mines}))
    if areas is not None:
        # A prefecture and its counties see each other's.
        codes = sorted({*areas, *(area[:4] + "00" for area in areas)})
        parts.append(
            sql.SQL(
                "EXISTS (SELECT FROM unnest(d.areas) AS x (code) WHERE x.code ="
                " ANY({codes}) OR left(x.code, 4) || '00' = ANY({own}))"
            ).format(codes=codes, own=list(areas))
        )
    if who.role not in SEES_UNANNOUNCED:
        parts.append(
            sql.SQL(
                "(d.announced OR d.ended_at IS NOT NULL"
                " OR EXISTS (SELECT FROM alarm WHERE run = d.run))"
            )
        )
    return sql.SQL(" AND ").join(parts)


def drills(
    conn: Connection,
    who: Principal,
    *,
    now_us: int,
    area: str | None = None,
    current: bool = False,
    before: int | None = None,
    limit: int = 50,
) -> tuple[list[Row], int | None]:
    """One page of drills, the newest first, and the cursor of the next; None: the last.

    Args:
        area: only those of this area.
        current: only those that are not over.
        before: cursor: those with a lower number.
    """
    parts: list[sql.Composable] = [_seen(who)]
    if area is not None:
        parts.append(sql.SQL("{} = ANY(d.areas)").format(area))
    if current:
        parts.append(sql.SQL("d.ended_at IS NULL"))
    if before is not None:
        parts.append(sql.SQL("d.run < {}").format(before))
    rows = _rows(conn, parts, limit + 1)
    following = rows[limit - 1]["run"] if len(rows) > limit else None
    return [_drill(row, who, now_us) for row in rows[:limit]], following


def drill(conn: Connection, who: Principal, run: int, now_us: int) -> Row:
    """One drill, with the mines that took part and are this principal's to see.

    Raises:
        NotFound: there is none, or not for this principal.
    """
    rows = _rows(conn, [_seen(who), sql.SQL("d.run = {}").format(run)], 1)
    if not rows:
        raise NotFound(f"no drill {run}")
    with conn.cursor(row_factory=dict_row) as cursor:
        query = _MINES.format(run=run, scope=scope_condition(who.scope))
        mines = cursor.execute(query).fetchall()
    for mine in mines:
        mine["last_at"] = iso(mine["last_at"])
    return {**_drill(rows[0], who, now_us), "mines": mines}


def _rows(conn: Connection, parts: list[sql.Composable], limit: int) -> list[Row]:
    query = _DRILLS.format(filter=sql.SQL(" AND ").join(parts), limit=limit)
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query).fetchall()


def _drill(row: Row, who: Principal, now_us: int) -> Row:
    cause = row["end_cause"]
    if row["ended_at"] is not None:
        state = "ended"
    else:
        is_begun = row["starts_at"] <= to_datetime(now_us)
        state = "running" if is_begun else "declared"
    names = ("run", "scenario", "title", "areas", "announced", "declared_by", "note")
    more = ("participants", "stop_on_real_alarm", "end_reason", "ended_by")
    counts = ("judged_by", "real_alarms", "alarms", "open_alarms", "score")
    return {
        **{name: row[name] for name in (*names, *more, *counts)},
        "declared_at": iso(row["declared_at"]),
        "from": iso(row["starts_at"]),
        "until": iso(row["until"]),
        "state": state,
        "may_end": state != "ended"
        and who.role in ENDERS
        and who.may_do("act")
        and any(who.scope.allows_area(area) for area in row["areas"]),
        "ended_at": iso(row["ended_at"]),
        "end_cause": cause,
        "end_text": dict(zip(("zh", "en"), END_CAUSES[cause], strict=True))
        if cause
        else None,
    }


def refused(conn: Connection, now_us: int) -> list[Row]:
    """What came on topics of drills in the last day and was not taken."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "SELECT run, reason, n, first_at, last_at FROM drill_refused"
            " WHERE last_at > %s::timestamptz - interval '1 day'"
            " ORDER BY last_at DESC LIMIT 1000",
            (to_datetime(now_us),),
        ).fetchall()
    for row in rows:
        row["first_at"], row["last_at"] = iso(row["first_at"]), iso(row["last_at"])
    return rows
