"""Relations between points: who takes part, and what becomes of them over time."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from typing import Any

import numpy as np
import pytest

from gasmon.alarms.engine import AlarmEngine, LivingAlarm, Patience
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.reconcile import living, reconcile
from gasmon.alarms.relation_kinds import DOORS, DUCT, EXTENT, FEED, FLAT, SUCTION
from gasmon.alarms.relation_memory import PointMemory
from gasmon.alarms.relation_roles import Relation
from gasmon.alarms.rules import RuleSet, default_rules, parse_rules
from gasmon.alarms.snapshot import dump, load
from gasmon.points import MineDef, PointDef, UnitDef
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
UNIT = f"unit:{MINE}/u/11121"
AT_ONCE = "".join(
    f'[[rule]]\nkind = "{kind}"\nwith = {{ on_delay = "0s" }}\n'
    for kind in (DOORS, DUCT, FEED)
)
DAY_S = 86_400


def at_once() -> RuleSet:
    """Without delays."""
    return parse_rules(AT_ONCE, "at-once.toml")


def switch(no: str, quantity: str, **more: Any) -> PointDef:
    """A switch of the unit."""
    attributes = {"place_class": None, "value_kind": "KG", "unit_slug": "11121"}
    return point(no, quantity=quantity, **{**attributes, **more})


def gas(no: str, place: str = "FACE_T1", **more: Any) -> PointDef:
    """A methane point of the unit."""
    return point(no, place_class=place, unit_slug="11121", **more)


def frame(second: float, *values: float | None) -> list[Entry]:
    """One frame with the first points of the mine."""
    return [live(row, value, second) for row, value in enumerate(values)]


def told(said: list[AlarmEvent], kind: str) -> list[str]:
    """What was said of a kind."""
    return [event.event for event in said if event.kind == kind]


def found(engine: AlarmEngine, kind: str) -> list[Relation]:
    """The relations of a kind."""
    return [r for r in engine.relations.table.relations if r.kind == kind]


def pairs(*doors: PointDef) -> set[tuple[int, int]]:
    """Rows of the pairs of doors that are found."""
    (relation,) = found(World.of(*doors).engine(), DOORS)
    return {(term.row, term.other) for term in relation.clauses[0].terms}


def test_doors_go_in_pairs_by_their_numbers() -> None:
    """Two by two; of three all belong together."""
    doors = [switch(f"001D0{n}", "DOOR") for n in range(1, 6)]
    assert pairs(*doors[:2]) == {(0, 1)}
    assert pairs(*doors[:3]) == {(0, 1), (0, 2), (1, 2)}
    assert pairs(*doors[:4]) == {(0, 1), (2, 3)}
    assert pairs(*doors) == {(0, 1), (2, 3), (2, 4), (3, 4)}


def test_doors_that_are_told_to_be_related_are_the_pairs() -> None:
    """By the short number and by the full code."""
    doors = [
        switch("001D01", "DOOR", relations=("G-001D03-door", "B-001D02-x")),
        switch("001D02", "DOOR", relations=(f"G-{MINE}01KG1002001D04-door",)),
        switch("001D03", "DOOR"),
        switch("001D04", "DOOR"),
    ]
    assert pairs(*doors) == {(0, 2), (1, 3)}


def test_the_feed_that_is_told_is_the_one_that_must_be_dead() -> None:
    """Another one of the unit may stay live."""
    points = [
        gas("001A01", relations=("D-001D01-feed",)),
        switch("001D01", "FEED"),
        switch("001D02", "FEED"),
    ]
    engine = World.of(*points, rules=at_once()).engine()
    assert told(feed(engine, frame(1, 1.6, 0.0, 1.0)), FEED) == []
    assert told(feed(engine, frame(16, 1.6, 1.0, 0.0)), FEED) == ["raised"]


def feeds(*points: PointDef, unit: str = "11121") -> set[tuple[str, str]]:
    """Which point must have cut which load side in a unit."""
    table = (engine := World.of(*points).engine()).table
    no = [key.no for key in table.keys]
    return {
        (no[term.row], no[term.other])
        for relation in found(engine, FEED)
        if relation.unit == unit
        for term in relation.clauses[0].terms
    }


def test_each_methane_point_has_load_sides_of_its_own() -> None:
    """What another point cuts may stay live; who tells none has those of its unit."""
    points = [
        gas("001A01", relations=("D-001D01-feed",)),
        gas("001A02", relations=("D-001D02-feed",)),
        gas("001A03"),
        switch("001D01", "FEED"),
        switch("001D02", "FEED"),
        switch("001D03", "FEED"),
    ]
    assert feeds(*points) == {
        ("001A01", "001D01"),
        ("001A02", "001D02"),
        ("001A03", "001D01"),
        ("001A03", "001D02"),
    }
    engine = World.of(*points, rules=at_once()).engine()
    log = frame(1, 1.6, 0.2, 0.2, 0.0, 1.0, 1.0)
    assert told(feed(engine, log), FEED) == []


def test_a_load_side_in_another_unit_must_be_dead_too() -> None:
    """By its number, and by way of the breaker that feeds it; where the gas is."""
    away = {"unit_slug": "switchgear"}
    points = [
        gas("001A01", relations=("D-002D01-feed", "D-003C01-breaker")),
        gas("001A02", relations=("D-003C02-breaker",)),
        switch("002D01", "FEED", **away),
        switch("003C01", "BREAKER", unit_slug="section"),
        switch("003D01", "FEED", unit_slug="section"),
        switch("003C02", "BREAKER", unit_slug=None, relations=("D-003D02-feed",)),
        switch("003D02", "FEED", unit_slug="far"),
    ]
    assert feeds(*points) == {
        ("001A01", "002D01"),
        ("001A01", "003D01"),
        ("001A02", "003D02"),
    }
    # What names no unit goes with what it cuts.
    assert feeds(*points, unit="far") == {("003C02", "003D02")}
    engine = World.of(*points, rules=at_once()).engine()
    said = feed(engine, frame(1, 1.6, 0.2, 1.0, 1.0, 1.0, 1.0, 1.0))
    (event,) = [event for event in said if event.kind == FEED]
    assert event.subject == UNIT
    roles = {point["no"]: point["role"] for point in event.explain["points"]}
    assert (roles["001A01"], roles["002D01"]) == ("cut_off", "feed")


def test_methane_of_no_unit_is_judged_where_its_load_side_is() -> None:
    """Without one there is nothing to be judged."""
    points = [
        point("001A01", relations=("D-001D01-feed",)),
        point("001A02"),
        switch("001D01", "FEED"),
    ]
    assert feeds(*points) == {("001A01", "001D01")}


def test_a_load_side_that_was_removed_holds_no_alarm() -> None:
    """One of two feeds was not heard of for a day: the dead one ends the alarm."""
    points = [
        gas("001A01"),
        switch("001D01", "FEED"),
        switch("001D02", "FEED"),
    ]
    engine = World.of(
        *points, rules=at_once(), patience=Patience(mine_us=10**15)
    ).engine()
    feed(engine, frame(0, 0.2, 1.0, 0.0))
    late_on = DAY_S + 10
    assert told(feed(engine, frame(late_on, 1.6, 1.0)), FEED) == ["raised"]
    assert told(feed(engine, frame(late_on + 15, 1.6, 0.0)), FEED) == ["cleared"]


@pytest.mark.parametrize(("uom", "value"), [("MPa", 0.0029), ("Pa", -2900.0)])
def test_suction_is_compared_in_its_own_unit(uom: str, value: float) -> None:
    """Three kilopascals, however they are written."""
    pipe = switch("002A01", "PIPE_PRESSURE", uom=uom, value_kind="MN")
    units = (UnitDef("11121", "drainage"),)
    engine = World.of(pipe, units=units).engine()
    said = feed(engine, [*frame(0, value), *frame(30, value), *frame(60, value)])
    assert told(said, SUCTION) == ["raised"]


def test_suction_in_a_unit_that_nobody_knows_is_not_judged() -> None:
    """Three bar is not three kilopascals."""
    pipe = switch("002A01", "PIPE_PRESSURE", uom="bar", value_kind="MN")
    units = (UnitDef("11121", "drainage"),)
    assert found(World.of(pipe, units=units).engine(), SUCTION) == []


def test_drainage_is_judged_in_drainage_stations_only() -> None:
    """A pump at a face is another matter."""
    points = [
        switch("001D01", "EQUIPMENT"),
        switch("001A01", "SUCTION", uom="kPa", value_kind="MN"),
    ]
    engine = World.of(*points, units=(UnitDef("11121", "face"),)).engine()
    assert engine.relations.table.n == 0


def test_a_kind_can_be_off_for_one_mine_or_area() -> None:
    """The rule with the selector counts there, and only there."""
    text = "".join(
        f'[[rule]]\nkind = "{kind}"\nmatch = {{ {match} }}\nenabled = false\n'
        for kind, match in (
            (EXTENT, f'mine = ["{MINE}"]'),
            (DUCT, 'area = ["zhenxiong"]'),
        )
    )
    other = "530628000001"
    points = [
        replace(own, key=own.key._replace(mine=mine))
        for mine in (MINE, other)
        for own in (
            gas("001A01"),
            gas("001A02"),
            switch("001D01", "FAN_LOCAL"),
            switch("001D02", "DUCT"),
        )
    ]
    engine = World.of(*points, rules=parse_rules(text, "off.toml")).engine()
    assert [r.mine for r in found(engine, EXTENT)] == [other]
    assert [r.mine for r in found(engine, DUCT)] == [other]


def fan_and_duct(*more: PointDef, **world: Any) -> World:
    """A fan, its duct, and more."""
    points = [switch("001D01", "FAN_LOCAL"), switch("001D02", "DUCT"), *more]
    return World.of(*points, rules=at_once(), **world)


def test_each_moment_of_a_frame_is_judged() -> None:
    """A sample in the middle that was bad is not passed over."""
    world = fan_and_duct()
    samples = [(0, 1.0, 10.0), (1, 1.0, 10.0), (1, 0.0, 12.0), (1, 1.0, 15.0)]
    log = [Reading(row, v, at(s), at(20)) for row, v, s in samples]
    said = feed(world.engine(), log)
    assert [(e.event, e.happened_at_us) for e in said] == [
        ("raised", at(12)),
        ("cleared", at(15)),
    ]


def test_nothing_happens_to_a_relation_before_it_was_raised() -> None:
    """Its delay matured on our clock; then a frame came that is older than that."""
    points = [switch("001D01", "FAN_LOCAL"), switch("001D02", "DUCT")]
    engine = World.of(*points, patience=Patience(point_us=20_000_000)).engine()
    said = feed(engine, [*frame(0, 1.0, 0.0), mark(31)])
    said += feed(
        engine, [Reading(row, v, at(10), at(36)) for row, v in ((0, 1), (1, 0))]
    )
    assert [(e.event, e.happened_at_us) for e in said if e.kind == DUCT] == [
        ("raised", at(30)),
        ("unknown", at(31)),
        ("known", at(30)),
    ]


def test_what_is_older_than_the_watermark_counts_from_there() -> None:
    """A point that comes after the rest of its mine takes nothing back."""
    engine = fan_and_duct().engine()
    feed(engine, [live(0, 1.0, 30)])
    (event,) = feed(engine, [Reading(1, 0.0, at(10), at(31))])
    assert (event.event, event.happened_at_us) == ("raised", at(30))


def test_an_alarm_goes_on_when_the_definitions_lose_it() -> None:
    """Taking the duct away from its unit is no proof of air; its value is."""
    world = fan_and_duct()
    engine = world.engine()
    assert told(feed(engine, frame(1, 1.0, 0.0)), DUCT) == ["raised"]
    moved = replace(world.versions[1], unit_slug=None, effective_from_us=at(2))
    table = world.table.extended((), [moved])
    engine.adopt(table, [moved], at(2))
    assert told(feed(engine, frame(3, 1.0, 0.0)), DUCT) == []
    assert told(feed(engine, frame(4, 1.0, 1.0)), DUCT) == ["cleared"]
    # Once it is over there is no such relation any more.
    engine.adopt(table.extended((), [moved]), [moved], at(5))
    assert told(feed(engine, frame(6, 1.0, 0.0)), DUCT) == []
    assert engine.relations.number_of(UNIT, DUCT) == -1


def test_a_relation_that_the_definitions_lost_does_not_begin_again() -> None:
    """Its alarm ends, and nothing makes another one: there is no such relation."""
    world = fan_and_duct()
    engine = world.engine()
    feed(engine, frame(1, 1.0, 0.0))
    moved = replace(world.versions[1], unit_slug=None, effective_from_us=at(2))
    engine.adopt(world.table.extended((), [moved]), [moved], at(2))
    assert told(feed(engine, frame(3, 1.0, 1.0)), DUCT) == ["cleared"]
    for second in (4, 60, 600):
        assert told(feed(engine, frame(second, 1.0, 0.0)), DUCT) == []
    # Told as before, it is a relation again.
    back = replace(world.versions[1], effective_from_us=at(601))
    engine.adopt(engine.table.extended((), [back]), [back], at(601))
    assert told(feed(engine, frame(602, 1.0, 0.0)), DUCT) == ["raised"]


def test_what_a_mine_tells_of_itself_makes_relations_anew() -> None:
    """The same points in a unit of another kind."""
    pump = switch("002D01", "EQUIPMENT")
    world = World.of(pump, units=(UnitDef("11121", "face"),))
    engine = world.engine()
    assert engine.relations.table.n == 0
    mine = MineDef(MINE, MINE[:6], units=(UnitDef("11121", "drainage"),))
    engine.adopt(world.table.extended([mine]), [], at(1))
    assert [r.kind for r in engine.relations.table.relations] == ["pump_stopped"]


def test_an_alarm_whose_points_change_keeps_them_all_for_its_reason() -> None:
    """Of a relation with another duct nobody knows which term was true."""
    world = fan_and_duct()
    engine = world.engine()
    feed(engine, frame(1, 1.0, 0.0))
    second = switch("001D03", "DUCT")
    table = world.table.extended((), [second])
    engine.adopt(table, [second], at(2))
    assert told(feed(engine, frame(3, 1.0, 1.0)), DUCT) == ["unknown"]
    assert told(feed(engine, frame(4, 1.0, 1.0, 1.0)), DUCT) == ["cleared"]


def test_frames_of_mines_may_be_mixed_in_one_batch() -> None:
    """One mine's readings need not lie beside one another; nor need all be new."""
    other = "530628000001"
    world = fan_and_duct(
        *(
            replace(own, key=own.key._replace(mine=other))
            for own in (switch("001D01", "FAN_LOCAL"), switch("001D02", "DUCT"))
        )
    )
    engine = world.engine()
    mixed = [live(0, 1.0, 1), live(2, 1.0, 1), live(1, 0.0, 1), live(3, 0.0, 1)]
    assert told(feed(engine, mixed), DUCT) == ["raised", "raised"]
    # The same frame again, beside a new one of the other mine.
    again = [replace(one, arrived_us=at(5)) for one in (mixed[0], mixed[2])]
    said = feed(engine, [*again, live(2, 1.0, 5), live(3, 1.0, 5)])
    assert told(said, DUCT) == ["cleared"]
    assert feed(engine, again) == []


