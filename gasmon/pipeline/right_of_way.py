"""Who goes first where judging, recording and storing want the same two processors.

All of them use the interpreter, one at a time, and the database's log and disk. What
is judged may be an alarm, and what was judged to be one is waited for by people; the
storing of readings is waited for by nobody but the broker. So it stands aside while
frames are judged and events are on their way: before it begins, and between its parts,
but not for ever.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from gasmon.clock import Clock

GIVE_WAY_S = 0.02
"""Ordinary storing stands aside for so long in all, each transaction [s]: events take
5 ms, and it may not wait for ever while alarms never cease. Ours."""


TELLING_S = 0.002
"""Storing stands aside for so long after events were recorded [s]: another process
hears of them and tells platforms in a millisecond, on the same processors. Ours."""


class RightOfWay:
    """Of the judging thread and the lane of events, before the storing thread."""

    def __init__(self, clock: Clock) -> None:
        """Nothing is on its way; storing stands aside for nobody yet."""
        self._clock = clock
        self._lock = threading.Lock()
        self._is_clear = threading.Event()
        self._is_clear.set()
        self._is_judging = False
        self._n_events = 0
        self._left_s = 0.0
        self._told_s = float("-inf")

    # For those who go first

    @contextmanager
    def judging(self) -> Iterator[None]:
        """Frames are judged within it."""
        with self._lock:
            self._is_judging = True
            self._is_clear.clear()
        try:
            yield
        finally:
            with self._lock:
                self._is_judging = False
                self._tell()

    def set_out(self) -> None:
        """A turn's events are on their way to the database."""
        with self._lock:
            self._n_events += 1
            self._is_clear.clear()

    def arrive(self, n: int = 1, *, is_recorded: bool = True) -> None:
        """The events of so many turns are recorded, or take the long way.

        Args:
            is_recorded: somebody is told of them now.
        """
        with self._lock:
            self._n_events -= n
            if is_recorded:
                self._told_s = self._clock.monotonic_s() + TELLING_S
            self._tell()

    def _tell(self) -> None:
        if self._n_events == 0 and not self._is_judging:
            self._is_clear.set()

    # For the storing thread

    def allow(self, is_patient: bool) -> None:
        """A transaction begins.

        Args:
            is_patient: it can wait; a backlog cannot, for it would grow.
        """
        self._left_s = GIVE_WAY_S if is_patient else 0.0

    def give_way(self) -> bool:
        """Let pass what goes first.

        Returns:
            False when it did not pass in the time that this transaction has.
        """
        began_s = self._clock.monotonic_s()
        is_told = began_s >= self._told_s
        if self._left_s <= 0 or (self._is_clear.is_set() and is_told):
            return self._is_clear.is_set()
        is_clear = self._is_clear.wait(self._left_s)
        rest_s = min(began_s + self._left_s, self._told_s) - self._clock.monotonic_s()
        if is_clear and rest_s > 0:
            time.sleep(rest_s)
        self._left_s -= self._clock.monotonic_s() - began_s
        return is_clear
