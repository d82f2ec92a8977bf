"""Other rules while the engine runs: what each part of it makes of them."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from typing import Any

import numpy as np
import pytest

from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.forecast import ForecastEngine
from gasmon.alarms.levels import OFF
from gasmon.alarms.relation_kinds import DOORS, PIPE_CO
from gasmon.alarms.relation_memory import BUCKETS, PointMemory
from gasmon.alarms.rule_history import adopt_under
from gasmon.alarms.rule_versions import KEPT
from gasmon.alarms.rules import RuleSet, default_rules, parse_rules
from gasmon.alarms.snapshot import dump, history_in, load
from gasmon.errors import ConfigError
from gasmon.points import MineDef, PointDef, UnitDef, lay_out
from gasmon.units import US_PER_MIN
from tests.engine_world import (
    PLAIN_RULES,
    START_US,
    Life,
    World,
    at,
    feed,
    live,
    mark,
    point,
)
from tests.rule_texts import NO_PRE_WARNING, rule_set

MINE = "530627000001"


def limit(alarm: float, clear: float, cut: float = 1.5, more: str = "") -> RuleSet:
    """Methane by these limits."""
    return rule_set(f"""{more}
[[rule]]
kind = "over_limit"
match = {{ quantity = ["CH4"] }}
with = {{ alarm_high = {alarm}, clear_high = {clear} }}
{NO_PRE_WARNING}""")


def told(said: list[AlarmEvent], kind: str) -> list[tuple[str, int]]:
    """What was said of a kind, and when in seconds."""
    return [
        (e.event, (e.happened_at_us - START_US) // 1_000_000)
        for e in said
        if e.kind == kind
    ]


def restarted(engine: AlarmEngine, world: World) -> AlarmEngine:
    """Another engine, from a snapshot, with the rules that are in it."""
    taken = dump(engine)
    sets = [(change.from_us, change.rules()) for change in history_in(taken)]
    fresh = AlarmEngine(sets[0][1], world.patience)
    adopt_under(fresh, world.table, world.versions, sets[1:], START_US)
    load(fresh, taken)
    assert dump(fresh) == taken
    return fresh


def test_readings_are_judged_by_the_rules_of_their_own_time() -> None:
    """Late or not: what was measured before is judged by what counted then."""
    engine = World.of(point(), point("002A01")).engine()
    engine.change_rules(limit(0.8, 0.7), at(100))
    said = feed(engine, [live(0, 0.85, 99), live(1, 0.85, 100)])
    assert [(e.no, e.limit, e.rule) for e in said] == [
        ("002A01", 0.8, "rule:over_limit")
    ]


def test_an_alarm_lives_on_by_the_new_limits_and_ends_by_them() -> None:
    """No end because the old clear was passed, no second beginning."""
    engine = World.of(point()).engine()
    said = feed(engine, [live(0, 1.1, 10)])
    engine.change_rules(limit(0.8, 0.7), at(15))
    said += feed(engine, [live(0, 0.9, 20), live(0, 0.75, 30), live(0, 0.69, 40)])
    assert told(said, "over_limit") == [("raised", 10), ("cleared", 40)]


def test_an_alarm_lives_on_by_the_new_levels() -> None:
    """It rises by their durations since it began; what was reached stays."""
    steps = '[["0s", "blue"], ["30s", "red"]]'
    other = parse_rules(
        f"""{NO_PRE_WARNING}
[[rule]]
kind = "over_limit"
match = {{ quantity = ["CH4"], place_class = ["FACE_T1"] }}
levels = [{{ factor = 1.0, steps = {steps} }}]
""",
        "other.toml",
    )
    engine = World.of(point()).engine()
    said = feed(engine, [live(0, 1.1, 10)])
    engine.change_rules(other, at(15))
    said += feed(engine, [live(0, 1.1, 20), live(0, 1.1, 45)])
    assert [(e.event, e.level, e.explain["level_rule"]) for e in said] == [
        ("raised", "blue", 2),
        ("level", "red", len(other.levels)),
    ]
    # A rule file with none of it takes nothing back.
    engine.change_rules(PLAIN_RULES, at(46))
    said = feed(engine, [live(0, 1.1, 50)])
    assert said == []


def test_a_kind_that_is_turned_off_keeps_what_lives() -> None:
    """Its level rises no other way than before, and it ends by what raised it."""
    rules = rule_set("""[[rule]]
