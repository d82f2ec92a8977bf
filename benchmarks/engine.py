"""``engine``: readings judged per second, beside the least that judging can be.

Points, places and values are those of the simulated city, told through its definition
frames and repeated until there are enough. The ceiling does for the same rows what no
engine can leave out: gather two limits, compare twice, scatter the newest value.
"""

import statistics
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, is_dataclass, replace
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import Report, significant
from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.forecast import ForecastEngine
from gasmon.alarms.forecast_model import MODELS
from gasmon.alarms.rules import default_rules
from gasmon.batch import Float64, Int32, ReadingBatch
from gasmon.ingest.definitions import parse_points
from gasmon.ingest.topics import parse_topic, points_topic
from gasmon.points import PointDef, PointKey, PointTable
from gasmon.units import US_PER_MS, US_PER_S
from simulators.city import City
from simulators.gateway import definition
from simulators.layout import build_city

BATCH = 15_000
FRAME = 60
BEGIN_US = 1_800_000_000 * US_PER_S
CYCLE_US = 15 * US_PER_S


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Attributes:
        points: sizes of the point table, the largest first.
        n_rounds: batches of each size, and as many of the ceiling.
    """

    points: tuple[int, ...] = (1_000_000, 100_000, 15_000)
    n_rounds: int = 80
    n_frames: int = 2_000


QUICK = Size(points=(30_000, 15_000), n_rounds=5, n_frames=50)


@dataclass(frozen=True, slots=True)
class Sample:
    """The city's points, and some cycles of their readings.

    Attributes:
        value: float64[cycles, points].
        state: int32[cycles, points].
    """

    points: list[PointDef]
    value: Float64
    state: Int32


def run(quick: bool) -> Report:
    """Run the benchmark."""
    size = QUICK if quick else Size()
    sample = _sample()
    details: dict[str, Any] = {}
    values, ceilings = [], []
    for n in size.points:
        before = _resident_bytes()
        engine = _engine(sample, n)
        grown = _resident_bytes() - before
        took = _batches(engine, sample, size.n_rounds)
        own, bare = (BATCH / statistics.median(s) for s in (took.own_s, took.bare_s))
        values.append(own)
        ceilings.append(bare)
        told: dict[str, Any] = {
            "readings_per_s": significant(own),
            "ceiling_per_s": significant(bare),
            "batch_ms": significant(statistics.mean(took.own_s) * 1e3),
            "events": took.n_events,
            "frame_of_60_us": significant(
                _frames(engine, sample, size.n_frames, took.n_readings)
            ),
            "clock_mark_us": significant(_marks(engine)),
            "engine_bytes_per_point": round(_array_bytes(engine) / n),
        }
        if n == size.points[0]:
            # Later tables find memory that this one has given back.
            told["process_bytes_per_point"] = round(grown / n)
        del engine
        told["with forecast"] = _with_forecast(sample, n, size)
        details[f"{n:,} points"] = told
    lowest = values.index(min(values))
    return Report(
        benchmark="engine",
        unit="readings/s",
        value=values[lowest],
        ceiling=ceilings[lowest],
        settings={
            "batch": BATCH,
            "rounds": size.n_rounds,
            "rules": "shipped default",
            "points": list(size.points),
            "mix": f"simulated city, {len(sample.points)} points, repeated",
        },
        details=details,
    )


def _sample(n_cycles: int = 8) -> Sample:
    plan = build_city(1)
    points: list[PointDef] = []
    for mine in plan.mines:
        topic = parse_topic(points_topic(mine.area, mine.code))
        told = parse_points(topic, definition(mine, BEGIN_US), BEGIN_US, _never)
        points += told.points
    city = City(plan, np.random.default_rng(1))
    steps = [city.step(BEGIN_US + i * CYCLE_US) for i in range(40 + n_cycles)]
    # The first steps are left out: gas needs minutes to spread through the airways.
    kept = steps[40:]
    return Sample(
        points,
        np.stack([step.value for step in kept]).astype(np.float64),
        np.stack([step.state for step in kept]).astype(np.int32),
    )


def _never(error: Exception) -> None:
    raise AssertionError(f"the simulator's own definition is refused: {error}")


def _engine(
    sample: Sample, n: int, forecast: ForecastEngine | None = None
) -> AlarmEngine:
    """An engine that knows n points: the city as often as it takes."""

    def made() -> Iterable[PointDef]:
        mines: dict[tuple[int, str], str] = {}
        for number in range(n):
            copy, at = divmod(number, len(sample.points))
            point = sample.points[at]
            area = point.key.mine[:6]
            code = mines.setdefault(
                (copy, point.key.mine), f"{area}{len(mines) % 1_000_000:06d}"
            )
            key = PointKey(code, point.key.system, point.key.no)
            yield replace(point, key=key, effective_from_us=0)

    # Sorting would mix the copies; the city's own order is kept row by row.
    points = list(made())
    table = PointTable().extended((), points)
    engine = AlarmEngine(default_rules(), forecast=forecast)
    engine.adopt(table, points, BEGIN_US)
    return engine


def _batch(sample: Sample, n: int, first: int, size: int) -> ReadingBatch:
    """The readings from the ``first`` one on, all points taking turns.

    However many points there are, each is read once in a cycle, so that no reading
    comes after a gap.
    """
    round_, row = np.divmod(np.arange(first, first + size), n)
    at, cycle = row % len(sample.points), round_ % len(sample.value)
    at_us = BEGIN_US + (round_ + 1) * CYCLE_US
    return ReadingBatch(
        row=row.astype(np.int32),
        value=sample.value[cycle, at],
        at_us=at_us,
        arrived_us=at_us + 50 * US_PER_MS,
        state=sample.state[cycle, at],
    )


@dataclass(frozen=True, slots=True)
class Took:
    """What each batch took, the engine's and the ceiling's, measured in turns [s].

    Attributes:
        n_readings: how many were judged in all.
    """

    own_s: list[float]
    bare_s: list[float]
    n_events: int
    n_readings: int


def _with_forecast(sample: Sample, n: int, size: Size) -> dict[str, Any]:
    """The same with pre-warnings and their baselines.

    A batch's mean counts here, not its median: a mine is looked at in every second
    batch when its frames come each 15 s.
    """
    forecast = ForecastEngine(default_rules())
    engine = _engine(sample, n, forecast)
    took = _batches(engine, sample, size.n_rounds)
    n_points = forecast.targets.n // len(MODELS)
    return {
        "forecast_points": n_points,
        "batch_ms": significant(statistics.mean(took.own_s) * 1e3),
        "slowest_batch_ms": significant(max(took.own_s) * 1e3),
        "readings_per_s": significant(BATCH / statistics.mean(took.own_s)),
        "frame_of_60_us": significant(
            _frames(engine, sample, size.n_frames, took.n_readings)
        ),
        "clock_mark_us": significant(_marks(engine)),
        "bytes_per_forecast_point": forecast.bytes_per_target(),
    }


def _batches(engine: AlarmEngine, sample: Sample, n_rounds: int) -> Took:
    """Batches over all points in turn, every row once before the clock runs."""
    n = engine.table.n
    # As after a minute of a real day.
    warm = -(-n // BATCH)
    high, low, last = np.full(n, np.inf), np.full(n, -np.inf), np.zeros(n)
    own_s, bare_s, n_events = [], [], 0
    for turn in range(warm + n_rounds):
        batch = _batch(sample, n, turn * BATCH, BATCH)
        begin_s = time.perf_counter()
        events = engine.tick(batch, now_us=BEGIN_US)
        middle_s = time.perf_counter()
        _bare(batch, high, low, last)
        end_s = time.perf_counter()
        if turn >= warm:
            own_s.append(middle_s - begin_s)
            bare_s.append(end_s - middle_s)
            n_events += len(events)
    return Took(own_s, bare_s, n_events, (warm + n_rounds) * BATCH)


def _bare(
    batch: ReadingBatch, high: Float64, low: Float64, last: Float64
) -> tuple[Any, Any]:
    rows, value = batch.row, batch.value
    over = np.flatnonzero(value >= high[rows])
    under = np.flatnonzero(value < low[rows])
    last[rows] = value
    return over, under


def _frames(engine: AlarmEngine, sample: Sample, n_frames: int, first: int) -> float:
    """Median tick of one mine's frame of 60 points, after ``first`` readings [µs]."""
    took_s = []
    for begin in islice(_begins(engine, first), n_frames):
        batch = _batch(sample, engine.table.n, begin, FRAME)
        begin_s = time.perf_counter()
        engine.tick(batch, now_us=BEGIN_US)
        took_s.append(time.perf_counter() - begin_s)
    return statistics.median(took_s) * 1e6