def test_rubble_of_former_definitions_is_cleared_away() -> None:
    """A mine that tells its points every minute takes no more and more memory."""
    world = fan_and_duct(gas("002A01"), gas("002A02"))
    engine = world.engine()
    assert told(feed(engine, frame(1, 1.0, 0.0, 1.2, 1.2)), EXTENT) == ["raised"]
    for _ in range(600):
        engine.adopt(world.table, [world.versions[0]], at(1))
    assert engine.relations.table.n < 1100
    assert {kind for kind, _ in engine.relations.living()} == {DUCT, EXTENT}
    said = feed(engine, frame(2, 1.0, 1.0, 0.1, 0.1))
    assert told(said, EXTENT) == told(said, DUCT) == ["cleared"]


def test_a_point_that_is_gone_for_a_day_holds_no_alarm_of_others() -> None:
    """A second duct that was removed; but one that was the reason holds it."""
    engine = fan_and_duct(switch("001D03", "DUCT")).engine()
    assert told(feed(engine, frame(0, 1.0, 1.0, 1.0)), DUCT) == []
    feed(engine, frame(1, 1.0, 0.0, None))
    assert told(feed(engine, frame(2, 1.0, 1.0, None)), DUCT) == ["unknown"]
    said = feed(engine, frame(DAY_S + 10, 1.0, 1.0, None))
    assert told(said, DUCT) == ["level", "cleared"]

    feed(engine, frame(DAY_S + 20, 1.0, 1.0, 0.0))
    said = feed(engine, frame(3 * DAY_S, 1.0, 1.0, None))
    assert told(said, DUCT) == ["level", "unknown"]


