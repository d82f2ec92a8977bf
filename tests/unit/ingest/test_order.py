"""Frames are put back in order after a reconnect, and never held for long."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from gasmon.batch import FrameKey, Packet
from gasmon.ingest import order
from gasmon.ingest.dedupe import SeenFrames
from gasmon.ingest.order import Resequencer, peek
from gasmon.ingest.payloads import encode_data
from gasmon.ingest.topics import data_topic

MINE = "530627004499"
OTHER = "530627000001"


def a_frame(
    seq: int,
    generation: int = 2,
    *,
    mine: str = MINE,
    boot: str = "b1",
    channel: str = "data",
) -> Packet:
    """A frame that only has a number."""
    topic = data_topic("530627", mine).replace("data", channel)
    return Packet(topic, encode_data(boot, seq, seq, []), seq, False, generation, seq)


def seqs(packets: object) -> list[int]:
    """Numbers of packets made by `a_frame`."""
    assert isinstance(packets, list | tuple)
    return [packet.mid for packet in packets]


@pytest.fixture
def seen() -> SeenFrames:
    """Frames 1 to 5 of one mine were taken."""
    seen = SeenFrames()
    for seq in range(1, 6):
        seen.add(FrameKey(0, MINE, "b1", seq))
    return seen


def test_a_gap_after_a_reconnect_is_waited_for(seen: SeenFrames) -> None:
    """What came too early leaves in order as soon as the gap closes."""
    reseq = Resequencer(seen, hold_s=12)
    first = reseq.order([a_frame(9), a_frame(8)], 100.0)
    assert (seqs(first.packets), seqs(first.held)) == ([], [9, 8])
    assert (reseq.n_held, reseq.next_wakeup_s()) == (2, 112.0)
    assert seqs(reseq.order([a_frame(6)], 101.0).packets) == [6]
    assert seqs(reseq.order([a_frame(7)], 102.0).packets) == [7, 8, 9]
    assert (reseq.n_held, reseq.next_wakeup_s()) == (0, None)
    assert (reseq.n_reordered, reseq.n_given_up) == (2, 0)


def test_a_gap_that_stays_costs_the_hold_and_no_more(seen: SeenFrames) -> None:
    """At the end of the hold all leave in order, and frames that follow at once."""
    reseq = Resequencer(seen, hold_s=12)
    reseq.order([a_frame(9), a_frame(8)], 100.0)
    assert seqs(reseq.order([], 111.9).packets) == []
    assert seqs(reseq.order([a_frame(10)], 112.0).packets) == [8, 9, 10]
    assert seqs(reseq.order([a_frame(99), a_frame(7)], 112.1).packets) == [99, 7]
    assert reseq.n_given_up == 2


def test_what_came_while_nobody_looked_closes_a_gap_in_time(seen: SeenFrames) -> None:
    """A process that was stopped in a hold took the rest of it for a gap that stays."""
    reseq = Resequencer(seen, hold_s=12)
    reseq.order([a_frame(9), a_frame(8)], 100.0)
    after = reseq.order([a_frame(6), a_frame(7), a_frame(3, mine=OTHER)], 160.0)
    assert seqs(after.packets) == [6, 7, 8, 9, 3]
    assert (reseq.n_held, reseq.n_given_up) == (0, 0)
    assert seqs(reseq.order([a_frame(12), a_frame(11)], 160.1).packets) == [12, 11]


def test_a_gap_that_nothing_closed_ends_when_somebody_looks(seen: SeenFrames) -> None:
    """However late: what came meanwhile follows in its order."""
    reseq = Resequencer(seen, hold_s=12)
    reseq.order([a_frame(9), a_frame(8)], 100.0)
    after = reseq.order([a_frame(11), a_frame(10)], 160.0)
    assert seqs(after.packets) == [8, 9, 10, 11]
    assert (reseq.n_held, reseq.next_wakeup_s()) == (0, None)


def test_a_gateway_that_started_anew_does_not_overtake_its_former_start(
    seen: SeenFrames,
) -> None:
    """Frames 7 and 8 waited for 6, the next boot was let past them: late for good,
    their alarm by state bits was never raised and another began too late."""
    reseq = Resequencer(seen, hold_s=12)
    early = reseq.order(
        [a_frame(8), a_frame(7), a_frame(1, boot="b2"), a_frame(1, mine=OTHER)], 100.0
    )
    assert [p.topic.split("/")[3] for p in early.packets] == [OTHER]
    assert (len(early.held), reseq.n_held) == (3, 3)
    assert seqs(reseq.order([a_frame(2, boot="b2")], 101.0).packets) == []
    closed = reseq.order([a_frame(6)], 102.0).packets
    assert seqs(closed) == [6, 7, 8, 1, 2]
    assert [peek(p.payload) for p in closed[3:]] == [("b2", 1), ("b2", 2)]
    assert (reseq.n_held, reseq.next_wakeup_s()) == (0, None)
    assert seqs(reseq.order([a_frame(3, boot="b2")], 102.1).packets) == [3]


def told(packets: Iterable[Packet]) -> list[tuple[str, int] | None]:
    """Start and number of each."""
    return [peek(packet.payload) for packet in packets]


def test_a_start_that_came_with_a_gap_is_put_in_order_too(seen: SeenFrames) -> None:
    """Its frames 2 to 4 had been sent to a killed process and came again behind 8: an
    alarm began two seconds late, and the one before it ended so."""
    reseq = Resequencer(seen, hold_s=12)
    new = [a_frame(seq, boot="b2") for seq in (1, 5, 6, 7, 8)]
    assert seqs(reseq.order([a_frame(8), a_frame(9), *new], 100.0).packets) == []
    late = [a_frame(seq, boot="b2") for seq in (2, 9, 3, 10)]
    assert seqs(reseq.order(late, 101.0).packets) == []
    closed = reseq.order([a_frame(6), a_frame(7)], 102.0).packets
    former = [("b1", seq) for seq in (6, 7, 8, 9)]
    assert told(closed) == [*former, ("b2", 1), ("b2", 2), ("b2", 3)]
    assert reseq.n_held == 6, "what 4 is missing before"
    last = reseq.order([a_frame(4, boot="b2"), a_frame(11, boot="b2")], 103.0)
    assert told(last.packets) == [("b2", seq) for seq in range(4, 12)]
    assert (reseq.n_held, reseq.next_wakeup_s()) == (0, None)


def test_a_start_that_nobody_knew_waits_for_its_gap(seen: SeenFrames) -> None:
    """Also where no former start waits; the first of it that comes is its beginning."""
    reseq = Resequencer(seen, hold_s=12)
    first = reseq.order([a_frame(2, boot="b2"), a_frame(5, boot="b2")], 100.0)
    assert (seqs(first.packets), seqs(first.held)) == ([2], [5])
    assert seqs(reseq.order([a_frame(1, boot="b2")], 101.0).packets) == [1]
    after = [a_frame(3, boot="b2"), a_frame(4, boot="b2")]
    assert seqs(reseq.order(after, 102.0).packets) == [3, 4, 5]


def test_what_waits_behind_a_gap_that_stays_leaves_in_order(seen: SeenFrames) -> None:
    """Start by start, as far as it came; and nothing is kept back."""
    reseq = Resequencer(seen, hold_s=12)
    behind = [a_frame(seq, boot="b2") for seq in (1, 3, 2)]
    another = [a_frame(seq, boot="b3") for seq in (2, 1)]
    reseq.order([a_frame(8), *behind, *another], 100.0)
    passed = reseq.order([], 112.0).packets
    b2, b3 = [("b2", seq) for seq in (1, 2, 3)], [("b3", seq) for seq in (1, 2)]
    assert told(passed) == [("b1", 8), *b2, *b3]
    assert (reseq.n_held, reseq.next_wakeup_s()) == (0, None)


def test_a_gap_that_stays_lets_the_next_boot_go_on_behind_it(seen: SeenFrames) -> None:
    """The hold ends for both at once, in the same order; also at its bound."""
    reseq = Resequencer(seen, hold_s=12)
    reseq.order([a_frame(8), a_frame(1, boot="b2")], 100.0)
    assert seqs(reseq.order([], 112.0).packets) == [8, 1]
    assert reseq.n_held == 0

    reseq = Resequencer(seen, hold_s=12)
    reseq.order([a_frame(8)], 100.0)
    many = [a_frame(seq, boot="b2") for seq in range(1, order.PER_MINE + 1)]
    assert seqs(reseq.order(many, 101.0).packets) == [8, *range(1, order.PER_MINE + 1)]
    assert reseq.n_held == 0


def test_a_mine_without_a_gap_is_not_held_with_others(seen: SeenFrames) -> None:
    """Only the line with the gap waits."""
    seen.add(FrameKey(0, OTHER, "b1", 1))
    reseq = Resequencer(seen, hold_s=12)
    out = reseq.order([a_frame(2, mine=OTHER), a_frame(9)], 0.0)
    assert (seqs(out.packets), seqs(out.held)) == ([2], [9])
    assert seqs(reseq.order([a_frame(3, mine=OTHER)], 12.0).packets) == [9, 3]


def test_without_a_new_connection_nothing_is_touched(seen: SeenFrames) -> None:
    """In ordinary times the very same list goes through, gaps and all."""
    reseq = Resequencer(seen, hold_s=12)
    reseq.order([a_frame(6)], 0.0)
    packets = [a_frame(50), a_frame(40)]
    assert reseq.order(packets, 12.0).packets is packets
    nothing: list[Packet] = []
    assert reseq.order(nothing, 13.0).packets is nothing


def test_a_hold_of_zero_holds_nothing(seen: SeenFrames) -> None:
    """The hold can be turned off."""
    reseq = Resequencer(seen, hold_s=0)
    packets = [a_frame(50)]
    assert reseq.order(packets, 1.0).packets is packets


def test_only_what_has_a_known_past_is_held(seen: SeenFrames) -> None:
    """An unknown mine, an unknown boot and other channels pass at once."""
    reseq = Resequencer(seen, hold_s=12)
    packets = [
        a_frame(50, mine=OTHER),
        a_frame(51, boot="b2"),
        a_frame(52, channel="state"),
        a_frame(53, channel="backfill"),
        Packet(data_topic("530627", MINE), b"noise", 0, False, 2, 54),
        Packet("somewhere/else/data", encode_data("b1", 9, 9, []), 0, False, 2, 55),
    ]
    assert seqs(reseq.order(packets, 0.0).packets) == [50, 51, 52, 53, 54, 55]


def test_repeats_pass_at_once(seen: SeenFrames) -> None:
    """What is known is for the memory of frames to drop, so that it is acknowledged."""
    reseq = Resequencer(seen, hold_s=12)
    assert seqs(reseq.order([a_frame(3), a_frame(5)], 0.0).packets) == [3, 5]
    reseq.order([a_frame(7)], 0.0)
    reseq.order([a_frame(7)], 0.0)
    assert seqs(reseq.order([a_frame(6)], 0.1).packets) == [6, 7, 7]


def test_a_frame_sent_again_closes_a_gap(seen: SeenFrames) -> None:
    """Backfill passes at once, in any order, and counts for the gap."""
    reseq = Resequencer(seen, hold_s=12)
    reseq.order([a_frame(8)], 0.0)
    seven = a_frame(7, channel="backfill")
    assert seqs(reseq.order([seven], 0.0).packets) == [7]
    six = a_frame(6, channel="backfill")
    assert seqs(reseq.order([six], 0.0).packets) == [6, 8]


def test_a_gap_that_was_never_under_way_is_not_waited_for(seen: SeenFrames) -> None:
    """More frames than the broker's window holds cannot come again from there."""
    reseq = Resequencer(seen, hold_s=12)
    far = 5 + order.WIDEST_GAP + 2
    reseq.order([a_frame(8)], 0.0)
    assert seqs(reseq.order([a_frame(far)], 0.0).packets) == [8, far]
    assert seqs(reseq.order([a_frame(far + 1)], 0.0).packets) == [far + 1]


