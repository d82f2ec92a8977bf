"""``ingest``: from a broker's queue to committed rows, beside a bare binary COPY.

The broker holds a backlog for a real ``gasmon ingest``; it starts, and drains it with
everything on: decoding, judging, latest values, rejects, frame rows, alarms, outbox,
acknowledgement after the commit. The load generator is silent meanwhile. In turns with
that, the same readings go into the same table (as another run) by COPY alone, encoded
beforehand, one city of 15,022 rows a transaction.

When rows were committed is asked of the database afterwards
(``track_commit_timestamp``), so nobody looks at it while it works. Only what was
committed after the first turn counts, from that commit to the last: starting up is
left out.
"""

import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.parts import Gasmon, MadeCity, MadeFrame, publish_all
from benchmarks.report import Report, significant
from benchmarks.servers import Servers, servers
from gasmon.batch import Int32
from gasmon.clock import SystemClock
from gasmon.embedded.process import wait_for
from gasmon.errors import GasmonError
from gasmon.store.db import Connection, connect
from gasmon.store.pgcopy import encode_copy
from gasmon.units import US_PER_S

CYCLE_US = 5 * US_PER_S
BARE_RUN = 1
"""Run of the bare COPY's rows: the same keys otherwise, in the same table."""

PATIENCE_S = 300.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Attributes:
        n_cycles: frames of each mine in one round.
    """

    n_mines: int = 259
    n_points: int = 58
    n_cycles: int = 40
    n_rounds: int = 5


QUICK = Size(n_mines=20, n_cycles=12, n_rounds=1)


def run(quick: bool) -> Report:
    """Run the benchmark."""
    size = QUICK if quick else Size()
    with servers() as where, connect(where.database, autocommit=True) as conn:
        return _run(size, where, conn)


def _run(size: Size, where: Servers, conn: Connection) -> Report:
    city = MadeCity(size.n_mines, size.n_points, "bench")
    now_us = SystemClock().now_us()
    # The first start makes the session that the backlog will wait in.
    with Gasmon("ingest", where) as gasmon:
        publish_all(where.broker_port, city.definitions(now_us))
        _until(conn, gasmon, "SELECT count(*) FROM point", city.n_points)
    point_id = _point_ids(conn, city)
    begin_us = now_us - size.n_rounds * size.n_cycles * CYCLE_US
    bare, drained, turns, cpu_us = [], [], [], []
    for round_no in range(size.n_rounds):
        frames: list[MadeFrame] = []
        for cycle in range(size.n_cycles):
            turn = round_no * size.n_cycles + cycle
            frames += city.cycle(
                begin_us + turn * CYCLE_US,
                [turn % size.n_mines],
            )
        publish_all(where.broker_port, [(f.topic, f.payload) for f in frames])
        # Half of it before and half after, because machines change their pace.
        half = len(frames) // size.n_mines // 2 * size.n_mines
        copy_s = _bare_copy(conn, frames[:half], point_id, size)
        found = _drain(conn, where, (round_no + 1) * len(frames))
        copy_s += _bare_copy(conn, frames[half:], point_id, size)
        bare.append(len(frames) * size.n_points / copy_s)
        drained.append(found["readings_per_s"])
        turns.append(found["frames_per_turn"])
        cpu_us.append(found["cpu_us_per_frame"])
    return Report(
        benchmark="ingest",
        unit="readings/s",
        value=statistics.median(drained),
        ceiling=statistics.median(bare),
        settings={
            "mines": size.n_mines,
            "points_per_mine": size.n_points,
            "frames_per_round": size.n_mines * size.n_cycles,
            "rounds": size.n_rounds,
            "alarms": "one a city cycle, cleared in the next",
            **where.settings(),
        },
        details={
            "frames_per_s": significant(statistics.median(drained) / size.n_points),
            "readings_per_s_by_round": [significant(x) for x in drained],
            "bare_copy_rows_per_s_by_round": [significant(x) for x in bare],
            "ratio_by_round": [
                significant(a / b, 3) for a, b in zip(drained, bare, strict=True)
            ],
            "frames_per_turn": significant(statistics.median(turns)),
            "ingest_cpu_us_per_frame": significant(statistics.median(cpu_us)),
            **_counts(conn),
        },
    )


def _until(conn: Connection, gasmon: Gasmon, query: str, wanted: int) -> None:
    """Wait until a count is reached.

    Raises:
        GasmonError: gasmon ended, or it takes too long.
    """

    def reached() -> bool:
        gasmon.require_alive()
        row = conn.execute(query.encode()).fetchone()
        return row is not None and row[0] == wanted

    if not wait_for(reached, PATIENCE_S):
        raise GasmonError(f"{query}: not {wanted} after {PATIENCE_S:g} s")


def _point_ids(conn: Connection, city: MadeCity) -> Int32:
    """The database's number of each point, int32[mines, points]."""
    rows = conn.execute(
        "SELECT m.code, p.no, p.point_id FROM point p JOIN mine m USING (mine_id)"
    ).fetchall()
    ids = {(code, no): number for code, no, number in rows}
    return np.asarray(
        [[ids[mine.code, p.no] for p in mine.points] for mine in city.mines], np.int32
    )