def test_where_every_point_is_gone_nothing_is_known() -> None:
    """Main fans of which nothing came for days are not "running again"."""
    fan = point("003D01", quantity="FAN_MAIN", place_class=None, value_kind="KG")
    beside = point("004A01", quantity="O2", place_class=None)
    engine = World.of(fan, beside).engine()
    said = feed(engine, [*frame(0, 0.0, 20.0), *frame(60, 0.0, 20.0)])
    assert told(said, "main_fans_stopped") == ["raised"]
    said = feed(engine, frame(2 * DAY_S, None, 20.0))
    assert told(said, "main_fans_stopped") == ["level", "unknown"]


def test_time_that_nobody_lived_through_matures_no_delay() -> None:
    """Our clock was set forward: the mine's time goes on when it is heard."""
    doors = [switch("001D01", "DOOR"), switch("001D02", "DOOR")]
    engine = World.of(*doors, patience=Patience(gap_us=10_000_000)).engine()
    log = [*frame(0, 1.0, 1.0), mark(1), mark(1000), *frame(1001, 1.0, 1.0)]
    # Nothing new is defined: nothing changes.
    engine.adopt(engine.table, [], at(0))
    assert told(feed(engine, log[:-2]), DOORS) == []
    assert told(feed(engine, log[-2:]), DOORS) == ["raised", "level"]


