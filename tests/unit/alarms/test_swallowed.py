"""What holds a crossing back is said with it, and it is said once."""

from __future__ import annotations

import numpy as np

from gasmon.alarms.again import judge_again, redefined
from gasmon.alarms.crossings import Crossing
from gasmon.alarms.engine import LivingAlarm, Patience
from gasmon.alarms.rules import parse_rules
from gasmon.units import US_PER_S
from tests.engine_world import START_US, Entry, World, at, feed, live, mark, point
from tests.rule_texts import LIMITS_ALONE

RULES = parse_rules('[delays]\non = "30s"\noff = "20s"\n' + LIMITS_ALONE, "delays.toml")
WORLD = World.of(
    point(alarm_high=1.0, clear_high=0.8, cut_high=9.0),
    rules=RULES,
    patience=Patience(10**15, 10**15),
)
"""One methane sensor with both delays and a deadband of 0.2."""


def seen(log: list[Entry]) -> list[tuple[float, float | None, str]]:
    """(seconds, value, held by) of each crossing of its alarm limit."""
    crossed: list[Crossing] = []
    feed(WORLD.engine(), log, crossed=crossed)
    return [
        ((c.at_us - at(0)) / US_PER_S, c.value, c.held_by)
        for c in crossed
        if c.kind == "over_limit"
    ]


def test_a_crossing_that_the_on_delay_cancels_is_noted() -> None:
    """Nothing is said of it, and it has its own record with value, limit and rule."""
    crossed: list[Crossing] = []
    log = [live(0, 0.2, 0), live(0, 1.3, 10), live(0, 1.4, 20), live(0, 0.2, 30)]
    assert feed(WORLD.engine(), [*log, mark(100)], crossed=crossed) == []
    assert crossed == [
        Crossing(0, "over_limit", "mine", at(10), at(10), 1.3, 1.0, "on_delay")
    ]


def test_each_stay_is_noted_by_what_holds_it() -> None:
    """On-delay, deadband of the living alarm, off-delay of the ending one."""
    log = [
        live(0, 1.3, 0),  # pending
        live(0, 1.3, 40),  # raised at 30
        live(0, 0.9, 50),  # between end and limit
        live(0, 1.1, 60),
        live(0, 0.2, 70),  # past the end, for 10 s
        live(0, 1.2, 80),
        live(0, 1.2, 90),
    ]
    assert seen(log) == [
        (0, 1.3, "on_delay"),
        (60, 1.1, "deadband"),
        (80, 1.2, "off_delay"),
    ]


def test_no_value_is_no_way_back() -> None:
    """Who was beyond before a gap in the values does not cross again after it."""
    log = [live(0, 1.3, 0), live(0, None, 10), live(0, 1.3, 20), mark(200)]
    assert seen([*log, live(0, 1.3, 210)]) == [(0, 1.3, "on_delay")]


def test_a_late_stay_that_the_on_delay_cancels_is_noted() -> None:
    """It is found when its backlog is quiet, and marked late."""
    crossed: list[Crossing] = []
    engine = WORLD.engine()
    feed(engine, [live(0, 0.2, 0), live(0, 0.2, 300)], crossed=crossed)
    late = [
        type(r)(r.row, r.value, r.at_us, at(301), 0)
        for r in (live(0, 1.5, 100), live(0, 1.2, 110), live(0, 0.3, 120))
    ]
    assert feed(engine, [*late, mark(301), mark(600)], crossed=crossed) == []
    assert [(c.kind, c.at_us, c.value, c.late) for c in crossed] == [
        ("over_limit", at(100), 1.5, True),
        ("cut_off", at(100), 1.5, True),
    ]


def test_an_open_alarm_after_a_restart_counts_as_beyond() -> None:
    """No crossing is made up where its last value is not known."""
    crossed: list[Crossing] = []
    engine = WORLD.engine()
    engine.resume([LivingAlarm("over_limit", 0, 0, at(0), 2, 1.3, at(0))])
    feed(engine, [live(0, 1.2, 10), live(0, 0.9, 20)], crossed=crossed)
    assert crossed == []
    feed(engine, [live(0, 1.2, 30)], crossed=crossed)
    assert [c.held_by for c in crossed] == ["deadband"]


def test_a_value_that_a_stricter_limit_catches_is_noted() -> None:
    """It is judged again in its own time, and its on-delay begins then."""
    engine = WORLD.engine()
    feed(engine, [live(0, 0.7, 0)])
    stricter = [point(alarm_high=0.5, clear_high=0.4, effective_from_us=at(1))]
    engine.adopt(engine.table.extended((), stricter), stricter, START_US)
    again = redefined(engine, stricter)
    assert judge_again(engine, again, now_us=START_US) == []
    assert [(c.at_us, c.limit) for c in engine.crossed] == [(at(0), 0.5)]
    assert judge_again(engine, again, now_us=START_US) == []
    assert engine.crossed == []
    fresh = WORLD.engine()
    fresh.crossed = list(engine.crossed)
    assert judge_again(fresh, again, now_us=START_US) == []
    assert fresh.crossed == []
    assert not np.any(fresh.state.busy)
