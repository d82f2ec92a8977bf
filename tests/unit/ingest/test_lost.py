"""What is missing and not asked for any more is told by name, once, and only then."""

from __future__ import annotations

import pytest

from gasmon.batch import Frame, FrameKey
from gasmon.ingest import gaps, lost
from gasmon.ingest.dedupe import SeenFrames
from gasmon.ingest.gaps import GapKeeper
from gasmon.ingest.payloads import CmdRes

MINE = "530627004499"
NOW_US = 1_790_000_000_000_000
AFTER_S = lost.TELL_AFTER * gaps.ASK_AFTER_S


class Ear:
    """A keeper with its memory of frames, which heard frame 5."""

    def __init__(self) -> None:
        self.seen = SeenFrames()
        self.keeper = GapKeeper(self.seen, "p1")
        self.hear(5)

    def hear(self, *seqs: int, now_s: float = 0.0, boot: str = "b1") -> None:
        """Frames that arrive now."""
        keys = [FrameKey(0, MINE, boot, seq) for seq in seqs]
        for key in keys:
            self.seen.add(key)
        self.keeper.heard([Frame(k, "data", 0, 0, 0, 0, 0) for k in keys], now_s)

    def refuse(self, now_s: float) -> None:
        """Let the gateway refuse whatever it is asked for."""
        for asked in self.keeper.due(now_s):
            no = CmdRes(asked.request.id, False, "not kept")
            assert self.keeper.answered(0, MINE, no, now_s)

    def told(self, now_s: float) -> list[tuple[str, int]]:
        """What is told: (its words, how many frames)."""
        told = self.keeper.lost.tell(now_s, NOW_US)
        for one in told:
            assert (one.reason, one.mine, one.run) == (lost.REASON, MINE, 0)
            assert (one.where, one.arrived_us) == ("frame", NOW_US)
        return [(one.detail, one.n) for one in told]


@pytest.fixture
def ear() -> Ear:
    """One that nothing is missing of."""
    return Ear()


def test_a_gap_that_is_refused_is_told(ear: Ear) -> None:
    """What nobody has any more is not lost without a word."""
    ear.hear(10)
    ear.refuse(15.0)
    assert ear.told(15.0 + AFTER_S - 0.1) == []
    ((words, n),) = ear.told(15.0 + AFTER_S)
    assert n == 4
    assert words == (
        f"4 frames of {MINE}, boot b1, numbers 6 to 9, did not come, or could not be"
        " taken, and are not asked for any more: refused by the gateway: not kept"
    )
    assert ear.told(1e9) == []
    assert ear.keeper.lost.n_told == 4


def test_what_came_after_the_refusal_is_not_told(ear: Ear) -> None:
    """A gateway that refuses a range sends what it has of it."""
    ear.hear(10)
    ear.refuse(15.0)
    ear.hear(7, 8, now_s=20.0)
    ((words, n),) = ear.told(1000.0)
    assert (n, "numbers 6 to 9" in words) == (2, True)

    ear.hear(20, now_s=1000.0)
    ear.refuse(1015.0)
    ear.hear(*range(11, 20), now_s=1020.0)
    assert ear.told(2000.0) == []


def test_a_gap_that_is_too_old_is_told(ear: Ear) -> None:
    """A gateway that never answers is asked in vain for an hour."""
    ear.hear(10)
    assert ear.keeper.due(gaps.FORGET_AFTER_S) == []
    ((words, n),) = ear.told(gaps.FORGET_AFTER_S + AFTER_S)
    assert (n, "in vain" in words) == (4, True)


def test_the_part_of_a_gap_that_no_ring_holds_is_told(ear: Ear) -> None:
    """It is never asked for, and no less lost."""
    ear.hear(6 + gaps.FRAMES_AT_ONCE + 30)
    ((words, n),) = ear.told(AFTER_S)
    assert (n, "numbers 6 to 35" in words, gaps.WIDER in words) == (30, True, True)


def test_a_long_gap_is_told_with_all_that_became_of_it(ear: Ear) -> None:
    """The older part was never asked for, and the rest was refused."""
    ear.hear(6 + gaps.FRAMES_AT_ONCE + 30)
    ear.refuse(15.0)
    ((words, n),) = ear.told(AFTER_S)
    assert n == gaps.FRAMES_AT_ONCE + 30
    assert words.endswith(f": {gaps.WIDER}; refused by the gateway: not kept")


def test_gaps_beyond_what_is_kept_of_a_mine_are_told_together(ear: Ear) -> None:
    """A gateway that leaves out every second frame writes no row for each of them."""
    n_gaps = gaps.GAPS_PER_MINE + lost.RANGES_MOST + 10
    ear.hear(*range(7, 7 + 2 * n_gaps, 2))
    ((_, n),) = ear.told(AFTER_S)
    assert n == lost.RANGES_MOST + 10


def test_a_number_that_jumped_counts_as_no_more_than_a_million(ear: Ear) -> None:
    """A broken counter would drown every other number of refusals."""
    ear.hear(2**53)
    ((words, n),) = ear.told(AFTER_S)
    assert (n, "numbers 6 to" in words) == (lost.COUNT_MOST, True)


def test_a_drill_that_is_over_loses_nothing(ear: Ear) -> None:
    """Nobody waits for its frames any more."""
    ear.hear(10)
    ear.refuse(15.0)
    ear.keeper.forget_run(0)
    assert ear.told(1000.0) == []
