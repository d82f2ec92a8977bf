"""Corners of what comes late: long backlogs, a restart within one, delays of an end."""

from __future__ import annotations

from gasmon.alarms.debounce import IDLE
from gasmon.alarms.engine import AlarmEngine, Patience
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.kinds import OVER_LIMIT
from gasmon.alarms.late import MOST_SEEN
from gasmon.alarms.rule_versions import RuleChange
from gasmon.alarms.rules import RuleSet
from gasmon.alarms.snapshot import dump, load
from gasmon.alarms.steps import Step, give
from gasmon.units import US_PER_S
from tests.engine_world import (
    PLAIN_RULES,
    Reading,
    World,
    at,
    batch_of,
    feed,
    live,
    mark,
    point,
)
from tests.rule_texts import delayed

DEAF = Patience(point_us=10**15, mine_us=10**15)


def world(*nos: str, rules: RuleSet = PLAIN_RULES) -> World:
    """Methane points of one mine; nothing here is about silence."""
    points = [point(no, range_high=4.0) for no in nos]
    return World.of(*points, patience=DEAF, rules=rules)


def late(row: int, value: float, seconds: float, arrived: float) -> Reading:
    """A reading that comes long after its own time."""
    return Reading(row, value, at(seconds), at(arrived))


def words(said: list[AlarmEvent]) -> list[tuple[str, str, float, bool]]:
    """Number of the point, event, second, and whether it was over, of over-limits."""
    return [
        (str(e.no), e.event, (e.happened_at_us - at(0)) / US_PER_S, e.late)
        for e in said
        if e.kind == "over_limit"
    ]


def test_a_backlog_that_never_calms_is_told_when_it_is_long_enough() -> None:
    """So many readings of one point wait at most, and one more is not waited for."""
    engine = world("001A01").engine()
    feed(engine, [live(0, 0.3, 20_000)])
    backlog = [late(0, 1.2, 100 + k, 20_001) for k in range(MOST_SEEN)]
    assert words(feed(engine, backlog[:-1])) == []
    assert words(feed(engine, backlog[-1:])) == [
        ("001A01", "raised", 100.0, True),
        ("001A01", "cleared", 20_000.0, True),
    ]


def test_points_that_are_gone_after_a_restart_take_their_past_with_them() -> None:
    """What waits and what is held of the others goes on."""
    three = world("001A01", "002A01", "003A01")
    engine = three.engine()
    feed(engine, [live(row, 0.1, 300) for row in (0, 2)])
    feed(engine, [late(row, 1.2, 100, 301) for row in (0, 2)])
    # Nothing good is newer: these live at once, and are held by late readings alone.
    feed(engine, [live(row, None, 300) for row in (1,)])
    assert words(feed(engine, [late(1, 1.2, 100, 302)])) == [
        ("002A01", "raised", 100.0, False)
    ]
    kept = world("002A01", "003A01").engine()
    load(kept, dump(engine))
    assert sorted(kept.alarms.late.waiting) == [1]
    assert [row for row, _ in kept.alarms.late.held] == [0]
    gone = world("001A01").engine()
    load(gone, dump(engine))
    assert (list(gone.alarms.late.waiting), gone.alarms.late.held) == ([0], {})
    assert words(feed(kept, [mark(500)])) == [
        ("003A01", "raised", 100.0, True),
        ("003A01", "cleared", 300.0, True),
        ("002A01", "level", 400.0, False),
    ]
    assert words(feed(kept, [late(0, 0.1, 200, 501)])) == [
        ("002A01", "cleared", 200.0, False)
    ]


def held(rules: RuleSet = PLAIN_RULES) -> AlarmEngine:
    """An alarm that only late readings know, since second 100, newest at 110."""
    engine = world("001A01", rules=rules).engine()
    feed(engine, [live(0, None, 300), late(0, 1.2, 100, 301), late(0, 1.2, 110, 302)])
    assert engine.alarms.late.held
    return engine


def test_a_late_good_value_says_nothing_of_an_alarm_that_live_ones_ended() -> None:
    """It was held by late readings until then."""
    engine = held()
    assert words(feed(engine, [live(0, 0.1, 310)])) == [
        ("001A01", "cleared", 310.0, False)
    ]
    assert words(feed(engine, [late(0, 0.1, 200, 311)])) == []
    assert engine.alarms.late.held == {}


def test_an_end_that_must_last_is_not_proven_by_one_late_value() -> None:
    """The second one, after the delay of the end, proves it."""
    engine = held(delayed("0s", "30s"))
    assert words(feed(engine, [late(0, 0.1, 120, 303)])) == []
    assert words(feed(engine, [late(0, 0.1, 149, 304)])) == []
    assert words(feed(engine, [late(0, 0.1, 150, 305)])) == [
        ("001A01", "cleared", 150.0, False)
    ]


def test_what_was_over_before_the_held_alarm_is_not_its_end() -> None:
    """Two late stretches, of which the second goes on."""
    engine = world("001A01", rules=delayed("0s", "30s")).engine()
    feed(engine, [live(0, None, 600), late(0, 1.2, 200, 601)])
    for second, value in ((50, 1.2), (60, 0.1), (95, 0.1)):
        feed(engine, [late(0, value, second, 602)])
    assert words(feed(engine, [late(0, 0.1, 210, 603)])) == []
    assert words(feed(engine, [late(0, 0.1, 240, 604)])) == [
        ("001A01", "cleared", 240.0, False)
    ]


def test_a_step_given_again_changes_what_it_changed_then() -> None:
    """Rules, readings and marks of it, also where no point is known yet."""
    rules, over = delayed("10s"), [live(0, 1.2, 20), mark(31)]
    told = world("001A01")
    engine, again = told.engine(), told.engine()
    for one in (engine, again):
        feed(one, [live(0, 0.1, 0)])
    engine.change_rules(rules, at(10))
    assert words(feed(engine, over)) == [("001A01", "raised", 30.0, False)]
    batch = batch_of([live(0, 1.2, 20)])
    change = RuleChange.of(rules, at(10))
    step = Step(1, batch, marks=(at(31),), rules=change)
    give(again, step)
    assert (again.state.raised_us[0] == engine.state.raised_us[0]).all()
    give(again, Step(2, batch_of([live(0, 0.1, 40)])))
    assert again.state.phase[0, OVER_LIMIT] == IDLE
    nobody = AlarmEngine(PLAIN_RULES)
    nobody.change_rules(rules, at(10))
    assert nobody.rules.rules is rules


def test_what_goes_on_after_an_alarm_that_was_told_is_another_one() -> None:
    """A late value bridges its end; its begin is not told once more."""
    own = point(range_high=4.0, alarm_high=1.0, clear_high=0.8)
    rules = delayed("0s", "30s")
    engine = World.of(own, patience=DEAF, rules=rules).engine()
    series = [(100, 1.2), (110, 0.7), (140, 0.7), (150, 0.9)]
    said = feed(engine, [live(0, value, second) for second, value in series])
    assert words(said) == [
        ("001A01", "raised", 100.0, False),
        ("001A01", "cleared", 140.0, False),
    ]
    assert words(feed(engine, [late(0, 1.2, 135, 151)])) == []
    assert words(feed(engine, [late(0, 1.2, 145, 152)])) == [
        ("001A01", "raised", 145.0, False)
    ]
