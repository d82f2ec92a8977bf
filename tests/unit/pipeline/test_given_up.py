"""Frames that a full spool did not take, after a restart: judged, not seen, and old."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gasmon.alarms.engine import LivingAlarm
from gasmon.alarms.snapshot import dump, load
from gasmon.batch import FrameKey
from gasmon.pipeline.evaluate import Judged
from gasmon.pipeline.restore import know_newest
from gasmon.pipeline.turns import EncodedTurn, decode_turn, encode_turn
from tests.fix_pipeline import BOOT, MINE, Live, at, defined, frame, spoken

HIGH = [("001A01", 1.6, 0)]


def one() -> Live:
    """A process that knows frame 1."""
    live = Live()
    live.take(defined(), frame(1, [("001A01", 0.1, 0)]))
    return live


def given_up() -> Judged:
    """A turn of frames 2 to 4, judged by another process, without its readings."""
    live = one()
    lossy = live.take(*(frame(seq, HIGH) for seq in (2, 3, 4)))
    facts = EncodedTurn(encode_turn(lossy, live.book.table).facts, b"")
    return decode_turn(facts, live.book)


@pytest.fixture(params=["spooled", "drained"])
def second(request: pytest.FixtureRequest) -> Live:
    """A process that knows frame 1, and that 2 to 4 were given up.

    From the spool, or, where that is written, from the record. Frame 3 began an alarm,
    which is recorded as open.
    """
    lossy, live = given_up(), one()
    recorded: dict[str, FrameKey] = {}
    if request.param == "spooled":
        live.evaluator.know(lossy)
    else:
        recorded = {mine: told.key for mine, told in lossy.given_up.items()}
    alarm = LivingAlarm("over_limit", 0, 0, at(3), 1, 1.6, at(3))
    live.engine.resume([alarm])
    know_newest(live.evaluator, {MINE: BOOT}, recorded)
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


@pytest.mark.parametrize("again", [(3,), (2, 3, 4), (2, 3, 4, 5, 6, 7)], ids=len)
def test_frames_given_up_that_come_again_tell_no_alarm_twice(
    again: tuple[int, ...],
) -> None:
    """An engine that remembers them knows what they told, whichever come again."""
    values = {2: 1.6, 3: 2.4, 4: 0.2, 5: 0.2, 6: 1.7, 7: 0.2}
    sent = {seq: frame(seq, [("001A01", value, 0)]) for seq, value in values.items()}
    live = one()
    told = spoken(live.take(*sent.values()))
    assert told.count(("over_limit", "raised")) == 2
    fresh = one()
    load(fresh.engine, dump(live.engine))

    events = spoken(
        fresh.take(*(replace(sent[seq], arrived_us=at(40)) for seq in again))
    )
    # Long enough for what came late to be settled (engine.late_calm_s).
    for seq in range(8, 40):
        good = frame(seq, [("001A01", 0.2, 0)], second=seq * 10)
        events += spoken(fresh.take(good, marks=[seq * 10 + 1]))

    assert events == []
