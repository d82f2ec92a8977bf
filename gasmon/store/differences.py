"""Where a mine's word and its own raw values differ.

A mine sends raw values and, beside them, what its own system made of them: abnormal
events (YCBJ) and statistics of intervals (TJSJ). Both are made from the same sensors,
so what does not agree was lost, or altered. Nothing here raises or ends an alarm.
"""

from typing import Any

from psycopg.rows import dict_row

from gasmon.domain import states
from gasmon.store.db import Connection
from gasmon.store.drainage import day_of
from gasmon.units import US_PER_DAY, US_PER_MIN, US_PER_S, to_datetime

KINDS = (
    "not_reported",
    "not_measured",
    "maximum_differs",
    "statistic_differs",
    "calibration_batch",
)
"""What can differ; docs/upload-files.md says what each means."""

TOLERANCE_S = 60
"""Times may differ by so much [s]; ours: the slowest usual cycle."""

REPORTS_DAYS = 30
"""A mine that told no event for so long does not report, and owes no reports [d]."""

ABSOLUTE, RELATIVE = 0.02, 0.02
"""Values may differ by the larger of the two; ours: the last digit of a methane sensor
twice, for the mine's system may see samples that it does not send."""

BATCH_POINTS, BATCH_S = 5, 60
"""Calibrations of so many points that begin within so long are none; ours: two people
calibrate one sensor at a time, in some minutes."""

GRACE_US = 2 * US_PER_MIN
"""So long after its end an interval is compared: its last readings are on their way."""

GIVEN_UP_US = US_PER_DAY
"""A statistic of which the raw values never came is forgotten after this [µs]."""

_BAD = states.NO_VALUE | states.CALIBRATION

_SPAN = f"interval '{TOLERANCE_S} seconds'"

_REPORTS = (
    "EXISTS (SELECT FROM mine_event r WHERE r.run = a.run AND r.mine_id = a.mine_id"
    " AND r.kind IN ('001', '002')"
    f" AND r.started_at > a.raised_at - interval '{REPORTS_DAYS} days')"
)

_NOT_REPORTED = f"""
SELECT a.mine_id, p.system::text AS system, p.no::text AS no, a.raised_at AS at,
       a.cleared_at AS until, a.peak AS ours, NULL::float8 AS theirs, 1 AS n
FROM alarm a JOIN point p USING (point_id)
WHERE a.run = %(run)s AND a.kind = 'over_limit'
  AND a.raised_at >= %(from)s AND a.raised_at < %(to)s
  AND a.raised_at < %(settled)s AND {_REPORTS}
  AND NOT EXISTS (SELECT FROM mine_event e WHERE e.run = a.run
      AND e.mine_id = a.mine_id AND e.system = p.system AND e.no = p.no
      AND e.kind IN ('001', '002')
      AND e.started_at <= coalesce(a.cleared_at, 'infinity') + {_SPAN}
      AND coalesce(e.ended_at, 'infinity') >= a.raised_at - {_SPAN})"""

_NOT_MEASURED = f"""
SELECT e.mine_id, e.system::text AS system, e.no, e.started_at AS at,
       e.ended_at AS until, NULL::float8 AS ours, e.peak AS theirs, 1 AS n
FROM mine_event e
WHERE e.run = %(run)s AND e.kind = '001'
  AND e.started_at >= %(from)s AND e.started_at < %(to)s
  AND e.started_at < %(settled)s
  AND NOT EXISTS (SELECT FROM alarm a JOIN point p USING (point_id)
      WHERE a.run = e.run AND a.mine_id = e.mine_id AND a.kind = 'over_limit'
      AND p.system = e.system AND p.no = e.no
      AND a.raised_at <= coalesce(e.ended_at, 'infinity') + {_SPAN}
      AND coalesce(a.cleared_at, 'infinity') >= e.started_at - {_SPAN})"""

_RAW = f"""
SELECT max(r.value) AS highest, avg(r.value) AS mean, count(r.value) AS n FROM reading r
WHERE r.run = t.run AND r.point_id = p.point_id AND r.state & {_BAD} = 0
  AND r.at >= t.started_at AND r.at <= t.ended_at"""

_DIFFERS = (
    f"abs(t.{{theirs}} - w.highest) > greatest({ABSOLUTE}, {RELATIVE} * w.highest)"
)

_MAXIMUM_DIFFERS = f"""
SELECT t.mine_id, t.system::text AS system, t.no, t.started_at AS at,
       t.ended_at AS until, w.highest AS ours, t.peak AS theirs, 1 AS n
FROM mine_event t JOIN point p ON p.mine_id = t.mine_id AND p.system = t.system
    AND p.no = t.no AND p.run = t.run
CROSS JOIN LATERAL ({_RAW}) w
WHERE t.run = %(run)s AND t.kind IN ('001', '002', '008') AND t.peak IS NOT NULL
  AND t.ended_at < %(settled)s AND t.started_at >= %(from)s AND t.started_at < %(to)s
  AND w.n > 0 AND {_DIFFERS.format(theirs="peak")}"""

