"""Drainage: does the pure flow that a station reports follow from what it measures?"""

from collections.abc import Mapping

import numpy as np

from gasmon.alarms.suspicion import Finding
from gasmon.alarms.suspicion_series import Series
from gasmon.batch import Float64, Int64
from gasmon.domain.drainage import pure_flow, standard_flow
from gasmon.units import US_PER_MIN

GRID_US = US_PER_MIN
OFF_BY = 0.15
"""A pure flow that is further off than this share does not match; ours, well above
what rounding and sample times a minute apart make of it."""

LEAST_MINUTES = 30
LEAST_SHARE = 0.5
"""So many minutes must be known, and this share of them off."""

NEEDED = ("CH4_PIPE", "PIPE_FLOW", "PIPE_FLOW_PURE")
"""Quantities without which nothing can be said; suction and temperature help."""


def flow_mismatch(
    measured: Mapping[str, Series], air_kpa: float | None
) -> list[Finding]:
    """Compare the reported pure flow with the one that the station's values give.

    Args:
        measured: by quantity, of one station: ``NEEDED``, ``PIPE_PRESSURE`` or
            ``SUCTION`` (gauge) and ``PIPE_TEMP``.
        air_kpa: local air pressure; None: nothing is said, because sea level is
            wrong by a quarter at 1,500 m.
    """
    gauge = measured.get("PIPE_PRESSURE") or measured.get("SUCTION")
    if air_kpa is None or gauge is None or any(q not in measured for q in NEEDED):
        return []
    temp = measured.get("PIPE_TEMP")
    parts = [*(measured[q] for q in NEEDED), gauge, *([temp] if temp else [])]
    grid, columns = _together([part.good() for part in parts])
    if len(grid) < LEAST_MINUTES:
        return []
    ch4, flow, pure, suction = columns[:4]
    temp_c = columns[4] if temp else np.full(len(grid), 20.0)
    expected = pure_flow(standard_flow(flow, suction, air_kpa, temp_c), ch4)
    off = np.abs(pure - expected) > OFF_BY * np.maximum(expected, 0.1)
    if off.mean() < LEAST_SHARE:
        return []
    first, last = np.flatnonzero(off)[[0, -1]]
    numbers = {
        "minutes": len(grid),
        "share_off": round(float(off.mean()), 3),
        "reported_m3_min": round(float(np.median(pure)), 3),
        "expected_m3_min": round(float(np.median(expected)), 3),
        "atmosphere_kpa": air_kpa,
    }
    begin_us, end_us = int(grid[first]), int(grid[last]) + GRID_US
    return [Finding("flow_mismatch", begin_us, end_us, numbers)]


def _together(parts: list[Series]) -> tuple[Int64, list[Float64]]:
    """The newest value of each in every minute that all of them have."""
    minutes = [part.at_us // GRID_US for part in parts]
    common = minutes[0]
    for other in minutes[1:]:
        common = np.intersect1d(common, other)
    common = np.unique(common)
    columns = [
        part.value[np.searchsorted(minute, common, side="right") - 1]
        for part, minute in zip(parts, minutes, strict=True)
    ]
    return common * GRID_US, columns
