"""Drainage: flow in the standard state, volumes over true sample times, the steps.

Formula of the standard state, and 293 K, after AQ 1027-2006; the steps of the standard
after the safety rules for drainage (both from secondary sources). The atmosphere is
measured or set for a station and never assumed: at 1,500 m sea level would be 27 %
wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gasmon.units import US_PER_MIN, US_PER_S

Floats = NDArray[np.float64]
Times = NDArray[np.int64]

P_STD_KPA = 101.325
T_STD_K = 293.0
"""Standard state; some makers count with 273 K."""

ZERO_C_K = 273.0
"""0 °C as the standard's formula has it [K]."""

GAP_US = 180 * US_PER_S
"""Samples further apart leave a gap [µs]; ours: three times the slowest usual cycle."""

FACE_STEPS = ((5, 20), (10, 30), (20, 40), (40, 50), (70, 60), (100, 70))
"""Of a face: absolute emission from [m³/min], drainage rate at least [%]."""

MINE_STEPS = (
    *((0, 25), (20, 35), (40, 40), (80, 45)),
    *((160, 50), (300, 55), (500, 60)),
)
"""The same of a mine."""


def standard_flow(
    flow: Floats | float,
    gauge_kpa: Floats | float,
    atmosphere_kpa: Floats | float,
    temperature_c: Floats | float,
    std_k: float = T_STD_K,
) -> Floats:
    """Flow in the standard state, in the unit of ``flow``; NaN where an input is.

    Args:
        flow: as measured in the pipe.
        gauge_kpa: pressure in the pipe above the atmosphere's, negative for suction.
        atmosphere_kpa: air pressure at the station.
        temperature_c: of the gas in the pipe.
        std_k: temperature of the standard state [K].
    """
    pressure = (np.asarray(atmosphere_kpa) + gauge_kpa) / P_STD_KPA
    result: Floats = np.asarray(
        flow * pressure * std_k / (ZERO_C_K + np.asarray(temperature_c)), np.float64
    )
    return result


def pure_flow(standard: Floats | float, ch4_pct: Floats | float) -> Floats:
    """Methane in a flow, in its unit.

    Args:
        standard: flow in the standard state.
        ch4_pct: its methane [%].
    """
    result: Floats = np.asarray(np.asarray(standard) * ch4_pct / 100, np.float64)
    return result


def required_pct(steps: tuple[tuple[int, int], ...], emission: float) -> int | None:
    """The drainage rate that an emission asks for [%]; None below the first step.

    Args:
        steps: ``FACE_STEPS`` or ``MINE_STEPS``.
        emission: absolute, drained and ventilated together [m³/min].
    """
    asked = [pct for from_, pct in steps if emission >= from_]
    return asked[-1] if asked else None


def rate_pct(drained: float, ventilated: float) -> float | None:
    """Drainage rate [%]: drained methane of all; None where there is none at all.

    Args:
        drained: pure flow in the standard state [m³/min].
        ventilated: methane in the return air [m³/min].
    """
    total = drained + ventilated
    return 100 * drained / total if total > 0 else None


def as_of(
    at_us: Times, known_us: Times, known: Floats, longest_us: int = GAP_US
) -> Floats:
    """The newest value of another sensor at each moment, float64[n].

    Args:
        at_us: moments, int64[n].
        known_us: when the other sensor was read, rising, int64[m].
        known: what it showed, float64[m].
        longest_us: an older value is none [µs]: NaN.
    """
    if not len(known_us):
        return np.full(len(at_us), np.nan)
    place = np.searchsorted(known_us, at_us, side="right") - 1
    newest = np.maximum(place, 0)
    fits = (place >= 0) & (at_us - known_us[newest] <= longest_us)
    return np.where(fits, known[newest], np.nan)


@dataclass(frozen=True, slots=True)
class Volume:
    """What flowed in a window.

    Attributes:
        mixed_m3, pure_m3: in the standard state, of the covered time alone.
        covered_s: time between good samples that are close enough [s].
        gap_s: the rest of the window [s]; nothing is made up for it.
        n_gaps: pieces that the rest is in.
        n_samples: good samples in the window.
    """

    mixed_m3: float
    pure_m3: float
    covered_s: float
    gap_s: float
    n_gaps: int
    n_samples: int


def volume(
    at_us: Times,
    mixed: Floats,
    pure: Floats,
    window: tuple[int, int],
    longest_us: int = GAP_US,
) -> Volume:
    """Add up flow over the true times of its samples.

    Between two good samples flow changes evenly; windows that follow each other give
    together what the whole gives.

    Args:
        at_us: times of the samples, rising, int64[n]; some before and after the window,
            so that what lies across its ends is counted.
        mixed: flow in the standard state [m³/min], float64[n], NaN for a bad sample.
        pure: the methane in it [m³/min], float64[n]; where it alone is NaN the sample
            is bad, too.
        window: from, to [µs UTC].
        longest_us: samples further apart leave a gap [µs].
    """
    from_us, to_us = window
    good = ~(np.isnan(mixed) | np.isnan(pure))
    at_us, mixed, pure = at_us[good], mixed[good], pure[good]
    inside = int(np.count_nonzero((at_us >= from_us) & (at_us < to_us)))
    begin, end = at_us[:-1], at_us[1:]
    left, right = np.maximum(begin, from_us), np.minimum(end, to_us)
    counts = (end - begin <= longest_us) & (right > left)
    n = np.flatnonzero(counts)
    left, right = left[n], right[n]
    width = (right - left).astype(np.float64)
    # The middle of the piece that lies in the window, on the line between the samples.
    middle = (left - begin[n] + right - begin[n]) / 2 / (end[n] - begin[n])
    minutes = width / US_PER_MIN
    mixed_m3, pure_m3 = (
        float(np.sum((flow[n] + (flow[n + 1] - flow[n]) * middle) * minutes))
        for flow in (mixed, pure)
    )
    covered_us = int(np.sum(right - left))
    edges = [from_us, *np.column_stack((left, right)).ravel().tolist(), to_us]
    return Volume(
        mixed_m3=mixed_m3,
        pure_m3=pure_m3,
        covered_s=covered_us / US_PER_S,
        gap_s=(to_us - from_us - covered_us) / US_PER_S,
        n_gaps=sum(b > a for a, b in zip(edges[::2], edges[1::2], strict=True)),
        n_samples=inside,
    )
