"""Putting upload files back in order after a reconnect: by their times (pure).

Files are not counted, so nobody knows whether one is missing before another. What is
known is when each was written, and that whatever was under way comes again within the
hold. So for that while the files of values of a mine that are newer than what was
judged wait for one another, and leave by their upload times
(`docs/decisions/0013-resequencing.md`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from gasmon.batch import Packet
from gasmon.ingest.dedupe import SeenFrames
from gasmon.ingest.fields import PayloadError
from gasmon.ingest.topics import Topic, parse_topic
from gasmon.ingest.upload.cells import read_time
from gasmon.ingest.upload.names import split_type
from gasmon.ingest.upload.receive import START, second_of, second_of_number

ORDERED = ("CDSS", "FZSS")
"""Types with values. Definitions go ahead, by their own revisions; events and
statistics are evidence, and the last word of each counts in any order."""

HEAD_BYTES = 1000
"""In which the header is looked for: fifty fields of twenty bytes."""

_TIME = re.compile(
    rb"[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}[ T][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}"
)
"""Digits are the same bytes in every encoding of these files. The header stands first,
and its time is the only one with a clock in it; without one it is the first record's.
To be fooled about the order only disturbs the order."""


def peek_second(payload: bytes) -> int | None:
    """When a file was written [s since 2000], or None when it does not say so."""
    found = _TIME.search(payload, 0, HEAD_BYTES)
    if found is None:
        return None
    try:
        at_us = read_time(found[0].decode())
    except PayloadError:
        return None
    return None if at_us is None else second_of(at_us)


@dataclass(slots=True)
class _Mine:
    """The files of one mine that wait.

    Attributes:
        until_s: when they leave [s, monotonic].
        waiting: (second, order of arrival, packet).
    """

    until_s: float
    waiting: list[tuple[int, int, Packet]] = field(default_factory=list)

    def in_order(self) -> Iterator[Packet]:
        """By their times; those of one second as they arrived."""
        return (packet for *_, packet in sorted(self.waiting, key=lambda w: w[:2]))


class FileOrder:
    """Holds files of values for a while; not thread-safe."""

    def __init__(self, seen: SeenFrames, per_mine: int) -> None:
        """Begin with nothing held.

        Args:
            seen: which files were accepted; read only.
            per_mine: files held of one mine.
        """
        self._seen = seen
        self._per_mine = per_mine
        self._mines: dict[tuple[int, str], _Mine] = {}
        self._count = 0

    def take(self, packet: Packet, until_s: float) -> list[Packet] | None:
        """Hold a file, or pass it on.

        Args:
            packet: a message on `file/{TYPE}`.
            until_s: when a hold that begins now ends [s, monotonic].

        Returns:
            None when it is held; else what to pass on now: itself, or all that were
            held of its mine with it, when they are too many.
        """
        topic = _ordered_topic(packet)
        second = None if topic is None else peek_second(packet.payload)
        if topic is None or second is None or second <= self._newest(topic):
            return [packet]
        place = topic.run, topic.mine
        mine = self._mines.setdefault(place, _Mine(until_s))
        self._count += 1
        mine.waiting.append((second, self._count, packet))
        if len(mine.waiting) <= self._per_mine:
            return None
        del self._mines[place]
        return list(mine.in_order())

    def due(self, now_s: float) -> list[Packet]:
        """Those whose hold is over; `inf` ends all [s, monotonic]."""
        over = [key for key, mine in self._mines.items() if now_s >= mine.until_s]
        return [packet for key in over for packet in self._mines.pop(key).in_order()]

    def next_s(self) -> float:
        """When the next hold ends [s, monotonic]; `inf` when nothing waits."""
        return min((mine.until_s for mine in self._mines.values()), default=_NEVER_S)

    def _newest(self, topic: Topic) -> float:
        """Second of the newest file that was taken; `inf` when none is known, for then
        there is nothing that one could be too early for."""
        for boot, seq in reversed(
            self._seen.newest_of_boots(topic.run, topic.mine).items()
        ):
            if boot.startswith(START):
                return second_of_number(seq)
        return _NEVER_S


_NEVER_S = float("inf")


def _ordered_topic(packet: Packet) -> Topic | None:
    """The topic of a file that may be held; None passes it on.

    Without a number of the broker it lay in the drop folder, which is read in order.
    """
    if not packet.mid:
        return None
    try:
        topic = parse_topic(packet.topic)
        _, file_type = split_type(topic.detail)
    except ValueError:
        return None
    return topic if file_type in ORDERED else None
