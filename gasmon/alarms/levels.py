"""Levels by value and duration, over arrays.

The levels of a rule have up to four bands; a band is entered when the value reaches
its lower end, and each of its steps is earned by staying in it (or above) for a time.
The level is the highest step earned in any band, and it only rises while the alarm
lives.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms.rules import MAX_BANDS, MAX_STEPS, Rule
from gasmon.batch import Int64

NEVER_US = np.iinfo(np.int64).max
"""A time that does not come [µs]."""

_FAR_US = NEVER_US // 4
"""Durations of unused steps; small enough that adding a time cannot overflow."""

Int8 = NDArray[np.int8]
Int16 = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class LevelTable:
    """The levels of all rules of a set as arrays; a rule may have none.

    Attributes:
        duration_us: time in the band that earns a step, int64[rows, bands, steps].
        rank: what it earns, int8[rows, bands, steps].
    """

    duration_us: Int64
    rank: Int8

    @classmethod
    def build(cls, rows: tuple[Rule, ...]) -> "LevelTable":
        # One more than rows: what no rule grades stays what it is.
        shape = (len(rows) + 1, MAX_BANDS, MAX_STEPS)
        duration = np.full(shape, _FAR_US, np.int64)
        rank = np.zeros(shape, np.int8)
        for number, row in enumerate(rows):
            for b, band in enumerate(row.bands):
                for s, (step_us, step_rank) in enumerate(band.steps):
                    duration[number, b, s] = step_us
                    rank[number, b, s] = step_rank
        return cls(duration, rank)

    @property
    def nothing(self) -> int:
        """The level row of a kind that is off: it earns nothing."""
        return len(self.rank) - 1

    def judge(
        self, level: Int16, since_us: Int64, now_us: Int64, rank: Int8
    ) -> tuple[Int8, Int64]:
        """The level at a moment, and when it would rise next if nothing changed.

        Args:
            level: level row of each alarm, int16[k].
            since_us: when each band was entered, int64[k, bands] [µs]; NEVER_US for
                a band that the value is not in.
            now_us: the moment, int64[k] [µs].
            rank: the latched level, int8[k].

        Returns:
            The level, int8[k], never below ``rank``; and the next moment at which
            it would rise, int64[k], NEVER_US when it would not.
        """
        inside = since_us != NEVER_US
        start = np.where(inside, since_us, 0)[:, :, None]
        due = start + self.duration_us[level]
        earned = np.where(inside[:, :, None], self.rank[level], 0)
        reached = due <= now_us[:, None, None]
        flat = (len(level), MAX_BANDS * MAX_STEPS)
        best = np.where(reached, earned, 0).reshape(flat).max(axis=1)
        new_rank = np.maximum(rank, best).astype(np.int8)
        ahead = ~reached & (earned > new_rank[:, None, None])
        next_us = np.where(ahead, due, NEVER_US).reshape(flat).min(axis=1)
        return new_rank, next_us
