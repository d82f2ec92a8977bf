"""The gateway's memory of its last frames, in order, bounded."""

from collections import OrderedDict


class FrameRing:
    """Frames by ``seq`` until newer ones push them out.

    Acknowledged frames stay for requests to send them again; a frame that is pushed
    out before the broker acknowledged it is lost, and counted.

    Attributes:
        dropped: frames pushed out unacknowledged.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a ring of {capacity} frames")
        self._capacity = capacity
        self._frames: OrderedDict[int, bytes] = OrderedDict()
        self._open: set[int] = set()
        self.dropped = 0

    @property
    def n_open(self) -> int:
        """Frames that the broker has not acknowledged yet."""
        return len(self._open)

    def add(self, seq: int, payload: bytes) -> None:
        """Keep a new frame; the oldest leaves when the ring is full."""
        self._frames[seq] = payload
        self._open.add(seq)
        if len(self._frames) > self._capacity:
            oldest, _ = self._frames.popitem(last=False)
            if oldest in self._open:
                self._open.remove(oldest)
                self.dropped += 1

    def get(self, seq: int) -> bytes | None:
        """The frame, or None when it has been pushed out."""
        return self._frames.get(seq)

    def acknowledge(self, seq: int) -> None:
        """The broker has the frame; a second time does nothing."""
        self._open.discard(seq)

    def kept(self, first: int, last: int) -> list[int]:
        """Numbers in [first, last] that are still here, ascending."""
        return [seq for seq in self._frames if first <= seq <= last]
