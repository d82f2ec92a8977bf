"""Told: which stretches of a point's past were already judged over their limit.

A frame may come again after its alarm ended, and a late reading may lie inside a
stretch that somebody was told about. Neither is news. Remembering stretches and not
readings keeps this as small as alarms are rare.
"""

from collections import deque
from collections.abc import Iterator

MAX_STRETCHES = 256
"""Newest stretches kept per point and kind. A chattering point makes three a minute
(the usual bound of ISA-18.2), so this is over an hour of the worst one; repeats from
before it are said once more, quietly."""


class Told:
    """Stretches by point row and slot; empty for points that never alarmed."""

    def __init__(self) -> None:
        self._stretches: dict[tuple[int, int], deque[tuple[int, int]]] = {}

    def add(self, row: int, slot: int, from_us: int, until_us: int) -> None:
        """Remember a stretch, both ends included [µs]."""
        kept = self._stretches.setdefault((row, slot), deque(maxlen=MAX_STRETCHES))
        kept.append((from_us, until_us))

    def covers(self, row: int, slot: int, at_us: int) -> bool:
        """Whether a moment lies in a remembered stretch."""
        kept = self._stretches.get((row, slot), ())
        return any(begin <= at_us <= end for begin, end in kept)

    def after(self, row: int, slot: int, at_us: int) -> int:
        """The first moment from ``at_us`` on that lies in none of them [µs]."""
        for begin, end in sorted(self._stretches.get((row, slot), ())):
            if begin <= at_us <= end:
                at_us = end + 1
        return at_us

    def touches(self, row: int, slot: int, from_us: int, until_us: int) -> bool:
        """Whether a stretch has a moment in common with a remembered one."""
        kept = self._stretches.get((row, slot), ())
        return any(begin <= until_us and from_us <= end for begin, end in kept)

    def stretches(self) -> Iterator[tuple[int, int, int, int]]:
        """All of them as (row, slot, from [µs], until [µs]), oldest first of each."""
        for (row, slot), kept in self._stretches.items():
            for begin, end in kept:
                yield row, slot, begin, end
