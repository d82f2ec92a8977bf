"""The threads of one loop: begun together, ended together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from gasmon.clock import Clock


class Threads:
    """Threads that live as long as each other; any thread may end them.

    Args:
        guarded: runs what a thread is for, and deals with how it fails.
        clock: by whose monotonic time is waited.
    """

    def __init__(
        self, guarded: Callable[[Callable[[], None]], None], clock: Clock
    ) -> None:
        """None yet."""
        self._guarded = guarded
        self._clock = clock
        self._threads: list[threading.Thread] = []
        # The first may fail, and have all of them ended, before the last has begun.
        self._starting = threading.Lock()

    def start(self, targets: Mapping[str, Callable[[], None]]) -> None:
        """Begin a thread for each name."""
        with self._starting:
            for name, target in targets.items():
                thread = threading.Thread(
                    target=self._guarded,
                    args=(target,),
                    name=f"gasmon[{name}]",
                    daemon=True,
                )
                thread.start()
                self._threads.append(thread)

    def join(self, timeout_s: float) -> None:
        """Wait until all have ended, but no longer than this [s]."""
        deadline_s = self._clock.monotonic_s() + timeout_s
        with self._starting:
            threads = tuple(self._threads)
        for thread in threads:
            thread.join(max(0.0, deadline_s - self._clock.monotonic_s()))
