"""Levels by value and duration, over arrays.

The levels of a rule have up to four bands; a band is entered when the value reaches
its lower end, and each of its steps is earned by staying in it (or above) for a time.
The level is the highest step earned in any band, and it only rises while the alarm
lives.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms.rules import MAX_BANDS, MAX_STEPS, Band, Rule
from gasmon.batch import Int64

NEVER_US = np.iinfo(np.int64).max
"""A time that does not come [µs]."""

_FAR_US = NEVER_US // 4
"""Durations of unused steps; small enough that adding a time cannot overflow."""

Int8 = NDArray[np.int8]
Int16 = NDArray[np.int16]


OFF = -1
"""Instead of a level row: the kind is off there, and what lives earns nothing."""


class LevelTable:
    """The levels of rules as arrays; a rule may have none.

    Rows are only added, so a row means the same for as long as the table lives, and
    whoever holds the table sees what was added.

    Attributes:
        duration_us: time in the band that earns a step, int64[rows, bands, steps].
        rank: what it earns, int8[rows, bands, steps].
        rules: what each row was made of: the rule and its number in its set.
        after_rise: the row is for a break right after a rise, bool[rows].
    """

    def __init__(self) -> None:
        self.rules: list[tuple[Rule, int]] = []
        self._row_of: dict[str, int] = {}
        self._lay_out()

    def add(self, rules: Sequence[Rule]) -> list[int]:
        """The rows of the rules of a set; what is the same has one already."""
        rows = []
        for number, rule in enumerate(rules):
            key = level_key(rule, number)
            row = self._row_of.setdefault(key, len(self.rules))
            if row == len(self.rules):
                self.rules.append((rule, number))
            rows.append(row)
        self._lay_out()
        return rows

    @property
    def keys(self) -> list[str]:
        """What tells rows apart in another process, by row."""
        return list(self._row_of)

    def rows_of(self, keys: Sequence[str]) -> Int16:
        """Our row for each key, int16[n]; ``OFF`` for an unknown one."""
        return np.asarray([self._row_of.get(key, OFF) for key in keys], np.int16)

    def number_of(self, row: int) -> int | None:
        """What a rule is called in explanations, counted from 1; None for OFF."""
        return None if row == OFF else self.rules[row][1] + 1

    def bands(self, row: int) -> tuple[Band, ...]:
        """The bands of a row; none for OFF."""
        return () if row == OFF else self.rules[row][0].bands

    def _lay_out(self) -> None:
        # One more than rows, the last, which is what OFF is: it earns nothing.
        shape = (len(self.rules) + 1, MAX_BANDS, MAX_STEPS)
        self.duration_us: Int64 = np.full(shape, _FAR_US, np.int64)
        self.rank: Int8 = np.zeros(shape, np.int8)
        for row, (rule, _) in enumerate(self.rules):
            for b, band in enumerate(rule.bands):
                for s, (step_us, step_rank) in enumerate(band.steps):
                    self.duration_us[row, b, s] = step_us
                    self.rank[row, b, s] = step_rank
        told = [rule.after_rise for rule, _ in self.rules]
        self.after_rise = np.asarray([*told, False], np.bool_)

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


def level_key(rule: Rule, number: int) -> str:
    """What must be equal for rules of two sets to grade and explain alike."""
    text = repr((number, rule.file, rule.line, rule.family, rule.bands))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
