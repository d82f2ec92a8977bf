"""``latency``: publish to the alarm in a websocket client's hand, at city load.

Real ``gasmon ingest``, ``duty`` and ``api``, apart as a city's site runs them, take the
frames of 259 mines, evenly spread over 5 s, from another process. One more mine's
methane crosses its limit and returns, some times a second, and each of these frames is
timed until its event is in a client's hand. In turns with them, under the same load,
messages are timed on the shortest durable path there is (``floor.py``). Afterwards
bursts of all mines at once are timed. Then all of it again with ``gasmon serve``, which
is the same in one process; that stands in the details.
"""

import gc
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.floor import TOPIC
from benchmarks.listeners import PATIENCE_S, Stopwatch, floor_listening, listening
from benchmarks.parts import Gasmon, MadeCity, Publisher, publish_all
from benchmarks.report import Report, significant, spread
from benchmarks.servers import Servers, servers
from gasmon.clock import SystemClock
from gasmon.embedded.process import wait_for
from gasmon.errors import GasmonError
from gasmon.store import access
from gasmon.store.db import connect as connect_database
from gasmon.units import US_PER_MS, iso_us

N_POINTS = 58
CYCLE_S = 5.0

APART = ("ingest", "duty", "api")
TOGETHER = ("serve",)


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Attributes:
        n_mines: mines of the load.
        load_s: how long the load goes on [s]; probes run within it.
        probe_every_s: time between two probes of one kind [s].
        n_bursts: bursts of each kind.
    """

    n_mines: int = 259
    load_s: float = 70.0
    probe_every_s: float = 0.125
    n_bursts: int = 8


QUICK = Size(n_mines=20, load_s=5.0, n_bursts=2)


@dataclass(slots=True)
class Rig:
    """Everything that runs: publisher, the two paths, the made-up mines."""

    where: Servers
    publisher: Publisher
    city: MadeCity
    own: Stopwatch
    floor: Stopwatch
    n_floor: int = 0
    last_ms: int = 0
    is_over: bool = False

    def send_floor(self) -> None:
        """One message on the shortest path."""
        self.n_floor += 1
        name = str(self.n_floor)
        self.floor.begin(name)
        self.publisher.publish(TOPIC, name.encode())

    def send_probe(self) -> None:
        """The probe mine's next frame: over the limit, or back below it."""
        self.is_over = not self.is_over
        probe = len(self.city.mines) - 1
        self.send_frames([probe], [probe] if self.is_over else [], [probe])

    def send_frames(self, mines: list[int], over: list[int], timed: list[int]) -> None:
        """A frame each of some mines, at once.

        Args:
            over: those whose first point is over its limit.
            timed: those whose event is waited for.
        """
        # Times of frames are whole milliseconds and name the event.
        now_ms = max(self.last_ms + 1, time.time_ns() // 1_000_000)
        self.last_ms = now_ms
        for frame in self.city.frames(mines, now_ms * US_PER_MS, over):
            if frame.mine in timed:
                self.own.begin(event_name(self.city.mines[frame.mine].code, now_ms))
            self.publisher.publish(frame.topic, frame.payload)


def event_name(mine: str, at_ms: int) -> str:
    """What an event of a mine at a time is called by both sides."""
    return f"{mine} {iso_us(at_ms * US_PER_MS)}"


def run(quick: bool) -> Report:
    """Run the benchmark."""
    size = QUICK if quick else Size()
    apart, together = measured(size, APART), measured(size, TOGETHER)
    return replace(apart, details={**apart.details, "one_process": _brief(together)})


def _brief(report: Report) -> dict[str, Any]:
    names = ("gasmon_ms", "floor_ms", "burst_alarm_in_each_ms")
    return {
        "ratio": significant(report.ratio, 3),
        **{name: report.details[name] for name in names},
    }


def measured(size: Size, commands: tuple[str, ...]) -> Report:
    """Measure with these commands; the last one has the stream."""
    with servers() as where, ExitStack() as stack:
        token = bench_token(where)
        running = [stack.enter_context(Gasmon(name, where)) for name in commands]
        with (
            _floor(where) as floor_port,
            Publisher(where.broker_port, "bench-probe") as publisher,
        ):
            city = MadeCity(size.n_mines + 1, N_POINTS, "bench")
            now_us = SystemClock().now_us()
            publish_all(where.broker_port, city.definitions(now_us))
            rig = Rig(where, publisher, city, Stopwatch(), Stopwatch())
            with (
                listening(running[-1].port, token, rig.own),
                floor_listening(floor_port, rig.floor),
            ):
                return _measure(size, rig, commands)


def _measure(size: Size, rig: Rig, commands: tuple[str, ...]) -> Report:
    _warm(rig)
    with _load(size, rig.where) as load:
        _probe(size, rig)
        told = load()
    own, floor = rig.own.took_ms, rig.floor.took_ms
    value, ceiling = spread(own.values()), spread(floor.values())
    stages = _stages(rig)
    bursts = _bursts(size, rig)
    return Report(
        benchmark="latency",
        unit="ms, 99th percentile",
        value=value["p99"],
        ceiling=ceiling["p99"],
        settings={
            "mines": size.n_mines,
            "points_per_mine": N_POINTS,
            "cycle_s": CYCLE_S,
            "load_s": size.load_s,
            "probe_every_s": size.probe_every_s,
            "processes": " ".join(commands),
            **rig.where.settings(),
        },
        details={
            "gasmon_ms": value,
            "floor_ms": ceiling,
            "stages_ms": stages,
            **bursts,
            "load": told,
        },
    )


def _warm(rig: Rig) -> None:
    for _ in range(4):
        rig.send_probe()
        rig.send_floor()
        rig.own.settle("the first probes")
        rig.floor.settle("the first messages")
    _forget(rig)
    # The clients live in this process: a search through the made-up city would be
    # taken for a late event.
    gc.collect()
    gc.freeze()


def _forget(rig: Rig) -> None:
    rig.own.forget()
    rig.floor.forget()


def _probe(size: Size, rig: Rig) -> None:
    """Time both paths in turns until the load is about to end."""
    rng = random.Random(1)
    half_s = size.probe_every_s / 2
    next_s = time.monotonic()
    end_s = next_s + size.load_s * 0.9
    while next_s < end_s:
        for send in (rig.send_probe, rig.send_floor):
            # Jitter: the load's frames are evenly spaced, and probes in step with
            # them would always meet the same moment.
            due_s = next_s + rng.uniform(0, half_s * 0.8)
            time.sleep(max(0.0, due_s - time.monotonic()))
            send()
            next_s += half_s
    rig.own.settle("the probes")
    rig.floor.settle("the messages of the floor")


def _stages(rig: Rig) -> dict[str, Any]:
    """Where the time went, as far as the event itself and the database tell."""
    with psycopg.connect(rig.where.database_url) as conn:
        rows = conn.execute(
            "SELECT seq, extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000"
            " FROM outbox WHERE seq = ANY(%s)",
            ([passage.seq for passage in rig.own.passages],),
        ).fetchall()
    committed_us = {seq: float(at_us) for seq, at_us in rows}
    way = [(p, committed_us[p.seq]) for p in rig.own.passages]
    return {
        # Times in events are whole milliseconds, rounded down.
        "published_to_arrived": spread(
            (p.arrived_us - p.published_us) / 1e3 for p, _ in way
        ),
        "arrived_to_decided": spread(
            (p.decided_us - p.arrived_us) / 1e3 for p, _ in way
        ),
        "decided_to_committed": spread((at - p.decided_us) / 1e3 for p, at in way),
        "committed_to_received": spread((p.received_us - at) / 1e3 for p, at in way),
    }


def _bursts(size: Size, rig: Rig) -> dict[str, Any]:
    """All mines at once: with one alarm among them, and with an alarm in each."""
    everyone = list(range(size.n_mines))
    probe = len(rig.city.mines) - 1
    found: dict[str, list[float]] = {"one": [], "floor": [], "all": []}
    for _ in range(size.n_bursts):
        _forget(rig)
        rig.is_over = not rig.is_over
        half = size.n_mines // 2
        order = [*everyone[:half], probe, *everyone[half:]]
        rig.send_frames(order, [probe] if rig.is_over else [], [probe])
        rig.send_floor()
        rig.own.settle("a burst's alarm")
        rig.floor.settle("a burst's message")
        found["one"] += rig.own.took_ms.values()
        found["floor"] += rig.floor.took_ms.values()
    for number in range(size.n_bursts):
        _forget(rig)
        rig.send_frames(everyone, [] if number % 2 else everyone, everyone)
        rig.own.settle("a burst's alarms")
        found["all"] += rig.own.took_ms.values()
    return {
        "burst_one_alarm_ms": spread(found["one"]),
        "burst_floor_ms": spread(found["floor"]),
        "burst_alarm_in_each_ms": spread(found["all"]),
    }


def bench_token(where: Servers) -> str:
    """A token that sees everything."""
    with connect_database(where.database) as conn:
        return access.create_token(
            conn,
            name="bench",
            role="platform",
            areas=None,
            mines=None,
            now_us=SystemClock().now_us(),
        )


@contextmanager
def _floor(where: Servers) -> Iterator[int]:
    """The floor's process; yields the port of its websocket."""
    with _child("floor", str(where.broker_port), where.database_url) as child:
        assert child.stdout is not None
        line = child.stdout.readline()
        if not line:
            raise GasmonError("the floor's process ended before it was ready")
        yield int(line)


@contextmanager
def _load(size: Size, where: Servers) -> Iterator[Callable[[], dict[str, Any]]]:
    """The city's load from another process, after a first frame of each mine.

    Yields how to wait for its end.
    """
    numbers = {
        "--port": where.broker_port,
        "--mines": size.n_mines,
        "--points": N_POINTS,
        "--cycle": CYCLE_S,
        "--duration": size.load_s + CYCLE_S,
    }
    arguments = [str(part) for pair in numbers.items() for part in pair]
    with _child("load", *arguments, "--json") as child:
        assert child.stdout is not None
        stdout = child.stdout
        with psycopg.connect(where.database_url, autocommit=True) as conn:
            before = _n_frames(conn)
            # The first frame of each mine, for which ingest learns its layout, is no
            # frame of every day.
            known = before + size.n_mines
            if not wait_for(lambda: _n_frames(conn) >= known, PATIENCE_S):
                raise GasmonError("the load's frames do not arrive")

        def report() -> dict[str, Any]:
            text = stdout.read()
            told: dict[str, Any] = json.loads(text)
            kept = ("frames", "acknowledged", "sent_frames_per_s", "late_ms")
            return {name: told[name] for name in kept}

        yield report


def _n_frames(conn: psycopg.Connection[Any]) -> int:
    row = conn.execute("SELECT count(*) FROM frame").fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def _child(what: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    modules = {"floor": ["benchmarks.floor"], "load": ["simulators.cli", "load"]}
    child = subprocess.Popen(
        [sys.executable, "-m", *modules[what], *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        assert child.stdout is not None
        child.stdout.close()
