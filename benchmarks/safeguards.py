"""``safeguards``: what each safeguard of the ingest path costs, one off at a time.

For each variant a real ``gasmon ingest`` starts on a backlog that the broker held, and
drains it; then a whole city's load goes on while one more mine's methane crosses its
limit and returns. Told are readings per second from the first commit to the last, and
for each alarm the time from publishing to the annunciator's message and to the commit.

Before and after each variant everything is on, and it is compared with the mean of
these two neighbours: machines change their pace. What ``all on`` itself gives as a
ratio (last to first of a round) says how much a ratio means. Last in a round the
database goes away: the same burst of frames and the same alarms, into the database and
into the spool.
"""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psycopg
from psycopg.conninfo import make_conninfo

from benchmarks.listeners import Relay
from benchmarks.parts import Gasmon, MadeCity, Publisher, publish_all
from benchmarks.report import Report, significant
from benchmarks.servers import Servers, servers
from benchmarks.switches import SWITCHES
from gasmon.clock import SystemClock
from gasmon.embedded.process import wait_for
from gasmon.errors import GasmonError
from gasmon.store.db import Connection, connect
from gasmon.units import US_PER_MS, US_PER_S

N_POINTS = 58
CYCLE_S = 5.0
PATIENCE_S = 120.0
UNTOLD_S = 3.0
TOLD_AT_LEAST = 0.5


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Attributes:
        n_cycles: frames of each mine in a backlog.
        load_s: how long the load with alarms goes on [s].
        probe_every_s: time between two frames of the probe mine [s].
    """

    n_mines: int = 259
    n_cycles: int = 12
    load_s: float = 6.0
    probe_every_s: float = 0.1
    n_rounds: int = 3


# More frames than fit in one commit, or there is no time between two of them.
QUICK = Size(n_mines=20, n_cycles=50, load_s=1.5, n_rounds=1)


@dataclass(frozen=True, slots=True)
class Variant:
    """What differs from everything on.

    Attributes:
        off: switches of ``switches.py``.
        spool: whether a spool is configured.
        server: settings of the database server.
    """

    off: tuple[str, ...] = ()
    spool: bool = True
    server: dict[str, str] = field(default_factory=dict)


ALL_ON = "all on"
INTO_DATABASE = "burst into the database"
INTO_SPOOL = "burst into the spool (database away)"
VARIANTS = {
    "no spool configured": Variant(spool=False),
    "no hold after a reconnect": Variant(("hold",)),
    "no gap keeper": Variant(("gaps",)),
    "no clock correction": Variant(("clocks",)),
    "no dropping of repeats": Variant(("dedupe",)),
    "no engine log, no snapshots": Variant(("log",)),
    "synchronous_commit off": Variant(server={"synchronous_commit": "off"}),
    "fsync off": Variant(server={"fsync": "off"}),
    "all off": Variant(
        tuple(SWITCHES), False, {"synchronous_commit": "off", "fsync": "off"}
    ),
}


@dataclass(slots=True)
class Sample:
    """What one run of a variant gave; times from publishing [ms]."""

    readings_per_s: float = 0.0
    annunciated_ms: list[float] = field(default_factory=list)
    committed_ms: list[float] = field(default_factory=list)


class Rig:
    """Everything that stays over all variants."""

    def __init__(self, size: Size, where: Servers, conn: Connection) -> None:
        self.size = size
        self.where = where
        self.conn = conn
        self.city = MadeCity(size.n_mines + 1, N_POINTS, "bench")
        self.relay = Relay(where.broker_port)
        self.newest_us = SystemClock().now_us() - 60 * US_PER_S
        self.n_frames = 0

    def ingest(self, variant: Variant) -> Gasmon:
        """Ingest as the variant wants it."""
        folder = str(self.where.log_dir / "spool")
        settings = {"ingest.spool_dir": folder} if variant.spool else {}
        return Gasmon("ingest", self.where, settings, variant.off)

    def backlog(self) -> int:
        """Publish a backlog, times between the newest and now; returns its frames."""
        now_us, n = SystemClock().now_us(), self.size.n_cycles
        step_us = (now_us - self.newest_us) // (n + 1)
        frames = []
        for cycle in range(n):
            at_us = self.newest_us + (cycle + 1) * step_us
            frames += self.city.cycle(at_us, [cycle % self.size.n_mines])
        self.newest_us = now_us
        publish_all(self.where.broker_port, [(f.topic, f.payload) for f in frames])
        self.n_frames += len(frames)
        return len(frames)

    def stored(self, gasmon: Gasmon) -> None:
        """Wait until every frame is in the database.

        Raises:
            GasmonError: gasmon ended, or it takes too long.
        """
        what = b"SELECT count(*) FROM frame"

        def all_there() -> bool:
            gasmon.require_alive()
            return self.conn.execute(what).fetchone() == (self.n_frames,)

        if not wait_for(all_there, PATIENCE_S):
            raise GasmonError(f"not {self.n_frames} frames after {PATIENCE_S:g} s")

    def alarms(self) -> dict[int, int]:
        """The city's load and a probe mine in and out of alarm; ms → when published."""
        size, began = self.size, {}
        pause_s = min(CYCLE_S / size.n_mines, size.probe_every_s / 2)
        probe_s = end_s = time.perf_counter()
        end_s += size.load_s
        mine, is_over = 0, False
        with Publisher(self.where.broker_port, "bench-load") as publisher:
            while time.perf_counter() < end_s:
                mines, over = [mine], []
                mine = (mine + 1) % size.n_mines
                if time.perf_counter() >= probe_s:
                    probe_s += size.probe_every_s
                    is_over = not is_over
                    mines.append(size.n_mines)
                    over = [size.n_mines] if is_over else []
                at_us = max(SystemClock().now_us(), self.newest_us + US_PER_MS)
                self.newest_us = at_us
                for frame in self.city.frames(mines, at_us, over):
                    if frame.mine in over:
                        began[at_us // US_PER_MS] = time.perf_counter_ns()
                    publisher.publish(frame.topic, frame.payload)
                    self.n_frames += 1
                time.sleep(pause_s)
            if is_over:
                self.newest_us += US_PER_MS * 10
                for frame in self.city.frames([size.n_mines], self.newest_us):
                    publisher.publish(frame.topic, frame.payload)
                    self.n_frames += 1
            publisher.flush()
        return began

    def annunciated_ms(self, began: dict[int, int]) -> list[float]:
        """How long each alarm took to the relay.

        One that was raised and cleared within a turn is over before anybody is told.

        Raises:
            GasmonError: that cannot be the reason for so many.
        """
        heard = self.relay.heard_ns
        wait_for(lambda: began.keys() <= heard.keys(), UNTOLD_S)
        told = began.keys() & heard.keys()
        if len(told) < len(began) * TOLD_AT_LEAST:
            raise GasmonError(f"only {len(told)} of {len(began)} alarms were announced")
        return [(heard[at] - began[at]) / 1e6 for at in told]

    def committed_ms(self, began: dict[int, int]) -> list[float]:
        """How long each alarm's frame took to its commit."""
        rows: list[Any] = self.conn.execute(
            """SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000
                      - device_ms
               FROM frame WHERE device_ms = ANY(%s) AND mine_id =
                     (SELECT mine_id FROM mine WHERE code = %s)""",
            (list(began), self.city.mines[-1].code),
        ).fetchall()
        return [float(row[0]) for row in rows]

    def drained_per_s(self, before: int) -> float:
        """Readings per second from the first commit of a backlog to the last."""
        commits: list[Any] = self.conn.execute(
            """SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8,
                      count(*), sum(n_readings)
               FROM frame GROUP BY 1 ORDER BY 1"""
        ).fetchall()
        total, own = 0, []
        for at_s, n, n_readings in commits:
            total += n
            if total > before:
                own.append((at_s, float(n_readings)))
        return sum(n for _, n in own[1:]) / (own[-1][0] - own[0][0])


@contextmanager
def _server_as(rig: Rig, wanted: dict[str, str]) -> Iterator[None]:
    """Set the database server for a while; these need no restart."""
    for name, value in wanted.items():
        rig.conn.execute(f"ALTER SYSTEM SET {name} = {value}".encode())
    rig.conn.execute("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        for name in wanted:
            rig.conn.execute(f"ALTER SYSTEM RESET {name}".encode())
        rig.conn.execute("SELECT pg_reload_conf()")


def _measure(rig: Rig, variant: Variant) -> Sample:
    sample = Sample()
    with _server_as(rig, variant.server):
        before = rig.n_frames
        rig.backlog()
        with rig.ingest(variant) as gasmon:
            rig.stored(gasmon)
            sample.readings_per_s = rig.drained_per_s(before)
            began = rig.alarms()
            sample.annunciated_ms = rig.annunciated_ms(began)
            rig.stored(gasmon)
            sample.committed_ms = rig.committed_ms(began)
    return sample


@contextmanager
def _database_away(rig: Rig) -> Iterator[None]:
    """Nobody but us gets into the database, and everybody else is thrown out."""
    name = rig.conn.info.dbname
    other = make_conninfo(rig.where.database_url, dbname="postgres")
    with psycopg.connect(other, autocommit=True) as conn:
        conn.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = %s AND pid <> %s",
            (name, rig.conn.info.backend_pid),
        )
        try:
            yield
        finally:
            conn.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())


