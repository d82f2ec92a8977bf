"""Signs that one point's readings were made: flat, clipped, replayed, bits that lie.

Each function looks at one stretch of stored readings of one point, sorted by event
time, and gives findings or none. They were tried on a real longwall of 4.6 days, in
which nothing is known to be falsified and nothing is found (docs/suspicion.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, isnan, log

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from gasmon.alarms.suspicion import Finding
from gasmon.batch import Float64, Int64
from gasmon.domain import states
from gasmon.units import US_PER_H, US_PER_S

FLAT_US = 8 * US_PER_H
"""Shorter than this [µs] nothing is flat, as for the alarm ``suspicious_data``: at a
real mid-face methane stood still for 2.8 h while no coal was won. For a sensor of
coarser steps than is usual for its quantity it is longer in proportion."""

USUAL_STEP: Mapping[str, float] = {
    "CH4": 0.01,
    "CO": 1.0,
    "CH4_PIPE": 0.1,
    "PIPE_FLOW": 0.1,
    "PIPE_FLOW_PURE": 0.01,
}
"""Resolution that is usual for a quantity, in its unit."""

FLAT_FACTOR = 12
"""Times the 95th percentile of how long the value usually stands still."""

LEAST_MOVES = 50
"""A sensor that moved less often is not known well enough."""

CLIP_NEAR = 0.85
"""A clipped value lies at this share of its limit or above."""

CLIP_LEAST = 20
CLIP_FACTOR = 8
"""So many readings at the highest value, and so many times those of a level below."""

CLIP_LEVELS = 5
"""Levels of the sensor below the highest that are looked at."""

CLIP_SPREAD = 10
"""Levels between low and highest: a coarser sensor stands at its highest anyway."""

REPLAY_CHANCE = 1e-6
REPLAY_SLACK = 1.5
REPLAY_LEAST = 20
"""A replay is longer than what chance repeats once in a million series, times a slack
because moves are not independent, and has at least so many moves."""

MOST_REPLAY = 400
"""Moves compared at most; a value that is as predictable as that says nothing."""

BITS_LEAST = 10
"""Readings that contradict their bits; fewer may be those of a change."""

GAP_FACTOR = 5
"""More than so many usual steps between two readings interrupt a stretch."""


@dataclass(frozen=True, slots=True)
class Series:
    """Readings of a point, rising in event time.

    Attributes:
        at_us: int64[n] [µs UTC]; ``value``: float64[n], NaN for none; ``state``:
            int32[n], the mine's bits.
    """

    at_us: Int64
    value: Float64
    state: NDArray[np.int32]

    def good(self) -> "Series":
        """Those whose value says something of the gas."""
        bad = states.NO_VALUE | states.CALIBRATION
        keep = np.flatnonzero(~np.isnan(self.value) & ((self.state & bad) == 0))
        return Series(self.at_us[keep], self.value[keep], self.state[keep])


@dataclass(frozen=True, slots=True)
class Runs:
    """Stretches in which a value stood still.

    Attributes:
        first: position of each one's first reading, int[k]; ``n``: its readings.
        lasting_us: from its first to the next one's first reading, int64[k] [µs].
        whole: no gap in it and none before the next, bool[k].
    """

    first: NDArray[np.intp]
    n: NDArray[np.intp]
    lasting_us: Int64
    whole: NDArray[np.bool_]


def runs_of(series: Series) -> Runs:
    """Cut good readings where the value moves or a gap interrupts."""
    at_us, value = series.at_us, series.value
    step_us = np.diff(at_us)
    gap = step_us > GAP_FACTOR * np.median(step_us) if len(step_us) else step_us > 0
    first = np.r_[0, np.flatnonzero((np.diff(value) != 0) | gap) + 1]
    last = np.r_[first[1:] - 1, len(value) - 1]
    after = np.r_[first[1:], len(value) - 1]
    interrupted = np.r_[gap, True][last]
    until = np.where(interrupted, last, after)
    return Runs(first, last - first + 1, at_us[until] - at_us[first], ~interrupted)


def flat(series: Series, usual_step: float) -> list[Finding]:
    """The longest stretch to the last digit, where the sensor usually moves.

    Args:
        usual_step: see ``USUAL_STEP``.
    """
    good = series.good()
    if len(good.at_us) < LEAST_MOVES:
        return []
    runs = runs_of(good)
    if int(runs.whole.sum()) < LEAST_MOVES:
        return []
    usual_us = float(np.quantile(runs.lasting_us[runs.whole], 0.95))
    longest = int(np.argmax(runs.lasting_us))
    lasting_us = int(runs.lasting_us[longest])
    coarse = max(1.0, _resolution(good.value) / usual_step)
    if lasting_us < max(FLAT_US * coarse, FLAT_FACTOR * usual_us):
        return []
    begin_us = int(good.at_us[runs.first[longest]])
    numbers = {
        "value": float(good.value[runs.first[longest]]),
        "lasting_s": lasting_us / US_PER_S,
        "usual_s": usual_us / US_PER_S,
        "readings": int(runs.n[longest]),
    }
    return [Finding("flat", begin_us, begin_us + lasting_us, numbers)]


def clipped(series: Series, limit: float) -> list[Finding]:
    """Values pile up right under the limit, and none goes beyond.

    Args:
        limit: from which on an alarm would begin, in the point's unit; NaN: none.
    """
    good = series.good()
    if isnan(limit) or len(good.at_us) < CLIP_LEAST:
        return []
    level = _resolution(good.value)
    top = float(good.value.max())
    low = float(np.quantile(good.value, 0.1))
    if not CLIP_NEAR * limit <= top < limit or top - low < CLIP_SPREAD * level:
        return []
    at_top = np.flatnonzero(good.value > top - level / 2)
    below = int((good.value > top - (CLIP_LEVELS + 0.5) * level).sum()) - len(at_top)
    if len(at_top) < max(CLIP_LEAST, CLIP_FACTOR * max(1.0, below / CLIP_LEVELS)):
        return []
    numbers = {
        "limit": limit,
        "highest": top,
        "readings": len(at_top),
        "readings_a_level_below": below / CLIP_LEVELS,
    }
    times = good.at_us[at_top]
    return [Finding("clipped", int(times[0]), int(times[-1]), numbers)]


def _resolution(value: Float64) -> float:
    """The smallest step between values; 0 when there is one value alone."""
    levels = np.unique(np.rint(value * 1e6) / 1e6)
    return float(np.diff(levels).min()) if len(levels) > 1 else 0.0


def replayed(series: Series) -> list[Finding]:
    """The longest stretch that was there before, move by move.

    Values and how long each stood must be the same, over so many moves that chance
    would not do it: how often two moves from one value are equal is learned from the
    series itself.
    """
    good = series.good()
    if len(good.at_us) < 4 * REPLAY_LEAST:
        return []
    runs = runs_of(good)
    n = len(runs.first)
    moves = _moves(good, runs)
    size = _size(moves)
    if size is None or n < 2 * size:
        return []
    windows = sliding_window_view(moves, size)
    weights = np.cumprod(np.full(size, 0x9E3779B97F4A7C15, np.uint64))
    sums = (windows.astype(np.uint64) * weights).sum(axis=1)
    order = np.argsort(sums, kind="stable")
    same = np.flatnonzero(sums[order][1:] == sums[order][:-1])
    best = (0, 0, 0)
    for position in same.tolist():
        one, other = int(order[position]), int(order[position + 1])
        length = _alike(moves, one, other)
        if length >= size and other - one >= size:
            best = max(best, (length, one, other))
    length, one, other = best
    if length == 0:
        return []
    after = min(other + length, n - 1)
    begin_us = int(good.at_us[runs.first[other]])
    end_us = int(good.at_us[runs.first[after]])
    numbers = {
        "lasting_s": (end_us - begin_us) / US_PER_S,
        "back_s": (begin_us - int(good.at_us[runs.first[one]])) / US_PER_S,
        "moves": length,
        "moves_by_chance": size,
    }
    return [Finding("replayed", begin_us, end_us, numbers)]


def _moves(good: Series, runs: Runs) -> Int64:
    """A number for each stretch: equal for equal value and length; gaps are unique."""
    pairs = np.column_stack([np.rint(good.value[runs.first] * 1e6), runs.n])
    _, code = np.unique(pairs, axis=0, return_inverse=True)
    moves: Int64 = code.reshape(-1).astype(np.int64)
    broken = np.flatnonzero(~runs.whole)
    moves[broken] = len(moves) + broken
    return moves


def _size(moves: Int64) -> int | None:
    """Moves that chance does not repeat; None when it repeats any number of them."""
    n = len(moves)
    of_one = np.unique(moves[:-1], return_counts=True)[1].astype(np.float64)
    pairs = np.column_stack([moves[:-1], moves[1:]])
    of_pair = np.unique(pairs, axis=0, return_counts=True)[1].astype(np.float64)
    # Of two places with the same move, in how many is the next one the same?
    chances = float((of_one * (of_one - 1)).sum())
    hits = float((of_pair * (of_pair - 1)).sum())
    alike = max(hits, 1.0) / max(chances + 1.0, 2.0)
    wanted = log(n * n / 2 / REPLAY_CHANCE) / -log(alike)
    size = max(REPLAY_LEAST, ceil(REPLAY_SLACK * wanted))
    return None if size > MOST_REPLAY else size


def _alike(moves: Int64, one: int, other: int) -> int:
    """How many moves from two places on are the same."""
    most = min(len(moves) - other, other - one)
    differs = np.flatnonzero(moves[one : one + most] != moves[other : other + most])
    return int(differs[0]) if len(differs) else most


def bits_contradict(
    series: Series, alarm_high: float, clear_high: float, reads_bits: bool
) -> list[Finding]:
    """State bits that say otherwise than the value beside them.

    Args:
        alarm_high, clear_high: the mine's own; NaN where it has none, and of a sensor
            that alarms below a limit too: the bit is the same.
        reads_bits: the mine sets alarm bits at all.
    """
    value, state = series.value, series.state
    there = ~np.isnan(value)
    judged = there & ((state & (states.NO_VALUE | states.CALIBRATION)) == 0)
    alarm = (state & states.ALARM) != 0
    below = value < (alarm_high if isnan(clear_high) else clear_high)
    fault = there & ((state & states.NO_VALUE) != 0)
    moved = np.zeros(len(value), np.bool_)
    moved[1:] = fault[1:] & fault[:-1] & (value[1:] != value[:-1])
    told = {
        "alarm_bit_below_the_end": judged & alarm & below,
        "over_limit_without_bit": judged & ~alarm & (value >= alarm_high) & reads_bits,
        "fault_bit_with_moving_values": moved,
    }
    counts = {name: int(hit.sum()) for name, hit in told.items()}
    found = {name: n for name, n in counts.items() if n >= BITS_LEAST}
    if not found:
        return []
    hit = np.flatnonzero(np.any([told[name] for name in found], axis=0))
    return [
        Finding(
            "bits_contradict",
            int(series.at_us[hit[0]]),
            int(series.at_us[hit[-1]]),
            {**found, "alarm_high": None if isnan(alarm_high) else alarm_high},
        )
    ]