def test_a_broken_link_is_no_methane_that_stands_still() -> None:
    """Half an hour without any frame: the clock matures no flat line; a real one does.

    The third: the engine was away, and its first mark is later than the delay.
    """
    points = [switch("001D01", "EQUIPMENT"), gas("001A01")]
    world = World.of(*points, units=(UnitDef("11121", "face"),))
    heard = [entry for s in (0, 20, 40) for entry in frame(s, 0.32, 1.0)]
    clock = [mark(s) for s in range(41, 2400, 7)]
    goes_on = [e for s in range(60, 2400, 20) for e in frame(s, 0.32, 1.0)]
    assert told(feed(world.engine(), heard + clock), FLAT) == []
    assert told(feed(world.engine(), heard + goes_on), FLAT) == ["raised"]
    assert told(feed(world.engine(), [*heard, mark(2400)]), FLAT) == []


def test_several_points_over_speak_when_time_alone_raises_them() -> None:
    """An on-delay that matures on a clock mark makes it two."""
    slow = parse_rules('[delays]\non = "20s"\n', "slow.toml")
    engine = World.of(gas("001A01"), gas("001A02"), rules=slow).engine()
    said = feed(engine, [*frame(0, 1.2, 1.2), mark(1), mark(21)])
    (event,) = [e for e in said if e.kind == EXTENT]
    assert (event.event, event.arrived_at_us) == ("raised", at(21))
    assert [p["no"] for p in event.explain["points"]] == ["001A01", "001A02"]


