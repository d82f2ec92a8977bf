"""Gaps are asked for patiently, once, and not for ever."""

from __future__ import annotations

import pytest

from gasmon.batch import Frame, FrameKey
from gasmon.ingest import gaps
from gasmon.ingest.dedupe import SeenFrames
from gasmon.ingest.gaps import GapKeeper, Resend
from gasmon.ingest.payloads import CmdRes, encode_cmd_req, parse_cmd_req

MINE = "530627004499"


class Ear:
    """A keeper with its memory of frames, as ingest holds them together."""

    def __init__(self) -> None:
        self.seen = SeenFrames()
        self.keeper = GapKeeper(self.seen, "p1")

    def store(self, *seqs: int, boot: str = "b1", mine: str = MINE) -> None:
        """Frames that were stored before our start."""
        for seq in seqs:
            self.seen.add(FrameKey(0, mine, boot, seq))

    def hear(
        self,
        *seqs: int,
        now_s: float = 0.0,
        boot: str = "b1",
        mine: str = MINE,
        channel: str = "data",
        run: int = 0,
    ) -> None:
        """Frames that arrive now."""
        keys = [FrameKey(run, mine, boot, seq) for seq in seqs]
        for key in keys:
            self.seen.add(key)
        self.keeper.heard([Frame(k, channel, 0, 0, 0, 0, 0) for k in keys], now_s)

    def asked(self, now_s: float) -> list[tuple[str, int | None, int | None]]:
        """What is asked for: (boot, from, to)."""
        return [
            (r.request.boot, r.request.from_seq, r.request.to_seq)
            for r in self.keeper.due(now_s)
        ]


@pytest.fixture
def ear() -> Ear:
    """A keeper that heard frame 5."""
    ear = Ear()
    ear.hear(5)
    return ear


def test_a_gap_is_asked_for_after_a_while_and_at_doubling_intervals(ear: Ear) -> None:
    """First when redelivery had its time; silence is answered by patience."""
    ear.hear(10, now_s=100.0)
    assert ear.asked(114.9) == []
    assert ear.asked(115.0) == [("b1", 6, 9)]
    assert ear.asked(144.9) == []
    assert ear.asked(145.0) == [("b1", 6, 9)]
    assert ear.asked(204.9) == []
    assert ear.asked(205.0) == [("b1", 6, 9)]
    assert (ear.keeper.n_gaps, ear.keeper.n_open) == (1, 1)


def test_the_request_is_a_payload_for_that_mine(ear: Ear) -> None:
    """It can be encoded as it is, and each has an id of its own."""
    ear.hear(10, 20)
    one, two = ear.keeper.due(15.0)
    assert isinstance(one, Resend)
    assert (one.run, one.mine) == (0, MINE)
    assert parse_cmd_req(encode_cmd_req(one.request)) == one.request
    assert one.request.id != two.request.id


def test_what_came_meanwhile_is_not_asked_for(ear: Ear) -> None:
    """Only what is still missing; nothing once all is there."""
    ear.hear(10)
    ear.hear(7, 8, channel="backfill")
    assert ear.asked(15.0) == [("b1", 9, 9), ("b1", 6, 6)]
    ear.hear(6, 9)
    assert ear.asked(45.0) == []
    assert (ear.keeper.n_open, ear.keeper.n_given_up) == (0, 0)


def test_frames_in_order_open_nothing(ear: Ear) -> None:
    """Repeats, old numbers and a new boot are no gaps."""
    ear.hear(6, 7, 7, 3)
    ear.hear(400, boot="b2")
    ear.hear(401, boot="b2")
    assert ear.keeper.n_gaps == 0
    assert ear.asked(1e9) == []


def test_the_gap_of_our_own_absence_is_asked_for() -> None:
    """What was stored before the start says what our absence cost."""
    ear = Ear()
    ear.store(7, 8)
    ear.hear(12)
    assert ear.asked(15.0) == [("b1", 9, 11)]


