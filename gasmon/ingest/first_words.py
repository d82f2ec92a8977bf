"""Data of a mine that has not introduced itself yet waits a moment for it.

What a broker kept for us while we were away comes as soon as we are connected, and
before the retained definitions that subscribing brings. Where we were killed before the
first definition of a mine was stored, its values would be judged without limits, and
their alarms begin when it comes, a breath and some seconds of readings too late.
"""

from collections.abc import Callable, Sequence

from gasmon.batch import Packet
from gasmon.ingest.order import Ordered

WAIT_S = 1.0
"""Data waits so long after a connection for its mine's definition [s]. Ours: retained
messages come within milliseconds of subscribing, and a mine that never defines itself
must not be heard late for it."""

LIMIT = 1000
"""Packets held in all, as in ``ingest.order``: they are not acknowledged, and those of
other mines must still get through. Then all are passed on."""

_WAITS = ("data", "backfill")


class FirstWords:
    """Holds data of mines without a definition after each new connection.

    Attributes:
        n_held: packets that are held now.
    """

    def __init__(
        self, is_defined: Callable[[str], bool], wait_s: float = WAIT_S
    ) -> None:
        """Begin without a connection; the first packets count as a new one.

        Args:
            is_defined: whether a mine, by its code, has told its points.
        """
        self._is_defined = is_defined
        self._wait_s = wait_s
        self._generation: int | None = None
        self._until_s = float("-inf")
        self._held: list[Packet] = []

    @property
    def n_held(self) -> int:
        return len(self._held)

    def next_wakeup_s(self) -> float | None:
        """When to call ``pass_on`` again [s, monotonic]; None when nothing waits."""
        return self._until_s if self._held else None

    def pass_on(self, packets: Sequence[Packet], now_s: float) -> Ordered:
        """Take packets in order and pass on what may be judged now.

        Args:
            packets: any channels; only frames are ever held.
            now_s: monotonic time [s].
        """
        if packets and packets[-1].generation != self._generation:
            self._generation = packets[-1].generation
            self._until_s = now_s + self._wait_s
        is_over = now_s >= self._until_s
        if is_over and not self._held:
            return Ordered(packets)
        out: list[Packet] = []
        held: list[Packet] = []
        for packet in packets:
            stem, _, channel = packet.topic.rpartition("/")
            if channel in _WAITS and not self._is_defined(stem[-12:]):
                self._held.append(packet)
                held.append(packet)
                continue
            out.append(packet)
            if channel == "points":
                # Whatever becomes of it: there is no second one to wait for.
                self._let_go(stem, out)
        # What came is looked at first: where nobody took packets for a while, a
        # definition among them came in time.
        if is_over or len(self._held) > LIMIT:
            out, self._held = [*out, *self._held], []
        return Ordered(out, held)

    def _let_go(self, stem: str, out: list[Packet]) -> None:
        waits = [packet.topic.rpartition("/")[0] == stem for packet in self._held]
        out += [p for p, own in zip(self._held, waits, strict=True) if own]
        self._held = [p for p, own in zip(self._held, waits, strict=True) if not own]