def _bare_copy(
    conn: Connection, frames: list[MadeFrame], point_id: Int32, size: Size
) -> float:
    """Time of nothing but COPY and commit [s]."""
    streams = []
    for begin in range(0, len(frames), size.n_mines):
        part = frames[begin : begin + size.n_mines]
        at_us = np.repeat([f.at_us for f in part], size.n_points)
        rows = point_id[[f.mine for f in part]].reshape(-1)
        value = np.concatenate([f.value for f in part])
        state = np.zeros(len(rows), np.int32)
        streams.append(encode_copy(BARE_RUN, rows, value, at_us, at_us, state))
    statement = (
        b"COPY reading (at, arrived_at, value, point_id, run, state)"
        b" FROM STDIN (FORMAT BINARY)"
    )
    begin_s = time.perf_counter()
    for stream in streams:
        with conn.transaction(), conn.cursor().copy(statement) as copy:
            copy.write(stream)
    return time.perf_counter() - begin_s


def _drain(conn: Connection, where: Servers, n_frames: int) -> dict[str, float]:
    """Let ingest take its backlog; returns what the commits tell."""
    before = _count(conn, "frame")
    gasmon = Gasmon("ingest", where)
    try:
        _until(conn, gasmon, "SELECT count(*) FROM frame", n_frames)
        cpu_s = gasmon.cpu_s()
    finally:
        gasmon.stop()
    commits: list[Any] = conn.execute(
        """SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8,
                  count(*), sum(n_readings),
                  extract(epoch FROM min(arrived_at))::float8
           FROM frame GROUP BY 1 ORDER BY 1"""
    ).fetchall()
    total, own = 0, []
    for at_s, n, n_readings, arrived_s in commits:
        total += n
        if total > before:
            own.append((at_s, n, n_readings, arrived_s))
    # From the first commit on; of a backlog that is one commit, from its arrival on.
    begin_s, counted = (own[0][0], own[1:]) if len(own) > 1 else (own[0][3], own)
    span_s = own[-1][0] - begin_s
    return {
        "readings_per_s": sum(n for _, _, n, _ in counted) / span_s,
        "frames_per_turn": (n_frames - before) / len(own),
        "cpu_us_per_frame": cpu_s * 1e6 / (n_frames - before),
    }


def _counts(conn: Connection) -> dict[str, Any]:
    """What was stored beside the readings, so that nothing was left out."""
    tables = ("alarm", "alarm_journal", "outbox", "mine_latest", "reject")
    return {f"rows_{table}": _count(conn, table) for table in tables}


def _count(conn: Connection, table: str) -> int:
    row = conn.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert row is not None
    assert isinstance(row[0], int)
    return row[0]