def test_another_reconnect_does_not_prolong_a_hold(seen: SeenFrames) -> None:
    """What waits leaves at the end of its own hold, however often we reconnect."""
    reseq = Resequencer(seen, hold_s=12)
    reseq.order([a_frame(8, generation=1)], 0.0)
    reseq.order([a_frame(9, generation=2)], 10.0)
    assert reseq.next_wakeup_s() == 12.0
    assert seqs(reseq.order([], 12.0).packets) == [8, 9]
    assert seqs(reseq.order([a_frame(12)], 13.0).packets) == []
    assert seqs(reseq.order([], 22.0).packets) == [12]


def test_a_shorter_hold_ends_what_waits(seen: SeenFrames) -> None:
    """Another broker after the reconnect: nothing stays behind from before it."""
    reseq = Resequencer(seen, hold_s=12)
    reseq.order([a_frame(8, generation=1)], 0.0)
    reseq.hold_s = 2
    assert seqs(reseq.order([a_frame(9, generation=2)], 1.0).packets) == []
    assert reseq.next_wakeup_s() == 3.0
    assert seqs(reseq.order([], 3.0).packets) == [8, 9]
    assert reseq.n_held == 0


def test_frames_sent_again_wait_for_nobody(seen: SeenFrames) -> None:
    """What passed already does not pass again when the hold ends."""
    reseq = Resequencer(seen, hold_s=12)
    first = [a_frame(9), a_frame(11, channel="backfill"), a_frame(8)]
    assert seqs(reseq.order(first, 0.0).packets) == [11]
    assert seqs(reseq.order([], 12.0).packets) == [8, 9]
    assert reseq.n_given_up == 2


