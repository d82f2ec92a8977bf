"""Clocks as arguments: whoever needs the time is handed one of these.

Wall time is for stamping arrivals and judging silence; monotonic time is for
time-outs. Nothing below ``pipeline`` reads either by itself.

Ingest lives by a :class:`SteadyClock`, because a server's clock is set now and then, by
people and by programs, and an hour that nobody lived through must neither raise nor end
an alarm. What it does about a step is decided by :func:`steer`, which is pure.
"""

import time
from dataclasses import dataclass, replace
from typing import Protocol

from gasmon.units import US_PER_S

_BOOTTIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)
"""Linux has it."""


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
        if _BOOTTIME is None:
            return time.monotonic()
        # Goes on while the machine is suspended: waking up is no step of the wall time.
        return time.clock_gettime(_BOOTTIME)


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


STEP_US = US_PER_S
"""A difference to the system's clock below this is drift and is slewed [µs]."""

SLEW_US_PER_S = 1_000
"""How fast drift is taken back [µs/s]: twice what a system slews its own clock."""

VOTE_US = 30 * US_PER_S
"""Witnesses are not asked about smaller steps [µs]: their frames take seconds to come,
and a right correction by NTP must not be held up by that."""

PATIENCE_S = 600.0
"""Without witnesses a step of the system's clock is followed after this [s]."""

LOOKED_S = 60.0
"""Longest time between two looks that counts for it [s]: while we stood still, nobody
could tell us."""


@dataclass(frozen=True, slots=True)
class Steering:
    """What a steady clock knows of the clock it was made from.

    Attributes:
        looked_s: monotonic time of the last look [s].
        error_us: how far the system's clock is ahead of the steady one [µs].
        noticed_s: monotonic time at which it was seen to step to where it is [s]; None
            while both agree.
        kept_s: monotonic time at which witnesses last were against the step [s].
    """

    looked_s: float
    error_us: int = 0
    noticed_s: float | None = None
    kept_s: float | None = None


def steer(
    before: Steering, error_us: int, now_s: float, bias_us: int | None
) -> tuple[Steering, int]:
    """One look at the system's clock.

    Args:
        error_us: how far it is ahead of the steady clock now [µs].
        now_s: monotonic time [s].
        bias_us: how far other clocks that agree with one another are ahead of the
            steady one [µs], heard since the step was noticed; None with too few.

    Returns:
        What is known now, and how far to move the steady clock [µs]: a little to take
        back drift, ``error_us`` to follow a step, 0 to go on.
    """
    if abs(error_us) < STEP_US:
        most_us = round(max(0.0, now_s - before.looked_s) * SLEW_US_PER_S)
        move_us = max(-most_us, min(error_us, most_us))
        return Steering(now_s, error_us - move_us), move_us
    stepped = abs(error_us - before.error_us) >= STEP_US
    if before.noticed_s is None or stepped:
        return Steering(now_s, error_us, noticed_s=now_s), 0
    unlooked_s = max(0.0, now_s - before.looked_s - LOOKED_S)
    noticed_s = before.noticed_s + unlooked_s
    kept_s = None if before.kept_s is None else before.kept_s + unlooked_s
    now = Steering(now_s, error_us, noticed_s, kept_s)
    if bias_us is not None and abs(error_us) >= VOTE_US:
        ours_us, theirs_us = abs(bias_us), abs(bias_us - error_us)
        # Clear only if one of them is nearer by half of what they differ.
        if 2 * (ours_us - theirs_us) >= abs(error_us):
            return Steering(now_s), error_us
        if 2 * (theirs_us - ours_us) >= abs(error_us):
            return replace(now, kept_s=now_s), 0
    if now_s - max(noticed_s, kept_s or 0.0) >= PATIENCE_S:
        return Steering(now_s), error_us
    return now, 0


class SteadyClock:
    """A clock that does not follow a step of the one it is made from by itself.

    It advances with monotonic time. Any thread may read it; one of them looks now and
    then (``look``), which is the only thing that moves it.

    Attributes:
        steering: what is known of the clock below.
    """

    def __init__(self, clock: Clock) -> None:
        """Begin where the clock is.

        Args:
            clock: its monotonic time must run as fast as its wall time, also where
                both are scaled.
        """
        self._clock = clock
        self.restart()

    def restart(self) -> None:
        """Begin where the clock is now; for who has judged nothing by this one yet."""
        now_s = self._clock.monotonic_s()
        self._base_us = self._clock.now_us() - _us(now_s)
        self.steering = Steering(now_s)

    def now_us(self) -> int:
        return self._base_us + _us(self._clock.monotonic_s())

    def monotonic_s(self) -> float:
        return self._clock.monotonic_s()

    @property
    def noticed_us(self) -> int | None:
        """When a step was noticed that is not decided or not followed [µs UTC]."""
        noticed_s = self.steering.noticed_s
        return None if noticed_s is None else self._base_us + _us(noticed_s)

    def look(self, bias_us: int | None = None) -> int:
        """Compare with the clock below; returns how far this one was moved [µs].

        Args:
            bias_us: what witnesses say that were heard since ``noticed_us``; None when
                there are too few.
        """
        now_s = self._clock.monotonic_s()
        error_us = self._clock.now_us() - self._base_us - _us(now_s)
        self.steering, move_us = steer(self.steering, error_us, now_s, bias_us)
        self._base_us += move_us
        return move_us


def _us(seconds: float) -> int:
    return round(seconds * US_PER_S)
