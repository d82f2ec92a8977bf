"""Acknowledgements in order of arrival, whoever gives them when."""

from __future__ import annotations

from collections import deque


class AckOrder:
    """Message ids of one connection that the broker waits for; not thread-safe.

    MQTT wants PUBACKs in the order in which the PUBLISH packets came (MQTT 5, 4.6).
    One that is given early waits here for those before it.
    """

    def __init__(self) -> None:
        """Start with nothing owed."""
        self._owed: deque[int] = deque()
        self._given: set[int] = set()

    def __len__(self) -> int:
        """How many the broker waits for."""
        return len(self._owed)

    def arrived(self, mid: int) -> None:
        """Note a message that must be acknowledged later."""
        self._owed.append(mid)

    def refused(self) -> None:
        """Take the last arrival back: it will never be acknowledged."""
        self._owed.pop()

    def give(self, mid: int) -> list[int]:
        """Acknowledge a message.

        Returns:
            The ids to send now, in order: none while an earlier one is owed.
        """
        self._given.add(mid)
        ready = []
        while self._owed and self._owed[0] in self._given:
            first = self._owed.popleft()
            self._given.discard(first)
            ready.append(first)
        return ready

    def renew(self) -> None:
        """Forget everything: a new connection counts anew."""
        self._owed.clear()
        self._given.clear()