def test_a_jumping_gateway_takes_no_room_of_others(seen: SeenFrames) -> None:
    """One line is given up when it waits for too much; others stay held."""
    seen.add(FrameKey(0, OTHER, "b1", 1))
    reseq = Resequencer(seen, hold_s=12)
    reseq.order([a_frame(3, mine=OTHER)], 0.0)
    noise = [a_frame(7 + 2 * k) for k in range(order.PER_MINE + 1)]
    out = reseq.order(noise, 0.0)
    assert seqs(out.packets) == seqs(noise)
    assert reseq.n_held == 1


def test_a_gateway_of_many_starts_takes_no_room_of_others(seen: SeenFrames) -> None:
    """What is held of a mine is bounded over all of its boots together."""
    for boot in "abcdefg":
        seen.add(FrameKey(0, MINE, boot, 5))
    seen.add(FrameKey(0, OTHER, "b1", 5))
    reseq = Resequencer(seen)
    reseq.order([a_frame(8, mine=OTHER)], 100.0)
    noise = [a_frame(7 + k, boot=boot) for k in range(200) for boot in "abcdefg"]
    passed = [p for each in noise for p in reseq.order([each], 101.0).packets]
    assert not [p for p in passed if OTHER in p.topic]
    assert reseq.n_held <= order.PER_MINE + 1
    assert len(passed) >= len(noise) - order.PER_MINE
    assert seqs(reseq.order([a_frame(6, mine=OTHER)], 102.0).packets) == [6]
    assert seqs(reseq.order([a_frame(7, mine=OTHER)], 102.0).packets) == [7, 8]


