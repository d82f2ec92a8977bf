"""Mines that send far more than mines do: counted and said, never held back (pure).

A broker gives its messages in the order in which they came, so what one mine sends too
much of goes before its neighbours' frames, and their alarms wait (docs/brokers.md has
how long). Only the broker can hold a sender back; who it is must be seen here.
"""

from collections import Counter

from gasmon.ingest.topics import parse_topic
from gasmon.units import US_PER_MIN

_TOPICS = 20_000
"""Topics whose mine is remembered; all of them are forgotten beyond it."""


class Floods:
    """Messages of each mine by the minute; not thread-safe.

    Attributes:
        flooding: mines above the limit in this minute or the last one, with the
            messages of the fuller one of the two.
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
        self._per_minute = per_minute
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
        ended = self._turn(arrived_us // US_PER_MIN)
        mine = self._mine(topic)
        if not mine:
            return ended
        self._counts[mine] += 1
        n = self._counts[mine]
        if n <= self._per_minute:
            return ended
        self.total += 1
        begins = mine not in self.flooding
        self.flooding[mine] = max(n, self.flooding.get(mine, 0))
        if not begins:
            return ended
        return (
            f"mine {mine} floods: more than {self._per_minute} messages in a minute"
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
        still = {mine: n for mine, n in last.items() if n > self._per_minute}
        ended = sorted(set(self.flooding) - set(still))
        self.flooding = still
        return f"no flood any more of {', '.join(ended)}" if ended else None

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
