"""A false-alarm budget that holds itself.

Each group of targets (a point, or a mine live) earns false alarms at a steady rate and
pays one for each that turns out false. What it has decides how sure a pre-warning must
be: rich, and less is enough; poor, and nothing is said. So the rate holds whatever the
base level does, and what a calm day did not need is kept, up to a ceiling, for the
next bad one. A slow part learns where the threshold has to stand.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms.forecast_model import Ints
from gasmon.batch import Float64

S_PER_DAY = 86_400.0

START = 0.5
CEILING = 2.0
"""Kept for later at most: this many false alarms, or half a day's if that is more."""

NEEDED = 0.0
"""With less than this in hand nothing is said."""

QUICK = 0.5
"""How far one false alarm in hand moves the threshold [log-odds]."""

SLOW = 0.1
"""How far each false alarm moves the place it moves around, for good [log-odds]."""

LOWEST = -3.0
"""A pre-warning needs a probability of 5 % however rich the budget is [log-odds]."""


class Budget:
    """Arrays over groups.

    Attributes:
        per_day: what each group may have in false alarms a day.
        have: false alarms in hand, float64[groups].
        rest: where the threshold stands when nothing is in hand [log-odds].
        n_false: false ones so far, int64[groups].
        n_hits: those that came true.
    """

    def __init__(self, per_day: float) -> None:
        self.per_day = per_day
        self.have: Float64 = np.empty(0)
        self.rest: Float64 = np.empty(0)
        self.n_false: NDArray[np.int64] = np.empty(0, np.int64)
        self.n_hits: NDArray[np.int64] = np.empty(0, np.int64)

    def grow(self, n: int) -> None:
        """Have room for ``n`` groups."""
        more = n - len(self.have)
        if more > 0:
            self.have = np.r_[self.have, np.full(more, START)]
            self.rest = np.r_[self.rest, np.zeros(more)]
            self.n_false = np.r_[self.n_false, np.zeros(more, np.int64)]
            self.n_hits = np.r_[self.n_hits, np.zeros(more, np.int64)]

    @staticmethod
    def bytes_each() -> int:
        """Memory of one group [bytes]."""
        return 4 * 8

    def earn(self, groups: Ints, took_s: Float64) -> None:
        """Time has passed for these groups, each named once."""
        earned = self.per_day * took_s / S_PER_DAY
        ceiling = max(CEILING, self.per_day / 2)
        self.have[groups] = np.minimum(self.have[groups] + earned, ceiling)
        rest = self.rest[groups] - SLOW * earned
        self.rest[groups] = np.maximum(rest, LOWEST)

    def settle(self, groups: Ints, hit: NDArray[np.bool_]) -> None:
        """Pre-warnings of these groups came true or did not."""
        false = groups[~hit]
        np.add.at(self.n_hits, groups[hit], 1)
        np.add.at(self.n_false, false, 1)
        np.subtract.at(self.have, false, 1.0)
        np.add.at(self.rest, false, SLOW)

    def threshold(self, groups: Ints, open_now: Float64) -> Float64:
        """How sure it must be, float64[k] [log-odds]; infinite for nothing at all.

        Args:
            open_now: pre-warnings of each group that are not decided; each is
                counted as if it were false, float64[k].
        """
        have = self.have[groups] - open_now
        usual = np.maximum(self.rest[groups] - QUICK * have, LOWEST)
        # A budget of nothing means silence, whatever it began with.
        return np.where((have >= NEEDED) & (self.per_day > 0), usual, np.inf)

    def told(self, group: int) -> dict[str, Any]:
        """The state of one group, for an explanation."""
        return {
            "per_day": self.per_day,
            "in_hand": round(float(self.have[group]), 3),
            "n_false": int(self.n_false[group]),
            "n_hits": int(self.n_hits[group]),
        }
