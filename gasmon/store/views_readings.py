"""Read queries for the api: what points measured, and what happened meanwhile.

The caller has checked the scope of the point or mine. Few readings come as they are;
many are gathered in equal buckets whose least and greatest values stay visible, which a
mean or a sample would lose. Buckets without readings are left out: a gap stays one.
"""

from datetime import timedelta
from typing import Any

from psycopg import sql

from gasmon.domain import states
from gasmon.store import views_hours
from gasmon.store.views import (
    BAD_BITS,
    LIMIT_NAMES,
    Conn,
    Row,
    fetch,
    finite,
    is_alarm,
    iso,
)
from gasmon.units import US_PER_MS, from_datetime, iso_us, to_datetime

MOST_MARKS = 1000
"""Alarms, and versions of limits, that one answer tells; ours."""

COLUMNS = ("t_ms", "min", "max", "mean", "n", "n_bad", "n_calibration")
"""Of a row of readings: ``n`` good ones; ``n_bad`` others, with ``n_calibration``."""

_FROM = sql.SQL(
    " FROM (SELECT at, value, coalesce(state & %(calibration)s <> 0, false) AS tested,"
    "   coalesce(state & %(bad)s = 0 AND value <> 'NaN', false) AS good"
    # A drill's point is a row of its own, with readings of its run alone.
    "   FROM reading WHERE run = (SELECT run FROM point WHERE point_id = %(point)s)"
    "   AND point_id = %(point)s AND at >= %(from)s AND at < %(to)s) r"
)
_RAW = sql.SQL("SELECT at, value, good, tested{} ORDER BY at LIMIT %(limit)s").format(
    _FROM
)
_GATHERED = sql.SQL(
    "SELECT date_bin(%(step)s, at, %(from)s) AS at,"
    " min(value) FILTER (WHERE good) AS low, max(value) FILTER (WHERE good) AS high,"
    " avg(value) FILTER (WHERE good) AS mean, count(*) FILTER (WHERE good) AS n,"
    " count(*) AS n_all, count(*) FILTER (WHERE tested) AS n_tested"
    "{} GROUP BY 1 ORDER BY 1"
).format(_FROM)


