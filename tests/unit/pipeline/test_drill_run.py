"""One run by itself: what it takes, what is too much, what it leaves behind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gasmon.batch import Packet
from gasmon.clock import ManualClock
from gasmon.ingest.drill_pump import WINDOW, DrillPump
from gasmon.ingest.inbox import Inbox
from gasmon.ingest.topics import alarms_topic, root_of
from gasmon.pipeline.drill_run import REJECTS_LIMIT, DrillRun, Ground, Spent, is_empty
from gasmon.settings import Settings, load
from gasmon.store import drills
from gasmon.store.drills import Drill
from gasmon.units import US_PER_H, US_PER_S, to_datetime
from tests.engine_world import PLAIN_RULES
from tests.fix_pipeline import AREA, CH4, MINE, START_US, defined, frame

RUN = 7


def settings(**overrides: Any) -> Settings:
    """Of a process with drills."""
    values = {key.replace("__", "."): value for key, value in overrides.items()}
    return load(None, {"mode": "test", **values}, environ={})


def drill_run(clock: ManualClock, **overrides: Any) -> DrillRun:
    """A run of one mine; its pump is not connected."""
    given = settings(**overrides)
    pump = DrillPump(given.mqtt, Inbox(WINDOW), clock=clock, boot="b")
    start, end = to_datetime(START_US), to_datetime(START_US + US_PER_H)
    drill = Drill(RUN, "outburst", [AREA], start, end, True)
    return DrillRun(drill, Ground([MINE], PLAIN_RULES, "b"), given, pump, clock)


def ours(packet: Packet) -> Packet:
    """The same message in the drill's tree."""
    return replace(packet, topic=packet.topic.replace(root_of(0), root_of(RUN), 1))


def test_its_alarms_carry_the_run_and_it_keeps_no_log() -> None:
    """A turn has all that is stored, and nothing that a restart would go on from."""
    clock = ManualClock(START_US + 2 * US_PER_S)
    run = drill_run(clock)
    packets = [ours(defined(CH4)), ours(frame(1, [("001A01", 1.6, 0)]))]
    judged = run.turn(packets, None)
    assert judged is not None
    assert not is_empty(judged)
    assert {event.run for event in judged.events} == {RUN}
    assert {event.kind for event in judged.events} == {"over_limit", "cut_off"}
    assert (judged.steps, judged.marks) == ([], ())
    assert list(judged.packets) == packets
    assert run.retained() == [alarms_topic(AREA, MINE, RUN)]
    assert (run.drill.from_us, run.drill.until_us) == (START_US, START_US + US_PER_H)


def test_it_does_nothing_between_two_marks_without_packets() -> None:
    """And a mark in which nothing happens leaves nothing to be stored."""
    clock = ManualClock(START_US)
    run = drill_run(clock)
    assert run.turn((), None) is None
    clock.advance(1.0)
    judged = run.turn((), {})
    assert judged is not None
    assert is_empty(judged)
    assert run.turn((), None) is None


def test_too_many_points_are_no_exercise() -> None:
    """One definition over the limit ends it, with both numbers."""
    run = drill_run(ManualClock(START_US), drills__points_limit=1)
    more = replace(CH4, no="002A01")
    with pytest.raises(Spent, match="2 points, drills") as spent:
        run.turn([ours(defined(CH4, more))], None)
    assert spent.value.cause == drills.TOO_MANY_POINTS


def test_noise_is_no_exercise() -> None:
    """What cannot be read is kept as refused up to a limit; then it ends."""
    run = drill_run(ManualClock(START_US))
    noise = ours(replace(frame(1, []), payload=b"{"))
    assert run.turn([noise] * REJECTS_LIMIT, None) is not None
    with pytest.raises(Spent, match=f"{REJECTS_LIMIT + 1} refused") as spent:
        run.turn([noise], None)
    assert spent.value.cause == drills.FLOOD


def test_only_mines_that_take_part_are_admitted() -> None:
    """Known ones of its areas, which the desk hands over."""
    run = drill_run(ManualClock(START_US))
    assert run.admits(MINE)
    assert not run.admits("530626000001")


def test_a_player_that_was_heard_must_be_heard_again() -> None:
    """One that never said anything is none; whom nobody could hear is excused."""
    clock = ManualClock(START_US)
    run = drill_run(clock, drills__player_silence_s=30.0)
    clock.advance(3600.0)
    run.excuse()
    assert not run.is_abandoned
    run.hear()
    clock.advance(30.0)
    assert not run.is_abandoned
    clock.advance(0.5)
    assert run.is_abandoned
    run.excuse()
    assert not run.is_abandoned


def test_the_pump_of_drills_says_nothing_of_gasmon_itself() -> None:
    """No will and no birth on gasmon/v1/state: a drill's end is no outage."""
    clock = ManualClock(START_US)
    given = settings(mqtt__client_id="city")
    pump = DrillPump(given.mqtt, Inbox(WINDOW), clock=clock, boot="b", areas=[AREA])
    assert pump._announce("online") is None
    assert not pump._client._will
    assert pump._client._client_id == b"city-drills"
    filters = [name for name, _ in pump._filters]
    assert f"gasmon-drill/v1/+/{AREA}/+/data" in filters
    assert all(name.startswith("gasmon-drill/v1/+/") for name in filters)
