"""Acknowledgements in order of arrival, whoever gives them when."""

from __future__ import annotations

from collections import Counter, deque


class AckOrder:
    """Message ids of one connection that the broker waits for; not thread-safe.

    MQTT wants PUBACKs in the order in which the PUBLISH packets came (MQTT 5, 4.6).
    One that is given early waits here for those before it.

    An id may be owed several times: the embedded broker sends a message again under
    its old id on the same connection when `ack_wait` runs out. Each arrival is owed
    and given once, so that a copy neither blocks those behind it nor acknowledges a
    message that was not given.
    """

    def __init__(self) -> None:
        """Start with nothing owed."""
        self._owed: deque[int] = deque()
        self._n_owed: Counter[int] = Counter()
        self._n_given: Counter[int] = Counter()

    def __len__(self) -> int:
        """How many the broker waits for."""
        return len(self._owed)

    def arrived(self, mid: int) -> None:
        """Note a message that must be acknowledged later."""
        self._owed.append(mid)
        self._n_owed[mid] += 1

    def refused(self) -> None:
        """Take the last arrival back: it will never be acknowledged."""
        self._forget(self._owed.pop(), self._n_owed)

    def give(self, mid: int) -> list[int]:
        """Acknowledge a message.

        Returns:
            The ids to send now, in order: none while an earlier one is owed, or when
            nothing is owed under this id.
        """
        if self._n_given[mid] >= self._n_owed[mid]:
            return []
        self._n_given[mid] += 1
        ready = []
        while self._owed and self._n_given[self._owed[0]]:
            first = self._owed.popleft()
            self._forget(first, self._n_owed)
            self._forget(first, self._n_given)
            ready.append(first)
        return ready

    def renew(self) -> None:
        """Forget everything: a new connection counts anew."""
        self._owed.clear()
        self._n_owed.clear()
        self._n_given.clear()

    @staticmethod
    def _forget(mid: int, counts: Counter[int]) -> None:
        """Count one less; ids of 65,535 messages must not stay in memory."""
        counts[mid] -= 1
        if not counts[mid]:
            del counts[mid]
