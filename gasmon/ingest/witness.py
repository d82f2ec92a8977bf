"""Mines' clocks as witnesses of ours, each for as long as its difference stands still.

A difference is device time minus arrival. It says something of a clock only while it
stands still: frames of a backlog come faster than they were made, so theirs shrinks.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median_low

from gasmon.units import US_PER_MIN, US_PER_S

BAND_US = 10 * US_PER_S
"""A difference stands still while it stays this near to where it began [µs]; ours:
above what a mine's network varies, below what a backlog makes up in a minute."""

WITNESS_AFTER_US = US_PER_MIN
"""A mine is a witness once its difference stands still this long [µs]."""

HEARD_WITHIN_US = 3 * US_PER_MIN
"""Mines that sent within this are asked [µs]."""

AGREE_US = 30 * US_PER_S
"""Witnesses agree when they are this near to their middle [µs]."""

LEAST_WITNESSES = 5
"""Fewer do not outvote a server's clock."""

BEHIND_AT_LEAST_US = US_PER_MIN
BEHIND_AFTER_US = 5 * US_PER_MIN
BEHIND_FRAMES = 10
"""A clock is behind when its difference stands still for so long, over so many frames,
and is so large. A network does not delay everything by a constant minute."""


@dataclass(slots=True)
class Difference:
    """The difference of one gateway, frame by frame.

    Attributes:
        begun_us: where it began to stand still [µs].
        since_us: arrival since which it does [µs UTC]; ``heard_us`` the newest.
        n: frames since then.
        now_us: the newest difference [µs].
    """

    begun_us: int = 0
    since_us: int = 0
    heard_us: int = 0
    n: int = 0
    now_us: int = 0

    def add(self, difference_us: int, arrived_us: int) -> None:
        """A live frame, newer than all before it."""
        if self.n == 0 or abs(difference_us - self.begun_us) > BAND_US:
            self.begun_us, self.since_us, self.n = difference_us, arrived_us, 0
        self.n += 1
        self.now_us, self.heard_us = difference_us, arrived_us

    def is_still(self, after_us: int) -> bool:
        """Whether it stands still for so long."""
        return self.n > 1 and self.heard_us - self.since_us >= after_us

    def is_behind(self, bias_us: int) -> bool:
        """Whether it is that of a clock that is behind, given where the others are."""
        return (
            self.n >= BEHIND_FRAMES
            and self.is_still(BEHIND_AFTER_US)
            and self.begun_us - bias_us <= -BEHIND_AT_LEAST_US
            and self.now_us - bias_us <= -BEHIND_AT_LEAST_US
        )

    def moved(self, by_us: int) -> None:
        """Our clock was moved: arrivals so far count as if it had been there before."""
        self.begun_us -= by_us
        self.now_us -= by_us
        self.since_us += by_us
        self.heard_us += by_us


@dataclass(frozen=True, slots=True)
class Witnesses:
    """Mines that agree with one another.

    Attributes:
        n: how many.
        bias_us: how far they are ahead of our clock [µs].
    """

    n: int
    bias_us: int


def agreed(
    differences: Iterable[Difference], now_us: int, since_us: int
) -> Witnesses | None:
    """What a clear majority of the mines that are heard says of our clock.

    Args:
        now_us: our time [µs UTC].
        since_us: only what was heard after it counts [µs UTC].

    Returns:
        None with too few witnesses, or when they do not agree.
    """
    begin_us = max(since_us, now_us - HEARD_WITHIN_US)
    heard = [d for d in differences if d.n and begin_us <= d.heard_us]
    said = sorted(d.now_us for d in heard if d.is_still(WITNESS_AFTER_US))
    best: list[int] = []
    for first, lowest in enumerate(said):
        group = said[first : bisect_right(said, lowest + 2 * AGREE_US)]
        if len(group) > len(best):
            best = group
    if len(best) < LEAST_WITNESSES or 2 * len(best) <= len(heard):
        return None
    return Witnesses(len(best), median_low(best))
