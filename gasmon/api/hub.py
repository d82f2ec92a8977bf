"""From the follower to every client: one bounded queue each, never a wait.

``publish`` is a plain function: it appends to queues and wakes their owners. A client
whose queue is full is cut off (close code 1013) and resumes from its position: the
others must not wait for it, and dropping single frames would break its stream.

A queue of ``api.client_queue_frames`` = 1000 entries holds references to bodies that
all clients share, so a full one costs about 1000 × 8 bytes and the bodies (1.2 kB each,
once); a city's burst of 259 mines × a few alarms fits in it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from gasmon.store.outbox import Told
from gasmon.store.scope import Scope
from gasmon.telemetry import Metrics


class Subscriber:
    """One client's place in the hub.

    Attributes:
        queue: entries that match, not taken yet.
        seen: everything up to this number was looked at and, if it matched, queued.
        wake: set when there is something to take.
        gone: set when the client was cut off.
        cut: None while all is well, else the close code and its reason.
    """

    def __init__(
        self,
        scope: Scope,
        wants: Callable[[Told], bool],
        limit: int,
        seen: int,
        told: int,
        for_mine: bool,
        with_drills: bool,
    ) -> None:
        self.queue: deque[Told] = deque()
        self.seen = seen
        self.wake = asyncio.Event()
        self.gone = asyncio.Event()
        self.cut: tuple[int, str] | None = None
        self._scope = scope
        self._wants = wants
        self._limit = limit
        self._told = told
        self._for_mine = for_mine
        self._with_drills = with_drills

    def offer(self, entry: Told) -> None:
        """Queue an entry if it is this client's; cut the client off when it is full."""
        self.seen = entry.seq
        # What was read from the outbox before joining must not fill the queue again:
        # such a client may be ahead of the follower.
        if entry.seq <= self._told or self.cut is not None:
            return
        if entry.run != 0 and not self._with_drills:
            return
        if not self._scope.allows(entry.area, entry.mine):
            return
        if entry.mine_only and not self._for_mine:
            return
        if not self._wants(entry):
            return
        if len(self.queue) >= self._limit:
            self.cut_off(1013, f"too slow: {self._limit} frames waiting; resume")
            return
        self.queue.append(entry)
        self.wake.set()

    def cut_off(self, code: int, reason: str) -> None:
        """End this client's stream; what waits is forgotten, it will resume."""
        if self.cut is None:
            self.cut = (code, reason)
            self.queue.clear()
            self.gone.set()


class Hub:
    """All clients of this process, and how far the outbox was told to them.

    Attributes:
        epoch: of the outbox; empty until the follower knows it.
        position: number of the newest entry that was published.
        complete_to_us: when the outbox was last seen to hold nothing newer; where
            another node judges, up to when its alarms are here [µs UTC].
        ready: set while epoch and position are known.
    """

    def __init__(self, metrics: Metrics) -> None:
        self.epoch = ""
        self.position = 0
        self.complete_to_us = 0
        self.ready = asyncio.Event()
        self._subscribers: set[Subscriber] = set()
        self._published = metrics.counter(
            "gasmon_api_events_published_total", "events handed to streams"
        )
        metrics.gauge("gasmon_api_stream_clients", "clients of event streams").follow(
            lambda: len(self._subscribers)
        )
        metrics.gauge(
            "gasmon_api_stream_queue_frames", "longest queue of a client"
        ).follow(lambda: max((len(s.queue) for s in self._subscribers), default=0))
        metrics.gauge(
            "gasmon_api_outbox_position", "newest event told to streams"
        ).follow(lambda: self.position)

    def start_at(self, epoch: str, position: int, now_us: int) -> None:
        """Begin at a position, or notice that the database began another life.

        Called again and again with what the outbox says; while it is the same life
        nothing happens. An outbox that retention has emptied is the same life.
        """
        same = epoch == self.epoch and (position >= self.position or position == 0)
        if self.ready.is_set() and same:
            return
        if self.epoch:
            self.close_all(1012, "the database began another life; resume")
        self.epoch, self.position, self.complete_to_us = epoch, position, now_us
        self.ready.set()

    def join(
        self,
        scope: Scope,
        wants: Callable[[Told], bool],
        limit: int,
        told: int = 0,
        *,
        for_mine: bool = False,
        with_drills: bool = False,
    ) -> Subscriber:
        """Take part from ``position`` on: every later entry will be offered.

        Args:
            scope: what the client may see.
            wants: whether an entry of this scope is asked for.
            limit: entries that may wait.
            told: the client has everything up to this number already.
            for_mine: it looks at one mine, or is one: pre-warnings are for it.
            with_drills: it asked for those of drills, beside the real ones.
        """
        subscriber = Subscriber(
            scope, wants, limit, self.position, told, for_mine, with_drills
        )
        self._subscribers.add(subscriber)
        return subscriber

    def leave(self, subscriber: Subscriber) -> None:
        """Take part no longer."""
        self._subscribers.discard(subscriber)

    def publish(self, entries: Iterable[Told]) -> None:
        """Offer entries, in order, to everybody; never waits."""
        for entry in entries:
            assert entry.seq > self.position, (entry.seq, self.position)
            self.position = entry.seq
            self._published.inc()
            for subscriber in self._subscribers:
                subscriber.offer(entry)

    def close_all(self, code: int, reason: str) -> None:
        """Cut every client off."""
        for subscriber in self._subscribers:
            subscriber.cut_off(code, reason)