kind = "high_pre_warning"
match = { quantity = ["CH4"], place_class = ["FACE_T1"] }
enabled = true
with = { fraction = 0.8, clear_fraction = 0.7 }
levels = [{ factor = 1.0, steps = [["0s", "blue"], ["1min", "yellow"]] }]
""")
    world = World.of(point(), rules=rules)
    engine = world.engine()
    said = feed(engine, [live(0, 0.85, 10)])
    engine.change_rules(default_rules(), at(20))
    assert engine.rules.lines.level[engine.rules.head[0], 10] == OFF
    said += feed(engine, [live(0, 0.75, 30)])
    engine = restarted(engine, world)
    said += feed(engine, [live(0, 0.75, 80), live(0, 0.69, 90)])
    mine = [(e.event, e.level) for e in said if e.kind == "high_pre_warning"]
    assert mine == [("raised", "blue"), ("level", "yellow"), ("cleared", "yellow")]


def test_a_switch_that_became_another_is_graded_as_before() -> None:
    """A fan that is now told to be a main fan keeps its alarm's level row."""
    fan: dict[str, Any] = {"quantity": "FAN_LOCAL", "place_class": None}
    first = point("001D01", value_kind="KG", **fan)
    second = replace(first, quantity="FAN_MAIN", effective_from_us=at(20))
    engine = World.of(first, second).engine()
    said = feed(engine, [live(0, 1, 5), live(0, 0, 10), live(0, 0, 30)])
    assert [(e.kind, e.event, e.level) for e in said] == [
        ("local_fan_stopped", "raised", "yellow")
    ]


def test_a_break_right_after_a_rise_stays_one() -> None:
    """Other rules make no plain break of it."""
    engine = World.of(point()).engine()
    said = feed(engine, [live(0, 0.9, 5), live(0, None, 10, 128)])
    engine.change_rules(limit(0.8, 0.7), at(15))
    said += feed(engine, [live(0, None, 20, 128)])
    broken = [(e.event, e.level) for e in said if e.kind == "sensor_break"]
    assert broken == [("raised", "red")]
    rows = engine.rules.levels.after_rise[engine.state.level[0, 5]]
    assert rows


def test_delays_are_those_of_the_newest_reading() -> None:
    """A pending alarm is raised after the shorter delay."""
    engine = World.of(point()).engine()
    slow = limit(1.0, 1.0, more='[delays]\non = "60s"\n')
    engine.change_rules(slow, at(0))
    said = feed(engine, [live(0, 1.1, 10)])
    fast = limit(1.0, 1.0, more='[delays]\non = "20s"\n')
    engine.change_rules(fast, at(15))
    said += feed(engine, [live(0, 1.1, 20), mark(31)])
    assert told(said, "over_limit") == [("raised", 30)]


def test_a_looser_rule_is_no_evasion_of_the_mine() -> None:
    """The site changed it, not the mine."""
    rising = [live(0, round(0.3 + 0.04 * k, 2), 15 * k) for k in range(14)]
    engine = World.of(point(), rules=limit(0.8, 0.7)).engine()
    said = feed(engine, [*(live(0, 0.3, -15 * k) for k in (9, 8, 7, 6)), *rising])
    engine.change_rules(PLAIN_RULES, at(200))
    said += feed(engine, [live(0, 0.83, 210)])
    assert "evasion" not in {e.kind for e in said}


def test_the_level_of_a_broken_link_follows_the_rules() -> None:
    """From the moment on at which they count, without anything from the mine."""
    quick = rule_set("""replace = ["link_break"]
[[rule]]
kind = "link_break"
levels = [{ factor = 1.0, steps = [["0s", "blue"], ["90s", "red"]] }]
""")
    engine = World.of(point()).engine()
    said = feed(engine, [live(0, 0.1, 0), Life(0, False, at(10))])
    engine.change_rules(quick, at(60))
    said += feed(engine, [mark(59), mark(61), mark(101)])
    assert [(e.event, e.level) for e in said if e.kind == "link_break"] == [
        ("raised", "ungraded"),
        ("level", "blue"),
        ("level", "red"),
    ]
    levels = told(said, "link_break")[1:]
    assert levels == [("level", 60), ("level", 100)]


