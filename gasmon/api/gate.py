"""Checks of passwords, one at a time.

One takes a core for a tenth of a second and 64 MiB, by intention. In a process that
also judges readings few may wait for it, so that a crowd at the door, wanted or not,
takes nothing from alarms.
"""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from gasmon.errors import TooMany

MAX_WAITING = 50
"""Checks that may wait. Ours: a whole shift of a city at once, 5 s for the last one."""

CROWDED_S = 5
"""When those who did not fit may come again [s]."""

T = TypeVar("T")


class PasswordGate:
    """Lets one check through at a time."""

    def __init__(self, max_waiting: int = MAX_WAITING) -> None:
        self._max_waiting = max_waiting
        self._n_inside = 0
        self._one = asyncio.Lock()

    async def run(self, work: Callable[..., T], *args: Any) -> T:
        """Do the work in a thread when it is its turn.

        Raises:
            TooMany: too many wait already.
        """
        if self._n_inside > self._max_waiting:
            raise TooMany("many log in at once; try again", CROWDED_S)
        self._n_inside += 1
        try:
            async with self._one:
                return await asyncio.to_thread(work, *args)
        finally:
            self._n_inside -= 1