def _burst_per_s(rig: Rig, gasmon: Gasmon) -> float:
    """Readings per second from the first frame of a burst to the last PUBACK."""
    begin_s = time.perf_counter()
    n = rig.backlog()

    def settled() -> bool:
        gasmon.require_alive()
        waiting = gasmon.gauges("gasmon_inbox_depth", "gasmon_unacknowledged")
        return waiting == [0.0, 0.0]

    if not wait_for(settled, PATIENCE_S):
        raise GasmonError(f"a burst was not stored in {PATIENCE_S:g} s")
    return n * N_POINTS / (time.perf_counter() - begin_s)


def _spooling(rig: Rig) -> tuple[Sample, Sample]:
    """The same burst and alarms into the database, and into the spool."""
    there, away = Sample(), Sample()
    with rig.ingest(Variant()) as gasmon:
        there.readings_per_s = _burst_per_s(rig, gasmon)
        there.annunciated_ms = rig.annunciated_ms(rig.alarms())
        rig.stored(gasmon)
        with _database_away(rig):
            away.readings_per_s = _burst_per_s(rig, gasmon)
            away.annunciated_ms = rig.annunciated_ms(rig.alarms())
            if not gasmon.gauges("gasmon_spool_turns")[0] > 0:
                raise GasmonError("nothing was spooled: the database was not away")
        rig.stored(gasmon)
    return there, away


