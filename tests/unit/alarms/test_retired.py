"""Points that a mine's definitions do not name any more, and some that come back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.reconcile import living, owed
from gasmon.alarms.rule_changes import LimitChange, rule_text, with_changes
from gasmon.alarms.rules import default_rules
from gasmon.alarms.snapshot import dump, load
from gasmon.domain import states
from gasmon.points import PointDef
from tests.ahead_world import Record
from tests.engine_world import Entry, World, at, feed, live, mark, point

SENDS = point("1")
GONE = point("2")
WORLD = World.of(SENDS, GONE)


def others(begin: int, end: int) -> list[Entry]:
    """The mine goes on sending its other point, and our clock goes on."""
    seconds = range(begin, end, 5)
    return [entry for s in seconds for entry in (live(0, 0.1, s), mark(s + 1))]


def define(engine: AlarmEngine, *versions: PointDef) -> None:
    """Let the engine know newer versions."""
    engine.adopt(engine.table.extended((), versions), versions, at(0))


def retire(engine: AlarmEngine, seconds: float, of: PointDef = GONE) -> PointDef:
    """The mine's definitions name the point no more; returns that version."""
    version = replace(of, retired=True, effective_from_us=at(seconds))
    define(engine, version)
    return version


def words(said: Iterable[AlarmEvent]) -> list[tuple[str, str, int]]:
    """(event, kind, moment) of each."""
    return [(e.event, e.kind, e.happened_at_us) for e in said]


def test_a_retired_point_is_not_silent() -> None:
    """Nobody promises that it sends, so nothing is said of its silence."""
    engine = WORLD.engine()
    feed(engine, [live(0, 0.1, 0), live(1, 0.1, 0), mark(1)])
    retire(engine, 2)
    assert feed(engine, others(5, 300)) == []


def test_its_silence_ends_when_it_is_retired() -> None:
    """With a cause, as of the definition, and once."""
    engine = WORLD.engine()
    said = feed(engine, [live(0, 0.1, 0), live(1, 0.1, 0), *others(5, 120)])
    assert words(said) == [("raised", "no_data", at(90))]
    retire(engine, 121)
    said = feed(engine, others(125, 300))
    assert words(said) == [("cleared", "no_data", at(121))]
    assert said[0].explain["cause"] == "retired"
    assert said[0].raised_at_us == at(90)


def test_an_alarm_of_its_value_stays_and_is_in_doubt() -> None:
    """Taking the sensor out of the definitions proves nothing about the gas."""
    engine = WORLD.engine()
    feed(engine, [live(0, 0.1, 0), live(1, 1.2, 0), mark(1)])
    retire(engine, 2)
    said = feed(engine, others(5, 300))
    assert [event[:2] for event in words(said) if event[0] != "level"] == [
        ("unknown", "over_limit")
    ]
    assert ("over_limit", 1) in living(engine)


def test_what_it_sends_all_the_same_is_judged() -> None:
    """A definition must not hide gas; only a pause of it says nothing."""
    engine = WORLD.engine()
    feed(engine, [live(0, 0.1, 0), live(1, 0.1, 0), mark(1)])
    retire(engine, 2)
    said = feed(engine, [live(0, 0.1, 3), live(1, 1.2, 3), mark(4)])
    assert words(said) == [("raised", "over_limit", at(3))]
    assert feed(engine, [live(1, None, 9, states.PAUSED), mark(10)])[0].event == (
        "unknown"
    )
    assert ("no_data", 1) not in living(engine)


def test_a_pause_of_a_listed_point_is_told_beside_a_retired_one() -> None:
    """Only the retired one is excused."""
    engine = WORLD.engine()
    feed(engine, [live(0, 0.1, 0), live(1, 0.1, 0), mark(1)])
    retire(engine, 2)
    paused = [live(0, None, 3, states.PAUSED), live(1, None, 3, states.PAUSED)]
    assert {e.no for e in feed(engine, paused) if e.kind == "no_data"} == {"1"}


def test_a_point_that_is_defined_again_has_its_whole_patience() -> None:
    """Its silence counts from the definition that names it again."""
    engine = WORLD.engine()
    feed(engine, [live(0, 0.1, 0), live(1, 0.1, 0), mark(1)])
    retire(engine, 2)
    assert feed(engine, others(5, 300)) == []
    define(engine, replace(GONE, effective_from_us=at(301)))
    define(engine, replace(GONE, place="x", effective_from_us=at(380)))
    assert feed(engine, others(305, 391)) == []
    said = feed(engine, others(395, 400))
    assert words(said) == [("raised", "no_data", at(391))]


def test_a_point_that_was_made_up_takes_all_its_alarms_along() -> None:
    """Its number meant another point, which has them if they are true."""
    made_up = replace(GONE, quantity="UNKNOWN", place_class=None, source="provisional")
    delayed = replace(default_rules(), on_delay_us=at(60) - at(0))
    engine = World.of(SENDS, made_up, rules=delayed).engine()
    alarm = states.ALARM | states.SENSOR_FAULT
    said = feed(engine, [live(0, 0.1, 0), live(1, None, 0, alarm), mark(1)])
    assert words(said) == [("raised", "sensor_break", at(0))]
    retire(engine, 2, made_up)
    said = feed(engine, others(5, 300))
    assert words(said) == [("cleared", "sensor_break", at(2))]
    assert said[0].explain["cause"] == "retired"
    assert living(engine) == set()
    assert engine.state.busy[1] == 0


