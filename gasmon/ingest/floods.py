"""Mines that send far more than mines do: counted and said, never held back (pure).

A broker gives its messages in the order in which they came, so what one mine sends too
much of goes before its neighbours' frames, and their alarms wait (docs/brokers.md has
how long). Only the broker can hold a sender back; who it is must be seen here.
The pump counts, the evaluating thread asks (``now``) and makes an alarm of it.
"""

import threading
from collections import Counter

from gasmon.ingest.topics import parse_topic
from gasmon.units import US_PER_MIN

_TOPICS = 20_000
"""Topics whose mine is remembered; all of them are forgotten beyond it."""


class Floods:
    """Messages of each mine by the minute; counted and asked from any thread.

    Attributes:
        per_minute: messages of one mine in a minute that are not a flood yet.
        flooding: mines above the limit in this minute or the last one, with the
            messages of the fuller one of the two; as of the last message of all.
        total: messages above the limit since the start.
        busiest: most messages of one mine in the last whole minute.
    """

    def __init__(self, per_minute: int) -> None:
        """Begin with nothing counted.

        Args:
            per_minute: messages of one mine in a minute that are not a flood yet.
        """
        self.flooding: dict[str, int] = {}
        self.total = 0
        self.busiest = 0
        self.per_minute = per_minute
        self._lock = threading.Lock()
        self._minute = 0
        self._counts: Counter[str] = Counter()
        self._mine_of: dict[str, str] = {}

    def count(self, topic: str, arrived_us: int) -> str | None:
        """Count one message.

        Args:
            arrived_us: time of arrival [µs UTC].

        Returns:
            What is to be said in the log now; None mostly.
        """
        with self._lock:
            return self._count(topic, arrived_us // US_PER_MIN)

    def now(self, now_us: int) -> dict[str, int]:
        """What ``flooding`` is at a moment, also when nothing comes any more.

        Args:
            now_us: by the clock that stamps arrivals [µs UTC].

        Returns:
            Messages in the fuller of this minute and the last, by mine.
        """
        with self._lock:
            # Below 0: a message of the next minute came while we looked at the clock.
            passed = now_us // US_PER_MIN - self._minute
            if passed in (-1, 0):
                return dict(self.flooding)
            return self._above(self._counts) if passed == 1 else {}

    def _count(self, topic: str, minute: int) -> str | None:
        ended = self._turn(minute)
        mine = self._mine(topic)
        if not mine:
            return ended
        self._counts[mine] += 1
        n = self._counts[mine]
        if n <= self.per_minute:
            return ended
        self.total += 1
        begins = mine not in self.flooding
        self.flooding[mine] = max(n, self.flooding.get(mine, 0))
        if not begins:
            return ended
        return (
            f"mine {mine} floods: more than {self.per_minute} messages in a minute"
            " (mqtt.flood_per_minute); frames of other mines wait behind them"
        )

    def _turn(self, minute: int) -> str | None:
        """Begin another minute; says which mines do not flood any more."""
        if minute == self._minute:
            return None
        # Of a clock that was set, too, what is counted belongs to no present minute.
        last = self._counts if minute == self._minute + 1 else Counter[str]()
        self._minute, self._counts = minute, Counter()
        self.busiest = max(last.values(), default=0)
        still = self._above(last)
        ended = sorted(set(self.flooding) - set(still))
        self.flooding = still
        return f"no flood any more of {', '.join(ended)}" if ended else None

    def _above(self, counts: Counter[str]) -> dict[str, int]:
        return {mine: n for mine, n in counts.items() if n > self.per_minute}

    def _mine(self, topic: str) -> str:
        """The mine that a topic is of; empty for none."""
        mine = self._mine_of.get(topic)
        if mine is None:
            if len(self._mine_of) >= _TOPICS:
                self._mine_of.clear()
            try:
                mine = parse_topic(topic).mine
            except ValueError:
                mine = ""
            self._mine_of[topic] = mine
        return mine