_CALIBRATION_BATCH = f"""
SELECT e.mine_id, '01' AS system, '' AS no, min(e.started_at) AS at,
       max(e.ended_at) AS until, NULL::float8 AS ours, NULL::float8 AS theirs,
       count(DISTINCT (e.system, e.no))::int AS n
FROM (SELECT *, sum(is_new) OVER (PARTITION BY mine_id ORDER BY started_at, system, no)
          AS batch
      FROM (SELECT *, (coalesce(started_at - lag(started_at)
                OVER (PARTITION BY mine_id ORDER BY started_at, system, no)
                > interval '{BATCH_S} seconds', true))::int AS is_new
            FROM mine_event WHERE run = %(run)s AND kind = '007'
              AND started_at >= %(from)s AND started_at < %(to)s) s) e
GROUP BY e.mine_id, e.batch
HAVING count(DISTINCT (e.system, e.no)) >= {BATCH_POINTS}"""

_OF_DAY = {
    "not_reported": _NOT_REPORTED,
    "not_measured": _NOT_MEASURED,
    "maximum_differs": _MAXIMUM_DIFFERS,
    "calibration_batch": _CALIBRATION_BATCH,
}

_INSERT = (
    "INSERT INTO mine_difference (run, mine_id, day, kind, system, no, at, until, ours,"
    " theirs, n, found_at) VALUES (%(run)s, %(mine_id)s, %(day)s, %(kind)s, %(system)s,"
    " %(no)s, %(at)s, %(until)s, %(ours)s, %(theirs)s, %(n)s, %(found)s)"
    " ON CONFLICT (run, mine_id, day, kind, system, no, at) DO UPDATE SET"
    " until = excluded.until, ours = excluded.ours, theirs = excluded.theirs,"
    " n = excluded.n"
)


def find_of_day(conn: Connection, run: int, day_us: int, now_us: int) -> int:
    """Look at a day anew: what differed before and does not any more is gone.

    Args:
        day_us: its midnight in Beijing [µs UTC].
        now_us: what is younger than ``GRACE_US`` is not looked at yet [µs UTC].

    Returns:
        How many differences there are.
    """
    asked: dict[str, Any] = {
        "run": run,
        "day": day_of(day_us),
        "from": to_datetime(day_us),
        "to": to_datetime(day_us + US_PER_DAY),
        "settled": to_datetime(now_us - GRACE_US),
        "found": to_datetime(now_us),
    }
    with conn.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            "DELETE FROM mine_difference WHERE run = %(run)s AND day = %(day)s"
            " AND kind <> 'statistic_differs'",
            asked,
        )
        found = [
            {**asked, **row, "kind": kind}
            for kind, text in _OF_DAY.items()
            for row in cursor.execute(text.encode(), asked).fetchall()
        ]
        cursor.executemany(_INSERT, found)
    return len(found)


_COMPARE = f"""
WITH done AS (
    DELETE FROM mine_statistic t USING mine_latest l
    WHERE t.run = %(run)s AND l.run = t.run AND l.mine_id = t.mine_id
      AND ((t.ended_at < %(settled)s AND l.judged_at >= t.ended_at)
           OR t.told_at < %(given_up)s)
    RETURNING t.*)
SELECT t.mine_id, t.system::text AS system, t.no, t.started_at AS at,
       t.ended_at AS until, w.highest AS ours, t.highest AS theirs, 1 AS n
FROM done t JOIN point p ON p.mine_id = t.mine_id AND p.system = t.system
    AND p.no = t.no AND p.run = t.run
CROSS JOIN LATERAL ({_RAW}) w
WHERE t.highest IS NOT NULL AND w.n > 0 AND {_DIFFERS.format(theirs="highest")}"""


def compare_statistics(conn: Connection, run: int, now_us: int) -> tuple[int, int]:
    """Compare the statistics whose raw values are there, and forget them.

    Returns:
        How many differ now, and how many wait.
    """
    asked: dict[str, Any] = {
        "run": run,
        "settled": to_datetime(now_us - 30 * US_PER_S),
        "given_up": to_datetime(now_us - GIVEN_UP_US),
        "found": to_datetime(now_us),
    }
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_COMPARE.encode(), asked).fetchall()
        found = [
            {
                **asked,
                **row,
                "kind": "statistic_differs",
                "day": day_of(int(row["at"].timestamp()) * US_PER_S),
            }
            for row in rows
        ]
        cursor.executemany(_INSERT, found)
        (waiting,) = cursor.execute(
            "SELECT count(*) AS n FROM mine_statistic WHERE run = %(run)s", asked
        ).fetchall()
    return len(found), int(waiting["n"])


def delete_before(conn: Connection, run: int, limit_us: int) -> int:
    """Forget events and differences of long ago; returns how many events."""
    limit = to_datetime(limit_us)
    conn.execute("DELETE FROM mine_difference WHERE run = %s AND at < %s", (run, limit))
    return conn.execute(
        "DELETE FROM mine_event WHERE run = %s AND started_at < %s", (run, limit)
    ).rowcount