def recorded(kind: str, since: float, subject: str = UNIT) -> LivingAlarm:
    """One that stands as open in the database."""
    return LivingAlarm(kind, -1, 0, at(since), 2, nan, at(since), subject=subject)


def test_relations_are_made_equal_to_what_is_recorded() -> None:
    """Missing ones go on, surplus ones and those of another beginning are forgotten."""
    world = fan_and_duct(gas("002A01"), gas("002A02"))
    engine = world.engine()
    feed(engine, frame(1, 1.0, 0.0, 1.2, 1.2))
    assert (DUCT, UNIT) in living(engine)
    points = [LivingAlarm("over_limit", row, 0, at(1), 1, 1.2, at(1)) for row in (2, 3)]
    missing, surplus = reconcile(engine, [*points, recorded(DUCT, 1)])
    assert (missing, surplus) == ([], [(EXTENT, UNIT)])
    missing, surplus = reconcile(engine, [*points, recorded(DUCT, 0.5)])
    assert (missing, surplus) == ([(DUCT, UNIT)], [(DUCT, UNIT)])
    said = feed(engine, frame(2, 1.0, 1.0, 1.2, 1.2))
    (end,) = [e for e in said if e.kind == DUCT]
    assert (end.event, end.raised_at_us, end.rank) == ("cleared", at(0.5), 2)


