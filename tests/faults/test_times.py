"""At what time frames were judged of which nothing is stored."""

from __future__ import annotations

from gasmon.units import US_PER_MS
from tests.faults.check import times_kept
from tests.faults.facts import Facts, Lost, StoredFrame
from tests.faults.gateways import Frame
from tests.faults.times import judged_times

MINE = "530627000001"
T0_MS = 1_790_000_000_000


def made(*sent_s: float) -> list[Frame]:
    """Frames of one start of a gateway, by what its clock said."""
    return [
        Frame(MINE, "b", seq, 0, T0_MS + round(s * 1000), ())
        for seq, s in enumerate(sent_s, 1)
    ]


def at(second: float) -> int:
    """A moment [µs UTC]."""
    return (T0_MS + round(second * 1000)) * US_PER_MS


def stored(**judged_s: float) -> Facts:
    """The record: seq → when it was judged."""
    return Facts(
        frames={
            (MINE, "b", int(seq[1:])): [StoredFrame(at(s), at(s), 5, backfill=False)]
            for seq, s in judged_s.items()
        }
    )


def test_a_right_clock_is_believed_whatever_is_stored() -> None:
    """Lost or not, a frame was judged at its own time."""
    told = judged_times(made(1, 2, 3), stored(f1=1, f3=3), is_stepped=False)

    assert [(j.at_us, j.is_known) for j in told] == [
        (at(1), True),
        (at(2), True),
        (at(3), True),
    ]


def test_frames_given_up_are_off_as_their_neighbours_are() -> None:
    """A clock that was 12 s ahead keeps its mine 12 s ahead: also what is lost."""
    frames = made(1, 2, 3, 4)
    told = judged_times(frames, stored(f1=13, f4=16), is_stepped=True)

    assert [j.at_us for j in told] == [at(13), at(14), at(15), at(16)]
    assert all(j.is_known for j in told)


def test_the_last_frames_are_off_as_those_before_them() -> None:
    """And the first as those behind them."""
    last = judged_times(made(1, 2), stored(f1=13), is_stepped=True)
    first = judged_times(made(1, 2), stored(f2=14), is_stepped=True)

    assert [j.at_us for j in last] == [j.at_us for j in first] == [at(13), at(14)]


def test_a_frame_that_was_given_up_and_came_again_was_judged_before() -> None:
    """Its record is of the second time, when its clock's correction was forgotten."""
    frames, facts = made(1, 2, 3), stored(f1=13, f2=2, f3=15)
    facts.lost.append(Lost(MINE, "b", 2, 2, at(2)))

    told = judged_times(frames, facts, is_stepped=True)

    assert [j.at_us for j in told] == [at(13), at(14), at(15)]
    assert times_kept(frames, facts, {MINE}) == []
    facts.lost.clear()
    assert len(times_kept(frames, facts, {MINE})) == 1


def test_between_unequal_neighbours_a_time_is_a_guess() -> None:
    """It rises, and says that it is none to rely on."""
    told = judged_times(made(1, 2, 3, 4), stored(f1=1, f4=16), is_stepped=True)

    assert [j.at_us for j in told] == [at(1), at(6), at(11), at(16)]
    assert [j.is_known for j in told] == [True, False, False, True]


def test_a_clock_that_was_wrong_among_lost_frames_is_a_guess() -> None:
    """Equal neighbours prove nothing where the times between them do not rise."""
    told = judged_times(made(1, 301, 3), stored(f1=1, f3=3), is_stepped=True)

    assert [j.at_us for j in told] == [at(1), at(2), at(3)]
    assert not told[1].is_known
