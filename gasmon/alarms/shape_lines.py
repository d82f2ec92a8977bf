"""ShapeLines: what the rules say of the kinds of shape_kinds.py, as numbers by line.

Many versions of points are judged by the same numbers, so each set of them is kept once
and a line has its number. Columns that do not apply are NaN: nothing compares with it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import isnan, nan

import numpy as np

from gasmon.alarms.kinds import (
    HIGH_PRE_WARNING,
    LOW_PRE_WARNING,
    RAPID_RISE,
    SUSPICIOUS_DATA,
    SWITCH,
    SWITCH_KINDS,
)
from gasmon.alarms.rule_spec import KindParams
from gasmon.points import PointDef
from gasmon.units import US_PER_MIN

Ask = Callable[[str], KindParams | None]
"""What the rules say of a kind at the point in question; None where it is off."""

(
    PRE_HIGH,
    PRE_HIGH_CLEAR,
    PRE_LOW,
    PRE_LOW_CLEAR,
    RISE,
    RISE_END,
    STATE,
    OR_STATE,
    NEAR,
    NEAR_RISE,
    BY_CHANGE,
) = range(11)
"""Columns of ``ShapeLines.judge``."""

NO_SWITCH = 255
"""Instead of a number in ``SWITCH_KINDS``: the point has no alarm of a switch."""

_LONG_US = np.iinfo(np.int64).max // 4
_OFF_US = 2 * US_PER_MIN
"""The window of what is not judged by it; any will do."""


@dataclass(frozen=True, slots=True)
class _Row:
    """One set; first ``times_us``, then ``numbers`` as ``_spread`` takes them."""

    judge: tuple[float, ...]
    times_us: tuple[int, ...]
    numbers: tuple[float, ...]
    calm_us: int
    switch: int
    is_followed: bool
    doubts: bool


class ShapeLines:
    """Sets of numbers, and which of them a line has.

    Attributes:
        judge: float64[sets, 11]; the columns are named above.
        switch: index into ``SWITCH_KINDS`` or NO_SWITCH, uint8[sets].
        is_followed: how its values move is remembered, bool[sets].
        calm_us: after a suspicion its end needs this long without one, int64[sets].
        kinds: bits of the slots that can be raised, but EVASION, uint16[sets].
        half_us: half of the window of a rise, int64[sets] [µs].
        rise_gap_us: a longer gap between good values proves no rise [µs].
        gap_us: a longer gap interrupts standing still and jumping [µs].
        still_us: standing still this long is a flat line [µs], for a sensor that
            shows steps of ``resolution``, in proportion longer for coarser ones.
        stuck_us: standing still this long is a stuck value [µs].
        least_still_us: the lesser of these two [µs].
        return_us: within what time a jump must return [µs].
        still_factor: a flat line stands this often its usual time, float64[sets].
        moves: so many moves make a sensor one that moves.
        resolution: in the point's unit.
        stuck_above: from what value on it can be stuck; NaN is never.
        below: two values running below it are below the range; NaN is never.
        jump: a step that is a jump; NaN is never.
        back: how near to the value before it is a return.
    """

    def __init__(self) -> None:
        self._number: dict[object, int] = {}
        self._rows: list[_Row] = []
        self.number_of(
            _Row((nan,) * 11, _TIMES_OFF, _NUMBERS_OFF, 0, NO_SWITCH, False, False)
        )

    def number_of(self, row: _Row) -> int:
        """The number of a set, new or known."""
        key = repr(row)  # NaN is not equal to itself; as text it is
        found = self._number.get(key)
        if found is None:
            found = self._number[key] = len(self._rows)
            self._rows.append(row)
            rows = self._rows
            self.judge = np.asarray([r.judge for r in rows], np.float64)
            self.switch = np.asarray([r.switch for r in rows], np.uint8)
            self.is_followed = np.asarray([r.is_followed for r in rows], np.bool_)
            self.kinds = np.asarray([_kinds(r) for r in rows], np.uint16)
            self.calm_us = np.asarray([r.calm_us for r in rows], np.int64)
            self._spread(rows)
        return found

    def _spread(self, rows: list[_Row]) -> None:
        """The columns that shape_memory.py follows values with."""
        times = np.asarray([r.times_us for r in rows], np.int64).T.copy()
        self.half_us, self.rise_gap_us, self.gap_us = times[:3]
        self.still_us, self.stuck_us, self.return_us = times[3:]
        self.least_still_us = np.minimum(self.still_us, self.stuck_us)
        numbers = np.asarray([r.numbers for r in rows], np.float64).T.copy()
        self.still_factor, self.moves, self.resolution = numbers[:3]
        self.stuck_above, self.below, self.jump, self.back = numbers[3:]

    def add(self, point: PointDef, alarm: tuple[float, float], ask: Ask) -> int:
        """The number of what a version of a point is judged by.

        Args:
            alarm: its upper and lower alarm limit as they apply; NaN = none.
            ask: the rules for this point.
        """
        return self.number_of(_resolved(point, alarm, ask))

    def window_us(self, of: int) -> int:
        """Over which window a rise is measured in a set [µs]."""
        return int(self.rise_gap_us[of])


def _kinds(row: _Row) -> int:
    slots = {HIGH_PRE_WARNING: PRE_HIGH, LOW_PRE_WARNING: PRE_LOW, RAPID_RISE: RISE}
    kinds = sum(1 << s for s, column in slots.items() if not isnan(row.judge[column]))
    kinds |= row.doubts << SUSPICIOUS_DATA
    return kinds | (row.switch != NO_SWITCH) << SWITCH


_TIMES_OFF: tuple[int, ...] = (_OFF_US // 2, _OFF_US, 0, _LONG_US, _LONG_US, 0)
_NUMBERS_OFF: tuple[float, ...] = (1.0, 1.0, 1.0, nan, nan, nan, nan)


def _resolved(point: PointDef, alarm: tuple[float, float], ask: Ask) -> _Row:
    judge = [nan] * 11
    analog = point.value_kind == "MN"
    high = ask("high_pre_warning") if analog else None
    low = ask("low_pre_warning") if analog else None
    if high is not None:
        judge[PRE_HIGH], judge[PRE_HIGH_CLEAR] = _pre_warning(high, alarm[0], min)
    if low is not None:
        judge[PRE_LOW], judge[PRE_LOW_CLEAR] = _pre_warning(low, alarm[1], max)
    rise = ask("rapid_rise") if analog else None
    evasion = ask("evasion") if analog else None
    doubt = ask("suspicious_data") if analog else None
    measured = rise or evasion
    window_us = measured.duration_us("window") if measured else _OFF_US
    minutes = window_us / US_PER_MIN
    if rise is not None:
        judge[RISE] = round(rise.number("rise_per_min") * minutes, 9)
        judge[RISE_END] = judge[RISE] / 2
    if evasion is not None:
        judge[NEAR] = round(evasion.number("near_fraction") * alarm[0], 9)
        judge[NEAR_RISE] = round(evasion.number("rise_per_min") * minutes, 9)
    switch, judge[STATE], judge[OR_STATE], judge[BY_CHANGE] = _switch(point, ask)
    times = (window_us // 2, window_us, *_TIMES_OFF[2:])
    numbers, calm_us = _NUMBERS_OFF, 0
    if doubt is not None:
        times = (window_us // 2, window_us, *_doubt_times(doubt))
        numbers = _doubt_numbers(doubt, point, alarm[0])
        calm_us = doubt.duration_us("calm")
    return _Row(
        judge=tuple(judge),
        times_us=times,
        numbers=numbers,
        calm_us=calm_us,
        switch=switch,
        is_followed=measured is not None or doubt is not None,
        doubts=doubt is not None,
    )


def _pre_warning(
    params: KindParams, alarm: float, stricter: Callable[[float, float], float]
) -> tuple[float, float]:
    """Where it begins and where it ends; NaN without a limit to be before.

    An absolute number counts before a share of the alarm limit. An end that is not
    given, or lies beyond the begin, is the begin.
    """
    begin, end = params.number("limit"), params.number("clear")
    if isnan(begin):
        begin = round(params.number("fraction") * alarm, 9)
    if isnan(end):
        end = round(params.number("clear_fraction") * alarm, 9)
    return begin, begin if isnan(end) else stricter(begin, end)


def _switch(point: PointDef, ask: Ask) -> tuple[int, float, float, float]:
    """Its kind, the states of the switch that are an alarm, and 1 if by a change."""
    for number, kind in enumerate(SWITCH_KINDS):
        params = ask(kind) if number else None
        if params is not None:
            changes = 1.0 if params.name("begins") == "by_change" else nan
            return number, params.number("state"), params.number("or_state"), changes
    is_switch = point.value_kind in ("KG", "DT") and point.quantity != "UNKNOWN"
    if is_switch and ask(SWITCH_KINDS[0]) is not None:
        return 0, nan, nan, nan
    return NO_SWITCH, nan, nan, nan


def _doubt_times(params: KindParams) -> tuple[int, ...]:
    names = ("gap", "flat_after", "stuck_after", "jump_within")
    return tuple(params.duration_us(name) for name in names)


def _doubt_numbers(
    params: KindParams, point: PointDef, alarm_high: float
) -> tuple[float, ...]:
    lowest = 0.0 if isnan(point.range_low) else point.range_low
    return (
        params.number("flat_factor"),
        params.number("flat_moves"),
        params.number("resolution"),
        round(params.number("stuck_fraction") * alarm_high, 9),
        round(lowest - params.number("below_range"), 9),
        params.number("jump"),
        params.number("jump_back"),
    )
