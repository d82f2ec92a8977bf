"""The bounded queue between the broker's thread and the evaluating loop.

Arithmetic of the limit: the broker may send `receive_window` messages before it must
see an acknowledgement, and a message is acknowledged only after its commit. So no more
than the window should ever be on the way, and an inbox of that size never be full: the
broker holds the rest back. 2,000 frames of 1.2 kB are 2.4 MB, and 39 s of a city at
one frame per mine and 5 s.

Brokers are less strict than that. Mosquitto 2.0.11 stops at the window, but once
acknowledgements flow it runs past it (measured: 4,577 under way at a window of 50);
the NATS server counts each subscription by itself. So the network thread waits a moment
for room, which makes TCP the back-pressure, and what still does not fit is left with
the broker (`mqtt.py`).
"""

from __future__ import annotations

import threading
from collections import deque

from gasmon.batch import Packet


class Inbox:
    """Packets in order of arrival; every method may be called from any thread."""

    def __init__(self, limit: int) -> None:
        """Start empty.

        Args:
            limit: Packets held at most, at least the broker's window.
        """
        assert limit > 0, limit
        self.limit = limit
        self._redelivers = False
        self._packets: deque[Packet] = deque()
        self._n_old = 0  # packets of older connections, all before the others
        self._changed = threading.Condition()
        self._closed = False
        self.n_evicted = 0

    @property
    def depth(self) -> int:
        """Packets waiting now."""
        return len(self._packets)

    @property
    def oldest_us(self) -> int | None:
        """Arrival of the packet that waits the longest [µs UTC]; None while empty."""
        with self._changed:
            return self._packets[0].arrived_us if self._packets else None

    @property
    def closed(self) -> bool:
        """Whether it takes nothing any more."""
        return self._closed

    def renew(self, *, redelivers: bool) -> None:
        """Say that a new connection began: what is in can not be acknowledged now.

        Args:
            redelivers: Whether the broker kept the session, so that it sends what
                was not acknowledged again. Then old packets may make room.
        """
        with self._changed:
            self._redelivers = redelivers
            self._n_old = len(self._packets)

    def put(self, packet: Packet, wait_s: float = 0.0) -> bool:
        """Append a packet.

        A packet of an older connection makes room when the broker will send it again:
        after a reconnect the whole window comes anew, and both would not fit.

        Args:
            packet: The packet.
            wait_s: Wait this long for room [s].

        Returns:
            False when it is full: the packet is not taken and must not be
            acknowledged.
        """
        with self._changed:
            fits = self._closed or self._has_room() or self._make_room()
            if not fits and wait_s > 0:
                self._changed.wait_for(lambda: self._closed or self._has_room(), wait_s)
            if self._closed or not self._has_room():
                return False
            self._packets.append(packet)
            self._changed.notify_all()
            return True

    def _has_room(self) -> bool:
        return len(self._packets) < self.limit

    def _make_room(self) -> bool:
        """Drop the newest packet of older connections, if the broker repeats it.

        The newest, because the broker repeats from the oldest on: what is left and
        what comes then follow each other in order. Dropping the oldest would put it
        behind its successors, and a late reading is judged less well.
        """
        if not self._redelivers:
            return False
        for i in reversed(range(self._n_old)):
            if self._packets[i].mid:
                del self._packets[i]
                self._n_old -= 1
                self.n_evicted += 1
                return True
        return False

    def take(self, max_n: int, idle_s: float) -> list[Packet]:
        """Take packets in order of arrival.

        Args:
            max_n: At most this many.
            idle_s: Without any, return empty after this time [s], so that rules that
                run on the clock still get their turn.

        Returns:
            Up to `max_n` packets; empty after `idle_s`, or when closed and drained.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._packets or self._closed, idle_s)
            n = min(max_n, len(self._packets))
            taken = [self._packets.popleft() for _ in range(n)]
            self._n_old = max(0, self._n_old - n)
            self._changed.notify_all()
            return taken

    def close(self) -> None:
        """Refuse further packets and wake whoever waits; what is in stays takeable."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