def test_an_open_alarm_without_its_relation_is_left_to_people() -> None:
    """Of a unit, or a whole mine, that nobody defines any more."""
    engine = fan_and_duct().engine()
    gone = recorded(DUCT, 1, "unit:530627999999/u/1")
    engine.resume([gone, recorded(DOORS, 1)])
    assert engine.relations.living() == {}
    assert feed(engine, frame(2, 1.0, 1.0)) == []


def test_a_snapshot_under_other_rules_uses_theirs() -> None:
    """A pending delay matures by the new one; a level that was reached stays."""
    world = World.of(
        switch("001D01", "FAN_LOCAL"),
        switch("001D02", "DUCT"),
        switch("001D03", "DOOR"),
        switch("001D04", "DOOR"),
        rules=parse_rules(
            f'[[rule]]\nkind = "{DUCT}"\nwith = {{ on_delay = "0s" }}\n', "before.toml"
        ),
    )
    before = world.engine()
    feed(before, [*frame(0, 1.0, 0.0, 1.0, 1.0), mark(1)])
    text = f'[[rule]]\nkind = "{DOORS}"\nwith = {{ on_delay = "5s" }}\n'
    after = replace(world, rules=parse_rules(text, "after.toml")).engine()
    load(after, dump(before))
    said = feed(after, [mark(10)])
    assert [(e.kind, e.event, e.happened_at_us) for e in said] == [
        (DOORS, "raised", at(5))
    ]
    assert set(after.relations.living()) == {(DUCT, UNIT), (DOORS, UNIT)}


def test_a_snapshot_of_relations_that_are_not_any_more() -> None:
    """What is unknown in it is left out, and the rest goes on."""
    world = fan_and_duct(switch("002A09", "PIPE_CO", value_kind="MN"))
    before = world.engine()
    feed(before, frame(1, 1.0, 0.0, 5.0))
    fewer = World.of(world.versions[0], rules=world.rules).engine()
    assert load(fewer, dump(before)) == 1
    assert fewer.relations.living() == {}
    # And one whose duct was replaced by another: which one was bad nobody knows.
    other = World.of(
        world.versions[0], switch("001D07", "DUCT"), rules=world.rules
    ).engine()
    load(other, dump(before))
    assert set(other.relations.living()) == {(DUCT, UNIT)}
    assert told(feed(other, frame(2, 1.0, 1.0)), DUCT) == ["cleared"]


def test_another_window_begins_anew() -> None:
    """What was the lowest of an hour says nothing about five minutes."""
    pipe = switch("002A01", "PIPE_CO", value_kind="MN")
    world = World.of(pipe)
    engine = world.engine()
    feed(engine, frame(0, 1.0))
    engine.relations.memory.place(0, 300_000_000)
    feed(engine, frame(301, 2.0))
    assert engine.relations.memory.rise[0] == 0.0
    assert default_rules().params("pipe_co_rising", None, world.table.mines[0])
    assert at(0) == START_US


def test_a_first_value_is_neither_the_same_nor_another() -> None:
    """It has none before it: an alarm that knows the others does not end by it."""
    memory = PointMemory()
    memory.grow(1)
    place = np.asarray([memory.place(0)])
    said = []
    for at_us, value in enumerate((0.3, 0.3, 0.4)):
        memory.put(place, np.asarray([value]), np.asarray([at_us]))
        said.append((bool(memory.same[0]), bool(memory.moved[0])))
    assert said == [(False, False), (True, False), (False, True)]
