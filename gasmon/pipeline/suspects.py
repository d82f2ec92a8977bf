"""Packets that made judging fail: tried alone, then refused by name (pure).

Nothing that a mine sends should ever raise. Should it all the same, one packet may not
stop the judging of a whole county: whoever failed begins anew from the engine's log,
with the packets of that turn under suspicion. Each is then judged by itself, and the
one that fails alone is refused; the others go on.
"""

from collections.abc import Iterator, Sequence
from hashlib import blake2b

from gasmon.batch import Packet, Reject

MOST = 10_000
"""Packets under suspicion at once; above a window of the broker (2,000)."""

FIRST_BYTES = 256


class Poisoned(Exception):
    """Judging failed, and the engine may be half changed: begin anew."""


class Suspects:
    """Who is tried alone, and who is refused.

    Attributes:
        n_blameless: failures for which no packet can be blamed.
    """

    def __init__(self) -> None:
        self.n_blameless = 0
        self._tried: set[bytes] = set()
        self._refused: dict[bytes, str] = {}

    @property
    def n_tried(self) -> int:
        """Packets under suspicion."""
        return len(self._tried)

    def sift(self, packets: Sequence[Packet]) -> tuple[list[Packet], list[Reject]]:
        """Those that may be judged, and a refusal for each of the others."""
        if not self._refused:
            return list(packets), []
        taken, rejects = [], []
        for packet in packets:
            why = self._refused.get(_digest(packet))
            if why is None:
                taken.append(packet)
            else:
                rejects.append(_reject(packet, why))
        return taken, rejects

    def groups(self, packets: Sequence[Packet]) -> Iterator[Sequence[Packet]]:
        """Cut packets, in their order, so that each suspect stands alone."""
        if not self._tried:
            yield packets
            return
        begin = 0
        for place, packet in enumerate(packets):
            if _digest(packet) in self._tried:
                if begin < place:
                    yield packets[begin:place]
                yield [packet]
                begin = place + 1
        if begin < len(packets) or not packets:
            yield packets[begin:]

    def blame(self, packets: Sequence[Packet], error: BaseException) -> bool:
        """Judging these together failed; returns whether any of them is suspected."""
        if len(packets) == 1:
            self._refused[_digest(packets[0])] = f"{type(error).__name__}: {error}"
            return True
        if len(self._tried) > MOST:
            self._tried.clear()
        self._tried.update(_digest(packet) for packet in packets)
        return bool(packets)


def _digest(packet: Packet) -> bytes:
    made = blake2b(packet.topic.encode("utf-8", "replace"), digest_size=16)
    made.update(packet.payload)
    return made.digest()


def _reject(packet: Packet, why: str) -> Reject:
    return Reject(
        reason="judge_failed",
        detail=f"judging it failed, which is a mistake of ours: {why}"[:2000],
        topic=packet.topic[:300],
        mine=None,
        run=0,
        arrived_us=packet.arrived_us,
        first_bytes=packet.payload[:FIRST_BYTES],
        size=len(packet.payload),
        where="packet",
    )
