"""How long a restart takes until it judges again.

A million points is a nation (4,000 mines of 250 points) in one process, 50,000
readings a second. What came since the newest snapshot is judged again: half of
``engine.snapshot_interval_s`` on the average. The promise is ten seconds for the
engine; beside it stands the whole start of ingest, which also reads a million
definitions from the database.
"""

import time
from collections.abc import Callable
from threading import Event

import numpy as np

from benchmarks.report import Report, significant
from benchmarks.servers import Servers, servers
from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.rules import default_rules
from gasmon.alarms.snapshot import dump, load
from gasmon.alarms.steps import Step, decode_steps, encode_steps
from gasmon.batch import Int32, ReadingBatch
from gasmon.clock import SteadyClock, SystemClock
from gasmon.ingest.dedupe import SeenFrames
from gasmon.ingest.floods import Floods
from gasmon.pipeline.annunciate import Annunciator
from gasmon.pipeline.book import PointBook
from gasmon.pipeline.counts import IngestCounts
from gasmon.pipeline.evaluate import Evaluator
from gasmon.pipeline.ourclock import OurClock
from gasmon.pipeline.restore import know_points
from gasmon.pipeline.standing import Standing
from gasmon.pipeline.starting import Beginning
from gasmon.pipeline.storing import Storing
from gasmon.settings import Settings
from gasmon.settings import load as load_settings
from gasmon.store import points, replay_log, snapshots
from gasmon.store.db import Connection, connect
from gasmon.store.snapshots import StoredSnapshot
from gasmon.telemetry import Metrics
from gasmon.units import US_PER_S

PROMISE_S = 10.0
POINTS_PER_MINE = 250
CYCLE_S = 20
LOG_S = 60
"""Half the time between two snapshots, as shipped."""

SCOPE = "*"


def run(quick: bool) -> Report:
    """Measure with a nation, or quickly with a small county."""
    n_mines = 20 if quick else 4000
    clock = SystemClock()
    with servers() as running, connect(running.database) as conn:
        _fill(conn, n_mines)
        engine, n_readings = _past(conn, clock.now_us())
        engine_s = _engine_alone(conn, engine)
        settings = _settings(running)
        whole_s, told = _start(settings, clock)
    return Report(
        benchmark="restart",
        unit="s",
        value=engine_s,
        ceiling=PROMISE_S,
        settings=running.settings()
        | {"points": n_mines * POINTS_PER_MINE, "log_s": LOG_S},
        details={
            "engine: snapshot and log [s]": significant(engine_s),
            "whole start of ingest [s]": significant(whole_s),
            "readings judged again": n_readings,
            "start": told,
        },
    )


def _settings(running: Servers) -> Settings:
    return load_settings(
        None, {"mode": "test", "database.url": running.database_url}, environ={}
    )


def _fill(conn: Connection, n_mines: int) -> None:
    """Mines and points as a gateway would have defined them."""
    points.ensure_areas(conn)
    conn.execute(
        "INSERT INTO mine (code, area_code, created_at) SELECT"
        " '530627' || lpad(m::text, 6, '0'), '530627', now()"
        " FROM generate_series(1, %s) AS m",
        (n_mines,),
    )
    conn.execute(
        "INSERT INTO point (mine_id, system, no, created_at) SELECT mine_id, '01',"
        " lpad(p::text, 3, '0') || 'A01', now()"
        " FROM mine, generate_series(1, %s) AS p",
        (POINTS_PER_MINE,),
    )
    conn.execute(
        "INSERT INTO point_version (point_id, effective_from_us, sensor_type, quantity,"
        " place_class, place, uom, range_low, range_high, alarm_high, clear_high,"
        " cut_high, restore_high, source, recorded_at)"
        " SELECT point_id, 0, '0001', 'CH4', 'FACE_T1', point_id || '采煤工作面', '%%',"
        " 0, 4, 1.0, 1.0, 1.5, 1.0, 'points', now() FROM point",
        (),
    )
    conn.commit()
    conn.execute("ANALYZE")
    conn.commit()