def run(quick: bool) -> Report:
    """Run the benchmark."""
    size = QUICK if quick else Size()
    with servers() as where, connect(where.database, autocommit=True) as conn:
        rig = Rig(size, where, conn)
        try:
            with Gasmon("ingest", where):
                now_us = SystemClock().now_us()
                publish_all(where.broker_port, rig.city.definitions(now_us))
                n_points = b"SELECT count(*) FROM point"
                if not wait_for(
                    lambda: conn.execute(n_points).fetchone() == (rig.city.n_points,),
                    PATIENCE_S,
                ):
                    raise GasmonError("the points were not defined")
            return _report(size, where, [_round(rig, i) for i in range(size.n_rounds)])
        finally:
            rig.relay.close()


@dataclass(slots=True)
class Round:
    """Everything once.

    Attributes:
        samples: by name of the variant; of all on one before and after each other.
        beside: readings per second of what stood beside a variant in time.
    """

    samples: dict[str, list[Sample]] = field(default_factory=dict)
    beside: dict[str, float] = field(default_factory=dict)


def _round(rig: Rig, number: int) -> Round:
    """Everything once, in another order each time, all on between any two."""
    names = list(VARIANTS)
    at = number * 4 % len(names)
    this = Round()
    on = this.samples[ALL_ON] = [_measure(rig, Variant())]
    this.beside[ALL_ON] = on[0].readings_per_s
    for name in names[at:] + names[:at]:
        this.samples[name] = [_measure(rig, VARIANTS[name])]
        on.append(_measure(rig, Variant()))
        this.beside[name] = (on[-2].readings_per_s + on[-1].readings_per_s) / 2
    there, away = _spooling(rig)
    for name, sample in ((INTO_DATABASE, there), (INTO_SPOOL, away)):
        this.samples[name] = [sample]
        this.beside[name] = there.readings_per_s
    return this


def _report(size: Size, where: Servers, rounds: list[Round]) -> Report:
    details = {}
    rates = {}
    for name in rounds[0].samples:
        samples = [sample for r in rounds for sample in r.samples[name]]
        rates[name] = statistics.median(s.readings_per_s for s in samples)
        ratios = [r.samples[name][-1].readings_per_s / r.beside[name] for r in rounds]
        details[name] = {
            "readings_per_s": significant(rates[name], 3),
            "times_all_on": significant(statistics.median(ratios), 3),
            **_times("annunciated_ms", [s.annunciated_ms for s in samples]),
            **_times("committed_ms", [s.committed_ms for s in samples]),
        }
    return Report(
        benchmark="safeguards",
        unit="readings/s",
        value=rates[ALL_ON],
        ceiling=rates["all off"],
        settings={
            "mines": size.n_mines,
            "points_per_mine": N_POINTS,
            "frames_per_backlog": (size.n_mines + 1) * size.n_cycles,
            "load_s": size.load_s,
            "rounds": size.n_rounds,
            **where.settings(),
        },
        details=details,
    )


def _times(name: str, samples: list[list[float]]) -> dict[str, list[float]]:
    """Median and 99th percentile over all samples [ms]; nothing without any."""
    sample = [value for part in samples for value in part]
    if not sample:
        return {}
    at = np.percentile(sample, [50, 99]).tolist()
    return {f"{name}_p50_p99": [significant(value, 3) for value in at]}
