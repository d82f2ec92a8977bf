"""The resequencer's promises, for any disorder a broker can make."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gasmon.batch import FrameKey, Packet
from gasmon.ingest.dedupe import SeenFrames
from gasmon.ingest.order import Resequencer
from gasmon.ingest.payloads import encode_data
from gasmon.ingest.topics import data_topic
from tests.fix_examples import examples

HOLD_S = 12.0
MINES = ("530627000001", "530627000002", "530627000003")


def a_frame(mine: str, seq: int, channel: str, mid: int, generation: int) -> Packet:
    """A frame; `mid` tells it apart from its repeats."""
    topic = data_topic("530627", mine).replace("data", channel)
    return Packet(topic, encode_data("b", seq, 0, []), seq, False, generation, mid)


class Passing:
    """A resequencer with the memory of frames behind it, as ingest runs them."""

    def __init__(self, limit: int = 1000) -> None:
        self.seen = SeenFrames()
        for mine in MINES:
            self.seen.add(FrameKey(0, mine, "b", 0))
        self.reseq = Resequencer(self.seen, HOLD_S, limit)
        self.out: list[tuple[float, Packet]] = []

    def give(self, packets: list[Packet], now_s: float) -> None:
        """One turn: order, then remember what was passed on."""
        for packet in self.reseq.order(packets, now_s).packets:
            self.out.append((now_s, packet))
            mine = packet.topic.split("/")[3]
            self.seen.add(FrameKey(0, mine, "b", packet.arrived_us))

    def wake_until(self, now_s: float) -> None:
        """Be called whenever it was asked for, up to a moment."""
        while (wakeup_s := self.reseq.next_wakeup_s() or now_s + 1) <= now_s:
            self.give([], wakeup_s)


FRAMES = st.lists(
    st.tuples(
        st.sampled_from(MINES),
        st.integers(0, 30),
        st.sampled_from(["data", "data", "data", "backfill", "state"]),
        st.sampled_from([0.0, 0.0, 0.5, 3.0, 8.0]),
        st.booleans(),
    ),
    max_size=60,
)


@examples(80)
@given(FRAMES, st.sampled_from([1, 3, 1000]), st.integers(1, 5))
def test_nothing_is_lost_doubled_or_held_too_long(
    frames: list[tuple[str, int, str, float, bool]], limit: int, per_turn: int
) -> None:
    """Every packet leaves once, within the hold, and memory stays bounded."""
    passing = Passing(limit)
    now_s, generation = 0.0, 1
    entered: dict[int, float] = {}
    turn: list[Packet] = []
    for mid, (mine, seq, channel, after_s, reconnect) in enumerate(frames):
        generation += reconnect and mid % 7 == 0
        turn.append(a_frame(mine, seq, channel, mid, generation))
        if len(turn) < per_turn:
            continue
        now_s += after_s
        passing.wake_until(now_s)
        entered |= {packet.mid: now_s for packet in turn}
        passing.give(turn, now_s)
        turn = []
        assert passing.reseq.n_held < limit
    entered |= {packet.mid: now_s for packet in turn}
    passing.give(turn, now_s)
    passing.wake_until(now_s + HOLD_S)
    assert passing.reseq.n_held == 0
    assert sorted(packet.mid for _, packet in passing.out) == list(range(len(frames)))
    for left_s, packet in passing.out:
        assert left_s - entered[packet.mid] <= HOLD_S


@examples(80)
@given(st.data())
def test_whatever_the_broker_repeats_in_time_comes_out_in_order(
    data: st.DataObject,
) -> None:
    """New frames before the unacknowledged ones: each line leaves in order."""
    passing = Passing()
    unacknowledged, new = [], []
    mid = 0
    for mine in MINES:
        n, more = data.draw(st.integers(0, 6)), data.draw(st.integers(0, 6))
        for seq in range(1, n + more + 1):
            mid += 1
            frame = a_frame(mine, seq, "data", mid, 2)
            (unacknowledged if seq <= n else new).append(frame)
    redelivered = data.draw(st.permutations(unacknowledged))
    mixed = data.draw(st.permutations([*new, *redelivered]))
    now_s = 0.0
    for packet in mixed:
        now_s += 0.2
        passing.give([packet], now_s)
    assert passing.reseq.n_given_up == 0
    for mine in MINES:
        own = [p.arrived_us for _, p in passing.out if mine in p.topic]
        assert own == sorted(own)
    assert len(passing.out) == len(mixed)


@given(FRAMES)
def test_one_connection_changes_nothing(
    frames: list[tuple[str, int, str, float, bool]],
) -> None:
    """Long after the last reconnect, what comes in goes out as it is."""
    passing = Passing()
    passing.give([a_frame(MINES[0], 1, "data", 0, 1)], 0.0)
    packets = [
        a_frame(mine, seq, channel, mid, 1)
        for mid, (mine, seq, channel, _, _) in enumerate(frames)
    ]
    assert passing.reseq.order(packets, HOLD_S).packets is packets
