"""Signatures: what a false alarm of gas often looks like. Pure.

They stand beside an alarm for whoever verifies it and suppress nothing: the alarm's
time, level and duties are what they are, for a true one may look the same. All numbers
are ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gasmon.alarms.suspicion_series import Series
from gasmon.units import US_PER_MIN, US_PER_S

SIGNATURES: Mapping[str, tuple[str, str]] = {
    "jump_and_return": (
        "跳变后即恢复",
        "it jumped from one value to the next, and back",
    ),
    "spike_after_restore": (
        "复电或恢复后短时尖峰",
        "a short spike after power or data",
    ),
    "neighbours_flat": ("同一地点其他测点无变化", "its neighbours stand still"),
    "fan_switched": ("局部通风机刚切换", "a local fan was switched just before"),
    "blasting": ("放炮时段内", "within planned blasting"),
}
"""Every signature, in Chinese and English."""

BEFORE_US = 15 * US_PER_MIN
AFTER_US = 10 * US_PER_MIN
"""What is looked at: from so long before the first value beyond to so long after."""

JUMP_SHARE = 0.3
"""A jump is at least this share of the limit, from one value to the next."""

NEXT_US = US_PER_MIN
BACK_US = US_PER_MIN
"""The next value comes, and the value is back, within this time."""

BACK_SHARE = 0.25
"""Back: at most this share of the jump above where it came from."""

HOLE_US = US_PER_MIN
RESTORED_US = 5 * US_PER_MIN
SPIKE_US = 3 * US_PER_MIN
"""A spike comes so soon after a hole (or power) ended, and is over within that time."""

STILL_SHARE = 0.1
STILL_US = 5 * US_PER_MIN
LEAST_READINGS = 5
"""A neighbour stands still if it moved by this share of the limit at most around it."""

SWITCHED_US = 10 * US_PER_MIN


@dataclass(frozen=True, slots=True)
class Around:
    """What is stored around an alarm of a high limit.

    Attributes:
        own: readings of its point; ``limit``: in its unit.
        crossed_us: event time of its first value beyond the limit [µs UTC].
        neighbours: methane of the same unit, by number of the point.
        fans: local fans of the unit; ``power``: feeds, breakers and power states.
        blasting: planned windows (from, until) that cover its point [µs UTC].
    """

    own: Series
    limit: float
    crossed_us: int
    neighbours: Mapping[str, Series] = field(default_factory=dict)
    fans: Mapping[str, Series] = field(default_factory=dict)
    power: Mapping[str, Series] = field(default_factory=dict)
    blasting: Sequence[tuple[int, int]] = ()


def signatures(around: Around) -> dict[str, dict[str, Any]]:
    """Which signatures an alarm has, with the numbers that show each."""
    found = {
        "jump_and_return": _jump_and_return(around),
        "spike_after_restore": _spike_after_restore(around),
        "neighbours_flat": _neighbours_flat(around),
        "fan_switched": _switched(around.fans, around.crossed_us, SWITCHED_US),
        "blasting": _blasting(around),
    }
    return {name: numbers for name, numbers in found.items() if numbers is not None}


def _jump_and_return(around: Around) -> dict[str, Any] | None:
    good = around.own.good()
    first = int(np.searchsorted(good.at_us, around.crossed_us))
    if not 0 < first < len(good.at_us):
        return None
    before, beyond = float(good.value[first - 1]), float(good.value[first])
    jump = beyond - before
    step_us = int(good.at_us[first] - good.at_us[first - 1])
    if jump < JUMP_SHARE * around.limit or step_us > NEXT_US:
        return None
    after = np.flatnonzero(good.value[first:] <= before + BACK_SHARE * jump)
    if len(after) == 0:
        return None
    lasted_us = int(good.at_us[first + after[0]] - good.at_us[first])
    if lasted_us > BACK_US:
        return None
    return {"from": before, "to": beyond, "back_after_s": lasted_us / US_PER_S}


def _spike_after_restore(around: Around) -> dict[str, Any] | None:
    good = around.own.good()
    first = int(np.searchsorted(good.at_us, around.crossed_us))
    below = np.flatnonzero(good.value[first:] < around.limit)
    if first == len(good.at_us) or len(below) == 0:
        return None
    lasted_us = int(good.at_us[first + below[0]] - good.at_us[first])
    if lasted_us > SPIKE_US:
        return None
    numbers = {"lasted_s": lasted_us / US_PER_S}
    hole_us = np.diff(good.at_us[: first + 1])
    ends = good.at_us[1 : first + 1]
    recent = (hole_us >= HOLE_US) & (ends >= around.crossed_us - RESTORED_US)
    if recent.any():
        return {**numbers, "without_value_s": int(hole_us[recent].max()) / US_PER_S}
    switched = _switched(around.power, around.crossed_us, RESTORED_US)
    return None if switched is None else {**numbers, **switched}


def _neighbours_flat(around: Around) -> dict[str, Any] | None:
    begin_us, end_us = around.crossed_us - STILL_US, around.crossed_us + STILL_US
    ranges = {}
    for no, series in around.neighbours.items():
        good = series.good()
        near = good.value[(good.at_us >= begin_us) & (good.at_us <= end_us)]
        if len(near) >= LEAST_READINGS:
            ranges[no] = round(float(np.ptp(near)), 6)
    if not ranges or max(ranges.values()) > STILL_SHARE * around.limit:
        return None
    return {"moved_by": ranges}


def _switched(
    switches: Mapping[str, Series], crossed_us: int, within_us: int
) -> dict[str, Any] | None:
    """Switches whose state changed within a time before the crossing."""
    found = {}
    for no, series in switches.items():
        good = series.good()
        changed = np.flatnonzero(np.diff(good.value) != 0) + 1
        times = good.at_us[changed]
        near = times[(times <= crossed_us) & (times >= crossed_us - within_us)]
        if len(near):
            found[no] = (crossed_us - int(near[-1])) / US_PER_S
    return {"switched_before_s": found} if found else None


def _blasting(around: Around) -> dict[str, Any] | None:
    covers = any(begin <= around.crossed_us < end for begin, end in around.blasting)
    return {} if covers else None
