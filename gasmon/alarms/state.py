"""PointState: everything the engine remembers of each point, as arrays.

About 720 bytes a point. Rows are the point table's; capacity doubles.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms.crossings import Crossings
from gasmon.alarms.kinds import N_SLOTS, N_VALUE_SLOTS, NO_DATA
from gasmon.alarms.levels import NEVER_US
from gasmon.alarms.rules import MAX_BANDS
from gasmon.alarms.shape_memory import SHAPE_COLUMNS
from gasmon.batch import Float64

LONG_AGO_US = np.iinfo(np.int64).min // 4
"""Before every reading [µs]; far enough from the end that differences fit."""

IDLE = 0
"""The phase of a slot in which nothing lives (debounce.py)."""

STATE_COLUMNS: dict[str, tuple[tuple[int, ...], Any, Any]] = {
    # One value a point: the newest reading in event time, what was last good, …
    "last_at_us": ((), np.int64, LONG_AGO_US),
    "last_value": ((), np.float64, np.nan),
    "last_state": ((), np.int32, 0),
    "last_arrived_us": ((), np.int64, LONG_AGO_US),
    "lag_us": ((), np.int64, 0),
    "good_at_us": ((), np.int64, LONG_AGO_US),
    "good_value": ((), np.float64, np.nan),
    "near_at_us": ((), np.int64, LONG_AGO_US),
    "calibration_us": ((), np.int64, NEVER_US),
    "silence_ended_us": ((), np.int64, LONG_AGO_US),
    "due_us": ((), np.int64, NEVER_US),
    "busy": ((), np.uint16, 0),
    "folded": ((), np.bool_, False),
    # One value a point and slot.
    "phase": ((N_SLOTS,), np.int8, IDLE),
    "slot_due_us": ((N_SLOTS,), np.int64, NEVER_US),
    "raised_us": ((N_SLOTS,), np.int64, NEVER_US),
    "rank": ((N_SLOTS,), np.int8, 0),
    "line": ((N_SLOTS,), np.int32, 0),
    "level": ((N_SLOTS,), np.int16, 0),
    "unknown": ((N_SLOTS,), np.bool_, False),
    # Of the kinds that compare a value with a limit; only they have delays.
    "since_us": ((N_VALUE_SLOTS,), np.int64, NEVER_US),
    "peak": ((N_VALUE_SLOTS,), np.float64, np.nan),
    "peak_at_us": ((N_VALUE_SLOTS,), np.int64, LONG_AGO_US),
    "beyond": ((N_VALUE_SLOTS,), np.bool_, False),
    # When the value entered each band above the alarm limit (over_limit only).
    "band_us": ((MAX_BANDS - 1,), np.int64, NEVER_US),
    # How its values move.
    **SHAPE_COLUMNS,
}
"""Shape for one point, dtype and starting value of each column."""


_FAR = 1e15
"""Beyond any quantity of a mine in any unit; ours."""


def possible(values: Float64) -> Float64:
    """Values as any sensor could give them, so that reckoning does not overflow.

    A broken gateway can say 1e308: over every limit, but no number to smooth.

    Args:
        values: float64[k], in any unit; NaN stays NaN.
    """
    within: Float64 = np.minimum(np.maximum(values, -_FAR), _FAR)
    return within


class PointState:
    """Arrays over point rows; see ``STATE_COLUMNS`` for shapes and starting values.

    Attributes:
        last_at_us: event time of the newest reading, int64[n]; older ones are late.
        last_value: its value, float64[n]; NaN when it had none.
        last_arrived_us: when anything last came for the point, int64[n].
        lag_us: how far the time of its readings is behind ours, int64[n].
        good_at_us: event time of the newest reading with a good value, int64[n].
        good_value: that value, float64[n].
        near_at_us: event time at which a good value was last near its limit.
        calibration_us: since when the calibration bit is set, NEVER_US when not.
        silence_ended_us: when its last silence ended; the next begins later.
        slot_due_us: next moment at which a delay or a level of a slot matures by
            itself, int64[n, slots]; ``due_us``: the earliest of them, int64[n].
        busy: bit per slot that is not idle, uint16[n].
        folded: its substation is silent as a whole and speaks for it, bool[n].
        phase: debounce.IDLE …, int8[n, slots].
        since_us: start of the present pending or clearing, int64[n, value slots].
        raised_us: event time at which the living alarm began, int64[n, slots].
        rank: its latched level; ``line``: the rule line that raised it.
        level: its level row; ``peak``: its worst value, ``peak_at_us`` when; both
            for the slots with limits only.
        beyond: the newest good value is beyond the limit; means nothing while idle.
        unknown: raised, and the value is not known now.
        crossings: when values went beyond what begins an alarm.
    """

    last_at_us: np.ndarray[Any, np.dtype[np.int64]]
    last_value: np.ndarray[Any, np.dtype[np.float64]]
    last_state: np.ndarray[Any, np.dtype[np.int32]]
    last_arrived_us: np.ndarray[Any, np.dtype[np.int64]]
    lag_us: np.ndarray[Any, np.dtype[np.int64]]
    good_at_us: np.ndarray[Any, np.dtype[np.int64]]
    good_value: np.ndarray[Any, np.dtype[np.float64]]
    near_at_us: np.ndarray[Any, np.dtype[np.int64]]
    calibration_us: np.ndarray[Any, np.dtype[np.int64]]
    silence_ended_us: np.ndarray[Any, np.dtype[np.int64]]
    due_us: np.ndarray[Any, np.dtype[np.int64]]
    busy: np.ndarray[Any, np.dtype[np.uint16]]
    folded: np.ndarray[Any, np.dtype[np.bool_]]
    phase: np.ndarray[Any, np.dtype[np.int8]]
    since_us: np.ndarray[Any, np.dtype[np.int64]]
    slot_due_us: np.ndarray[Any, np.dtype[np.int64]]
    raised_us: np.ndarray[Any, np.dtype[np.int64]]
    rank: np.ndarray[Any, np.dtype[np.int8]]
    line: np.ndarray[Any, np.dtype[np.int32]]
    level: np.ndarray[Any, np.dtype[np.int16]]
    peak: np.ndarray[Any, np.dtype[np.float64]]
    peak_at_us: np.ndarray[Any, np.dtype[np.int64]]
    beyond: np.ndarray[Any, np.dtype[np.bool_]]
    unknown: np.ndarray[Any, np.dtype[np.bool_]]
    band_us: np.ndarray[Any, np.dtype[np.int64]]
    followed_us: np.ndarray[Any, np.dtype[np.int64]]
    half_no: np.ndarray[Any, np.dtype[np.int64]]
    half_max: np.ndarray[Any, np.dtype[np.float64]]
    rise: np.ndarray[Any, np.dtype[np.float64]]
    still_since_us: np.ndarray[Any, np.dtype[np.int64]]
    usual_still_us: np.ndarray[Any, np.dtype[np.int64]]
    n_moves: np.ndarray[Any, np.dtype[np.int32]]
    step: np.ndarray[Any, np.dtype[np.float64]]
    jump_from: np.ndarray[Any, np.dtype[np.float64]]
    jump_at_us: np.ndarray[Any, np.dtype[np.int64]]
    odd_at_us: np.ndarray[Any, np.dtype[np.int64]]
    odd_causes: np.ndarray[Any, np.dtype[np.uint8]]
    hole: np.ndarray[Any, np.dtype[np.uint8]]
    switch_kind: np.ndarray[Any, np.dtype[np.uint8]]

    def __init__(self) -> None:
        self.n = 0
        self.crossings = Crossings()
        self._allocate(64)

    def _allocate(self, capacity: int) -> None:
        for name, (shape, dtype, start) in STATE_COLUMNS.items():
            larger = np.full((capacity, *shape), start, dtype)
            if self.n:
                larger[: self.n] = getattr(self, name)[: self.n]
            setattr(self, name, larger)

    def grow(self, n: int, heard_us: int) -> None:
        """Have room for ``n`` points.

        Args:
            heard_us: from when the silence of the new ones counts [µs].
        """
        if n > len(self.due_us):
            self._allocate(max(n, 2 * len(self.due_us)))
        if n > self.n:
            self.last_arrived_us[self.n : n] = heard_us
            self.n = n

    def is_silent(self, rows: NDArray[Any]) -> NDArray[np.bool_]:
        """Whether nothing comes of points although their mine goes on, bool[k]."""
        silent: NDArray[np.bool_] = self.folded[rows]
        silent |= self.phase[rows, NO_DATA] != IDLE
        return silent

    def bytes_per_point(self) -> int:
        """Memory that one point takes here [bytes]."""
        return sum(
            getattr(self, name).nbytes // len(getattr(self, name))
            for name in STATE_COLUMNS
        )
