"""Read queries for the api: long curves, from hours that were gathered.

Hours that are gathered and not noted as late come from ``reading_hour``; the begin of
the range, the newest part and noted hours come from the raw readings: the extremes are
those of the raw readings at any moment (see store/hours.py). Each part is asked for
with constant bounds, so that no partition of another day is looked at.
"""

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

from psycopg import sql

from gasmon.domain import states
from gasmon.store.views import BAD_BITS, Conn, Row, fetch
from gasmon.units import US_PER_DAY, US_PER_H, US_PER_MS, from_datetime, to_datetime

LONG_US = 62 * US_PER_DAY
"""From here on hours are used whatever was asked [µs]: two months at 15 s are 360,000
readings, which the database gathers in some tenths of a second; ours."""

MOST_SPANS = 24
"""Pieces of noted hours that are read one by one; of more, all between them too. Ours:
after a backlog noted hours lie side by side."""

Span = tuple[int, int]
"""``[begin, until)`` [µs UTC]."""

_STATE = sql.SQL(
    "SELECT s.gathered_until, ARRAY(SELECT l.at FROM reading_hour_late l"
    "   WHERE l.point_id = %(point)s AND l.at >= %(first)s AND l.at < %(to)s"
    "   ORDER BY 1) AS late"
    " FROM reading_hour_state s, point p"
    " WHERE p.point_id = %(point)s AND p.run = 0 AND s.gathered_until > %(first)s"
)
_HOURS = sql.SQL(
    "SELECT at, low, high, total, n, n_all, n_tested FROM reading_hour"
    " WHERE point_id = %(point)s AND at >= {} AND at < {}"
)
_RAW = sql.SQL(
    "SELECT date_bin('1 hour', at, timestamptz 'epoch'),"
    " min(value) FILTER (WHERE good), max(value) FILTER (WHERE good),"
    " sum(value) FILTER (WHERE good), count(*) FILTER (WHERE good), count(*),"
    " count(*) FILTER (WHERE tested) FROM (SELECT at, value,"
    "   coalesce(state & %(calibration)s <> 0, false) AS tested,"
    "   coalesce(state & %(bad)s = 0 AND value <> 'NaN', false) AS good"
    "   FROM reading WHERE run = 0 AND point_id = %(point)s"
    "   AND at >= {} AND at < {}) r GROUP BY 1"
)
_GATHERED = sql.SQL(
    "WITH part (at, low, high, total, n, n_all, n_tested) AS ({parts})"
    " SELECT greatest(date_bin(%(step)s, at, %(origin)s), %(from)s) AS at,"
    " min(low) AS low, max(high) AS high, sum(total) / nullif(sum(n), 0) AS mean,"
    " sum(n) AS n, sum(n_all) AS n_all, sum(n_tested) AS n_tested"
    " FROM part GROUP BY 1 ORDER BY 1"
)


def is_long(span_us: int, max_points: int) -> bool:
    """Whether hours are fine enough for a range [µs] in so many rows."""
    return span_us >= LONG_US or span_us >= max_points * US_PER_H


async def readings(
    conn: Conn, point_id: int, from_us: int, to_us: int, max_points: int
) -> tuple[int, list[list[Any]]] | None:
    """A point's readings in [from, to) in buckets of whole hours.

    Returns:
        As :func:`gasmon.store.views_readings.readings`; the first bucket begins at
        ``from``, the others at a whole hour. None when nothing of the range is
        gathered, or for a drill's point.
    """
    origin_us = from_us // US_PER_H * US_PER_H
    first_us = -(-from_us // US_PER_H) * US_PER_H
    params: dict[str, Any] = {
        "point": point_id,
        "first": to_datetime(first_us),
        "from": to_datetime(from_us),
        "to": to_datetime(to_us),
    }
    state = await fetch(conn, _STATE, params)
    if not state:
        return None
    gathered_us = from_datetime(state[0]["gathered_until"])
    last_us = max(first_us, min(gathered_us, to_us // US_PER_H * US_PER_H))
    late = [h for at in state[0]["late"] if (h := from_datetime(at)) < last_us]
    raw = [(from_us, min(first_us, to_us)), *_joined(late), (last_us, to_us)]
    gathered = [(a[1], b[0]) for a, b in pairwise(raw)]
    step_us = -(-(to_us - origin_us) // (max_points * US_PER_H)) * US_PER_H
    params |= {
        "origin": to_datetime(origin_us),
        "step": timedelta(microseconds=step_us),
        "bad": BAD_BITS,
        "calibration": states.CALIBRATION,
    }
    parts = [*_parts(_HOURS, gathered), *_parts(_RAW, raw)]
    query = _GATHERED.format(parts=sql.SQL(" UNION ALL ").join(parts))
    rows = await fetch(conn, query, params)
    return step_us // US_PER_MS, [bucket(row) for row in rows]


def _joined(hours: Sequence[int]) -> list[Span]:
    """Hours as spans, those side by side as one; all as one when they are many."""
    spans: list[Span] = []
    for hour in hours:
        begin = hour
        if spans and spans[-1][1] == hour:
            begin = spans.pop()[0]
        spans.append((begin, hour + US_PER_H))
    return spans if len(spans) <= MOST_SPANS else [(spans[0][0], spans[-1][1])]


def _parts(query: sql.SQL, spans: Sequence[Span]) -> list[sql.Composed]:
    return [
        query.format(*(sql.Literal(to_datetime(us)) for us in span))
        for span in spans
        if span[0] < span[1]
    ]


def bucket(row: Row) -> list[Any]:
    """A row of :data:`gasmon.store.views_readings.COLUMNS`."""
    n, n_all, n_tested = int(row["n"]), int(row["n_all"]), int(row["n_tested"])
    at_ms = from_datetime(row["at"]) // US_PER_MS
    return [at_ms, row["low"], row["high"], row["mean"], n, n_all - n, n_tested]
