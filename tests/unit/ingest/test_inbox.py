"""The inbox, the order of acknowledgements, and the memory of frames."""

from __future__ import annotations

import random
import threading

import pytest

from gasmon.batch import FrameKey, Packet
from gasmon.ingest.acks import AckOrder
from gasmon.ingest.dedupe import BOOTS_PER_MINE, ISLANDS, SeenFrames
from gasmon.ingest.inbox import Inbox
from tests.fix_wait import wait_until


def a_packet(mid: int, generation: int = 1) -> Packet:
    """Return a packet that is told by its number."""
    return Packet("t", b"", 0, False, generation, mid)


def test_packets_come_out_in_order_and_in_parts() -> None:
    """At most as many as asked for."""
    inbox = Inbox(10)
    for mid in range(1, 6):
        assert inbox.put(a_packet(mid))
    assert inbox.depth == 5
    assert [p.mid for p in inbox.take(3, 0.0)] == [1, 2, 3]
    assert [p.mid for p in inbox.take(3, 0.0)] == [4, 5]
    assert inbox.take(3, 0.01) == []


def test_a_full_inbox_refuses_and_waits_for_room() -> None:
    """Without a wait at once; with one, room that is made in time is used."""
    inbox = Inbox(1)
    assert inbox.put(a_packet(1))
    assert not inbox.put(a_packet(2))
    assert not inbox.put(a_packet(2), wait_s=0.01)
    done: list[bool] = []
    putter = threading.Thread(
        target=lambda: done.append(inbox.put(a_packet(3), wait_s=30))
    )
    putter.start()
    wait_until(lambda: inbox.take(1, 0.0))
    putter.join(30)
    assert done == [True]


def test_old_packets_make_room_only_when_they_come_again() -> None:
    """Of an older connection, with a kept session, and never QoS 0."""
    inbox = Inbox(2)
    inbox.put(a_packet(0))
    inbox.put(a_packet(1))
    inbox.renew(redelivers=False)
    assert not inbox.put(a_packet(5, 2))
    inbox.renew(redelivers=True)
    assert inbox.put(a_packet(5, 2))
    assert not inbox.put(a_packet(6, 2))
    assert inbox.n_evicted == 1
    assert [p.mid for p in inbox.take(5, 0.0)] == [0, 5]
    inbox.put(a_packet(0))
    inbox.put(a_packet(0))
    assert not inbox.put(a_packet(7, 2))


def test_what_makes_room_comes_again_in_order() -> None:
    """A full inbox and a broker that repeats all of it: never a step back.

    Dropping the oldest instead would pass 4 on before 1 came again, and 1 to 3 would
    be judged as late.
    """
    inbox = Inbox(4)
    for mid in (1, 2, 3, 4):
        inbox.put(a_packet(mid))
    inbox.renew(redelivers=True)
    taken: list[int] = []
    for mid in (1, 2, 3):
        assert inbox.put(a_packet(mid, 2))
    taken += [p.mid for p in inbox.take(2, 0.0)]
    assert inbox.put(a_packet(4, 2))
    taken += [p.mid for p in inbox.take(9, 0.0)]
    assert inbox.n_evicted == 3
    firsts = list(dict.fromkeys(taken))
    assert firsts == [1, 2, 3, 4]


def test_a_closed_inbox_is_drained_and_takes_nothing() -> None:
    """Waiting takers wake up at once."""
    inbox = Inbox(5)
    inbox.put(a_packet(1))
    inbox.close()
    assert inbox.closed
    assert not inbox.put(a_packet(2), wait_s=30)
    assert len(inbox.take(5, 30.0)) == 1
    assert inbox.take(5, 30.0) == []


def test_acknowledgements_leave_in_order_of_arrival() -> None:
    """Given in any order, sent in the order of arrival, each once."""
    rng = random.Random(7)
    for _ in range(50):
        acks = AckOrder()
        mids = rng.sample(range(1, 1000), 20)
        for mid in mids:
            acks.arrived(mid)
        sent: list[int] = []
        for mid in rng.sample(mids, 20):
            sent += acks.give(mid)
        assert sent == mids
        assert len(acks) == 0


def test_refused_and_renewed_acknowledgements() -> None:
    """A refused arrival does not hold up others; a new connection owes nothing."""
    acks = AckOrder()
    acks.arrived(1)
    acks.arrived(2)
    acks.refused()
    acks.arrived(3)
    assert acks.give(3) == []
    assert acks.give(1) == [1, 3]
    acks.arrived(9)
    acks.renew()
    assert (len(acks), acks.give(9)) == (0, [])


