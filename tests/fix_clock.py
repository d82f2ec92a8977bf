"""A clock of a whole machine that a test sets wrong, steps or lets run fast."""

from __future__ import annotations

import time

from gasmon.clock import SystemClock
from gasmon.units import US_PER_S


class MachineClock:
    """Wall and monotonic time of a machine, from the real ones.

    Attributes:
        rate: how fast both run; a test of minutes takes seconds.
        wrong_us: how far the wall time alone is ahead of the truth [µs].
    """

    def __init__(self, rate: float = 1.0, wrong_s: float = 0.0) -> None:
        self.rate = rate
        self.wrong_us = round(wrong_s * US_PER_S)
        self._begin_us = time.time_ns() // 1_000
        self._begin_s = time.monotonic()

    def now_us(self) -> int:
        return self.true_us() + self.wrong_us

    def monotonic_s(self) -> float:
        return self._begin_s + self.rate * (time.monotonic() - self._begin_s)

    def true_us(self) -> int:
        """What a right clock shows, in this machine's world."""
        passed_s = self.monotonic_s() - self._begin_s
        return self._begin_us + round(passed_s * US_PER_S)

    def step(self, seconds: float) -> None:
        """Somebody, or something, sets the wall time."""
        self.wrong_us += round(seconds * US_PER_S)


class LeapingClock(SystemClock):
    """Of a machine that can stand still: nobody lives through that time."""

    def __init__(self) -> None:
        self._stood_s = 0.0

    def now_us(self) -> int:
        return super().now_us() + round(self._stood_s * US_PER_S)

    def monotonic_s(self) -> float:
        return super().monotonic_s() + self._stood_s

    def stand_still(self, seconds: float) -> None:
        """So long, now."""
        self._stood_s += seconds
