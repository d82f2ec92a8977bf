"""Hours of points: gathered once from the raw readings, and again when some came late.

A curve of a year over raw readings at 15 s is two million rows; over hours it is 8,760.
The promise is that the two show the same extremes, so no reading may be left out of an
hour that was gathered before it was stored (decision 0044):

- an hour is *closed* some minutes after its end, by a committed row;
- from then on whoever stores a reading of it notes (point, hour) in the same
  transaction (:func:`note_late`, :data:`INSERT_AND_NOTE`);
- it is gathered only when every transaction has ended that may not have seen that:
  what those stored is seen, and what comes later is noted;
- noted hours are gathered again, and until then read from the raw readings.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import numpy as np
import psycopg

from gasmon.batch import Int32, Int64
from gasmon.domain import states
from gasmon.store import pgarray
from gasmon.store.db import Connection
from gasmon.units import US_PER_DAY, US_PER_H, US_PER_MIN, iso_us, to_datetime

BAD_BITS = states.NO_VALUE | states.CALIBRATION
"""States whose value says nothing about the gas: it is kept, and never averaged."""

FAR_US = 130 * 365 * US_PER_DAY
"""2100 and later [µs UTC]: never closed."""

GRACE_US = 10 * US_PER_MIN
"""How long after its end an hour is closed [µs]: most of what is late comes by then and
costs nothing more; ours."""

POINTS_AT_ONCE = 250
LATE_AT_ONCE = 250
"""Points, or noted hours, of one short transaction: 250 points at 5 s are 180,000
readings, under half a second."""

INSERT_AND_NOTE = """WITH stored AS ({insert} RETURNING run, point_id, at)
    INSERT INTO reading_hour_late (point_id, at)
    SELECT DISTINCT r.point_id, date_bin('1 hour', r.at, timestamptz 'epoch')
    FROM stored r JOIN reading_hour_state s ON r.at < s.closed_until
    WHERE r.run = 0 ORDER BY 1, 2
    ON CONFLICT (point_id, at) DO UPDATE SET n_times = reading_hour_late.n_times + 1"""
"""SQL: what an INSERT into ``reading`` stores of closed hours is noted with it."""

# A row that is there already is written again, because that takes its lock: whoever
# gathers leaves notes alone whose writers have not ended.
_NOTE = """INSERT INTO reading_hour_late (point_id, at)
    SELECT * FROM unnest(%s, %s) AS l (point_id, at)
    ON CONFLICT (point_id, at) DO UPDATE SET n_times = reading_hour_late.n_times + 1"""

_CLOSED = """SELECT (extract(epoch FROM closed_until) * 1000000)::bigint
    FROM reading_hour_state WHERE closed_until > %s"""

_SUMS = f"""min(r.value) FILTER (WHERE r.good), max(r.value) FILTER (WHERE r.good),
    sum(r.value) FILTER (WHERE r.good), count(*) FILTER (WHERE r.good), count(*),
    count(*) FILTER (WHERE r.state & {states.CALIBRATION} <> 0)"""

# A few points and an hour: the index of readings by point and time is all it needs. The
# outer bounds say the same as constants, so that other days' partitions are left out.
_GATHER = f"""INSERT INTO reading_hour AS h
    (point_id, at, low, high, total, n, n_all, n_tested)
    SELECT w.point_id, w.at, g.*
    FROM unnest(%s, %s) AS w (point_id, at) CROSS JOIN LATERAL (
        SELECT {_SUMS} FROM (
            SELECT value, state,
                coalesce(state & {BAD_BITS} = 0 AND value <> 'NaN', false) AS good
            FROM reading WHERE run = 0 AND point_id = w.point_id
            AND at >= w.at AND at < w.at + interval '1 hour'
            AND at >= %s::timestamptz AND at < %s::timestamptz) r) g (low, high, total,
                n, n_all, n_tested)
    WHERE g.n_all > 0
    ON CONFLICT (point_id, at) DO UPDATE SET low = excluded.low, high = excluded.high,
        total = excluded.total, n = excluded.n, n_all = excluded.n_all,
        n_tested = excluded.n_tested
    -- Readings go with their partitions; an hour that lost some keeps what it knew.
    WHERE excluded.n_all >= h.n_all"""


@dataclass(frozen=True, slots=True)
class State:
    """How far gathering has come; see ``reading_hour_state``.

    Attributes:
        is_settled: whoever did not see the newest closing has ended.
    """

    closed_until_us: int
    gathered_until_us: int
    next_point: int
    is_settled: bool


def note_late(conn: Connection, run: int, point_id: Int32, at_us: Int64) -> int:
    """Note what was just stored of closed hours, in the transaction that stored it.

    Args:
        run: only the live one is gathered.
        point_id: of each reading, int32[n].
        at_us: their times, int64[n] [µs UTC].

    Returns:
        How many hours of points were noted.
    """
    if run != 0 or not len(at_us):
        return 0
    # Before 1970 nobody measured; times beyond what SQL holds are ahead of any hour.
    oldest_us = max(0, int(at_us.min()))
    if oldest_us >= FAR_US:
        return 0
    row = conn.execute(_CLOSED, (to_datetime(oldest_us),)).fetchone()
    if row is None:
        return 0
    is_late = (at_us < cast(int, row[0])) & (at_us >= 0)
    hours = at_us[is_late] // US_PER_H
    pairs = np.unique(np.stack([point_id[is_late].astype(np.int64), hours]), axis=1)
    conn.execute(
        _NOTE.encode(),
        (
            pgarray.integers(pairs[0].astype(np.int32)),
            pgarray.timestamps(pairs[1] * US_PER_H),
        ),
    )
    return int(pairs.shape[1])


def gather(
    conn: Connection,
    begin_us: int,
    keep_us: int,
    now_us: int,
    has_time: Callable[[], bool],
) -> str:
    """Gather what is due, in short transactions, as long as there is time.

    Args:
        conn: connection with no open transaction.
        begin_us: where to begin in a database that never gathered [µs UTC].
        keep_us: how long hours are kept [µs].
        now_us: wall time [µs UTC].
        has_time: whether to go on.

    Returns:
        One line about what was done.
    """
    state = _state(conn, begin_us)
    due_us = (now_us - GRACE_US) // US_PER_H * US_PER_H
    if state.closed_until_us > now_us:
        # Our clock had been ahead. Hours from now on are gathered again in their time.
        _close(conn, due_us, again=True)
        return f"closed until {iso_us(due_us)}: the clock went back"
    if state.gathered_until_us == state.closed_until_us < due_us:
        _close(conn, due_us)
        return f"closed until {iso_us(due_us)}"
    if not state.is_settled:
        return "waits for transactions that began before the hour was closed"
    at_us, point = state.gathered_until_us, state.next_point
    is_begun = point > 0  # an hour that was looked at before
    is_due = at_us < state.closed_until_us
    if is_due and not is_begun and not _is_any_before(conn, state.closed_until_us):
        # What comes from now on is noted: a new database has no days to go through.
        at_us, point = state.closed_until_us, 0
        with conn.transaction():
            _go_on_at(conn, at_us, point)
    n_slices = 0
    while at_us < state.closed_until_us and has_time():
        at_us, point = _slice(conn, at_us, point, keep_us)
        n_slices += 1
    n_late = 0
    while has_time() and (n := _again(conn, at_us)):
        n_late += n
    return f"{n_slices} slices until {iso_us(at_us)}, {n_late} hours again"


def _state(conn: Connection, begin_us: int) -> State:
    begin = to_datetime(begin_us // US_PER_H * US_PER_H)
    with conn.transaction():
        conn.execute(
            "INSERT INTO reading_hour_state (closed_until, gathered_until)"
            " VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (begin, begin),
        )
        # A round after the one that closed: whoever stores by a statement from before
        # has a number by now, below the next one to be given out.
        conn.execute(
            "UPDATE reading_hour_state"
            " SET closed_xid = pg_snapshot_xmax(pg_current_snapshot())"
            # A number that was not given out yet is of the server before a restore.
            " WHERE closed_xid IS NULL"
            " OR closed_xid > pg_snapshot_xmax(pg_current_snapshot())"
        )
    row = conn.execute(
        "SELECT (extract(epoch FROM closed_until) * 1000000)::bigint,"
        " (extract(epoch FROM gathered_until) * 1000000)::bigint, next_point,"
        " closed_xid <= pg_snapshot_xmin(pg_current_snapshot())"
        " FROM reading_hour_state"
    ).fetchone()
    conn.commit()
    return State(*cast(tuple[int, int, int, bool], row))


def _close(conn: Connection, until_us: int, *, again: bool = False) -> None:
    until = to_datetime(until_us)
    with conn.transaction():
        conn.execute(
            "UPDATE reading_hour_state SET closed_until = %s, closed_xid = NULL",
            (until,),
        )
        if again:
            conn.execute(
                "UPDATE reading_hour_state SET next_point = 0,"
                " gathered_until = least(gathered_until, %s)",
                (until,),
            )


def _slice(conn: Connection, at_us: int, after: int, keep_us: int) -> tuple[int, int]:
    """Gather an hour of the next points; returns where to go on."""
    with _unhurried(conn):
        rows = conn.execute(
            "SELECT point_id FROM point WHERE run = 0 AND point_id > %s"
            " ORDER BY point_id LIMIT %s",
            (after, POINTS_AT_ONCE),
        ).fetchall()
        points = np.array([cast(int, row[0]) for row in rows], np.int32)
        if len(points):
            _gather(conn, points, np.full(len(points), at_us, np.int64))
            conn.execute(
                "DELETE FROM reading_hour WHERE point_id = ANY(%s) AND at < %s",
                (points.tolist(), to_datetime(max(0, at_us - keep_us))),
            )
        is_last = len(points) < POINTS_AT_ONCE
        at_us, after = (at_us + US_PER_H, 0) if is_last else (at_us, int(points[-1]))
        _go_on_at(conn, at_us, after)
    return at_us, after


def _go_on_at(conn: Connection, at_us: int, next_point: int) -> None:
    conn.execute(
        "UPDATE reading_hour_state SET gathered_until = %s, next_point = %s",
        (to_datetime(at_us), next_point),
    )


def _is_any_before(conn: Connection, end_us: int) -> bool:
    """Whether there is a reading older than this.

    Quick where there is, and in an empty table; else it reads the newest hour whole,
    for a second at most: then there may be one.
    """
    try:
        with conn.transaction():
            # The first row will do; a bitmap would be made of all of them.
            conn.execute("SET LOCAL enable_bitmapscan = off")
            conn.execute("SET LOCAL statement_timeout = '1s'")
            row = conn.execute(
                "SELECT EXISTS (SELECT FROM reading WHERE run = 0 AND at < %s)",
                (to_datetime(end_us),),
            ).fetchone()
    except psycopg.errors.QueryCanceled:
        return True
    assert row is not None
    return cast(bool, row[0])


@contextmanager
def _unhurried(conn: Connection) -> Iterator[None]:
    """A transaction that waits for no disk, and makes no alarm's commit wait for one.

    What a crash takes back is gathered again: it takes back how far we were as well.
    """
    with conn.transaction():
        conn.execute("SET LOCAL synchronous_commit = off")
        yield


def _again(conn: Connection, before_us: int) -> int:
    """Gather some noted hours again; returns how many. Those that are not gathered yet
    will be anyway: their notes go when they were."""
    with _unhurried(conn):
        rows = conn.execute(
            "DELETE FROM reading_hour_late WHERE (point_id, at) IN (SELECT point_id, at"
            " FROM reading_hour_late WHERE at < %s ORDER BY at, point_id LIMIT %s"
            " FOR UPDATE SKIP LOCKED)"
            " RETURNING point_id, (extract(epoch FROM at) * 1000000)::bigint",
            (to_datetime(before_us), LATE_AT_ONCE),
        ).fetchall()
        if rows:
            pairs = np.array(rows, np.int64)
            _gather(conn, pairs[:, 0].astype(np.int32), pairs[:, 1])
    return len(rows)


def _gather(conn: Connection, point_id: Int32, hour_us: Int64) -> None:
    first, last = int(hour_us.min()), int(hour_us.max())
    conn.execute(
        _GATHER.encode(),
        (
            *(pgarray.integers(point_id), pgarray.timestamps(hour_us)),
            *(to_datetime(first), to_datetime(last + US_PER_H)),
        ),
    )