def test_beyond_the_limit_order_is_given_up(seen: SeenFrames) -> None:
    """A backlog that pours in is not dammed; it leaves in order of its numbers."""
    reseq = Resequencer(seen, hold_s=12, limit=3)
    out = reseq.order([a_frame(9), a_frame(8), a_frame(7), a_frame(20)], 0.0)
    assert seqs(out.packets) == [7, 8, 9, 20]
    assert (reseq.n_held, reseq.n_given_up) == (0, 3)
    packets = [a_frame(30)]
    assert reseq.order(packets, 0.1).packets is packets


def test_older_packets_before_a_new_connection(seen: SeenFrames) -> None:
    """Packets of both connections in one call count as those of the newer one."""
    reseq = Resequencer(seen, hold_s=12)
    reseq.order([a_frame(6, generation=1)], 0.0)
    mixed = [a_frame(7, generation=1), a_frame(9, generation=2)]
    assert seqs(reseq.order(mixed, 50.0).packets) == [7]
    assert reseq.next_wakeup_s() == 62.0


@pytest.mark.parametrize(
    ("payload", "head"),
    [
        (encode_data("k3f9", 17, 0, [("001A01", 0.4, 0)]), ("k3f9", 17)),
        (b' { "v" : 1 , "boot" : "x" , "seq" : 0 , "ts" : 1 }', ("x", 0)),
        (b'{"seq":3,"boot":"x"}', ("x", 3)),
        ('{"v":1,"boot":"启动","seq":2,"d":[]}'.encode(), ("启动", 2)),
        (b'{"v":1,"boot":"a\\"b","seq":2,"d":[]}', ('a"b', 2)),
        (b'{"v":1,"boot":"\xff","seq":2,"d":[]}', None),
        (b'{"v":1,"boot":"x","seq":true}', None),
        (b'{"v":1,"boot":"x"}', None),
        (b'{"v":1,"boot":5,"seq":1}', None),
        (b"[1]", None),
        (b"", None),
    ],
)
def test_the_head_of_a_frame(payload: bytes, head: tuple[str, int] | None) -> None:
    """The fast way and the slow way read the same; what is no frame has no head."""
    assert peek(payload) == head
