"""What the forecast remembers, as arrays that grow."""

from typing import Any, ClassVar

import numpy as np

from gasmon.alarms.levels import NEVER_US
from gasmon.alarms.state import LONG_AGO_US
from gasmon.batch import Float64, Int64

Fields = dict[str, tuple[tuple[int, ...], Any, Any]]


class Arrays:
    """Named arrays of one length; new entries begin at a set value."""

    FIELDS: ClassVar[Fields] = {}

    def __init__(self) -> None:
        self.n = 0
        for name, (shape, dtype, _) in self.FIELDS.items():
            setattr(self, name, np.empty((0, *shape), dtype))

    def grow(self, n: int) -> None:
        """Have ``n`` entries."""
        more = n - self.n
        if more <= 0:
            return
        for name, (shape, dtype, start) in self.FIELDS.items():
            fresh = np.full((more, *shape), start, dtype)
            setattr(self, name, np.concatenate([getattr(self, name), fresh]))
        self.n = n

    @classmethod
    def bytes_each(cls) -> int:
        """Memory of one entry [bytes]."""
        return sum(
            int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
            for shape, dtype, _ in cls.FIELDS.values()
        )


class TargetState(Arrays):
    """One entry a target.

    Attributes:
        value, running, low: its levels, see ``forecast_model.Levels``.
        good_us: when it last had a good value; ``step_us`` when it last stepped.
        reached_us: when the value was last at the limit.
        below_us: since when it is below; NEVER_US while it is at the limit.
        open_us: when the undecided pre-warning was said; NEVER_US for none.
        open_odds, open_threshold: what it was said on [log-odds].
        asked_us: when the forecast was last put to the test; NEVER_US for not now.
        asked_odds: what it said then, and what EWMA said, float64[n, 2].
        lost: running mean of how much worse than EWMA it did [nats].
        n_asked: how often it was tested.
        advisory_us: since when it is advisory; NEVER_US while it is not.
    """

    FIELDS: ClassVar[Fields] = {
        "value": ((), np.float64, np.nan),
        "running": ((3,), np.float64, np.nan),
        "low": ((), np.float64, np.nan),
        "good_us": ((), np.int64, LONG_AGO_US),
        "step_us": ((), np.int64, LONG_AGO_US),
        "reached_us": ((), np.int64, LONG_AGO_US),
        "below_us": ((), np.int64, NEVER_US),
        "open_us": ((), np.int64, NEVER_US),
        "open_odds": ((), np.float64, np.nan),
        "open_threshold": ((), np.float64, np.nan),
        "asked_us": ((), np.int64, NEVER_US),
        "asked_odds": ((2,), np.float64, np.nan),
        "lost": ((), np.float64, 0.0),
        "n_asked": ((), np.int64, 0),
        "advisory_us": ((), np.int64, NEVER_US),
    }
    value: Float64
    running: Float64
    low: Float64
    good_us: Int64
    step_us: Int64
    reached_us: Int64
    below_us: Int64
    open_us: Int64
    open_odds: Float64
    open_threshold: Float64
    asked_us: Int64
    asked_odds: Float64
    lost: Float64
    n_asked: Int64
    advisory_us: Int64


class MineState(Arrays):
    """One entry a mine.

    Attributes:
        bin: number of the grid's stretch in which it was last looked at.
        lag_us: how far the time of its readings was behind ours then.
    """

    FIELDS: ClassVar[Fields] = {
        "bin": ((), np.int64, LONG_AGO_US),
        "lag_us": ((), np.int64, 0),
    }
    bin: Int64
    lag_us: Int64


class WorksState(Arrays):
    """One entry a group of production signals.

    Attributes:
        share: running share of the time in which coal is cut; NaN = not known.
        on: 1 while coal is cut, 0 while not, NaN = not known.
        on_us: when coal was last cut; ``step_us`` when this was last looked at.
    """

    FIELDS: ClassVar[Fields] = {
        "share": ((), np.float64, np.nan),
        "on": ((), np.float64, np.nan),
        "on_us": ((), np.int64, LONG_AGO_US),
        "step_us": ((), np.int64, LONG_AGO_US),
    }
    share: Float64
    on: Float64
    on_us: Int64
    step_us: Int64


class Held(Arrays):
    """One entry a row whose values are needed: its newest reading.

    Attributes:
        value: NaN when it meant nothing; ``at_us`` its own time.
        before: the good value before it, for counters that rise.
    """

    FIELDS: ClassVar[Fields] = {
        "value": ((), np.float64, np.nan),
        "at_us": ((), np.int64, LONG_AGO_US),
        "before": ((), np.float64, np.nan),
    }
    value: Float64
    at_us: Int64
    before: Float64