def test_what_a_former_process_was_asking_for_is_asked_for_again() -> None:
    """A restart forgets no gap that a gateway's ring may still fill."""
    ear = Ear()
    ear.store(1, 3, 900, 902, 903)
    ear.hear(906)
    assert ear.asked(15.0) == [("b1", 180, 899), ("b1", 901, 901), ("b1", 904, 905)]
    ear.hear(907, boot="b2")
    ear.hear(907)
    assert ear.keeper.n_gaps == 3


def test_a_gap_is_given_up_when_the_ring_is_overwritten(ear: Ear) -> None:
    """After an hour nobody has those frames any more."""
    ear.hear(10)
    assert ear.asked(gaps.FORGET_AFTER_S) == []
    assert (ear.keeper.n_open, ear.keeper.n_given_up) == (0, 1)


def test_a_refusal_ends_the_asking_for_that_and_older(ear: Ear) -> None:
    """Newer parts of the gap are asked for still."""
    ear.hear(20)
    ear.hear(12, channel="backfill")
    newer, older = ear.keeper.due(15.0)
    assert (newer.request.from_seq, older.request.to_seq) == (13, 11)
    refusal = CmdRes(older.request.id, False, "6 of the frames 6 to 11 are not kept")
    assert ear.keeper.answered(0, MINE, refusal, 16.0)
    assert ear.asked(45.0) == [("b1", 13, 19)]
    too_late = CmdRes(newer.request.id, False, "too late")
    assert ear.keeper.answered(0, MINE, too_late, 46.0)
    assert (ear.keeper.n_open, ear.keeper.n_given_up) == (0, 1)
    assert ear.asked(1000.0) == []


def test_an_answer_that_is_not_ours(ear: Ear) -> None:
    """Another mine, another id, or the same answer twice change nothing."""
    ear.hear(10)
    (asked,) = ear.keeper.due(15.0)
    yes = CmdRes(asked.request.id, True)
    assert not ear.keeper.answered(0, "530627000001", yes, 16.0)
    assert not ear.keeper.answered(0, MINE, CmdRes("rebirth-1", False), 16.0)
    assert ear.keeper.answered(0, MINE, yes, 16.0)
    assert not ear.keeper.answered(0, MINE, yes, 16.0)
    assert ear.asked(45.0) == [("b1", 6, 9)]


def test_of_a_long_gap_only_what_a_ring_can_hold(ear: Ear) -> None:
    """The newest part is worth asking for."""
    ear.hear(100_000)
    assert ear.asked(15.0) == [("b1", 100_000 - gaps.FRAMES_AT_ONCE, 99_999)]


def test_one_mine_asks_for_a_few_ranges_at_a_time(ear: Ear) -> None:
    """The others follow in the next call."""
    ear.hear(*range(10, 31, 2))
    n = gaps.RANGES_PER_MINE
    asked = [ear.asked(15.0), ear.asked(15.0), ear.asked(15.0), ear.asked(15.0)]
    assert [len(a) for a in asked] == [n, n, 3, 0]
    assert len({one for few in asked for one in few}) == 11


def test_many_mines_do_not_crowd_out_live_frames() -> None:
    """After an outage of the broker the requests are spread over calls."""
    ear = Ear()
    for number in range(gaps.RANGES_PER_CALL + 5):
        ear.hear(1, 9, mine=f"530627{number:06}")
    assert len(ear.asked(15.0)) == gaps.RANGES_PER_CALL
    assert len(ear.asked(15.0)) == 5
    assert ear.asked(15.0) == []


def test_a_mine_that_only_makes_gaps_has_a_bound(ear: Ear) -> None:
    """The oldest is given up for a newer one."""
    ear.hear(*range(7, 7 + 2 * (gaps.GAPS_PER_MINE + 3), 2))
    assert (ear.keeper.n_open, ear.keeper.n_given_up) == (gaps.GAPS_PER_MINE, 3)


def test_a_drill_that_is_over_is_forgotten(ear: Ear) -> None:
    """Its gaps are not asked for, those of live frames are."""
    ear.hear(1, 9, run=7)
    ear.hear(9)
    ear.keeper.forget_run(7)
    assert ear.asked(15.0) == [("b1", 6, 8)]
