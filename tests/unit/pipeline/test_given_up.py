"""Frames that a full spool did not take, after a restart: judged, not seen, and old."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gasmon.alarms.engine import LivingAlarm
from gasmon.pipeline.restore import know_newest
from gasmon.pipeline.turns import EncodedTurn, decode_turn, encode_turn
from tests.fix_pipeline import BOOT, MINE, Live, at, defined, frame

HIGH = [("001A01", 1.6, 0)]


@pytest.fixture
def second() -> Live:
    """A process that knows frame 1, and that 2 to 4 were given up.

    Frame 3 began an alarm, which is recorded as open.
    """
    first = Live()
    first.take(defined(), frame(1, [("001A01", 0.1, 0)]))
    lossy = first.take(*(frame(seq, HIGH) for seq in (2, 3, 4)))
    facts = EncodedTurn(encode_turn(lossy, first.book.table).facts, b"")
    live = Live()
    live.take(defined(), frame(1, [("001A01", 0.1, 0)]))
    live.evaluator.know(decode_turn(facts, live.book))
    alarm = LivingAlarm("over_limit", 0, 0, at(3), 1, 1.6, at(3))
    live.engine.resume([alarm])
    know_newest(live.evaluator, {MINE: BOOT})
    return live


def times(live: Live, seq: int, second: float, arrived: float) -> list[int]:
    """When a frame is judged that is sent with one time and arrives at another."""
    packet = replace(frame(seq, HIGH, second=second), arrived_us=at(arrived))
    (batch,) = live.take(packet).batches
    return list(batch.at_us)


def test_a_frame_given_up_that_comes_again_is_no_clock_that_went_back(
    second: Live,
) -> None:
    """It keeps its own time, and so does all that follows."""
    assert times(second, 2, 2, 20) == [at(2)]
    assert times(second, 4, 4, 20) == [at(4)]
    assert times(second, 5, 19.9, 20) == [at(19.9)]
    assert second.evaluator.clocks.offset_us == {}


def test_a_clock_that_goes_back_behind_what_was_given_up_is_one(second: Live) -> None:
    """A newer number with a time that was judged already is judged at its arrival."""
    assert times(second, 5, 2.5, 20) == [at(20)]
