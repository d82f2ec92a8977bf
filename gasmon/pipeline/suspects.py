"""Packets that made judging fail: tried alone, then refused by name (pure).

Nothing that a mine sends should ever raise. Should it all the same, one packet may not
stop the judging of a whole county: whoever failed begins anew from the engine's log,
with the packets of that turn under suspicion. Each is then judged by itself, and the
one that fails alone is set aside; the others go on.

Whether it is the packet or we shows when another one is judged well: then what was set
aside is refused, and no sooner. Failures in a row, of several mines and with nothing
judged well in between, are a mistake of ours that hits every frame. Refusing those one
by one would let the broker forget them all.
"""

from collections.abc import Iterator, Sequence
from hashlib import blake2b

from gasmon.batch import Packet, Reject
from gasmon.errors import GasmonError
from gasmon.ingest.topics import parse_topic

MOST = 10_000
"""Packets under suspicion at once; above a window of the broker (2,000)."""

FAILURES_MOST = 100
"""Failures in a row that end the process, however few mines they are of: a site of one
mine has no other to judge. At two seconds each these are some minutes. Ours."""

FIRST_BYTES = 256


class Poisoned(Exception):
    """Judging failed, and the engine may be half changed: begin anew."""


class NothingJudged(GasmonError):
    """Judging fails whatever is sent: a mistake of ours, so the process must end."""


class Suspects:
    """Who is tried alone, and who is refused.

    Attributes:
        n_blameless: failures for which no packet can be blamed.
        n_failed: turns with packets that failed since readings were judged well.
    """

    def __init__(self, mines_limit: int = 3) -> None:
        """Nobody is suspected.

        Args:
            mines_limit: a row of failures of so many mines is our own mistake.
        """
        self.n_blameless = 0
        self.n_failed = 0
        self._mines_limit = mines_limit
        self._mines: set[str] = set()
        self._tried: set[bytes] = set()
        self._failed: dict[bytes, str] = {}

    @property
    def n_tried(self) -> int:
        """Packets under suspicion."""
        return len(self._tried)

    @property
    def problem(self) -> str | None:
        """What is wrong now, for people; None when the last readings went well."""
        if self.n_failed == 0:
            return None
        who = f" ({', '.join(sorted(self._mines)[:5])})" if self._mines else ""
        return (
            f"judging failed {self.n_failed} times in a row{who} and no reading was"
            " judged since; the frames wait at the broker"
        )

    def sift(self, packets: Sequence[Packet]) -> tuple[list[Packet], list[Packet]]:
        """Those that may be judged, and those that failed alone."""
        if not self._failed:
            return list(packets), []
        failed = [packet for packet in packets if _digest(packet) in self._failed]
        known = {id(packet) for packet in failed}
        return [packet for packet in packets if id(packet) not in known], failed

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
        """Judging these together failed; returns whether any of them is suspected.

        Raises:
            NothingJudged: it is not the packets.
        """
        if not packets:
            return False
        self.n_failed += 1
        if len(packets) == 1:
            (packet,) = packets
            self._failed[_digest(packet)] = f"{type(error).__name__}: {error}"
            self._mines.add(_sender(packet))
        else:
            if len(self._tried) > MOST:
                self._tried.clear()
            self._tried.update(_digest(packet) for packet in packets)
        if len(self._mines) >= self._mines_limit or self.n_failed >= FAILURES_MOST:
            raise NothingJudged(f"{self.problem}: a mistake of ours") from error
        return True

    def went_well(self) -> None:
        """Readings were judged: what failed before them did so by itself."""
        self.n_failed = 0
        self._mines.clear()

    def refusal(self, packet: Packet) -> Reject:
        """What is stored of one that failed alone."""
        why = self._failed[_digest(packet)]
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


def _digest(packet: Packet) -> bytes:
    """What is the same when it comes again, by the broker or as back-fill.

    What is refused is missing between its neighbours, so the gateway is asked for it.
    """
    stem, slash, channel = packet.topic.rpartition("/")
    topic = stem + slash + ("data" if channel == "backfill" else channel)
    made = blake2b(topic.encode("utf-8", "replace"), digest_size=16)
    made.update(packet.payload)
    return made.digest()


def _sender(packet: Packet) -> str:
    """The mine that sent it; where the topic names none, the topic itself."""
    try:
        return parse_topic(packet.topic).mine or packet.topic[:100]
    except ValueError:
        return packet.topic[:100]
