"""What a hand-over tells of a post: open, overdue, shelved, planned, broken, and load.

Everything is read from what is never changed or is read at its own time, so a summary
of the past is that of the past. Pre-warnings are left out; alarms of drills stand in a
list of their own and in no count of real ones.
"""

from typing import Any

import numpy as np
from psycopg import sql
from psycopg.rows import dict_row

from gasmon.alarms.kinds import FORECAST_KINDS
from gasmon.shifts.load import load_of
from gasmon.shifts.posts import Post
from gasmon.store.shift_calendars import Conn
from gasmon.store.views_alarms import PLACE
from gasmon.units import US_PER_DAY, from_datetime, iso_us, to_datetime

MOST_ROWS = 50
"""Rows of each list in a summary, the worst first; counts are of all."""

_ANY_RUN = (
    "a.kind <> ALL(%(forecasts)s::text[]) AND CASE %(tier)s"
    " WHEN 'mine' THEN m.code::text = %(place)s"
    " WHEN 'county' THEN a.area_code::text = %(place)s"
    " ELSE left(a.area_code, 4) || '00' = %(place)s END"
)
_AT_POST = sql.SQL(f"a.run = 0 AND {_ANY_RUN}")
_DRILL_AT_POST = sql.SQL(f"a.run <> 0 AND {_ANY_RUN}")

_ALARMS = (
    "SELECT a.alarm_id, a.run, a.rank, a.kind, a.subject_type, a.subject_id,"
    " a.area_code::text AS area, m.code::text AS mine, m.name AS mine_name, v.place,"
    " a.raised_at, a.cleared_at, a.planned, a.quiet,"
    " coalesce(%(tier)s = ANY(w.overdue), false) OR (w.next_tier = %(tier)s"
    "   AND w.next_at <= %(now)s) IS TRUE AS overdue,"
    " NOT EXISTS (SELECT FROM confirmation c WHERE c.alarm_id = a.alarm_id"
    "   AND c.tier = %(tier)s AND c.rank >= a.rank) AS unconfirmed"
    " FROM alarm a LEFT JOIN mine m USING (mine_id)"
    " LEFT JOIN alarm_watch w USING (alarm_id)"
    "{place} WHERE {post} AND NOT a.self_closed AND a.closed_at IS NULL"
    " ORDER BY a.rank DESC, a.raised_at, a.alarm_id"
)
_OPEN = sql.SQL(_ALARMS).format(place=PLACE, post=_AT_POST)
_DRILLS = sql.SQL(_ALARMS).format(place=PLACE, post=_DRILL_AT_POST)

_QUIET = sql.SQL(
    "SELECT q.quiet_id, q.kind, q.subject_type, q.subject_id, q.alarm_kind, q.reason,"
    " q.owner, q.approved_by, q.until_us, q.plan_id, p.work"
    " FROM quiet q LEFT JOIN plan p USING (plan_id)"
    " WHERE q.withdrawn_at IS NULL AND q.effective_from_us <= %(now_us)s"
    " AND q.until_us > %(now_us)s AND CASE %(tier)s"
    " WHEN 'mine' THEN left(q.subject_id, 12) = %(place)s"
    " WHEN 'county' THEN left(q.subject_id, 6) = %(place)s"
    " ELSE left(q.subject_id, 4) || '00' = %(place)s END"
    " ORDER BY q.until_us, q.quiet_id"
)

_SILENT = sql.SQL(
    "SELECT m.code::text AS mine, m.name AS mine_name, l.arrived_at FROM mine m"
    " LEFT JOIN mine_latest l ON l.mine_id = m.mine_id AND l.run = 0"
    " WHERE m.retired_at IS NULL AND NOT coalesce(l.online, false) AND CASE %(tier)s"
    " WHEN 'mine' THEN m.code::text = %(place)s"
    " WHEN 'county' THEN m.area_code::text = %(place)s"
    " ELSE left(m.area_code, 4) || '00' = %(place)s END ORDER BY m.code"
)

_TOLD = sql.SQL(
    "SELECT (extract(epoch FROM j.recorded_at) * 1000000)::bigint"
    " FROM alarm_journal j JOIN alarm a USING (alarm_id)"
    " LEFT JOIN mine m USING (mine_id)"
    " WHERE j.event IN ('raised', 'level') AND j.actor IS NULL"
    " AND j.recorded_at >= %(from)s AND j.recorded_at < %(until)s"
    " AND a.quiet IS NULL AND NOT a.late AND {post}"
).format(post=_AT_POST)

# What was so at a moment, by when it was told and done, whatever became of it since.
_STANDING = sql.SQL(
    "SELECT count(*) FILTER (WHERE NOT e.cleared),"
    " count(*) FILTER (WHERE NOT e.cleared AND e.told_at < %(stale)s),"
    " count(*) FILTER (WHERE NOT EXISTS (SELECT FROM confirmation c"
    "   WHERE c.alarm_id = e.alarm_id AND c.tier = %(tier)s"
    "   AND c.confirmed_at <= %(until)s AND c.rank >= e.rank))"
    " FROM (SELECT a.alarm_id, max(j.rank) AS rank, min(j.recorded_at) AS told_at,"
    "   (array_agg(j.event ORDER BY j.journal_id DESC))[1] = 'cleared' AS cleared"
    "   FROM alarm a JOIN alarm_journal j USING (alarm_id)"
    "   LEFT JOIN mine m USING (mine_id)"
    "   WHERE {post} AND NOT a.self_closed AND a.quiet IS NULL"
    "   AND (a.closed_at IS NULL OR a.closed_at > %(until)s)"
    "   AND j.actor IS NULL AND j.recorded_at <= %(until)s GROUP BY a.alarm_id) e"
).format(post=_AT_POST)


