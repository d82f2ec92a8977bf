"""``trend``: a year of one point on 2,000 columns, from hours, beside the raw readings.

A year of readings each 15 s (2.1 million) is put into the database, its hours are
gathered by the job of ``gasmon duty``, some readings come late, and the same range is
asked for in both ways, in turns. The extremes must be equal.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from psycopg import sql

from benchmarks.report import Report, significant, spread
from benchmarks.servers import servers
from gasmon.clock import SystemClock
from gasmon.errors import GasmonError
from gasmon.points import PointKey
from gasmon.store import hours, points, views_readings
from gasmon.store.db import Connection, connect
from gasmon.units import US_PER_DAY, US_PER_H, to_datetime

KEY = PointKey("530627004499", "01", "001A01")
COLUMNS = 2000
CYCLE_S = 15
LATE_HOURS = 24

# Daily swing, noise and a spike now and then; the seed makes it the same each time.
_FILL = """INSERT INTO reading (at, arrived_at, value, point_id, run, state)
    SELECT at, at, round((0.4 + 0.2 * sin(extract(epoch FROM at) / 13751)
        + 0.05 * random() + CASE WHEN random() < 1e-5 THEN 2 ELSE 0 END)::numeric, 2),
        %s, 0, 0
    FROM generate_series(%s, %s, make_interval(secs => %s)) AS at"""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    days: int = 365
    rounds: int = 9


QUICK = Size(days=64, rounds=2)

Rows = list[list[Any]]
Answer = TypeVar("Answer")


def run(quick: bool) -> Report:
    """Measure on a database of its own."""
    size = QUICK if quick else Size()
    now_us = SystemClock().now_us()
    begin_us = (now_us // US_PER_H - size.days * 24) * US_PER_H
    with servers() as where, connect(where.database) as conn:
        point_id, gathering_s = _prepare(conn, begin_us, now_us)
        ask = _Asking(where.database_url, point_id, begin_us, now_us)
        took = asyncio.run(ask.in_turns(size.rounds))
        row = conn.execute(
            "SELECT count(*) FROM reading UNION ALL SELECT count(*) FROM reading_hour"
        ).fetchall()
        settings = where.settings()
    n_readings, n_hours = (int(str(one[0])) for one in row)
    return Report(
        benchmark="trend",
        unit="ms for the curve of the range, from hours",
        value=spread(took["hours"])["p50"],
        ceiling=spread(took["raw"])["p50"],
        settings=settings | {"days": size.days, "columns": COLUMNS},
        details={
            "hours_ms": spread(took["hours"]),
            "raw_ms": spread(took["raw"]),
            "readings": n_readings,
            "hours": n_hours,
            "noted_hours": LATE_HOURS,
            "gathering_readings_per_s": significant(n_readings / gathering_s, 3),
        },
    )


def _prepare(conn: Connection, begin_us: int, now_us: int) -> tuple[int, float]:
    """Fill the database and gather; the point, and how long gathering took [s]."""
    point_id = points.ensure_points(conn, [KEY], now_us)[KEY]
    conn.execute("SELECT setseed(0.5)")
    span = to_datetime(begin_us), to_datetime(now_us)
    conn.execute(_FILL.encode(), (point_id, *span, CYCLE_S))
    conn.commit()
    began_s = time.monotonic()
    for _ in range(3):
        hours.gather(conn, begin_us, 400 * US_PER_DAY, now_us, lambda: True)
    took_s = time.monotonic() - began_s
    # As after a backlog: some hours are noted and read from the raw readings.
    conn.execute(
        "INSERT INTO reading_hour_late (point_id, at) SELECT point_id, at"
        " FROM reading_hour ORDER BY at DESC LIMIT %s",
        (LATE_HOURS,),
    )
    conn.commit()
    conn.autocommit = True
    conn.execute("ANALYZE")
    return point_id, took_s


class _Asking:
    """Asks for the whole range, from hours or from the raw readings."""

    def __init__(self, url: str, point_id: int, from_us: int, to_us: int) -> None:
        self._url = url
        self._asked = point_id, from_us, to_us

    async def in_turns(self, rounds: int) -> dict[str, list[float]]:
        """How long each way took, again and again [ms].

        Raises:
            GasmonError: the two do not show the same extremes.
        """
        took: dict[str, list[float]] = {"hours": [], "raw": []}
        async with await psycopg.AsyncConnection.connect(self._url) as conn:
            for _ in range(rounds):
                step_ms, rows = await _timed(took["hours"], self._hours(conn))
                raw = await _timed(took["raw"], self._raw(conn, step_ms))
                if [row[:3] for row in rows] != [row[:3] for row in raw]:
                    raise GasmonError("hours and raw readings differ")
        return took

    async def _hours(self, conn: psycopg.AsyncConnection[Any]) -> tuple[int, Rows]:
        return await views_readings.readings(conn, *self._asked, COLUMNS)

    async def _raw(self, conn: psycopg.AsyncConnection[Any], step_ms: int) -> Rows:
        point_id, from_us, to_us = self._asked
        found = await conn.execute(
            sql.SQL(
                "SELECT (extract(epoch FROM date_bin(make_interval(secs => %s), at,"
                " %s)) * 1000)::bigint, min(value), max(value) FROM reading"
                " WHERE run = 0 AND point_id = %s AND at >= %s AND at < %s"
                " AND state & %s = 0 AND value <> 'NaN' GROUP BY 1 ORDER BY 1"
            ),
            (
                *(step_ms / 1000, to_datetime(from_us), point_id),
                *(to_datetime(from_us), to_datetime(to_us), hours.BAD_BITS),
            ),
        )
        return [list(row) for row in await found.fetchall()]


async def _timed(took: list[float], ask: Coroutine[Any, Any, Answer]) -> Answer:
    began_s = time.monotonic()
    answer = await ask
    took.append((time.monotonic() - began_s) * 1000)
    return answer