def test_a_mine_that_is_of_another_kind_gets_its_limits() -> None:
    """Without new versions of its points; the alarm that lives goes on."""
    own = point(place_class="HEADING_T2", alarm_high=1.5, clear_high=1.5)
    outburst = lay_out([MineDef(MINE, MINE[:6], kind="outburst")], [own])
    engine = AlarmEngine(PLAIN_RULES)
    engine.adopt(outburst, [own], START_US)
    before = engine.rules.lines.limits[engine.rules.head[0]].tolist()
    n_lines = engine.rules.n
    low_gas = outburst.extended([MineDef(MINE, MINE[:6], kind="low_gas")])
    engine.adopt(low_gas, [], at(100))
    after = engine.rules.lines.limits[engine.rules.head[0]].tolist()
    fresh = AlarmEngine(PLAIN_RULES)
    fresh.adopt(low_gas, [own], START_US)
    assert repr(after) == repr(fresh.rules.lines.limits[0].tolist())
    assert (engine.rules.n > n_lines) == (repr(after) != repr(before))
    rows = np.asarray([0], np.int32)
    times = np.asarray([at(99)])
    line = int(engine.rules.version_at(rows, times)[0])
    assert repr(engine.rules.lines.limits[line].tolist()) == repr(before)


# Relations


def doors(**more: Any) -> list[PointDef]:
    kinds: dict[str, Any] = {"quantity": "DOOR", "value_kind": "KG"}
    attributes = {"place_class": None, "unit_slug": "11121", **kinds, **more}
    return [point("001D01", **attributes), point("002D01", **attributes)]


def door_rule(delay: str, steps: str = '[["0s", "yellow"]]') -> RuleSet:
    return rule_set(f"""[[rule]]
kind = "{DOORS}"
match = {{ unit_kind = ["face"] }}
with = {{ on_delay = "{delay}", off_delay = "0s" }}
levels = [{{ factor = 1.0, steps = {steps} }}]
""")


def both(value: float, second: float) -> list[Any]:
    return [live(0, value, second), live(1, value, second)]


def a_face(rules: RuleSet) -> World:
    return World.of(*doors(), rules=rules, units=(UnitDef("11121", "face", ""),))


def test_a_relation_takes_other_numbers_at_the_moment_they_count() -> None:
    """A pending one matures by the delay of the newest moment, whenever it was told."""
    for place in range(4):
        engine = a_face(door_rule("60s")).engine()
        entries = [both(1, 10), both(1, 30), both(1, 50), both(1, 70)]
        said = []
        for number, frame in enumerate(entries):
            if number == place:
                engine.change_rules(door_rule("15s"), at(40))
            said += feed(engine, frame)
        assert told(said, DOORS) == [("raised", 25 if place < 3 else 70)]


def test_a_relation_that_lives_rises_by_the_new_levels() -> None:
    """And has no false end; a restart goes on with it."""
    world = a_face(door_rule("0s"))
    engine = world.engine()
    said = feed(engine, both(1, 10))
    steps = '[["0s", "yellow"], ["30s", "red"]]'
    engine.change_rules(door_rule("0s", steps), at(20))
    said += feed(engine, both(1, 30))
    engine = restarted(engine, world)
    said += feed(engine, [*both(1, 45), *both(0, 60)])
    assert told(said, DOORS) == [("raised", 10), ("level", 40), ("cleared", 60)]
    assert [e.level for e in said] == ["yellow", "red", "red"]


def test_a_relation_that_is_turned_off_ends_by_what_raised_it() -> None:
    """Turning it off proves nothing; a rule of another kind makes none anew."""
    engine = a_face(door_rule("0s")).engine()
    said = feed(engine, both(1, 10))
    n_made = engine.relations.table.n
    engine.change_rules(
        parse_rules(door_rule("0s").text + NO_PRE_WARNING, "given.toml"), at(15)
    )
    said += feed(engine, both(1, 16))
    assert engine.relations.table.n == n_made
    off = rule_set(f'[[rule]]\nkind = "{DOORS}"\nenabled = false\n')
    engine.change_rules(rule_set(f'replace = ["{DOORS}"]\n'), at(20))
    engine.change_rules(replace(off, name="off.toml"), at(21))
    said += feed(engine, [*both(1, 30), *both(0, 40), *both(1, 50)])
    assert told(said, DOORS) == [("raised", 10), ("cleared", 40)]


