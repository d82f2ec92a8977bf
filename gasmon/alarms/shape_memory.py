"""What the engine remembers of how values move, and the numbers it is judged with.

A limit looks at one value. Rising, standing still and jumping need a little of what
came before: per point the highest values of four stretches, since when the value is the
same, how long it usually is, and a jump that may return. About 100 bytes a point. Only
good values in event time change it, one after the other, so it is the same however the
stream was cut, and late readings never touch it.
"""

from math import nan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms.shape_lines import ShapeLines
from gasmon.batch import Float64, Index, Int64

FLAT_LINE = 1
STUCK_VALUE = 2
BELOW_RANGE = 4
JUMP_AND_RETURN = 8

SUSPICIONS = {
    FLAT_LINE: "flat_line",
    STUCK_VALUE: "stuck_value",
    BELOW_RANGE: "below_range",
    JUMP_AND_RETURN: "jump_and_return",
}
"""Causes of ``suspicious_data``, bit by bit."""

HOLES = ("", "stop", "calibration", "line_break", "silence", "limit_change")
"""What can begin while a value rises near its limit, by number; 0 is nothing."""

STOP, CALIBRATION_BEGINS, LINE_BREAK, SILENCE, LIMIT_CHANGE = range(1, 6)

_LONG_AGO_US = np.iinfo(np.int64).min // 4

_HALVES = 4
_PLACES = np.arange(_HALVES)

SHAPE_COLUMNS: dict[str, tuple[tuple[int, ...], Any, Any]] = {
    # The newest good value that was followed: after a restart without a snapshot, or
    # when a kind was off for a while, what is remembered is not of the value before.
    "followed_us": ((), np.int64, _LONG_AGO_US),
    # Rising: the number of the present half-window of event time, the highest good
    # value in it and in each of the three before; NaN where none came.
    "half_no": ((), np.int64, _LONG_AGO_US),
    "half_max": ((_HALVES,), np.float64, nan),
    # The proven rise at the newest good value; NaN when not known.
    "rise": ((), np.float64, nan),
    # Standing still: since when, the longest usual time of it, how often the value
    # moved since it last stood too long, and the smallest step it ever took.
    "still_since_us": ((), np.int64, _LONG_AGO_US),
    "usual_still_us": ((), np.int64, 0),
    "n_moves": ((), np.int32, 0),
    "step": ((), np.float64, nan),
    # A jump that may return: from which value, and when.
    "jump_from": ((), np.float64, nan),
    "jump_at_us": ((), np.int64, _LONG_AGO_US),
    # When data was last suspicious, and why; what an evasion began with.
    "odd_at_us": ((), np.int64, _LONG_AGO_US),
    "odd_causes": ((), np.uint8, 0),
    "hole": ((), np.uint8, 0),
    # Which kind of switch alarm lives (kinds.SWITCH_KINDS).
    "switch_kind": ((), np.uint8, 0),
}
"""Shape for one point, dtype and starting value; part of ``state.STATE_COLUMNS``."""


class Followed(NamedTuple):
    """One good value of each of k points, and the good ones before them.

    Attributes:
        rows: point rows, int[k], each once.
        at_us: int64[k] [µs UTC]; ``value``: float64[k], never NaN.
        before_us: int64[k] [µs UTC]; ``before``: float64[k]; NaN when there is none.
    """

    rows: NDArray[Any]
    at_us: Int64
    value: Float64
    before_us: Int64
    before: Float64


def rounded(numbers: Float64) -> Float64:
    """Differences of decimals, so that 0.6 - 0.4 is 0.2; nine digits as everywhere."""
    return np.rint(numbers * 1e9) / 1e9


def follow(
    memory: Any, new: Followed, numbers: ShapeLines, of: Index
) -> tuple[Float64, NDArray[np.uint8]]:
    """Take one good value of each of k points.

    Args:
        memory: ``PointState``, of which the columns above are changed.
        numbers: what values are judged with; ``of``: each by which set, int32[k].

    Returns:
        The rise that these values prove, float64[k], NaN when nothing is known of it;
        and why they are suspicious, uint8[k] of FLAT_LINE ….
    """
    m, rows, value, before = memory, new.rows, new.value, new.before
    gap_us, known = new.at_us - new.before_us, m.followed_us[rows] == new.before_us
    m.followed_us[rows] = new.at_us
    rise = _rise(m, new, known & (gap_us <= numbers.rise_gap_us[of]), numbers, of)
    joined = known & (gap_us <= numbers.gap_us[of])
    moved = np.flatnonzero(joined & (value != before))
    step = rounded(np.abs(value[moved] - before[moved]))
    causes = _standing_still(m, new, joined, moved, step, numbers, of)
    limit = numbers.below[of]
    below = joined & (value < limit) & (before < limit)
    causes[below] |= BELOW_RANGE
    returned = _returned(m, new, joined, moved, step, numbers, of)
    causes[returned] |= JUMP_AND_RETURN
    odd = np.flatnonzero(causes)
    if len(odd):
        m.odd_at_us[rows[odd]] = new.at_us[odd]
        m.odd_causes[rows[odd]] = causes[odd]
    return rise, causes


