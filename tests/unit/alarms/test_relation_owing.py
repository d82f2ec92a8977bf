"""Relations whose events were recorded ahead of the frames, which come again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gasmon.alarms.engine import AlarmEngine, LivingAlarm
from gasmon.alarms.owing import OWED_US, Debt
from gasmon.alarms.reconcile import owed
from gasmon.alarms.relation_kinds import DUCT, EXTENT
from gasmon.alarms.snapshot import dump, load
from gasmon.units import US_PER_S
from tests.ahead_world import Record, restarted
from tests.engine_world import Entry, Life, World, at, feed, live, mark, point
from tests.rule_texts import rule_set

UNIT = "unit:530627000001/u/11121"
SWITCH = {"place_class": None, "value_kind": "KG", "unit_slug": "11121"}
FAN = point("001D01", quantity="FAN_LOCAL", **SWITCH)
ONCE = rule_set(f'[[rule]]\nkind = "{DUCT}"\nwith = {{ on_delay = "0s" }}\n')
WORLD = World.of(FAN, point("001D02", quantity="DUCT", **SWITCH), rules=ONCE)


def frame(second: float, *, blows: bool) -> list[Entry]:
    """The fan runs; its duct blows or does not."""
    return [live(0, 1.0, second), live(1, float(blows), second)]


GOOD, BAD = frame(1, blows=True), frame(1, blows=False)


def lived(*log: Entry) -> Record:
    """What is recorded by an engine that was not killed."""
    return Record(feed(WORLD.engine(), log))


def since(engine: AlarmEngine) -> float | None:
    """When the living alarm began, in seconds."""
    raised_us = engine.relations.living().get((DUCT, UNIT))
    return None if raised_us is None else (raised_us - at(0)) / US_PER_S


def test_a_beginning_ahead_is_not_ended_by_frames_before_it() -> None:
    """They were judged as if they were of its time: one alarm was told as two."""
    again = [*frame(2, blows=True), *frame(3, blows=False)]
    record = lived(*GOOD, *again)
    engine = restarted(WORLD, GOOD, record)
    before = list(record.told)
    record.take(feed(engine, again))
    assert record.told == before
    assert since(engine) == 3
    feed(engine, frame(4, blows=False))
    assert not engine.relations.owed


GAS = {"unit_slug": "11121"}
SLOW = rule_set('[delays]\non = "2s"\n')
FACE = World.of(point("001A01", **GAS), point("002A01", **GAS), rules=SLOW)


def gas(second: float, value: float) -> list[Entry]:
    """Both heads of a face."""
    return [live(0, value, second), live(1, value, second)]


@pytest.mark.parametrize("ends", [False, True])
def test_a_beginning_that_a_clock_mark_told_is_not_told_twice(*, ends: bool) -> None:
    """The mark is gone with the process: a frame lets the delay end, a moment earlier.

    Found by the campaign of seed 5002: one alarm was raised twice.
    """
    calm, over, again = gas(1, 0.2), gas(2, 1.6), gas(4.1, 1.6)
    later = gas(9, 0.2) if ends else []
    record = Record(feed(FACE.engine(), [*calm, *over, mark(4.2), *again, *later]))
    engine = restarted(FACE, calm, record)
    before = list(record.told)
    record.take(feed(engine, [*over, *again, *later]))
    assert record.told == before
    found = engine.relations.living().get((EXTENT, UNIT))
    assert found == (None if ends else at(4.2))


def test_an_end_ahead_makes_no_second_alarm() -> None:
    """Frames before it come again, and it is the first alarm in them."""
    again = [*frame(2, blows=False), *frame(3, blows=True)]
    record = lived(*BAD, *again)
    engine = restarted(WORLD, BAD, record)
    before = list(record.told)
    record.take(feed(engine, [*again, *frame(4, blows=True)]))
    assert record.told == before
    assert since(engine) is None
    assert not engine.relations.owed


def test_what_made_an_end_is_lost() -> None:
    """It ends as it is recorded, and the next frame begins another."""
    record = lived(*BAD, *frame(2, blows=False), *frame(3, blows=True))
    engine = restarted(WORLD, BAD, record)
    said = feed(engine, frame(5, blows=False))
    assert [(e.event, e.raised_at_us) for e in said] == [
        ("cleared", at(1)),
        ("raised", at(5)),
    ]
    assert said[0].event_id in record.told


def test_a_delay_of_one_that_is_over_does_not_mature() -> None:
    """Its beginning came again, the frames that ended it are lost."""
    slow = rule_set(f'[[rule]]\nkind = "{DUCT}"\nwith = {{ on_delay = "15s" }}\n')
    world = replace(WORLD, rules=slow)
    log = [*BAD, *frame(20, blows=False), *frame(30, blows=True)]
    record = Record(feed(world.engine(), log))
    engine = restarted(world, [], record)
    before = list(record.told)
    record.take(feed(engine, [*BAD, *frame(40, blows=False)]))
    assert record.told == before
    assert since(engine) is None
    feed(engine, frame(60, blows=False))
    assert since(engine) == 55


@pytest.mark.parametrize("how", ["frame", "time", "will"])
def test_what_made_a_beginning_is_lost(how: str) -> None:
    """It goes on with the next frame, after a while, or when its mine is gone."""
    record = lived(*GOOD, *frame(3, blows=False))
    engine = restarted(WORLD, GOOD, record)
    log: dict[str, list[Entry]] = {
        "frame": frame(5, blows=False),
        "time": [mark(3), mark(3 + OWED_US / US_PER_S)],
        "will": [Life(0, False, at(5)), mark(6), mark(6 + OWED_US / US_PER_S)],
    }
    said = feed(engine, log[how])
    assert [e.event for e in said if e.kind == DUCT and e.event == "raised"] == []
    assert since(engine) == 3
    assert not engine.relations.owed


def test_a_snapshot_knows_what_is_owed() -> None:
    """And since when it is waited for."""
    former = restarted(WORLD, GOOD, lived(*GOOD, *frame(3, blows=False)))
    feed(former, [mark(4)])
    engine = WORLD.engine()
    load(engine, dump(former))
    assert list(engine.relations.owed) == list(former.relations.owed) != []
    assert engine.relations.owed.since_us == at(4)


def test_what_nobody_defines_is_left_to_people() -> None:
    """A relation that is gone, and a mine that is not ours."""
    gone = LivingAlarm(DUCT, -1, -1, at(3), 2, 0.0, at(3), subject=f"{UNIT}9")
    foreign = replace(gone, subject="unit:530627999999/u/1")
    engine = WORLD.engine()
    assert owed(engine, [foreign], [Debt(foreign, at(9))]) == []
    engine.owe([Debt(gone), Debt(foreign)])
    feed(engine, frame(5, blows=True))
    assert engine.relations.living() == {}
    assert not engine.relations.owed
