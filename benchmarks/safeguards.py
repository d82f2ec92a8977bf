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
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import psycopg
from psycopg.conninfo import make_conninfo

from benchmarks.parts import Gasmon
from benchmarks.report import Report, significant
from benchmarks.rig import GAUGES, N_POINTS, Rig, Size, Variant
from benchmarks.servers import Servers, servers
from benchmarks.switches import SWITCHES
from gasmon.errors import GasmonError
from gasmon.store.db import connect

QUICK = Size(n_mines=20, n_cycles=50, load_s=1.5, n_rounds=1)

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
    "no alarms ahead": Variant(("ahead",)),
    "no arrival log": Variant(("seals",)),
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


def _measure(rig: Rig, name: str) -> Sample:
    variant = VARIANTS.get(name, Variant())
    sample = Sample()
    with _server_as(rig, variant.server):
        before = rig.n_frames
        rig.backlog()
        with rig.ingest(variant) as gasmon:
            rig.stored(gasmon)
            sample.readings_per_s = rig.drained_per_s(before)
            alarms = rig.alarms(gasmon)
            sample.annunciated_ms = [took_ms for _, took_ms in alarms]
            rig.stored(gasmon)
            sample.committed_ms = rig.committed_ms(at for at, _ in alarms)
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
    before = gasmon.gauges(GAUGES["acknowledged"])[0]
    begin_s = time.perf_counter()
    n = rig.backlog()
    rig.settled(gasmon, before + n)
    return n * N_POINTS / (time.perf_counter() - begin_s)


def _spooling(rig: Rig) -> tuple[Sample, Sample]:
    """The same burst and alarms into the database, and into the spool."""
    there, away = Sample(), Sample()
    with rig.ingest(Variant()) as gasmon:
        there.readings_per_s = _burst_per_s(rig, gasmon)
        there.annunciated_ms = [took_ms for _, took_ms in rig.alarms(gasmon)]
        rig.stored(gasmon)
        with _database_away(rig):
            away.readings_per_s = _burst_per_s(rig, gasmon)
            away.annunciated_ms = [took_ms for _, took_ms in rig.alarms(gasmon)]
            if not gasmon.gauges(GAUGES["turns spooled"])[0] > 0:
                raise GasmonError("nothing was spooled: the database was not away")
        rig.stored(gasmon)
    return there, away


def run(quick: bool) -> Report:
    """Run the benchmark."""
    return measure(QUICK if quick else Size())


def measure(size: Size) -> Report:
    """Run it with so much; what runs now is told on stderr.

    Raises:
        GasmonError: frames or alarms are missing; names the variant, and where they
            are.
    """
    with servers() as where, connect(where.database, autocommit=True) as conn:
        rig = Rig(size, where, conn)
        try:
            rig.define()
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
    names = list(VARIANTS if rig.size.names is None else rig.size.names)
    at = number * 4 % len(names)
    this = Round()

    def run_one(name: str) -> Sample:
        with _told(rig, number, name):
            return _measure(rig, name)

    on = this.samples[ALL_ON] = [run_one(ALL_ON)]
    this.beside[ALL_ON] = on[0].readings_per_s
    for name in names[at:] + names[:at]:
        this.samples[name] = [run_one(name)]
        on.append(run_one(ALL_ON))
        this.beside[name] = (on[-2].readings_per_s + on[-1].readings_per_s) / 2
    with _told(rig, number, f"{INTO_DATABASE}, {INTO_SPOOL}"):
        there, away = _spooling(rig)
    for name, sample in ((INTO_DATABASE, there), (INTO_SPOOL, away)):
        this.samples[name] = [sample]
        this.beside[name] = there.readings_per_s
    return this


@contextmanager
def _told(rig: Rig, number: int, name: str) -> Iterator[None]:
    """Say which variant runs, and in which one something failed."""
    place = f"round {number + 1} of {rig.size.n_rounds}, {name}"
    print(f"safeguards: {place}", file=sys.stderr, flush=True)
    try:
        yield
    except GasmonError as error:
        raise type(error)(f"{place}: {error}") from error


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