def _rise(
    m: Any, new: Followed, joined: NDArray[np.bool_], numbers: ShapeLines, of: Index
) -> Float64:
    """By how much the two newest values are above all of an earlier half-window.

    Two, so that a single spike is no rise; all, so that noise is none. Of the three
    half-windows before the present one the lowest counts: the values of the third are
    at least a window older than the present half-window, those of the others less, so
    the rise took no longer than that. Two values with a gap between them prove nothing
    of what went on in it.
    """
    rows = new.rows
    number = new.at_us // numbers.half_us[of]
    passed = number - m.half_no[rows]
    # A gap, or half-windows of another length: nothing before it counts.
    passed[~joined | (passed < 0)] = _HALVES
    halves = m.half_max[rows]
    shifted = np.flatnonzero(passed)
    if len(shifted):
        m.half_no[rows[shifted]] = number[shifted]
        halves[shifted] = _shifted(halves[shifted], passed[shifted])
    halves[:, 0] = np.fmax(halves[:, 0], new.value)
    m.half_max[rows] = halves
    lowest = np.fmin(np.fmin(halves[:, 1], halves[:, 2]), halves[:, 3])
    rise = rounded(np.minimum(new.value, new.before) - lowest)
    rise[~joined] = nan
    m.rise[rows] = rise
    return rise


def _shifted(halves: Float64, passed: Int64) -> Float64:
    """Half-windows after some more of them; what was ``passed`` nearer is now here."""
    both = np.full((len(halves), 2 * _HALVES), nan)
    both[:, _HALVES:] = halves
    nearer = _HALVES - np.minimum(passed, _HALVES)
    moved: Float64 = np.take_along_axis(both, _PLACES + nearer[:, None], axis=1)
    return moved


def _standing_still(
    m: Any,
    new: Followed,
    joined: NDArray[np.bool_],
    moved: NDArray[np.intp],
    step: Float64,
    numbers: ShapeLines,
    of: Index,
) -> NDArray[np.uint8]:
    """Whether a value stands still for too long; learns what is usual from moves."""
    rows, still_us = new.rows, new.at_us - m.still_since_us[new.rows]
    causes = np.zeros(len(rows), np.uint8)
    lasting = joined & (still_us >= numbers.least_still_us[of])
    too_long = np.zeros(len(moved), np.bool_)
    if lasting.any():
        long = np.flatnonzero(lasting)
        causes[long] = _stood(m, new, long, still_us[long], numbers, of[long])
        flat = moved[lasting[moved]]
        too_long[lasting[moved]] = still_us[flat] >= _enough_us(
            m, rows[flat], numbers, of[flat]
        )
    if len(moved):
        own, lasted = rows[moved], still_us[moved]
        m.step[own] = np.fmin(m.step[own], step)
        # A stretch that was too long teaches nothing but that it does not move so well.
        m.n_moves[own] = np.where(too_long, 0, np.minimum(m.n_moves[own] + 1, 9999))
        usual = m.usual_still_us[own]
        learned = np.maximum(lasted, usual - usual // 1024)
        m.usual_still_us[own] = np.where(too_long, usual, learned)
    begun = ~joined
    begun[moved] = True
    m.still_since_us[rows[begun]] = new.at_us[begun]
    return causes


def _enough_us(m: Any, rows: NDArray[Any], numbers: ShapeLines, of: Index) -> Float64:
    """How long these points must stand still for a flat line, float64[k] [µs].

    A sensor of coarse steps stands still for longer, in proportion; of one whose step
    nobody knows yet nothing but the given resolution is.
    """
    enough_us: Float64 = numbers.still_us[of] * np.fmax(
        m.step[rows] / numbers.resolution[of], 1.0
    )
    return enough_us


def _stood(
    m: Any,
    new: Followed,
    long: NDArray[np.intp],
    still_us: Int64,
    numbers: ShapeLines,
    of: Index,
) -> NDArray[np.uint8]:
    """Causes for those that may stand still for too long, uint8[k]."""
    rows, value = new.rows[long], new.value[long]
    stands = value == new.before[long]
    needed_us = np.maximum(
        _enough_us(m, rows, numbers, of),
        numbers.still_factor[of] * m.usual_still_us[rows],
    )
    moves = m.n_moves[rows] >= numbers.moves[of]
    flat = stands & moves & (still_us >= needed_us)
    stuck = stands & (value >= numbers.stuck_above[of])
    stuck &= still_us >= numbers.stuck_us[of]
    found = np.where(flat, FLAT_LINE, 0) | np.where(stuck, STUCK_VALUE, 0)
    return found.astype(np.uint8)


def _returned(
    m: Any,
    new: Followed,
    joined: NDArray[np.bool_],
    moved: NDArray[np.intp],
    step: Float64,
    numbers: ShapeLines,
    of: Index,
) -> NDArray[np.intp]:
    """Which values are back where they were before they jumped."""
    rows = new.rows
    waits = new.at_us - m.jump_at_us[rows] <= numbers.return_us[of]
    waiting = np.flatnonzero(joined & waits)
    if len(waiting):
        far = rounded(np.abs(new.value[waiting] - m.jump_from[rows[waiting]]))
        waiting = waiting[far <= numbers.back[of[waiting]]]
        m.jump_at_us[rows[waiting]] = _LONG_AGO_US
    jumps = moved[(step >= numbers.jump[of[moved]]) & ~waits[moved]]
    if len(jumps):
        m.jump_from[rows[jumps]] = new.before[jumps]
        m.jump_at_us[rows[jumps]] = new.at_us[jumps]
    return waiting