def summary_of(conn: Conn, post: Post, now_us: int) -> dict[str, Any]:
    """What is open, overdue, shelved, planned, exercised and broken at a post now.

    Returns:
        Counts and lists, as JSON takes them; times in Beijing time. Planned work has
        one row a plan, however many points and kinds it covers, with the number of
        open alarms that it keeps quiet.
    """
    params = _params(post) | {"now": to_datetime(now_us), "now_us": now_us}
    alarms = _rows(conn, _OPEN, params)
    drills = _rows(conn, _DRILLS, params)
    quiet = _rows(conn, _QUIET, params)
    silent = _rows(conn, _SILENT, params)
    failing = [] if post.tier == "mine" else _failing_channels(conn)
    is_open = [row for row in alarms if row["cleared_at"] is None]
    shelved = [row for row in quiet if row["kind"] == "shelf"]
    planned = _by_plan([row for row in quiet if row["kind"] != "shelf"], is_open)
    return {
        "at": iso_us(now_us),
        "counts": {
            "open": len(is_open),
            "open_by_rank": [
                sum(row["rank"] == rank for row in is_open) for rank in range(5)
            ],
            "cleared_not_closed": len(alarms) - len(is_open),
            "unconfirmed": sum(row["unconfirmed"] for row in alarms),
            "overdue": sum(row["overdue"] for row in alarms),
            "shelved": len(shelved),
            "planned": len(planned),
            "drills": len(drills),
            "silent_mines": len(silent),
            "failing_channels": len(failing),
        },
        "alarms": [_alarm(row) for row in alarms[:MOST_ROWS]],
        "shelved": [_window(row) for row in shelved[:MOST_ROWS]],
        "planned": planned[:MOST_ROWS],
        "drills": [_alarm(row) for row in drills[:MOST_ROWS]],
        "silent_mines": [_mine(row) for row in silent[:MOST_ROWS]],
        "failing_channels": failing,
    }


def load_shown(
    conn: Conn, post: Post, from_us: int, until_us: int, now_us: int
) -> dict[str, Any]:
    """The load of a shift up to its end, or up to now while it lasts.

    Args:
        until_us: end of the shift [µs UTC]; later than ``from_us``, as is ``now_us``.
    """
    end_us = min(until_us, max(now_us, from_us + 1))
    params = _params(post) | {
        "from": to_datetime(from_us),
        "until": to_datetime(end_us),
        "stale": to_datetime(end_us - US_PER_DAY),
    }
    told = conn.execute(_TOLD, params).fetchall()
    load = load_of(np.array([row[0] for row in told], dtype=np.int64), from_us, end_us)
    standing = conn.execute(_STANDING, params).fetchone()
    assert standing is not None
    return {
        "from": iso_us(from_us),
        "until": iso_us(end_us),
        "alarms": load.n_alarms,
        "mean_per_10min": round(load.mean_per_10min, 3),
        "peak_10min": load.peak_10min,
        "flood_share_pct": round(load.flood_share_pct, 2),
        "grade": load.grade,
        "flooded": load.is_flooded,
        "standing": standing[0],
        "stale": standing[1],
        "unconfirmed": standing[2],
    }


def _params(post: Post) -> dict[str, Any]:
    return {
        "tier": post.tier,
        "place": post.place,
        "forecasts": list(FORECAST_KINDS),
    }


def _rows(
    conn: Conn, query: sql.Composed | sql.SQL, params: dict[str, Any]
) -> list[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, params).fetchall()


def _alarm(row: dict[str, Any]) -> dict[str, Any]:
    cleared = row.pop("cleared_at")
    raised = iso_us(from_datetime(row.pop("raised_at")))
    return {**row, "raised_at": raised, "cleared": cleared is not None}


def _window(row: dict[str, Any]) -> dict[str, Any]:
    shown = ("quiet_id", "subject_type", "subject_id", "alarm_kind", "reason", "owner")
    return {**{name: row[name] for name in shown}, "until": iso_us(row["until_us"])}


def _by_plan(
    windows: list[dict[str, Any]], is_open: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """One row for each plan; a window without one is a row of its own."""
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in windows:
        plan = row["plan_id"]
        about = ("window", row["quiet_id"]) if plan is None else ("plan", plan)
        groups.setdefault(about, []).append(row)
    return [
        {
            "plan_id": rows[0]["plan_id"],
            "work": rows[0]["work"],
            "subjects": list(dict.fromkeys(row["subject_id"] for row in rows)),
            "alarm_kinds": sorted({row["alarm_kind"] for row in rows} - {None}),
            "reason": rows[0]["reason"],
            "owner": rows[0]["owner"],
            "approved_by": rows[0]["approved_by"],
            "until": iso_us(rows[0]["until_us"]),
            "quiet_alarms": sum(
                row["quiet"] == f"plan:{rows[0]['plan_id']}" for row in is_open
            ),
        }
        for rows in groups.values()
    ]


def _mine(row: dict[str, Any]) -> dict[str, Any]:
    heard = row.pop("arrived_at")
    return {**row, "heard_at": None if heard is None else iso_us(from_datetime(heard))}


def _failing_channels(conn: Conn) -> list[str]:
    rows = conn.execute(
        "SELECT channel FROM channel_state WHERE failing_since IS NOT NULL"
        " ORDER BY channel"
    ).fetchall()
    return [row[0] for row in rows]
