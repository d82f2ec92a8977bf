"""How often a mine may say what it is, and whether it is there (pure).

A definition takes time to read and memory for good; each end of a connection is an
alarm that is told to everybody. So a flood of either would cost others. Above a limit
the newest one waits until there is room again; those that it replaces meanwhile are
counted and never read. All are acknowledged: the broker keeps the newest for every new
connection.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gasmon.batch import Packet, Reject
from gasmon.ingest.topics import parse_topic
from gasmon.units import US_PER_MIN

_REASONS = {"points": "definitions", "state": "states"}
"""What is limited: channel → the word for it."""

_BUCKETS = 20_000
"""Topics with a bucket of their own; full ones are forgotten beyond it."""


@dataclass(slots=True)
class _Bucket:
    """What a mine may still send, and since when it fills; ``held`` waits for it."""

    room: float
    at_us: int
    held: Packet | None = None


class DefinitionRate:
    """Lets the definitions and states of each mine pass, some a minute."""

    def __init__(self, per_minute: int | None) -> None:
        """Begin with nothing held.

        Args:
            per_minute: definitions taken of one mine, at once or spread, and as many
                births and wills: a link that breaks each two seconds is told as broken
                or whole as often, and no event tells more. None takes all.
        """
        self._per_minute = per_minute
        self._buckets: dict[str, _Bucket] = {}
        self._waiting: set[str] = set()

    def pass_on(
        self, packets: Sequence[Packet], now_us: int
    ) -> tuple[Sequence[Packet], list[Reject]]:
        """What is to be read now, and what never will be.

        Args:
            packets: of all kinds, in order of arrival.
            now_us: when they are judged [µs UTC].

        Returns:
            Held definitions that have waited long enough, arriving now, then the
            packets without those that must wait; and refusals of replaced ones.
        """
        if self._per_minute is None:
            return packets, []
        passed = [self._release(text, now_us) for text in sorted(self._waiting)]
        out = [packet for packet in passed if packet is not None]
        replaced: dict[str, int] = {}
        for packet in packets:
            if not _is_limited(packet) or self._take(packet, now_us):
                out.append(packet)
                continue
            bucket = self._buckets[packet.topic]
            if bucket.held is not None:
                replaced[packet.topic] = replaced.get(packet.topic, 0) + 1
            bucket.held = packet
            self._waiting.add(packet.topic)
        return out, [self._reject(text, n, now_us) for text, n in replaced.items()]

    def _filled(self, text: str, now_us: int) -> _Bucket:
        most = float(self._per_minute or 0)
        bucket = self._buckets.get(text)
        if bucket is None:
            if len(self._buckets) >= _BUCKETS:
                self._forget_full(now_us)
            bucket = self._buckets[text] = _Bucket(most, now_us)
        passed_us = max(0, now_us - bucket.at_us)
        bucket.room = min(most, bucket.room + most * passed_us / US_PER_MIN)
        bucket.at_us = now_us
        return bucket

    def _forget_full(self, now_us: int) -> None:
        for text, bucket in list(self._buckets.items()):
            if bucket.held is None and now_us - bucket.at_us >= US_PER_MIN:
                del self._buckets[text]

    def _take(self, packet: Packet, now_us: int) -> bool:
        bucket = self._filled(packet.topic, now_us)
        if bucket.held is not None or bucket.room < 1:
            return False
        bucket.room -= 1
        return True

    def _release(self, text: str, now_us: int) -> Packet | None:
        bucket = self._filled(text, now_us)
        held = bucket.held
        if held is None or bucket.room < 1:
            return None
        bucket.room -= 1
        bucket.held = None
        self._waiting.discard(text)
        return replace(held, arrived_us=now_us)

    def _reject(self, text: str, n: int, now_us: int) -> Reject:
        topic = parse_topic(text)
        what = _REASONS[topic.channel]
        return Reject(
            reason=f"{what}_too_often",
            detail=f"mine {topic.mine}: more than {self._per_minute} {what} a"
            f" minute; {n} were replaced by newer ones before they were read",
            topic=text[:300],
            mine=topic.mine,
            run=topic.run,
            arrived_us=now_us,
            first_bytes=b"",
            size=0,
            where="definition" if topic.channel == "points" else "packet",
            n=n,
        )


def _is_limited(packet: Packet) -> bool:
    """Whether it is a definition or a state; decoding looks at anything else."""
    if not packet.topic.endswith(("/points", "/state")):
        return False
    try:
        return parse_topic(packet.topic).channel in _REASONS
    except ValueError:
        return False
