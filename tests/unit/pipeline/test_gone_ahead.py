"""Frames whose alarms were recorded ahead of them: new after a restart, and on time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gasmon.alarms.engine import LivingAlarm
from gasmon.alarms.owing import Debt
from gasmon.alarms.snapshot import dump, load
from gasmon.batch import FrameKey
from gasmon.pipeline.restore import know_newest, newest_judged
from tests.fix_pipeline import BOOT, MINE, Live, at, defined, frame

HIGH = [("001A01", 1.6, 0)]


@pytest.fixture(params=["first restart", "second restart"])
def second(request: pytest.FixtureRequest) -> Live:
    """A process that knows frame 1, and that something of frame 3 began an alarm.

    At a second restart the engine's memory is that of the first, with the alarm.
    """
    live = Live()
    live.take(defined(), frame(1, [("001A01", 0.1, 0)]))
    stored_us = newest_judged(live.book, live.engine)
    assert stored_us == {MINE: at(1)}
    live.engine.resume([LivingAlarm("over_limit", 0, 0, at(3), 1, 1.6, at(3))])
    if request.param == "second restart":
        former, live = live, Live()
        live.take(defined(), frame(1, [("001A01", 0.1, 0)]))
        load(live.engine, dump(former.engine))
    recorded = {MINE: FrameKey(0, MINE, BOOT, 1)}
    know_newest(live.evaluator, {MINE: BOOT}, recorded, stored_us)
    return live


def times(live: Live, seq: int, second: float, arrived: float) -> list[int]:
    """When a frame is judged that is sent with one time and arrives at another."""
    packet = replace(frame(seq, HIGH, second=second), arrived_us=at(arrived))
    (batch,) = live.take(packet).batches
    return list(batch.at_us)


def test_what_comes_again_behind_its_alarm_is_no_clock_that_went_back(
    second: Live,
) -> None:
    """Older than the alarm, at its time, and all that follows: each at its own time."""
    live = second
    assert times(live, 2, 2, 20) == [at(2)]
    assert times(live, 3, 3, 20) == [at(3)]
    assert times(live, 4, 19.9, 20) == [at(19.9)]
    assert live.evaluator.clocks.offset_us == {}


def test_a_clock_that_went_back_behind_what_was_stored_is_one(second: Live) -> None:
    """Only the alarm does not count."""
    assert times(second, 2, 0.5, 20) == [at(20)]


def test_what_is_owed_is_the_first_step_of_a_restart() -> None:
    """Given to the engine before any reading, and once."""
    live = Live()
    live.take(defined(), frame(1, HIGH))
    over = LivingAlarm("over_limit", 0, -1, at(1), 1, 1.6, at(1))
    live.evaluator.owing = (Debt(over, at(3)),)
    before = live.evaluator.step
    judged = live.take(frame(2, HIGH), frame(4, HIGH))
    assert [(step.number - before, len(step.owed)) for step in judged.steps] == [
        (1, 1),
        (2, 0),
    ]
    assert [
        (e.event, e.raised_at_us) for e in judged.events if e.kind == over.kind
    ] == [
        ("cleared", at(1)),
        ("raised", at(4)),
    ]
    (step,) = live.take(frame(5, HIGH)).steps
    assert step.owed == ()