async def readings(
    conn: Conn, point_id: int, from_us: int, to_us: int, max_points: int
) -> tuple[int, list[list[Any]]]:
    """A point's readings in [from, to), at most ``max_points`` rows, extremes kept.

    Long ranges come from gathered hours (:mod:`gasmon.store.views_hours`), which are
    kept for longer than readings.

    Returns:
        The bucket's length [ms], 0 for raw readings; and rows of :data:`COLUMNS` with
        their start [ms UTC]. Without any good reading the three values are None.
    """
    if views_hours.is_long(to_us - from_us, max_points):
        gathered = await views_hours.readings(
            conn, point_id, from_us, to_us, max_points
        )
        if gathered is not None:
            return gathered
    params = {
        "point": point_id,
        "from": to_datetime(from_us),
        "to": to_datetime(to_us),
        "limit": max_points + 1,
        "bad": BAD_BITS,
        "calibration": states.CALIBRATION,
    }
    raw = await fetch(conn, _RAW, params)
    if len(raw) <= max_points:
        return 0, [_raw_reading(row) for row in raw]
    # Whole milliseconds, rounded up, so that there are never more buckets than asked.
    step_us = -(-(to_us - from_us) // (max_points * US_PER_MS)) * US_PER_MS
    step = timedelta(microseconds=step_us)
    rows = await fetch(conn, _GATHERED, {**params, "step": step})
    return step_us // US_PER_MS, [views_hours.bucket(row) for row in rows]


def _raw_reading(row: Row) -> list[Any]:
    at_ms, tested = from_datetime(row["at"]) // US_PER_MS, int(row["tested"])
    if not row["good"]:
        return [at_ms, None, None, None, 0, 1, tested]
    return [at_ms, row["value"], row["value"], row["value"], 1, 0, tested]


_ALARMS = sql.SQL(
    "SELECT a.alarm_id, a.kind, a.rank, a.planned, a.raised_at, a.cleared_at"
    " FROM alarm a WHERE a.run = 0 AND a.point_id = %(point)s AND {real}"
    " AND a.raised_at < %(to)s AND (a.cleared_at IS NULL OR a.cleared_at >= %(from)s)"
    " ORDER BY a.rank DESC, a.raised_at DESC LIMIT %(limit)s"
).format(real=is_alarm())

_LIMITS = sql.SQL(
    "SELECT v.effective_from_us, v.source, {limits} FROM point_version v"
    " WHERE v.point_id = %(point)s AND v.effective_from_us < %(to_us)s"
    " AND v.effective_from_us >= coalesce((SELECT max(w.effective_from_us)"
    "   FROM point_version w WHERE w.point_id = %(point)s"
    "   AND w.effective_from_us <= %(from_us)s), 0)"
    " ORDER BY v.effective_from_us DESC LIMIT %(limit)s"
).format(limits=sql.SQL(", ").join(sql.Identifier("v", name) for name in LIMIT_NAMES))


async def marks(conn: Conn, point_id: int, from_us: int, to_us: int) -> dict[str, Any]:
    """Alarms of a point that touch [from, to), and the limits that held meanwhile.

    The worst alarms and the newest limits come when there are more than
    :data:`MOST_MARKS`; ``more`` says so.

    Returns:
        ``alarms`` (``to`` None: still on), ``limits`` by time (only where one changed;
        the first may have begun before), ``more``.
    """
    params = {
        "point": point_id,
        "from": to_datetime(from_us),
        "to": to_datetime(to_us),
        "from_us": from_us,
        "to_us": to_us,
        "limit": MOST_MARKS + 1,
    }
    alarms = await fetch(conn, _ALARMS, params)
    versions = await fetch(conn, _LIMITS, params)
    more = len(alarms) > MOST_MARKS or len(versions) > MOST_MARKS
    return {
        "alarms": [_alarm_mark(row) for row in reversed(alarms[:MOST_MARKS])],
        "limits": _changes(versions[:MOST_MARKS][::-1]),
        "more": more,
    }


def _alarm_mark(row: Row) -> dict[str, Any]:
    return {
        "alarm_id": row["alarm_id"],
        "kind": row["kind"],
        "rank": row["rank"],
        "planned": row["planned"],
        "from": iso(row["raised_at"]),
        "to": iso(row["cleared_at"]),
    }


def _changes(versions: list[Row]) -> list[dict[str, Any]]:
    """Versions whose limits differ from those of the version before."""
    told: list[dict[str, Any]] = []
    for row in versions:
        limits = {name: finite(row[name]) for name in LIMIT_NAMES}
        if not told or told[-1]["limits"] != limits:
            at = iso_us(row["effective_from_us"])
            told.append({"from": at, "source": row["source"], "limits": limits})
    return told


_SPARKS = sql.SQL(
    "SELECT r.point_id, date_bin(%(step)s, r.at, %(from)s) AS at,"
    " min(r.value) AS low, max(r.value) AS high"
    " FROM reading r JOIN point p USING (point_id)"
    " WHERE r.run = %(run)s AND p.mine_id = %(mine)s"
    " AND r.at >= %(from)s AND r.at < %(to)s"
    " AND r.state & %(bad)s = 0 AND r.value <> 'NaN'"
    " GROUP BY 1, 2 ORDER BY 1, 2"
)


async def sparklines(
    conn: Conn, mine: int, from_us: int, to_us: int, step_us: int, run: int = 0
) -> dict[int, list[list[Any]]]:
    """Least and greatest good values of every point of a mine, bucket by bucket.

    Args:
        run: 0 for real values, else the number of a drill.

    Returns:
        By point: rows of start [ms UTC], min, max; buckets without a good value are
        left out.
    """
    rows = await fetch(
        conn,
        _SPARKS,
        {
            "mine": mine,
            "run": run,
            "from": to_datetime(from_us),
            "to": to_datetime(to_us),
            "step": timedelta(microseconds=step_us),
            "bad": BAD_BITS,
        },
    )
    found: dict[int, list[list[Any]]] = {}
    for row in rows:
        at_ms = from_datetime(row["at"]) // US_PER_MS
        found.setdefault(row["point_id"], []).append([at_ms, row["low"], row["high"]])
    return found
