"""How many alarms a shift had to take in, against the figures of ISA-18.2. Pure.

ANSI/ISA-18.2-2016 (and IEC 62682, EEMUA 191) give for one operator: on average one
alarm in 10 min is acceptable, two are the most that can be managed; a 10-min period
with more than 10 is a flood, and under 1 % of the periods should be one. That periods
begin with the shift is ours, and so is ``peak_10min``: the worst 10 min wherever they
begin, because a burst over the edge of two periods is one to whoever hears it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gasmon.units import US_PER_MIN

PERIOD_US = 10 * US_PER_MIN
ACCEPTABLE_PER_10MIN = 1.0
MANAGEABLE_PER_10MIN = 2.0
FLOOD_PER_10MIN = 10
FLOOD_SHARE_PCT = 1.0


@dataclass(frozen=True, slots=True)
class Load:
    """What a post had to take in during a time.

    Attributes:
        n_alarms: told aloud.
        mean_per_10min: on average; a time under 10 min counts as 10 min.
        peak_10min: in the worst 10 min.
        n_periods: of 10 min, one that is not full among them.
        n_floods: periods with more than 10.
        grade: ``acceptable``, ``manageable`` or ``over`` of the average.
    """

    n_alarms: int
    mean_per_10min: float
    peak_10min: int
    n_periods: int
    n_floods: int
    grade: str

    @property
    def flood_share_pct(self) -> float:
        """Share of the periods that were a flood [%]."""
        return 100.0 * self.n_floods / self.n_periods

    @property
    def is_flooded(self) -> bool:
        """Whether more of the time was a flood than the standard accepts."""
        return self.flood_share_pct >= FLOOD_SHARE_PCT


def load_of(told_us: NDArray[np.int64], from_us: int, until_us: int) -> Load:
    """The load of a time.

    Args:
        told_us: shape (n,), int64: when each alarm was told [µs UTC], in any order;
            those outside of the time are left out.
        from_us: first moment [µs UTC].
        until_us: first moment after it [µs UTC], later than ``from_us``.
    """
    assert until_us > from_us, "a shift lasts"
    inside = np.sort(told_us[(told_us >= from_us) & (told_us < until_us)])
    n_periods = -(-(until_us - from_us) // PERIOD_US)
    counts = np.bincount((inside - from_us) // PERIOD_US, minlength=n_periods)
    first = np.searchsorted(inside, inside - PERIOD_US, side="right")
    in_10min = np.arange(1, inside.size + 1) - first
    mean = inside.size / max(1.0, (until_us - from_us) / PERIOD_US)
    return Load(
        n_alarms=int(inside.size),
        mean_per_10min=mean,
        peak_10min=int(in_10min.max(initial=0)),
        n_periods=int(n_periods),
        n_floods=int((counts > FLOOD_PER_10MIN).sum()),
        grade=_grade(mean),
    )


def _grade(mean: float) -> str:
    if mean <= ACCEPTABLE_PER_10MIN:
        return "acceptable"
    return "manageable" if mean <= MANAGEABLE_PER_10MIN else "over"
