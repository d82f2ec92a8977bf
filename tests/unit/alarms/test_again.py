"""The newest reading of points that are judged by other numbers now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import nan

import pytest

from gasmon.alarms.again import Redefined, judge_again, redefined
from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.kinds import (
    BY_LINE,
    HIGH_PRE_WARNING,
    LOW_PRE_WARNING,
    N_VALUE_SLOTS,
    OVER_RANGE,
    SWITCH,
)
from gasmon.alarms.rules import default_rules
from gasmon.alarms.told import Told
from gasmon.domain import states
from gasmon.points import PointDef, UnitDef
from tests.engine_world import World, at, feed, live, mark, point

UNKNOWN = point(quantity="UNKNOWN", place_class=None, source="provisional")
"""As a frame with a short number makes it: nothing is known of it."""

METHANE = point(alarm_high=1.0, clear_high=0.9, effective_from_us=1)
STRICT = replace(METHANE, alarm_high=0.5, clear_high=0.5)
"""The mine's own limit, below that of the law."""


def known(engine: AlarmEngine, *versions: PointDef) -> tuple[Redefined, ...]:
    """Let the engine know newer versions; returns what is to be judged again."""
    engine.adopt(engine.table.extended((), versions), versions, at(0))
    return redefined(engine, versions)


def define(
    engine: AlarmEngine, *versions: PointDef, seconds: float = 5
) -> list[AlarmEvent]:
    """What the engine says of newer versions that count from a moment."""
    told = [replace(v, effective_from_us=at(seconds)) for v in versions]
    return judge_again(engine, known(engine, *told), now_us=at(seconds))


def words(said: Sequence[AlarmEvent]) -> list[tuple[str, str, int]]:
    """(event, kind, moment) of each."""
    return [(e.event, e.kind, e.happened_at_us) for e in said]


def test_a_reading_before_its_definition_is_judged_when_it_comes() -> None:
    """At once, and as of the reading: the definition may be the last that comes."""
    engine = World.of(UNKNOWN).engine()
    assert feed(engine, [live(0, 1.2, 1), mark(2)]) == []
    said = define(engine, METHANE)
    assert words(said) == [("raised", "over_limit", at(1))]
    assert (said[0].raised_at_us, said[0].arrived_at_us) == (at(1), at(1))
    assert (said[0].value, said[0].limit, said[0].peak) == (1.2, 1.0, 1.2)
    assert said[0].decided_at_us == at(5)


def test_a_limit_that_falls_below_the_newest_value_alarms_at_once() -> None:
    """A mine that sends changes only may not send again for a long time."""
    engine = World.of(METHANE).engine()
    feed(engine, [live(0, 0.7, 1)])
    said = define(engine, STRICT)
    assert words(said) == [("raised", "over_limit", at(1))]


def test_a_limit_that_rises_ends_what_the_newest_value_does_not_prove() -> None:
    """The same as if the definition had come before the reading."""
    engine = World.of(STRICT).engine()
    feed(engine, [live(0, 0.8, 1), live(0, 0.7, 2)])
    said = define(engine, METHANE)
    assert words(said) == [("cleared", "over_limit", at(2))]


def test_a_limit_that_is_taken_away_ends_nothing() -> None:
    """Whoever takes it away proves nothing about the gas."""
    engine = World.of(METHANE).engine()
    feed(engine, [live(0, 1.2, 1)])
    away = replace(METHANE, quantity="T", alarm_high=nan, clear_high=nan)
    assert define(engine, away) == []


def test_a_change_that_judges_nothing_otherwise_is_passed_over() -> None:
    """Another place, or a point that never sent: there is nothing to judge again."""
    world = World.of(METHANE, replace(METHANE, key=METHANE.key._replace(no="2")))
    engine = world.engine()
    feed(engine, [live(0, 1.2, 1)])
    place = replace(METHANE, place="another", effective_from_us=at(5))
    silent = replace(world.versions[1], alarm_high=0.5, effective_from_us=at(5))
    assert known(engine, place, silent) == ()
    new = replace(METHANE, key=METHANE.key._replace(no="3"))
    assert known(engine, new) == ()


def test_a_delay_that_begins_again_matures_by_time() -> None:
    """As of the reading: what of the delay is over does not begin anew."""
    delayed = replace(default_rules(), on_delay_us=at(20) - at(0))
    engine = World.of(UNKNOWN, rules=delayed).engine()
    feed(engine, [live(0, 1.2, 1), mark(10)])
    assert define(engine, METHANE, seconds=10) == []
    said = feed(engine, [mark(20.5), mark(21.5)])
    assert words(said) == [("raised", "over_limit", at(21))]


def test_silence_keeps_what_lives_and_doubts_what_begins() -> None:
    """A point that nothing is heard of raises by its newest value, and ends nothing."""
    other = METHANE.key._replace(no="2")
    engine = World.of(STRICT, replace(METHANE, key=other)).engine()
    feed(engine, [live(0, 0.7, 1), live(1, 0.7, 1), mark(61)])
    assert engine.links.raised_us[0] == at(61)
    said = define(engine, METHANE, replace(STRICT, key=other), seconds=65)
    assert words(said) == [
        ("raised", "over_limit", at(1)),
        ("unknown", "over_limit", at(61)),
    ]
    assert {event.no for event in said} == {"2"}


def test_a_silent_point_of_a_mine_that_sends_is_doubted_as_well() -> None:
    """Its newest value is old although its mine is heard."""
    other = replace(METHANE, key=METHANE.key._replace(no="2"))
    engine = World.of(STRICT, other).engine()
    others = [live(1, 0.1, second) for second in range(10, 110, 10)]
    said = feed(engine, [live(0, 0.7, 1), *others, mark(100)])
    assert ("raised", "no_data", at(91)) in words(said)
    assert define(engine, METHANE, seconds=101) == []


