"""Crossings: when values newly went beyond what begins an alarm.

A value that swings about its limit makes many short alarms, or with an off-delay one
that hides them. So each crossing is remembered, also one that a delay swallowed, and
what is said of such an alarm tells how many there were. Only points that ever crossed
have an entry.
"""

from collections import deque
from collections.abc import Iterator

from gasmon.units import US_PER_MIN

MOST_KEPT = 64
"""Newest crossings kept per point and kind; one each 10 s for the whole window."""

WINDOW_US = 10 * US_PER_MIN
"""How far back crossings are counted [µs]: the stretch by which the load of an
operator is reckoned (ISA-18.2)."""

CHATTERS = (3, US_PER_MIN)
"""So many within this time [µs] are chattering (ISA-18.2)."""


class Crossings:
    """Times by point row and slot [µs UTC]."""

    def __init__(self) -> None:
        self._times: dict[tuple[int, int], deque[int]] = {}

    def note(self, row: int, slot: int, at_us: int) -> None:
        """A value went beyond."""
        kept = self._times.setdefault((row, slot), deque(maxlen=MOST_KEPT))
        kept.append(at_us)

    def until(self, row: int, slot: int, at_us: int) -> list[int]:
        """Those in the window that ends with a moment, oldest first."""
        kept = self._times.get((row, slot), ())
        return sorted(each for each in kept if at_us - WINDOW_US < each <= at_us)

    def all(self) -> Iterator[tuple[int, int, int]]:
        """All of them as (row, slot, time), oldest first of each."""
        for (row, slot), kept in self._times.items():
            for at_us in kept:
                yield row, slot, at_us


def chatters(times_us: list[int]) -> bool:
    """Whether crossings came so near to one another that nobody can follow them."""
    least, within_us = CHATTERS
    pairs = zip(times_us, times_us[least - 1 :], strict=False)
    return any(last - first <= within_us for first, last in pairs)