def test_a_copy_under_the_same_number_blocks_nobody() -> None:
    """Both copies of 2 are given while 1 is held back, as after a reconnect.

    With one note for both, the second copy waited for ever, with all behind it.
    """
    acks = AckOrder()
    for mid in (1, 2, 1, 2):
        acks.arrived(mid)
    assert acks.give(2) == []
    assert acks.give(2) == []
    assert acks.give(1) == [1, 2]
    assert acks.give(1) == [1, 2]
    acks.arrived(3)
    assert (acks.give(3), len(acks)) == ([3], 0)


def test_what_is_given_twice_does_not_acknowledge_the_next_of_its_number() -> None:
    """Numbers come round again: a late second giving must not lose a new message."""
    acks = AckOrder()
    acks.arrived(7)
    assert acks.give(7) == [7]
    assert acks.give(7) == []
    acks.arrived(7)
    acks.arrived(8)
    assert acks.give(8) == []
    assert len(acks) == 2
    assert acks.give(7) == [7, 8]


def test_a_refused_copy_leaves_the_first_owed() -> None:
    """The copy found no room; the first one is acknowledged when it is stored."""
    acks = AckOrder()
    acks.arrived(7)
    acks.arrived(7)
    acks.refused()
    assert (acks.give(7), len(acks)) == ([7], 0)


def key(seq: int, boot: str = "b", run: int = 0) -> FrameKey:
    """Return a frame's key."""
    return FrameKey(run, "530627004499", boot, seq)


def test_seen_frames_equals_a_set() -> None:
    """In any order, with repeats and gaps."""
    rng = random.Random(3)
    seen, plain = SeenFrames(), set()
    for _ in range(3000):
        seq = rng.randrange(800)
        assert seen.is_new(key(seq)) == (seq not in plain)
        seen.add(key(seq))
        plain.add(seq)
        missing = [
            s for a, b in seen.missing(0, key(0).mine, "b") for s in range(a, b + 1)
        ]
        assert missing == [s for s in range(min(plain), max(plain)) if s not in plain]


@pytest.mark.parametrize("other", [key(1, boot="c"), key(1, run=3), key(2)])
def test_frames_of_other_boots_and_runs_are_others(other: FrameKey) -> None:
    """The whole key counts."""
    seen = SeenFrames()
    seen.add(key(1))
    assert seen.is_new(other)
    assert seen.missing(9, "x", "y") == []


def test_a_gateway_that_counts_anew_loses_nothing() -> None:
    """A known number with a later time than all before is a new frame."""
    seen = SeenFrames()
    for seq in range(100):
        seen.add(key(seq), 1000 + seq)
    assert not seen.is_new(key(3), 1003)
    assert not seen.is_new(key(3))
    assert seen.is_new(key(3), 2000)


def test_a_repeat_of_a_clock_ahead_is_a_repeat() -> None:
    """Its time is later than all true ones of its boot; taken for new, it was stored
    twice and judged in the future. New numbers of such a clock are new all the same."""
    seen = SeenFrames()
    seen.add(key(1), 1000, 1010)
    seen.add(key(2), 302_000, 2010)
    seen.add(key(3), 303_000, 3010)
    seen.add(key(4), 4000, 4010)

    for again, device_ms in ((1, 1000), (2, 302_000), (3, 303_000), (4, 4000)):
        assert not seen.is_new(key(again), device_ms, 9000)
    assert seen.is_new(key(1), 5000, 5010), "it counts again, with a right clock"
    assert seen.is_new(key(1), 304_000, 5010), "it counts again, with its clock ahead"


def test_memory_is_bounded_and_forgetting_means_new() -> None:
    """Many boots, many islands, a drill that is over."""
    seen = SeenFrames()
    for boot in range(BOOTS_PER_MINE + 1):
        seen.add(key(1, boot=str(boot)))
    assert seen.is_new(key(1, boot="0"))
    assert not seen.is_new(key(1, boot="1"))
    for seq in range(0, 2 * ISLANDS + 2, 2):
        seen.add(key(seq))
    assert seen.is_new(key(0))
    assert not seen.is_new(key(2))
    seen.add(key(5, run=4))
    seen.forget_run(4)
    assert seen.is_new(key(5, run=4))