@pytest.mark.parametrize(
    ("value", "state"),
    [(1.2, states.CALIBRATION), (nan, states.SENSOR_FAULT), (1.2, states.NO_VALUE)],
)
def test_a_newest_reading_that_says_nothing_decides_nothing(
    value: float, state: int
) -> None:
    """Calibration gas and broken sensors are no measurement under any limit."""
    engine = World.of(UNKNOWN).engine()
    feed(engine, [live(0, value, 1, state)])
    assert define(engine, METHANE) == []


def test_a_limit_moved_there_and_back_makes_two_alarms() -> None:
    """One reading raises twice then, and two alarms must not have one key."""
    engine = World.of(STRICT).engine()
    said = feed(engine, [live(0, 0.7, 1)])
    said += define(engine, METHANE, seconds=5)
    said += define(engine, STRICT, seconds=6)
    said += define(engine, METHANE, seconds=7)
    said += define(engine, STRICT, seconds=8)
    keys = [event.key for event in said if event.event == "raised"]
    assert len(keys) == len(set(keys)) == 3
    assert [event.event for event in said] == ["raised", "cleared"] * 2 + ["raised"]
    assert at(1) <= said[-1].raised_at_us < at(1) + 10


def test_a_range_that_shrinks_is_over_range_at_once() -> None:
    """The sensor's end decides about over-range as a limit does about gas."""
    engine = World.of(replace(METHANE, range_high=4.0)).engine()
    feed(engine, [live(0, 0.8, 1)])
    said = define(engine, replace(METHANE, range_high=0.5))
    assert words(said) == [("raised", "over_range", at(1))]


def test_a_break_after_a_rise_counts_the_rise_that_was_judged_again() -> None:
    """A value near the new limit, then a dead sensor: red until disproved."""
    levels = []
    for early in (True, False):
        engine = World.of(UNKNOWN).engine()
        said = [] if not early else define(engine, METHANE, seconds=0)
        said += feed(engine, [live(0, 0.95, 1)])
        said += [] if early else define(engine, METHANE)
        said += feed(engine, [live(0, None, 7, states.SENSOR_FAULT)])
        levels.append([(e.kind, e.rank) for e in said])
    assert levels[0] == levels[1] != []


def test_nothing_to_judge_is_nothing_said() -> None:
    """An empty step, and a point whose reading a full spool lost."""
    engine = World.of(METHANE).engine()
    assert judge_again(engine, (), now_us=at(1)) == []
    assert judge_again(engine, [Redefined(0, at(1))], now_us=at(1)) == []


def test_what_depends_on_an_alarm_of_a_point_is_judged_with_it() -> None:
    """Two points over their limit in one unit: the extent follows without a frame."""
    face = (UnitDef("11121", "face", "11121"),)
    points = [
        replace(METHANE, key=METHANE.key._replace(no=no), unit_slug="11121")
        for no in ("1", "2", "3")
    ]
    early = World.of(*points, units=face).engine()
    frame = [live(row, 1.2, 1) for row in range(3)]
    expected = {e.kind for e in feed(early, frame)}
    assert "extent_over_limit" in expected
    unknown = [replace(UNKNOWN, key=p.key, unit_slug=p.unit_slug) for p in points]
    late = World.of(*unknown, units=face).engine()
    feed(late, [*frame, mark(2)])
    assert {e.kind for e in define(late, *points)} == expected


def test_a_switch_that_was_read_before_its_definition_is_judged_when_it_comes() -> None:
    """Smoke alarms at once; a fan whose running nobody saw does not stop."""
    engine = World.of(UNKNOWN).engine()
    assert feed(engine, [live(0, 1.0, 1), mark(2)]) == []
    smoke = point(quantity="SMOKE", value_kind="KG", place_class=None)
    assert words(define(engine, smoke)) == [("raised", "smoke", at(1))]
    fan = replace(smoke, quantity="FAN_LOCAL")
    again = World.of(UNKNOWN).engine()
    feed(again, [live(0, 0.0, 1), mark(2)])
    assert define(again, fan) == []


def test_a_switch_that_is_renamed_twice_alarms_under_two_keys() -> None:
    """By one reading: the second alarm begins after the end of the first."""
    smoke = point(quantity="SMOKE", value_kind="KG", place_class=None)
    engine = World.of(smoke).engine()
    first = feed(engine, [live(0, 1.0, 1)])
    wind = replace(smoke, quantity="AIR_DIRECTION")
    assert words(define(engine, wind)) == [("cleared", "smoke", at(1))]
    second = define(engine, smoke, seconds=6)
    assert words(second) == [("raised", "smoke", at(1) + 1)]
    assert first[0].key != second[0].key


def test_the_slots_of_a_line_are_the_ones_with_numbers() -> None:
    """Bits need no definition: they were judged when they came."""
    shapes = (HIGH_PRE_WARNING, LOW_PRE_WARNING, SWITCH)
    assert (*range(N_VALUE_SLOTS), OVER_RANGE, *shapes) == BY_LINE


def test_the_first_moment_that_was_not_told() -> None:
    """Stretches that touch are passed over together, whatever their order."""
    told = Told()
    told.add(0, 0, 11, 20)
    told.add(0, 0, 5, 10)
    assert [told.after(0, 0, us) for us in (4, 5, 10, 15, 21)] == [4, 21, 21, 21, 21]
    assert told.after(1, 0, 7) == 7
