"""``engine_peer``: five simple rules over 15,000 series, beside a general rule engine.

The rules are those that one writes first into Prometheus for a methane sensor: over its
limit, at its cut-off, over its range, rising fast, silent. There an evaluation asks the
storage for each series; here it is one frame of each mine and a clock mark. What is not
among the five is turned off where it can be; the kinds of state bits cannot.
"""

import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.report import Report, significant, spread
from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.rules import RuleSet, default_rules, parse_rules
from gasmon.batch import Float64, ReadingBatch
from gasmon.points import PointDef, PointKey, PointTable
from gasmon.units import US_PER_MS, US_PER_S

PROMETHEUS_S = 0.67
"""One evaluation of five simple rules over 15,000 series by Prometheus 2.42, on 2 cores
of this kind of machine, measured once [s]. It is not measured again here."""

ALONE = "".join(
    f'[[rule]]\nkind = "{kind}"\nmatch = {{ quantity = ["CH4"] }}\nenabled = false\n'
    for kind in ("suspicious_data", "evasion")
)
FIVE = {
    "over_limit": "ch4 >= 1.0",
    "cut_off": "ch4 >= 1.5",
    "over_range": "ch4 > 4",
    "rapid_rise": "ch4 - ch4 offset 2m > 0.4",
    "no_data": "time() - timestamp(ch4) > 90",
}
"""Our kinds, and what one would write for each."""

BEGIN_US = 1_800_000_000 * US_PER_S
CYCLE_US = 15 * US_PER_S
PER_MINE = 58


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    n_series: int = 15_000
    n_rounds: int = 80


QUICK = Size(n_series=3_000, n_rounds=5)


def run(quick: bool) -> Report:
    """Run the benchmark."""
    size = QUICK if quick else Size()
    five = _evaluations(size, parse_rules(ALONE, "five.toml"))
    whole = _evaluations(size, default_rules())
    seconds = statistics.median(five.took_s)
    details: dict[str, Any] = {
        "evaluation_ms": spread(1e3 * took_s for took_s in five.took_s),
        "all shipped rules, ms": spread(1e3 * took_s for took_s in whole.took_s),
        "series_per_s": significant(size.n_series / seconds),
        "events": five.n_events,
        "times as fast": significant(PROMETHEUS_S / seconds, 3),
        **FIVE,
    }
    return Report(
        benchmark="engine_peer",
        unit="s an evaluation",
        value=seconds,
        ceiling=PROMETHEUS_S,
        settings={
            "series": size.n_series,
            "evaluations": size.n_rounds,
            "beside": "Prometheus 2.42, known for 15,000 series, not measured here",
        },
        details=details,
    )


@dataclass(frozen=True, slots=True)
class Took:
    """What evaluations took [s], and how many events came of them."""

    took_s: list[float]
    n_events: int


def _evaluations(size: Size, rules: RuleSet) -> Took:
    """A batch of all series and a clock mark, again and again."""
    engine, rng = _engine(size.n_series, rules), np.random.default_rng(1)
    value = rng.uniform(0.05, 0.6, size.n_series)
    took_s, n_events = [], 0
    # As after two minutes: what a rise is measured from must be there.
    warm = 8
    for turn in range(warm + size.n_rounds):
        batch = _batch(_next(value, rng), turn)
        mark_us = BEGIN_US + (turn + 1) * CYCLE_US
        begin_s = time.perf_counter()
        events = engine.tick(batch, now_us=BEGIN_US, marks=[mark_us])
        if turn >= warm:
            took_s.append(time.perf_counter() - begin_s)
            n_events += len(events)
    return Took(took_s, n_events)


def _engine(n: int, rules: RuleSet) -> AlarmEngine:
    """An engine that knows n methane sensors at coal faces."""
    points = [
        PointDef(
            PointKey(f"530627{row // PER_MINE:06d}", "01", f"{row % PER_MINE:03d}A01"),
            quantity="CH4",
            place_class="FACE_T1",
            uom="%",
            range_low=0.0,
            range_high=4.0,
        )
        for row in range(n)
    ]
    engine = AlarmEngine(rules)
    engine.adopt(PointTable().extended((), points), points, BEGIN_US)
    return engine


def _next(value: Float64, rng: np.random.Generator) -> Float64:
    """The next value of each series, in place; one in a thousand is over its limit."""
    value += rng.normal(0.0, 0.01, len(value))
    np.clip(value, 0.0, 0.8, out=value)
    shown = value.round(2)
    shown[rng.random(len(value)) < 0.001] = 1.2
    return shown


def _batch(value: Float64, turn: int) -> ReadingBatch:
    """One reading of each series; one in a thousand does not come, by turns."""
    row = np.arange(len(value), dtype=np.int32)
    comes = (row + turn // 10) % 1000 != 0
    row, at_us = row[comes], BEGIN_US + turn * CYCLE_US
    times = np.full(len(row), at_us, np.int64)
    return ReadingBatch(
        row=row,
        value=value[comes],
        at_us=times,
        arrived_us=times + 50 * US_PER_MS,
        state=np.zeros(len(row), np.int32),
    )