def _begins(engine: AlarmEngine, first: int) -> Iterator[int]:
    """Which readings frames begin with: 60 of one mine each, mine after mine."""
    n = engine.table.n
    rows = [own[0] for own in engine.table.rows if len(own) >= FRAME]
    ahead = sorted((row - first) % n for row in rows)
    for cycle in count():
        yield from (first + cycle * n + each for each in ahead)


def _marks(engine: AlarmEngine) -> float:
    """Median clock mark with nobody silent, as each second has one [µs]."""
    took_s = []
    newest_us = int(engine.state.last_arrived_us[: engine.table.n].min())
    for turn in range(20):
        begin_s = time.perf_counter()
        engine.tick(
            ReadingBatch.empty(), now_us=BEGIN_US, marks=[newest_us + turn * US_PER_MS]
        )
        took_s.append(time.perf_counter() - begin_s)
    return statistics.median(took_s) * 1e6


def _array_bytes(part: Any, seen: set[int] | None = None) -> int:
    """Bytes of every array that hangs on an object of the engine."""
    seen = set() if seen is None else seen
    if id(part) in seen:
        return 0
    seen.add(id(part))
    if isinstance(part, np.ndarray):
        return int(part.nbytes)
    if isinstance(part, PointTable):
        return 0
    inside: Iterable[Any] = ()
    if isinstance(part, list | tuple):
        inside = part if len(part) < 100 else ()
    elif isinstance(part, dict):
        inside = list(part.values()) if len(part) < 100 else ()
    elif is_dataclass(part) or type(part).__module__.startswith("gasmon.alarms"):
        names = getattr(type(part), "__slots__", ()) or vars(part)
        inside = [getattr(part, name, None) for name in names]
    return sum(_array_bytes(one, seen) for one in inside)


def _resident_bytes() -> int:
    """Memory that this process holds; 0 where /proc is missing."""
    try:
        text = Path("/proc/self/statm").read_text("ascii")
    except OSError:
        return 0
    return int(text.split()[1]) * 4096
