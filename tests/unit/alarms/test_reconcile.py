"""What lives in an engine is made equal to what is recorded as open."""

from __future__ import annotations

from math import nan

from gasmon.alarms.engine import LivingAlarm
from gasmon.alarms.reconcile import living, reconcile
from tests.engine_world import Life, World, at, feed, live, mark, point

WORLD = World.of(point("001A01"), point("002A01"), point("003A01"))


def alarm(kind: str, row: int, mine: int = 0, since: float = 1) -> LivingAlarm:
    """One that is recorded as open."""
    return LivingAlarm(kind, row, mine, at(since), 1, nan, at(since))


def test_equal_is_left_alone() -> None:
    """The usual case: nothing to do."""
    engine = WORLD.engine()
    feed(engine, [live(0, 1.6, 1), Life(0, False, at(2))])
    link = alarm("link_break", -1, since=2)
    wanted = [alarm("over_limit", 0), alarm("cut_off", 0), link]
    assert living(engine) == {("over_limit", 0), ("cut_off", 0), ("link_break", 0)}
    assert reconcile(engine, wanted) == ([], [])


def test_what_is_recorded_goes_on() -> None:
    """An alarm that the engine lost lives again and ends as itself."""
    engine = WORLD.engine()
    missing, surplus = reconcile(engine, [alarm("over_limit", 1)])
    assert (missing, surplus) == ([("over_limit", 1)], [])
    (end,) = feed(engine, [live(1, 0.2, 10)])
    assert (end.event, end.raised_at_us) == ("cleared", at(1))


def test_what_is_not_recorded_is_forgotten() -> None:
    """It says nothing more, and the next reading judges anew."""
    engine = WORLD.engine()
    feed(engine, [live(0, 1.6, 1), live(2, 1.2, 1), Life(0, False, at(2))])
    missing, surplus = reconcile(engine, [alarm("over_limit", 2)])
    assert missing == []
    assert surplus == [("cut_off", 0), ("link_break", 0), ("over_limit", 0)]
    assert living(engine) == {("over_limit", 2)}
    said = feed(engine, [live(1, 0.1, 3), live(0, 0.9, 4), mark(5)])
    assert said == []
    again = feed(engine, [live(0, 1.6, 6)])
    assert {event.kind for event in again} == {"over_limit", "cut_off"}
    assert {event.raised_at_us for event in again} == {at(6)}


def test_one_of_another_beginning_is_another_alarm() -> None:
    """Readings were lost in which the first ended and a second began: the end to come
    is the second's. It was told of the first again, and the second stayed open."""
    engine = WORLD.engine()
    feed(engine, [live(0, 1.2, 1), Life(0, False, at(2))])
    recorded = [alarm("over_limit", 0, since=5), alarm("link_break", -1, since=6)]

    told = reconcile(engine, recorded)

    assert told == (
        [("over_limit", 0), ("link_break", 0)],
        [("link_break", 0), ("over_limit", 0)],
    )
    ends = feed(engine, [live(0, 0.2, 10)])
    assert {(e.kind, e.event, e.raised_at_us) for e in ends} == {
        ("over_limit", "cleared", at(5)),
        ("link_break", "cleared", at(6)),
    }
