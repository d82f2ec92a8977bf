"""Crossings: when values newly went beyond what begins an alarm.

A value that swings about its limit makes many short alarms, or with an off-delay one
that hides them. So each crossing is remembered, also one that a delay swallowed, and
what is said of such an alarm tells how many there were. Only points that ever crossed
have an entry.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from gasmon.units import US_PER_MIN

MOST_KEPT = 64
"""Newest crossings kept per point and kind; one each 10 s for the whole window."""

WINDOW_US = 10 * US_PER_MIN
"""How far back crossings are counted [µs]: the stretch by which the load of an
operator is reckoned (ISA-18.2)."""

CHATTERS = (3, US_PER_MIN)
"""So many within this time [µs] are chattering (ISA-18.2)."""


ON_DELAY = "on_delay"
OFF_DELAY = "off_delay"
DEADBAND = "deadband"


@dataclass(frozen=True, slots=True)
class Crossing:
    """A value went beyond what begins an alarm, and no alarm began by it.

    It is a record of its own, told to nobody: without it a delay or a deadband would
    hide what was measured.

    Attributes:
        row: of the point; ``kind``: of the alarm that it would have begun.
        rule: where the limit came from.
        at_us: event time of the value; ``arrived_us``: when it came [µs UTC].
        value: None where the mine's own bit says it and no number can be judged.
        limit: None where there is none.
        held_by: ``on_delay``: it has not lasted yet; ``deadband``: the value was below
            the limit and not past the end of the living alarm; ``off_delay``: it was,
            and not yet for long enough.
        late: found in data that came afterwards.
    """

    row: int
    kind: str
    rule: str
    at_us: int
    arrived_us: int
    value: float | None
    limit: float | None
    held_by: str
    late: bool = False


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
