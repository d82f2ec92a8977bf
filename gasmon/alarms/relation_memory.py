"""What relations remember of single points: was it the same, how far did it rise.

Only few points need it, so each has a place of its own in small arrays. Pure.
"""

from typing import Any

import numpy as np

from gasmon.batch import Float64, Index, Int32, Int64

BUCKETS = 6
"""Parts of a window in which the lowest value is kept. Ours: the window is exact to a
sixth of itself, at 64 bytes a point that has one."""

_NO_WINDOW_US = 1
"""Of points whose rise nobody asks for."""

MEMORY_COLUMNS: dict[str, tuple[tuple[int, ...], Any, Any]] = {
    "row": ((), np.int32, 0),
    "window_us": ((), np.int64, _NO_WINDOW_US),
    "value": ((), np.float64, np.nan),
    "same": ((), np.bool_, False),
    "moved": ((), np.bool_, False),
    "lowest": ((BUCKETS,), np.float64, np.nan),
    "part": ((), np.int64, 0),
    "rise": ((), np.float64, np.nan),
}
"""Shape of one place, dtype and starting value."""


class PointMemory:
    """By place, one for each point that some relation wants remembered.

    Attributes:
        place_of: place of a row, int32[n]; -1 without.
        row: its point, int32[m]; ``window_us``: int64[m] [µs].
        value: newest good value, float64[m]; ``same``: equal to the one before;
            ``moved``: different from it. Neither of a point's first value, bool[m].
        lowest: lowest good value of each part, newest part first, float64[m, parts].
        part: which part of time is the newest one, int64[m].
        rise: newest good value above the lowest of the window, float64[m].
    """

    row: Int32
    window_us: Int64
    value: Float64
    same: np.ndarray[Any, np.dtype[np.bool_]]
    moved: np.ndarray[Any, np.dtype[np.bool_]]
    lowest: Float64
    part: Int64
    rise: Float64

    def __init__(self) -> None:
        self.place_of: Int32 = np.empty(0, np.int32)
        for name, (shape, dtype, _) in MEMORY_COLUMNS.items():
            setattr(self, name, np.empty((0, *shape), dtype))

    @property
    def n(self) -> int:
        """Number of places."""
        return len(self.row)

    def grow(self, n: int) -> None:
        """Have room for ``n`` points."""
        more = n - len(self.place_of)
        if more > 0:
            none = np.full(max(more, len(self.place_of)), -1, np.int32)
            self.place_of = np.r_[self.place_of, none]

    def place(self, row: int, window_us: int = 0) -> int:
        """The place of a point, made when there is none.

        Args:
            window_us: of its rise; what is known of the one before is kept as far as
                it fits; 0 for none.
        """
        place = int(self.place_of[row])
        if place < 0:
            place = self.place_of[row] = self.n
            for name, (shape, dtype, start) in MEMORY_COLUMNS.items():
                more = np.full((1, *shape), start, dtype)
                setattr(self, name, np.concatenate([getattr(self, name), more]))
            self.row[place] = row
        if window_us and self.window_us[place] != window_us:
            self._measure_anew(place, window_us)
        return place

    def _measure_anew(self, place: int, window_us: int) -> None:
        """Cut time into parts of another length; a value is as old as it may be."""
        old_us, new_us = (_part_us(us) for us in (self.window_us[place], window_us))
        lowest, part = np.full(BUCKETS, np.nan), int(self.part[place])
        newest = part * old_us // new_us
        for back, value in enumerate(self.lowest[place].tolist()):
            at = newest - (part - back) * old_us // new_us
            if at < BUCKETS:
                lowest[at] = np.fmin(lowest[at], value)
        self.window_us[place], self.part[place] = window_us, newest
        self.lowest[place] = lowest

    def put(self, place: Index, value: Float64, at_us: Int64) -> None:
        """Newer good values of these places, at most one of each."""
        before = self.value[place]
        self.same[place] = before == value
        # NaN: there is none before, so nothing is known of the first one.
        self.moved[place] = (before < value) | (before > value)
        self.value[place] = value
        measured = self.window_us[place] > _NO_WINDOW_US
        plain = (~measured).nonzero()[0]
        if len(plain) < len(place):
            risen = measured.nonzero()[0]
            self._put_in_window(place[risen], value[risen], at_us[risen])
        # Without a window the newest value is all that there is.
        self.lowest[place[plain], 0] = value[plain]
        self.part[place[plain]] = at_us[plain]

    def _put_in_window(self, place: Index, value: Float64, at_us: Int64) -> None:
        now = at_us // np.maximum(self.window_us[place] // BUCKETS, 1)
        gone = np.clip(now - self.part[place], 0, BUCKETS)
        source = np.arange(BUCKETS) - gone[:, None]
        lowest = np.take_along_axis(self.lowest[place], np.maximum(source, 0), axis=1)
        lowest[source < 0] = np.nan
        lowest[:, 0] = np.fmin(lowest[:, 0], value)
        self.lowest[place] = lowest
        self.part[place] = np.maximum(self.part[place], now)
        self.rise[place] = value - np.fmin.reduce(lowest, axis=1)


def _part_us(window_us: int) -> int:
    return max(int(window_us) // BUCKETS, 1)
