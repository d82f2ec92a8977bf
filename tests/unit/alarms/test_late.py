"""Late readings, repeated readings, and going on after a restart."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import pytest

from gasmon.alarms.engine import AlarmEngine, LivingAlarm
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.told import MAX_STRETCHES, Told
from gasmon.domain import states
from gasmon.units import US_PER_S
from tests.engine_world import Entry, Reading, World, at, feed, live, mark, point
from tests.rule_texts import delayed

FACE = World.of(point(range_high=4.0))


def late(value: float, seconds: float, arrived: float, state: int = 0) -> Reading:
    """A reading that comes long after its own time."""
    return Reading(0, value, at(seconds), at(arrived), state)


def told(said: list[AlarmEvent], kind: str = "over_limit") -> list[tuple[object, ...]]:
    """(event, level, seconds, late, quiet) of one kind."""
    return [
        (e.event, e.level, (e.happened_at_us - at(0)) / US_PER_S, e.late, e.quiet)
        for e in said
        if e.kind == kind
    ]


def run(*log: Entry, world: World = FACE) -> list[AlarmEvent]:
    return feed(world.engine(), log)


def test_what_is_over_is_told_quietly() -> None:
    """A newer good value proves the end; nobody is woken, the record is made."""
    said = run(live(0, 0.3, 100), late(1.2, 50, 101))
    assert told(said) == [
        ("raised", "blue", 50, True, "late"),
        ("cleared", "blue", 100, True, "late"),
    ]
    assert [e.peak for e in said] == [1.2, 1.2]


def test_what_nothing_newer_disproves_is_told_aloud() -> None:
    """The newest reading says nothing, so the late one is the best we know."""
    said = run(live(0, None, 100), late(1.2, 50, 101), live(0, 0.3, 110))
    assert told(said) == [
        ("raised", "blue", 50, False, None),
        ("cleared", "blue", 110, False, None),
    ]


def test_a_newer_value_above_the_end_proves_nothing() -> None:
    """1.2 is below the cut-off and not below its end: the alarm would still live."""
    said = run(live(0, 1.2, 100), late(1.6, 50, 101), live(0, 0.5, 110))
    assert told(said, "cut_off") == [
        ("raised", "orange", 50, False, None),
        ("cleared", "orange", 110, False, None),
    ]


@pytest.mark.parametrize("newer", [0.3, None])
def test_a_late_value_is_graded_by_how_bad_it_was(newer: float | None) -> None:
    """5 % is red, late or not."""
    said = run(live(0, newer, 100), late(5.0, 50, 101))
    assert told(said)[0][:3] == ("raised", "red", 50)


def test_a_quiet_record_leaves_nothing_behind() -> None:
    """The next alarm is graded by its own values."""
    said = run(
        live(0, 0.3, 100), late(5.0, 50, 101), live(0, 1.1, 110), live(0, 0.3, 120)
    )
    assert told(said)[2:] == [
        ("raised", "blue", 110, False, None),
        ("cleared", "blue", 120, False, None),
    ]


def test_late_lack_of_oxygen_is_told_too() -> None:
    """Low limits are judged late as high ones are."""
    oxygen = World.of(point(quantity="O2", place_class=None))
    said = run(live(0, 20.0, 100), late(17.0, 50, 101), world=oxygen)
    assert [row[0] for row in told(said, "low_limit")] == ["raised", "cleared"]
    at_end = late(17.0, 50, 101, states.OVER_RANGE)
    assert run(live(0, 20.0, 100), at_end, world=oxygen) == []


@pytest.mark.parametrize("state", [states.CALIBRATION, states.SENSOR_FAULT])
def test_late_values_under_a_bit_say_nothing(state: int) -> None:
    """Neither calibration gas nor a faulty number is a record of gas."""
    assert run(live(0, 0.3, 100), late(2.0, 50, 101, state)) == []


def test_one_stretch_is_one_record() -> None:
    """A backlog over the limit is one quiet alarm, not one for each reading."""
    backlog = [late(1.2, 10 + 5 * k, 101) for k in range(10)]
    assert len(run(live(0, 0.3, 100), *backlog)) == 2


def test_a_repeated_reading_of_an_ended_alarm_is_no_news() -> None:
    """Sent again after the alarm was over, it makes no second record."""
    again = live(0, 1.3, 20)
    said = run(live(0, 1.2, 10), again, live(0, 0.3, 30), again, live(0, 0.3, 30))
    assert [row[0] for row in told(said)] == ["raised", "cleared"]


def test_a_repeated_reading_of_a_cancelled_delay_is_no_news() -> None:
    """What was too short the first time is so the second time."""
    world = replace(FACE, rules=delayed("30s"))
    peak = live(0, 1.2, 10)
    assert run(peak, live(0, 0.3, 20), peak, mark(50), world=world) == []


@pytest.mark.parametrize("on", ["0s", "30s"])
def test_a_late_reading_of_a_living_alarm_belongs_to_it(on: str) -> None:
    """It is no second alarm now, nor when it comes once more."""
    world = replace(FACE, rules=delayed(on))
    older = late(1.3, 5, 15)
    said = run(live(0, 0.1, 1), live(0, 1.2, 10), older, live(0, 0.3, 60), older,
               world=world)  # fmt: skip
    assert [row[0] for row in told(said)] == ["raised", "cleared"]


def test_repeats_are_counted() -> None:
    """They are seen in the metrics, if nowhere else."""
    engine = FACE.engine()
    feed(engine, [live(0, 0.3, 10), live(0, 0.3, 10), late(0.2, 5, 11)])
    assert engine.n_late == 2


def test_a_chattering_point_is_forgotten_in_the_end() -> None:
    """Memory is bounded; the oldest stretches go first."""
    stretches = Told()
    for k in range(MAX_STRETCHES + 1):
        stretches.add(3, 0, 10 * k, 10 * k + 5)
    assert not stretches.covers(3, 0, 0)
    assert stretches.covers(3, 0, 10)
    assert not stretches.covers(3, 0, 16)
    assert not stretches.covers(4, 0, 10)


# Restart


def resumed(alarm: LivingAlarm, world: World = FACE) -> AlarmEngine:
    """An engine that goes on with one alarm."""
    engine = world.engine()
    engine.resume([alarm])
    return engine


OVER = LivingAlarm("over_limit", 0, 0, at(-600), 1, 1.2, at(-600))


def test_a_resumed_alarm_is_not_raised_again_and_ends() -> None:
    """It goes on silently and a good value ends it under its old key."""
    said = feed(resumed(OVER), [live(0, 1.2, 1), live(0, 0.3, 2)])
    assert [e.event for e in said] == ["level", "level", "cleared"]
    assert {e.raised_at_us for e in said} == {OVER.raised_us}


def test_a_resumed_alarm_catches_up_with_its_levels() -> None:
    """What became due while nobody looked is told at its own moment."""
    said = feed(resumed(OVER), [mark(0)])
    assert [(e.level, e.happened_at_us) for e in said] == [
        ("yellow", at(-300)),
        ("orange", at(0)),
    ]


def test_a_resumed_level_is_not_told_again() -> None:
    """A level that people know of is no news, at a point or at a link."""
    known = replace(OVER, rank=3)
    assert feed(resumed(known), [mark(0)]) == []
    link = LivingAlarm("link_break", -1, 0, at(-3700), 1, nan, 0)
    assert feed(resumed(link), [mark(1)]) == []
    later = feed(resumed(link), [mark(1), mark(4000)])
    assert [(e.level, e.happened_at_us) for e in later] == [("yellow", at(3500))]


def test_a_resumed_peak_keeps_its_band() -> None:
    """The band of the worst value is taken to have lasted since then."""
    high = replace(OVER, rank=3, peak=1.6, peak_at_us=at(-200))
    said = feed(resumed(high), [live(0, None, 59), live(0, None, 101)])
    said = [e for e in said if e.event == "level"]
    assert [(e.level, e.happened_at_us) for e in said] == [("red", at(100))]


def test_old_readings_do_not_end_a_resumed_alarm() -> None:
    """A backlog from before it began comes again after the restart."""
    said = feed(resumed(replace(OVER, rank=3)), [late(0.3, -700, 1)])
    assert said == []


def test_a_resumed_silence_ends_with_a_value() -> None:
    """Silence is reckoned by arrival, so the value's own time may be older."""
    silent = LivingAlarm("no_data", 0, 0, at(-50), 1, nan, 0)
    said = feed(resumed(silent), [late(0.3, -100, 1)])
    assert [(e.kind, e.event, e.happened_at_us) for e in said] == [
        ("no_data", "cleared", at(-50))
    ]


def test_a_resumed_unknown_alarm_becomes_known() -> None:
    """It was without a value when the process ended."""
    said = feed(resumed(replace(OVER, rank=3, unknown=True)), [live(0, 1.1, 1)])
    assert [e.event for e in said] == ["known"]


def test_a_resumed_link_ends_with_the_first_frame() -> None:
    """The mine is back."""
    link = LivingAlarm("link_break", -1, 0, at(-100), 0, nan, 0)
    said = feed(resumed(link), [live(0, 0.1, 1)])
    assert [(e.kind, e.event, e.raised_at_us) for e in said] == [
        ("link_break", "cleared", at(-100))
    ]
