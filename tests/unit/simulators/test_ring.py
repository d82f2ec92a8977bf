"""The gateway's ring of frames."""

from __future__ import annotations

import pytest

from simulators.ring import FrameRing


def test_frames_stay_in_order_and_the_oldest_leaves() -> None:
    """A full ring forgets its oldest frame and counts it when nobody had it."""
    ring = FrameRing(3)
    for seq in range(1, 4):
        ring.add(seq, b"%d" % seq)
    ring.acknowledge(1)
    ring.acknowledge(1)
    ring.add(4, b"4")
    assert (ring.dropped, ring.n_open) == (0, 3)
    ring.add(5, b"5")
    assert (ring.dropped, ring.n_open) == (1, 3)
    assert ring.kept(0, 99) == [3, 4, 5]
    assert ring.kept(4, 4) == [4]
    assert ring.get(2) is None
    assert ring.get(5) == b"5"


def test_a_ring_needs_room() -> None:
    """No capacity is a mistake of the caller."""
    with pytest.raises(ValueError, match="ring of 0"):
        FrameRing(0)
