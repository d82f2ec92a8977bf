"""Conditions: what one reading says about each kind of alarm.

Three-valued on purpose. ``raise_`` and ``end`` are never both true, and both are false
where the reading says nothing: unknown never raises, and never improves anything.
All comparisons are float64 and elementwise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms import shape
from gasmon.alarms.compiled import Lines
from gasmon.alarms.kinds import (
    CALIBRATION,
    CUT_OFF,
    LOW_CUT_OFF,
    LOW_LIMIT,
    NO_DATA,
    OVER_LIMIT,
    OVER_RANGE,
    SENSOR_BREAK,
    SUBSTATION,
    UNKNOWN_STATE,
)
from gasmon.alarms.rule_profiles import MEASURES, UNKNOWN_QUANTITY
from gasmon.alarms.shape import Shape
from gasmon.batch import Float64, Index, Int32
from gasmon.domain import states

Bool = NDArray[np.bool_]

_PAUSED = states.NOT_POLLED | states.PAUSED
_EXPLAINED = states.SUBSTATION_FAULT | _PAUSED


def is_set(bits: NDArray[Any], mask: int) -> Bool:
    """Whether any bit of ``mask`` is set, elementwise."""
    answer: Bool = (bits & mask) != 0
    return answer


@dataclass(frozen=True, slots=True)
class Readings:
    """One reading of each of k points with what applies to them.

    Attributes:
        value: float64[k]; NaN when the mine sent none.
        state: state bits, int32[k].
        limits: float64[k, 8] in the order of ``points.LIMIT_FIELDS``.
        range_high: upper end of the sensor, float64[k].
        flags: compiled.METHANE …, uint8[k].
        good: the value says something about the gas, bool[k]: it is there, no
            fault bit is set, and no calibration is being honoured.
        calibrating: a calibration bit is being honoured, bool[k].
        shape: what is known of them beside their values.
        told: state bits that any of them has, or of those they were selected from:
            what no reading has need not be looked for in each.
    """

    value: Float64
    state: Int32
    told: int
    limits: Float64
    range_high: Float64
    flags: NDArray[np.uint8]
    good: Bool
    calibrating: Bool
    shape: Shape

    def select(self, index: NDArray[np.intp]) -> "Readings":
        """The readings at ``index``."""
        return Readings(
            value=self.value[index],
            state=self.state[index],
            told=self.told,
            limits=self.limits[index],
            range_high=self.range_high[index],
            flags=self.flags[index],
            good=self.good[index],
            calibrating=self.calibrating[index],
            shape=self.shape.select(index),
        )

    def bit(self, mask: int) -> Bool:
        """Whether any of the bits in ``mask`` is set."""
        if not self.told & mask:
            return np.zeros(len(self.state), np.bool_)
        return is_set(self.state, mask)

    @property
    def exact(self) -> Bool:
        """Good, and not a sensor at its end that only says "at least this"."""
        if not self.told & states.OVER_RANGE:
            return self.good
        return self.good & ~self.bit(states.OVER_RANGE)


def interpret(
    value: Float64,
    state: Int32,
    lines: Lines,
    line: Index,
    calibrating: Bool,
    shape_of: Callable[[Bool], Shape],
) -> Readings:
    """What values and state bits mean, before any limit is looked at.

    Args:
        value: float64[k]; NaN when the mine sent none.
        state: state bits, int32[k].
        line: the line that each is judged by, int32[k].
        calibrating: a calibration bit is being honoured, bool[k].
        shape_of: what is known of them beside their values, given which are good.
    """
    told = int(np.bitwise_or.reduce(state))
    bad = np.isnan(value)
    if told & states.NO_VALUE:
        bad |= is_set(state, states.NO_VALUE)
    good = ~(bad | calibrating)
    return Readings(
        value=value,
        state=state,
        told=told,
        limits=np.take(lines.limits, line, axis=0),
        range_high=lines.range_high[line],
        flags=lines.flags[line],
        good=good,
        calibrating=calibrating,
        shape=shape_of(good),
    )


def raise_bits(r: Readings, kinds: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """All raise conditions at once, bit per slot, uint16[k].

    Those that nothing here can meet are not asked: most frames have no state bits at
    all, and no point of a kind that is rare.

    Args:
        kinds: ``RuleTable.lines.kinds`` of each, uint16[k].
    """
    bits = np.zeros(len(r.value), np.uint16)
    asked = int(np.bitwise_or.reduce(kinds))
    for slot, condition in enumerate(RAISES):
        needed = _ONLY_WITH.get(slot)
        if not asked >> slot & 1 or (needed is not None and not r.told & needed):
            continue
        raises = condition(r)
        if np.count_nonzero(raises):
            bits[raises] |= np.uint16(1 << slot)
    return bits


def _own_alarm(r: Readings, mask: int) -> Bool:
    """The mine's own system speaks where we have no value to judge.

    Its bits are evidence beside ours: where a value is judged, ours decides; during
    an honoured calibration nobody alarms (state 5).
    """
    blind = ~r.good | is_set(r.flags, UNKNOWN_QUANTITY)
    return blind & ~r.calibrating & r.bit(mask)


def _over_limit(r: Readings) -> Bool:
    over: Bool = r.good & (r.value >= r.limits[:, 0])
    if r.told & states.ALARM:
        # The bit of a switch is of its own kind (shape.switch_alarm).
        over |= _own_alarm(r, states.ALARM) & ~r.shape.is_switch
    return over


def _cut_off(r: Readings) -> Bool:
    over: Bool = r.good & (r.value >= r.limits[:, 2])
    if r.told & states.CUT_OFF:
        over |= _own_alarm(r, states.CUT_OFF)
    return over


def _low_limit(r: Readings) -> Bool:
    low: Bool = r.value <= r.limits[:, 4]
    return r.exact & low


def _low_cut_off(r: Readings) -> Bool:
    low: Bool = r.value <= r.limits[:, 6]
    return r.exact & low


def _over_range(r: Readings) -> Bool:
    beyond: Bool = r.good & (r.value > r.range_high)
    if np.count_nonzero(beyond):
        beyond &= is_set(r.flags, MEASURES)
    return beyond | r.bit(states.OVER_RANGE)


def _sensor_break(r: Readings) -> Bool:
    silent = np.isnan(r.value)
    if not r.told:
        return silent
    return r.bit(states.SENSOR_FAULT) | (silent & ~r.bit(_EXPLAINED))


def _substation(r: Readings) -> Bool:
    return r.bit(states.SUBSTATION_FAULT)


def _calibration(r: Readings) -> Bool:
    return r.bit(states.CALIBRATION)


def _unknown_state(r: Readings) -> Bool:
    return is_set(r.state, ~states.KNOWN)


def _no_data(r: Readings) -> Bool:
    return r.bit(_PAUSED)


RAISES = (
    _over_limit,
    _cut_off,
    _low_limit,
    _low_cut_off,
    _over_range,
    _sensor_break,
    _substation,
    _calibration,
    _unknown_state,
    _no_data,
    shape.high_pre_warning,
    shape.low_pre_warning,
    shape.rapid_rise,
    shape.suspicious_data,
    shape.switch_alarm,
    shape.evasion,
)
"""Raise conditions by slot."""

_ONLY_WITH = {
    SUBSTATION: states.SUBSTATION_FAULT,
    CALIBRATION: states.CALIBRATION,
    UNKNOWN_STATE: ~states.KNOWN,
    NO_DATA: _PAUSED,
}
"""Slots that nothing but one of these state bits raises."""


def end_of(slot: int, r: Readings) -> Bool:
    """Whether the reading proves that the alarm of ``slot`` is over, bool[k].

    Without a limit (the mine's own bit raised it) it ends with the bit.
    """
    there = ~np.isnan(r.value) & ~r.bit(states.NO_VALUE)
    match slot:
        case 0 | 1:
            alarm, end, mask = (
                (0, 1, states.ALARM) if slot == OVER_LIMIT else (2, 3, states.CUT_OFF)
            )
            limited = ~np.isnan(r.limits[:, alarm])
            below = np.where(limited, r.value < r.limits[:, end], ~r.bit(mask))
            return r.exact & below
        case 2 | 3:
            alarm, end = (4, 5) if slot == LOW_LIMIT else (6, 7)
            limited = ~np.isnan(r.limits[:, alarm])
            return r.exact & (~limited | (r.value > r.limits[:, end]))
        case 4:
            # Not merely there: a calibration gas says nothing about the air.
            return r.good & ~_over_range(r)
        case 5:
            return r.good
        case 6:
            return ~_substation(r) & ~np.isnan(r.value)
        case 7:
            return ~_calibration(r) & there
        case 8:
            return ~_unknown_state(r) & there
        case 9:
            return there
        case _:
            return shape.ENDS[slot](r)


def known_of(slot: int, r: Readings) -> Bool:
    """Whether the reading says anything about the alarm of ``slot``, bool[k]."""
    if slot in (OVER_LIMIT, CUT_OFF, LOW_LIMIT, LOW_CUT_OFF):
        return r.good
    return np.ones(len(r.value), np.bool_)


# The slots above are told apart by number in end_of; this keeps the two in step.
assert (OVER_RANGE, SENSOR_BREAK, SUBSTATION) == (4, 5, 6)
assert (CALIBRATION, UNKNOWN_STATE, NO_DATA) == (7, 8, 9)
