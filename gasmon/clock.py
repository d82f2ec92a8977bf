"""Clocks as arguments: whoever needs the time is handed one of these.

Wall time is for stamping arrivals and judging silence; monotonic time is for
time-outs. Nothing below ``pipeline`` reads either by itself.
"""

import time
from dataclasses import dataclass
from typing import Protocol

from gasmon.units import US_PER_S


class Clock(Protocol):
    """What a process knows about time."""

    def now_us(self) -> int:
        """Wall time [µs UTC since 1970]."""
        ...

    def monotonic_s(self) -> float:
        """Time that never steps, for time-outs [s]."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now_us(self) -> int:
        return time.time_ns() // 1_000

    def monotonic_s(self) -> float:
        return time.monotonic()


@dataclass(slots=True)
class ManualClock:
    """A clock that a test or a replay moves by hand.

    Attributes:
        time_us: the wall time it shows [µs UTC].
    """

    time_us: int

    def now_us(self) -> int:
        return self.time_us

    def monotonic_s(self) -> float:
        return self.time_us / US_PER_S

    def advance(self, seconds: float) -> None:
        """Move forward (or, for tests of clock steps, back) by ``seconds``."""
        self.time_us += round(seconds * US_PER_S)