def _past(conn: Connection, now_us: int) -> tuple[AlarmEngine, int]:
    """A snapshot of an engine that judged, and a log of LOG_S behind it."""
    book = PointBook()
    engine = AlarmEngine(default_rules())
    versions = know_points(conn, book)
    engine.adopt(book.table, versions, now_us)
    begin_us = now_us - (LOG_S + CYCLE_S) * US_PER_S
    n, rng = book.table.n, np.random.default_rng(1)
    every = np.arange(n, dtype=np.int32)
    engine.tick(_readings(every, begin_us, rng), now_us=now_us, marks=[begin_us])
    snapshot = StoredSnapshot(1, begin_us, "benchmark", n, dump(engine))
    mines = [mine.code for mine in book.table.mines]

    def ids(rows: Int32) -> Int32:
        found: Int32 = book.point_id[rows]
        return found

    first = Step(1, ReadingBatch.empty(), (), (begin_us,))
    replay_log.append_steps(conn, 0, SCOPE, 1, 1, encode_steps([first], ids, mines))
    snapshots.save(conn, 0, SCOPE, snapshot)
    n_readings = 0
    for second in range(LOG_S):
        at_us = begin_us + (second + 1) * US_PER_S
        rows = every[second % CYCLE_S :: CYCLE_S]
        step = Step(second + 2, _readings(rows, at_us, rng), (), (at_us,))
        body = encode_steps([step], ids, mines)
        replay_log.append_steps(conn, 0, SCOPE, step.number, step.number, body)
        n_readings += len(rows)
    conn.commit()
    fresh = AlarmEngine(default_rules())
    fresh.adopt(book.table, versions, now_us)
    return fresh, n_readings


def _readings(rows: Int32, at_us: int, rng: np.random.Generator) -> ReadingBatch:
    """Ordinary values; one in ten thousand is over its limit."""
    n = len(rows)
    value = np.round(rng.normal(0.4, 0.1, n), 2)
    value[rng.random(n) < 1e-4] = 1.2
    times = np.full(n, at_us, np.int64)
    return ReadingBatch(rows, value, times, times, np.zeros(n, np.int32))


def _engine_alone(conn: Connection, engine: AlarmEngine) -> float:
    """Snapshot and log from the database into an engine that knows its points [s]."""
    table = engine.table
    rows = conn.execute(
        "SELECT p.point_id, m.code, p.system, p.no FROM point p JOIN mine m"
        " USING (mine_id)"
    ).fetchall()
    row_of = np.full(max(int(str(row[0])) for row in rows) + 1, -1, np.int32)
    for id_, *key in rows:
        row_of[int(str(id_))] = table.index[tuple(key)]  # type: ignore[index]

    def go_on() -> None:
        stored = next(snapshots.load_newest_first(conn, 0, SCOPE))
        load(engine, stored.body)
        for body in replay_log.bodies_since(conn, 0, SCOPE, stored.step):
            for step in decode_steps(body, row_of, table.mine_index):
                engine.tick(step.batch, now_us=0, marks=step.marks)

    return _timed(go_on)


def _start(settings: Settings, clock: SystemClock) -> tuple[float, str]:
    """Everything that ingest does before it takes the first frame [s]."""
    evaluator = Evaluator(PointBook(), AlarmEngine(default_rules()), SeenFrames())
    storing = Storing(
        settings,
        evaluator.book,
        lambda _: "{}",
        clock,
        IngestCounts(Metrics()),
        Event(),
        owner="benchmark:1",
        run=0,
    )
    storing.line.own(standby=False)
    our_clock = OurClock(SteadyClock(clock), evaluator.clocks)
    told: list[str] = []

    def start() -> None:
        done = Beginning(
            storing,
            evaluator,
            Annunciator(),
            Standing(default_rules(), evaluator, our_clock, Floods(3000), []),
            lambda rules: AlarmEngine(rules or default_rules()),
            clock,
        ).begin(storing.line.open())
        told.append(str(done))

    try:
        return _timed(start), told[-1]
    finally:
        storing.close()


def _timed(work: Callable[[], None]) -> float:
    begun_s = time.perf_counter()
    work()
    return time.perf_counter() - begun_s