def test_another_window_keeps_what_is_known_of_the_one_before() -> None:
    """Neither longer nor shorter parts lose a lowest value that is still in them."""
    memory = PointMemory()
    memory.grow(1)
    place = np.asarray([memory.place(0)], np.int32)

    def put(minute: float, value: float) -> float:
        times = np.asarray([round(minute * US_PER_MIN)])
        memory.put(place, np.asarray([value]), times)
        return float(memory.rise[0])

    memory.place(0, 60 * US_PER_MIN)
    put(600, 5.0)
    assert put(640, 20.0) == 15.0
    memory.place(0, 120 * US_PER_MIN)
    assert put(650, 20.0) == 15.0
    memory.place(0, 30 * US_PER_MIN)
    assert put(655, 20.0) == 0.0, "the low value is 55 minutes old"
    assert len(memory.lowest[0]) == BUCKETS
    assert PIPE_CO in {rule.kind for rule in default_rules().rules}


# The forecast


def test_the_forecast_takes_the_limits_of_other_rules() -> None:
    """From their time on; a point that had no limit gets one."""
    here, other = point("001A01", place_class="FACE_T2"), point("002A01")
    elsewhere = point("003A01", place_class="COAL_BUNKER")
    world = World.of(here, other, elsewhere)
    engine = AlarmEngine(world.rules, forecast=ForecastEngine(world.rules))
    engine.adopt(world.table, world.versions, START_US)
    assert engine.forecast is not None
    engine.change_rules(limit(0.8, 0.7), at(100))
    targets = engine.forecast.targets
    number = np.asarray([targets.number_of(0), targets.number_of(0)])
    found = targets.limits_at(number, np.asarray([at(99), at(100)]))
    assert found.tolist() == [1.0, 0.8]
    n = len(targets.watches)
    engine.change_rules(limit(0.8, 0.7), at(200))
    assert [len(watch.versions) for watch in targets.watches] == [2, 2]
    assert len(targets.watches) == n


# History


def test_a_snapshot_carries_the_newest_versions_only() -> None:
    """Older ones cannot be asked for any more."""
    engine = World.of(point()).engine()
    for number in range(KEPT + 2):
        engine.change_rules(limit(0.8, 0.7 - number / 100), at(number))
    history = history_in(dump(engine))
    assert [change.from_us for change in history] == [at(n) for n in range(2, KEPT + 2)]
    assert history[-1].rules() == engine.rules.rules


def test_a_change_is_never_before_the_one_before_it() -> None:
    """Versions stay in order, whatever the file says."""
    engine = World.of(point()).engine()
    engine.change_rules(limit(0.8, 0.7), at(100))
    engine.change_rules(limit(0.9, 0.7), at(50))
    assert [us for us, _ in engine.rules.history] == [0, at(100), at(100)]
    (event,) = feed(engine, [live(0, 0.95, 120)])
    assert event.limit == 0.9


def test_versions_of_points_that_come_later_are_judged_by_the_newer_rules() -> None:
    """A definition that is known already but counts later keeps its moment."""
    first = point(alarm_high=nan)
    later = replace(first, alarm_high=0.6, clear_high=0.5, effective_from_us=at(300))
    engine = World.of(first, later).engine()
    engine.change_rules(limit(0.8, 0.7), at(100))
    rows, times = np.zeros(3, np.int32), np.asarray([at(50), at(200), at(400)])
    lines = engine.rules.version_at(rows, times)
    assert engine.rules.lines.limits[lines, 0].tolist() == [1.0, 0.8, 0.6]


@pytest.mark.parametrize("written", ["2026-11-01T08:00:00+08:00", "2026-11-01 08:00"])
def test_a_file_says_from_when_it_counts(written: str) -> None:
    """With an offset, or in Beijing time; as a time of TOML or as a text."""
    as_text = parse_rules(f'effective_from = "{written}"\n', "a.toml")
    assert as_text.effective_from_us == 1_793_491_200_000_000
    if "+" in written:
        as_time = parse_rules(f"effective_from = {written}\n", "a.toml")
        assert as_time.effective_from_us == as_text.effective_from_us


@pytest.mark.parametrize("wrong", ["5", '"tomorrow"', "08:00:00"])
def test_a_time_that_is_none_is_refused_with_its_line(wrong: str) -> None:
    """As everything else that is wrong with the file."""
    with pytest.raises(ConfigError, match=r"a\.toml:2: effective_from"):
        parse_rules(f"\neffective_from = {wrong}\n", "a.toml")
