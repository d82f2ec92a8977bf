"""Main fans of a pair: the stop of one is no alarm while the other is known to run."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import pytest

from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.rules import parse_rules
from gasmon.alarms.snapshot import dump, load
from gasmon.points import PointDef, PointTable
from tests.engine_world import (
    START_US,
    Entry,
    Reading,
    World,
    at,
    feed,
    live,
    mark,
    point,
)

MINE = "530627000001"


def fan(no: str, *standby: str, **more: str) -> PointDef:
    """A main fan that these stand by for."""
    told = tuple(f"Z-{other}-主扇" for other in standby)
    base = point(no, quantity="FAN_MAIN", place_class=None, value_kind="KG")
    return replace(base, relations=told, **more)


PAIR = (fan("001D01", "001D02"), fan("001D02"))


def cycle(second: float, *values: float | None) -> list[Entry]:
    """A frame with a value of each fan."""
    return [live(row, value, second) for row, value in enumerate(values)]


def run(
    *cycles: tuple[float | None, ...], fans: tuple[PointDef, ...] = PAIR
) -> list[tuple[str, str, int]]:
    """Number of the fan, event and second of every alarm of a stop; 15 s a cycle."""
    log = [e for n, values in enumerate(cycles) for e in cycle(15 * n, *values)]
    return told(feed(World.of(*fans).engine(), log))


def told(said: list[AlarmEvent]) -> list[tuple[str, str, int]]:
    """Of the alarms of stops."""
    return [
        (str(e.no), e.event, (e.happened_at_us - START_US) // 1_000_000)
        for e in said
        if e.kind == "main_fan_stopped"
    ]


def test_a_changeover_within_a_cycle_is_no_alarm() -> None:
    """One stops, its standby runs, in one frame; and back again."""
    assert run((1, 0), (0, 1), (0, 1), (1, 0), (1, 0)) == []


def test_a_changeover_that_takes_time_is_an_alarm_until_the_standby_runs() -> None:
    """For as long as neither is known to run."""
    assert run((1, 0), (0, 0), (0, 0), (0, 1), (0, 1)) == [
        ("001D01", "raised", 15),
        ("001D01", "cleared", 45),
    ]


def test_its_end_says_that_the_standby_runs() -> None:
    """The fan itself stands still."""
    log = [*cycle(0, 1, 0), *cycle(15, 0, 0), *cycle(30, 0, 1)]
    said = [e for e in feed(World.of(*PAIR).engine(), log) if e.no == "001D01"]
    assert said[-1].explain["cause"] == "standby_runs"
    assert said[-1].explain["value"] == 0.0


def test_both_stopped_is_an_alarm_of_the_one_that_stopped_last() -> None:
    """And after five minutes red, as the alarm of all main fans is."""
    log: list[Entry] = [*cycle(0, 1, 0), *cycle(15, 0, 1)]
    for n in range(2, 30):
        log += [*cycle(15 * n, 0, 0), mark(15 * n)]
    said = feed(World.of(*PAIR).engine(), log)
    assert told(said) == [("001D02", "raised", 30), ("001D02", "level", 330)]
    assert [(e.event, e.level) for e in said if e.kind == "main_fans_stopped"] == [
        ("raised", "orange"),
        ("level", "red"),
    ]


@pytest.mark.parametrize("second", [None, nan])
def test_a_standby_that_nobody_knows_of_excuses_nothing(second: float | None) -> None:
    """Without a value, also where it ran before."""
    assert run((1, 1), (1, second), (0, second)) == [("001D01", "raised", 30)]


@pytest.mark.parametrize("state", [4, 16, 32, 64, 128])
def test_a_standby_with_a_bad_state_excuses_nothing(state: int) -> None:
    """Calibration, a lost substation, a fault: its 1 means nothing."""
    log = [*cycle(0, 1, 0), live(0, 0.0, 15), live(1, 1.0, 15, state)]
    assert told(feed(World.of(*PAIR).engine(), log)) == [("001D01", "raised", 15)]


def test_what_the_standby_said_long_ago_excuses_nothing() -> None:
    """More than the time after which a point counts as silent."""
    log = [*cycle(0, 1, 1), live(0, 1.0, 60), live(0, 0.0, 91)]
    assert told(feed(World.of(*PAIR).engine(), log)) == [("001D01", "raised", 91)]
    log = [*cycle(0, 1, 1), live(0, 1.0, 60), live(0, 0.0, 90)]
    assert told(feed(World.of(*PAIR).engine(), log)) == []


def test_an_older_reading_of_the_standby_in_the_same_frame_counts_for_nothing() -> None:
    """What is late, or comes again, is not what the fan does now."""
    late = [Reading(1, 1.0, at(5), at(30)), Reading(0, 0.0, at(30), at(30))]
    log = [*cycle(0, 1, 1), *cycle(15, 1, 0), *late]
    assert told(feed(World.of(*PAIR).engine(), log)) == [("001D01", "raised", 30)]


def test_of_a_backlog_in_one_frame_a_long_standstill_is_told() -> None:
    """That the standby runs by its end does not hide an hour without either."""
    frame = [Reading(0, 1.0, at(0), at(4000)), Reading(1, 0.0, at(0), at(4000))]
    frame += [Reading(0, 0.0, at(15), at(4000)), Reading(0, 0.0, at(3600), at(4000))]
    frame += [Reading(1, 1.0, at(3600), at(4000))]
    assert told(feed(World.of(*PAIR).engine(), frame)) == [
        ("001D01", "raised", 15),
        ("001D01", "level", 315),
        ("001D01", "cleared", 3600),
    ]


def test_a_fan_without_a_pair_is_as_before() -> None:
    """No relation, one to itself, to nobody, or to what is no main fan."""
    lone = (fan("001D01", "001D01", "009D09", "001D03"), fan("001D02"))
    door = replace(fan("001D03"), quantity="DOOR")
    expected = [("001D01", "raised", 15)]
    assert run((1, 1, 1), (0, 1, 1), fans=(*lone, door)) == expected
    taken_out = (PAIR[0], replace(PAIR[1], retired=True))
    assert run((1, 1), (0, 1), fans=taken_out) == expected


def test_any_of_several_standbys_is_enough() -> None:
    """Three fans, two of which stand by."""
    three = (fan("001D01", "001D02", "001D03"), fan("001D02"), fan("001D03"))
    assert run((1, 0, 0), (0, 0, 1), fans=three) == []
    assert run((1, 0, 0), (0, 0, 0), (0, 1, 0), fans=three) == [
        ("001D01", "raised", 15),
        ("001D01", "cleared", 30),
    ]


def test_an_alarm_by_the_mines_own_bit_is_not_ended() -> None:
    """Whether that fan stands still nobody knows."""
    log = [*cycle(0, 1, 1), live(0, None, 15, 1), live(1, 1.0, 15)]
    assert told(feed(World.of(*PAIR).engine(), log)) == [("001D01", "raised", 15)]


def test_a_rule_that_looks_at_the_state_alone_does_not_chatter() -> None:
    """The standing fan says 0 in each frame; neither raised nor ended again."""
    rules = parse_rules(
        "[[rule]]\nkind = 'main_fan_stopped'\nmatch = { quantity = ['FAN_MAIN'] }\n"
        "with = { state = 0.0, begins = 'in_state' }\n",
        "site.toml",
    )
    engine = World.of(*PAIR, rules=rules).engine()
    log = [e for n in range(5) for e in cycle(15 * n, 0, 1)]
    assert told(feed(engine, log)) == []


def test_where_the_kind_is_off_the_mines_bit_counts_for_each_fan() -> None:
    """An alarm of another kind is not about a changeover."""
    rules = parse_rules(
        "[[rule]]\nkind = 'main_fan_stopped'\nmatch = { quantity = ['FAN_MAIN'] }\n"
        "enabled = false\n",
        "site.toml",
    )
    log = [live(0, 0.0, 15, 1), live(1, 1.0, 15)]
    said = feed(World.of(*PAIR, rules=rules).engine(), log)
    assert [(e.kind, e.event) for e in said] == [("on_off_alarm", "raised")]


def test_pairs_follow_the_definitions() -> None:
    """A relation that is told later counts from then on, one taken away no more."""
    apart = (fan("001D01"), fan("001D02"))
    engine = World.of(*apart).engine()
    assert told(feed(engine, [*cycle(0, 1, 1), *cycle(15, 0, 1)])) == [
        ("001D01", "raised", 15)
    ]
    engine.adopt(*again(engine, PAIR, 20), at(20))
    assert told(feed(engine, cycle(30, 0, 1))) == [("001D01", "cleared", 30)]
    engine.adopt(*again(engine, apart, 40), at(40))
    assert told(feed(engine, [*cycle(45, 1, 1), *cycle(60, 0, 1)])) == [
        ("001D01", "raised", 60)
    ]


def again(
    engine: AlarmEngine, fans: tuple[PointDef, ...], second: int
) -> tuple[PointTable, list[PointDef]]:
    """A table with the fans defined anew, and their new versions."""
    new = [replace(one, effective_from_us=at(second)) for one in fans]
    return engine.table.extended((), new), new


def test_a_changeover_goes_on_after_a_restart() -> None:
    """From a snapshot between the stop and the run of the standby."""
    world = World.of(*PAIR)
    first = world.engine()
    feed(first, [*cycle(0, 1, 0), *cycle(15, 0, 0)])
    second = world.engine()
    load(second, dump(first))
    assert told(feed(second, cycle(30, 0, 1))) == [("001D01", "cleared", 30)]