def test_a_silence_that_began_after_it_was_retired_ends_as_it_began() -> None:
    """A bit may have raised it meanwhile; nothing ends before it began."""
    engine = WORLD.engine()
    feed(engine, [live(0, 0.1, 0), live(1, None, 5, states.PAUSED), mark(6)])
    retire(engine, 2)
    (said,) = feed(engine, [mark(7)])
    assert (said.event, said.kind, said.happened_at_us) == ("cleared", "no_data", at(5))


def replayed(versions: Sequence[PointDef], log: Sequence[Entry]) -> AlarmEngine:
    """An engine that knows every version from the beginning."""
    table = WORLD.table.extended((), versions)
    engine = AlarmEngine(WORLD.rules, WORLD.patience)
    engine.adopt(table, [*WORLD.versions, *versions], at(0))
    feed(engine, log)
    return engine


def test_a_restart_that_knows_all_versions_ends_the_same() -> None:
    """Retired, defined again and retired once more, in the log behind a snapshot."""
    live_on = WORLD.engine()
    log: list[Entry] = [live(0, 0.1, 0), live(1, 0.1, 0)]
    versions: list[PointDef] = []
    for begin, retired in ((0, True), (200, False), (400, True), (600, False)):
        part = others(begin + 5, begin + 199)
        feed(live_on, log if not begin else [])
        feed(live_on, part)
        log += part
        versions.append(
            replace(GONE, retired=retired, effective_from_us=at(begin + 199))
        )
        define(live_on, versions[-1])
    again = replayed(versions, log)
    assert living(again) == living(live_on)
    assert again.state.raised_us[1].tolist() == live_on.state.raised_us[1].tolist()
    last = replayed(versions, ())
    load(last, dump(live_on))
    assert feed(last, others(805, 900)) == feed(live_on, others(805, 900)) != []


def approve_end(engine: AlarmEngine, seconds: float, of: PointDef = GONE) -> None:
    """Two people approved that the point is gone."""
    change = LimitChange(1, str(of.key), at(seconds), retired=True)
    rules = with_changes(default_rules(), rule_text([change]))
    engine.change_rules(rules, at(seconds))


def test_what_two_people_approved_to_be_gone_ends_once_nothing_comes() -> None:
    """Not by the definition alone, nor by the approval, nor while it sends."""
    engine = WORLD.engine()
    feed(engine, [live(0, 0.1, 0), live(1, 1.2, 0), mark(1)])
    approve_end(engine, 2)
    assert [w for w in words(feed(engine, others(5, 200))) if w[0] == "cleared"] == []
    retire(engine, 201)
    said = feed(engine, others(205, 210))
    cleared = [(e.kind, e.explain["cause"]) for e in said if e.event == "cleared"]
    assert sorted(cleared) == [("no_data", "retired"), ("over_limit", "retired")]
    assert [e.happened_at_us for e in said if e.kind == "over_limit"] == [at(206)]
    # What it sends all the same is judged, and stands until it is silent again.
    said = feed(engine, [live(0, 0.1, 211), live(1, 1.2, 211), *others(215, 290)])
    assert "over_limit" in {e.kind for e in said if e.event == "raised"}
    assert [w for w in words(said) if w[0] == "cleared"] == []
    said = feed(engine, others(295, 320))
    assert ("over_limit", 1) not in living(engine)
    assert said[-1].event == "cleared"


def test_before_the_time_that_was_approved_nothing_ends() -> None:
    """Also where the engine was given the rules some seconds before."""
    engine = WORLD.engine()
    feed(engine, [live(0, 0.1, 0), live(1, 1.2, 0), mark(1)])
    retire(engine, 2)
    approve_end(engine, 300)
    feed(engine, others(5, 296))
    assert ("over_limit", 1) in living(engine)
    feed(engine, others(300, 310))
    assert ("over_limit", 1) not in living(engine)


def test_the_end_of_what_is_gone_is_owed_only_while_the_log_lacks_it() -> None:
    """No reading comes behind it; a restart the next morning waits for nothing."""
    engine = WORLD.engine()
    said = feed(engine, [live(0, 0.1, 0), live(1, 1.2, 0), mark(1), *others(5, 200)])
    approve_end(engine, 2)
    retire(engine, 201)
    before = dump(engine)
    said += feed(engine, others(205, 210))
    record = Record(said)
    assert ("over_limit", 1) not in living(engine)
    assert owed(engine, record.open_now(), record.ended()) == []

    load(engine, before)
    (debt,) = owed(engine, record.open_now(), record.ended())
    assert (debt.alarm.kind, debt.alarm.row, debt.cleared_us) == (
        "over_limit",
        1,
        at(206),
    )
