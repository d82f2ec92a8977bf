"""What the sensors of one mine measured in a day, for its daily monitoring report.

One pass over the mine's readings of that day along their index: a mine of 250 sensors
at 5 s has 4 million of them. Greatest values are looked for again to know their time,
which is less than sorting all of them.
"""

from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from gasmon.errors import NotFound
from gasmon.reports.mine_day import PointDay, mine_day
from gasmon.reports.period import Period
from gasmon.store import statistics
from gasmon.store.scope import Scope, scope_condition
from gasmon.store.statistics import Query, Rows, Wanted
from gasmon.store.views import BAD_BITS, finite
from gasmon.units import iso_us, to_datetime

_GOOD = "state & %(bad)s = 0 AND value <> 'NaN'"

_POINTS = """
SELECT concat_ws('-', m.code, p.system, p.no) AS subject, v.*, r.n_minutes,
       r.n, r.n_all - r.n AS n_bad, r.mean, r.low, r.high, us_of(t.at) AS high_us
FROM point p JOIN mine m USING (mine_id)
JOIN LATERAL (SELECT w.sensor_type, w.place, w.quantity, w.uom,
      coalesce(nullif(w.alarm_high, 'NaN'), w.alarm_low) AS alarm,
      coalesce(nullif(w.cut_high, 'NaN'), w.cut_low) AS cut_off,
      coalesce(nullif(w.restore_high, 'NaN'), w.restore_low) AS restore
    FROM (SELECT * FROM point_version WHERE point_id = p.point_id
        AND effective_from_us < us_of(%(to)s)
      ORDER BY effective_from_us DESC LIMIT 1) w
    WHERE w.value_kind = 'MN') v ON true
LEFT JOIN LATERAL (SELECT count(*) AS n_all, count(*) FILTER (WHERE {good}) AS n,
      count(DISTINCT us_of(at) / 60000000) FILTER (WHERE {good}) AS n_minutes,
      avg(value) FILTER (WHERE {good}) AS mean,
      min(value) FILTER (WHERE {good}) AS low, max(value) FILTER (WHERE {good}) AS high
    FROM reading WHERE run = 0 AND point_id = p.point_id
      AND at >= %(from)s AND at < %(to)s) r ON true
LEFT JOIN LATERAL (SELECT at FROM reading WHERE run = 0 AND point_id = p.point_id
      AND at >= %(from)s AND at < %(to)s AND value = r.high AND {good}
    ORDER BY at LIMIT 1) t ON true
WHERE m.code = %(mine)s AND p.run = 0 AND {scope}
  AND (p.retired_at IS NULL OR p.retired_at > %(from)s)
ORDER BY p.system, p.no"""

_NUMBERS = ("mean", "low", "high", "alarm", "cut_off", "restore")

_MINE = "SELECT m.code::text AS mine, m.name, m.area_code::text AS area FROM mine m"


def queries(scope: Scope, mine: str, day: Period, now_us: int) -> list[Query]:
    """What to ask, in the order in which ``report_of`` takes the answers.

    Args:
        mine: 12 digits.
        day: of Beijing time.
        now_us: wall time [µs UTC]; a day that is not over is reported up to now.
    """
    end_us = day.end_us(now_us)
    params = {
        "mine": mine,
        "from": to_datetime(day.from_us),
        "to": to_datetime(end_us),
        "bad": BAD_BITS,
    }
    named = sql.SQL("{} WHERE m.code = %(mine)s AND {}").format(
        sql.SQL(_MINE), scope_condition(scope)
    )
    asked = sql.SQL(_POINTS).format(good=sql.SQL(_GOOD), scope=scope_condition(scope))
    wanted = Wanted(day.from_us, end_us, None, mine)
    facts, _ = statistics.queries(scope, wanted)
    return [(named, params), (asked, params), facts]


def report_of(answers: list[Rows], day: Period, now_us: int) -> dict[str, Any]:
    """The report, from the answers to ``queries``.

    Raises:
        NotFound: there is no such mine, or not for this scope.
    """
    named, rows, facts = answers
    if not named:
        raise NotFound("no such mine")
    points = [
        PointDay(**row | {name: finite(row[name]) for name in _NUMBERS}) for row in rows
    ]
    end_us = day.end_us(now_us)
    alarms = statistics.source_of([facts, []]).facts
    return {
        **named[0],
        "from": iso_us(day.from_us),
        "to": iso_us(day.to_us),
        "until": iso_us(end_us),
        "items": mine_day(points, alarms, day.from_us, end_us),
    }


def read(
    conn: psycopg.Connection[Any], scope: Scope, mine: str, day: Period, now_us: int
) -> dict[str, Any]:
    """The same, by a connection that waits.

    Raises:
        NotFound: there is no such mine, or not for this scope.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        answers = [
            cursor.execute(*one).fetchall() for one in queries(scope, mine, day, now_us)
        ]
    return report_of(answers, day, now_us)
