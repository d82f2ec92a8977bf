"""Gateways' clocks that are wrong never make their mine blind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gasmon.batch import FrameKey
from gasmon.ingest.clocks import AHEAD_US, BEHIND_US, MineClocks
from gasmon.units import US_PER_DAY, US_PER_H, US_PER_MS, US_PER_S

MINE = "530627004499"
NOW_US = 1_790_000_000 * US_PER_S


def judged(
    clocks: MineClocks,
    seq: int,
    device_us: int,
    arrived_us: int,
    *,
    boot: str = "b1",
    channel: str = "data",
) -> int:
    """The time that a frame is judged at [µs]."""
    key = FrameKey(0, MINE, boot, seq)
    return device_us + clocks.correct(key, channel, device_us // US_PER_MS, arrived_us)


def test_a_right_clock_is_left_alone() -> None:
    """Small and honest delays change nothing."""
    clocks = MineClocks()

    for seq in range(10):
        at_us = NOW_US + seq * 5 * US_PER_S
        assert at_us == judged(clocks, seq, at_us, at_us + 300 * US_PER_MS)
    assert clocks.offset_us == {}


def test_a_backlog_keeps_its_own_times() -> None:
    """Two hours of delayed frames that come at once are not a wrong clock."""
    clocks = MineClocks()
    arrived_us = NOW_US + 2 * US_PER_H

    for seq in range(100):
        at_us = NOW_US + seq * 60 * US_PER_S
        assert at_us == judged(clocks, seq, at_us, arrived_us)


def test_a_clock_ahead_is_brought_to_the_arrival_and_keeps_its_steps() -> None:
    """The correction is found once, so distances between frames stay exact."""
    clocks = MineClocks()

    first = judged(clocks, 0, NOW_US + US_PER_H, NOW_US)
    second = judged(clocks, 1, NOW_US + US_PER_H + 5 * US_PER_S, NOW_US + 7 * US_PER_S)

    assert first == NOW_US
    assert second == NOW_US + 5 * US_PER_S
    assert clocks.offset_us == {(0, MINE): -US_PER_H}


def test_a_clock_that_is_set_right_again_is_believed() -> None:
    """After an hour ahead, the true time counts as it is."""
    clocks = MineClocks()
    judged(clocks, 0, NOW_US + US_PER_H, NOW_US)

    at_us = NOW_US + 5 * US_PER_S

    assert at_us == judged(clocks, 1, at_us, at_us)
    assert clocks.offset_us == {}


def test_a_clock_that_is_set_back_does_not_make_its_mine_late() -> None:
    """The number rises and the time does not: judged at the arrival."""
    clocks = MineClocks()
    judged(clocks, 0, NOW_US, NOW_US)

    at_us = NOW_US + 5 * US_PER_S

    assert at_us == judged(clocks, 1, at_us - US_PER_H, at_us)


@pytest.mark.parametrize("boot", ["b1", "b2"])
def test_a_gateway_that_wakes_in_the_year_2000_is_judged_now(boot: str) -> None:
    """An empty clock battery is no old data, whether the start is new or known."""
    clocks = MineClocks()
    year_2000_us = 946_684_800 * US_PER_S + 60 * US_PER_S
    judged(clocks, 0, NOW_US, NOW_US)

    arrived_us = NOW_US + 60 * US_PER_S

    assert arrived_us == judged(clocks, 1, year_2000_us, arrived_us, boot=boot)


def test_the_first_frame_ever_from_the_year_2000_is_judged_now() -> None:
    """Live data that is older than any broker keeps it has a wrong clock."""
    assert judged(MineClocks(), 0, NOW_US - BEHIND_US - 1000, NOW_US) == NOW_US


def test_after_a_restart_the_newest_judged_time_still_counts() -> None:
    """What was judged before the restart is told by ``know``."""
    clocks = MineClocks()
    clocks.know(0, MINE, NOW_US)

    arrived_us = NOW_US + US_PER_S

    assert arrived_us == judged(clocks, 9, NOW_US - US_PER_H, arrived_us)


def test_frames_of_an_earlier_start_stay_old() -> None:
    """Frames that a gateway re-sends after its restart keep their own times."""
    clocks = MineClocks()
    judged(clocks, 5, NOW_US, NOW_US, boot="b1")
    judged(clocks, 0, NOW_US + US_PER_H, NOW_US + US_PER_H, boot="b2")

    at_us = NOW_US + 10 * US_PER_S

    assert at_us == judged(clocks, 6, at_us, NOW_US + US_PER_H, boot="b1")


def test_backfill_takes_the_present_correction() -> None:
    """What the same start sends again is shifted like its live frames."""
    clocks = MineClocks()
    judged(clocks, 5, NOW_US + US_PER_H, NOW_US)

    old_us = NOW_US + US_PER_H - 600 * US_PER_S

    assert (
        judged(clocks, 2, old_us, NOW_US + US_PER_S, channel="backfill")
        == NOW_US - 600 * US_PER_S
    )


def test_an_absurd_time_needs_no_correction() -> None:
    """Outside of 2000 to 2100 the arrival counts anyway."""
    assert MineClocks().correct(FrameKey(0, MINE, "b", 0), "data", -5, NOW_US) == 0


@given(
    steps=st.lists(
        st.tuples(
            st.integers(-40 * US_PER_DAY, 40 * US_PER_DAY),
            st.integers(0, 100 * US_PER_S),
            st.sampled_from(["b1", "b2", "b3"]),
        ),
        max_size=30,
    )
)
def test_live_frames_in_order_are_never_late_and_never_from_the_future(
    steps: list[tuple[int, int, str]],
) -> None:
    """However the clock jumps, each next frame is judged after the one before."""
    clocks, arrived_us, newest_us, boot, earlier = MineClocks(), NOW_US, 0, "b1", set()

    for seq, (skew_us, wait_us, name) in enumerate(steps):
        arrived_us += wait_us
        if name not in earlier:
            earlier |= {boot} - {name}
            boot = name
        device_us = (arrived_us + skew_us) // US_PER_MS * US_PER_MS
        at_us = judged(clocks, seq, device_us, arrived_us, boot=boot)
        assert at_us > newest_us
        assert at_us <= max(arrived_us + AHEAD_US, newest_us + US_PER_MS)
        newest_us = at_us
