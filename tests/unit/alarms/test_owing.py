"""Killed between recording events and storing their readings, which come again."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import numpy as np
import pytest

from gasmon.alarms import reconcile as reconciling
from gasmon.alarms.engine import AlarmEngine, LivingAlarm, Patience
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.kinds import SLOT_OF
from gasmon.alarms.owing import OWED_US, Debt, debts_of
from gasmon.alarms.reconcile import going_on, living, reconcile
from gasmon.alarms.snapshot import dump, load
from gasmon.alarms.steps import Step, decode_steps, encode_steps
from gasmon.batch import Int32, ReadingBatch
from gasmon.domain import states
from gasmon.units import US_PER_S
from tests.ahead_world import Record, restarted
from tests.engine_world import Entry, Life, World, at, feed, live, mark, point
from tests.rule_texts import delayed

WORLD = World.of(point("001A01"), point("002A01"))
DELAYED = World.of(point("001A01"), rules=delayed("0s", "15s"))
OWED_S = OWED_US / US_PER_S


def lived(world: World, *log: Entry) -> Record:
    """What is recorded by an engine that was not killed."""
    return Record(feed(world.engine(), log))


def words(said: list[AlarmEvent], kind: str = "over_limit") -> list[tuple[str, int]]:
    """(event, beginning in seconds) of one kind."""
    return [
        (e.event, (e.raised_at_us - at(0)) // US_PER_S) for e in said if e.kind == kind
    ]


def since(engine: AlarmEngine, kind: str = "over_limit", row: int = 0) -> int | None:
    """When the living alarm began, in seconds."""
    if (kind, row) not in living(engine):
        return None
    raised_us = int(engine.state.raised_us[row, SLOT_OF[kind]])
    return (raised_us - at(0)) // US_PER_S


def test_an_end_that_was_recorded_ahead_makes_no_second_alarm() -> None:
    """The readings before it come again, beyond the limit: it is the first alarm."""
    logged = [live(0, 1.2, 1)]
    again = [live(0, 1.3, 2), live(0, 1.2, 3), live(0, 0.5, 4)]
    record = lived(WORLD, *logged, *again)
    engine = restarted(WORLD, logged, record)
    assert since(engine) == 1, "as the log has it"
    before = list(record.told)
    record.take(feed(engine, again))
    assert record.told == before, "nothing is told twice, nor anew"
    assert since(engine) is None
    assert not engine.owed or feed(engine, [live(0, 0.5, 5)]) == []
    assert not engine.owed


def test_a_beginning_that_was_recorded_ahead_leaves_earlier_readings_on_time() -> None:
    """They come again, and end another alarm of the point as they did."""
    logged = [live(0, 1.2, 1)]
    good, broken = live(0, 0.5, 10), live(0, None, 30, states.SENSOR_FAULT)
    again = [good, live(0, 0.4, 26), broken]
    record = lived(DELAYED, *logged, *again)
    assert {a.kind for a in record.open_now()} == {"sensor_break"}
    engine = restarted(DELAYED, logged, record)
    before = list(record.told)
    said = feed(engine, again)
    assert engine.n_late == 0
    assert words(said) == [("cleared", 1)]
    record.take(said)
    assert record.told == before
    assert since(engine, "sensor_break") == 30


def test_a_delay_is_interrupted_by_what_comes_again() -> None:
    """A reading before the recorded beginning of another kind is not late for it."""
    logged = [live(0, 1.2, 1), live(0, 0.5, 10)]
    again = [live(0, 1.1, 20), live(0, None, 24, states.SENSOR_FAULT)]
    after = [live(0, 0.5, 26), live(0, 0.5, 30), live(0, 0.5, 41)]
    record = lived(DELAYED, *logged, *again)
    engine = restarted(DELAYED, logged, record)
    record.take(feed(engine, [*again, *after]))
    assert record.told == lived(DELAYED, *logged, *again, *after).told


def test_readings_of_one_batch_are_looked_at_one_by_one() -> None:
    """The end lies between two of them; the one that made it is lost."""
    logged = [live(0, 1.2, 1)]
    record = lived(WORLD, *logged, live(0, 1.1, 2), live(0, 0.5, 3))
    engine = restarted(WORLD, logged, record)
    said = feed(engine, [live(0, 1.1, 2), live(0, 1.4, 5)])
    assert words(said) == [("cleared", 1), ("raised", 5)]
    assert said[0].event_id in record.told


def test_a_beginning_whose_reading_is_lost_goes_on_with_the_next_one() -> None:
    """Silently, and it ends as itself."""
    record = lived(WORLD, live(0, 0.2, 1), live(0, 1.2, 5))
    engine = restarted(WORLD, [live(0, 0.2, 1)], record)
    assert living(engine) == set()
    assert feed(engine, [live(0, 1.1, 6)]) == []
    assert since(engine) == 5
    assert words(feed(engine, [live(0, 0.2, 7)])) == [("cleared", 5)]


def test_an_alarm_that_is_all_ahead_is_one_where_its_first_readings_are_lost() -> None:
    """What comes lies within it: it goes on, and is over as it is recorded."""
    record = lived(WORLD, *(live(0, v, t) for v, t in [(1.2, 2), (1.1, 3), (0.2, 4)]))
    engine = restarted(WORLD, [], record)
    before = list(record.told)
    record.take(feed(engine, [live(0, 1.1, 3), live(0, 0.2, 4), live(0, 0.1, 5)]))
    assert record.told == before
    assert not engine.owed


def test_an_alarm_that_is_all_ahead_is_over_where_its_last_readings_are_lost() -> None:
    """The next one beyond the limit begins another, instead of going on."""
    record = lived(WORLD, *(live(0, v, t) for v, t in [(1.2, 2), (1.1, 3), (0.2, 4)]))
    engine = restarted(WORLD, [], record)
    said = feed(engine, [live(0, 1.2, 2), live(0, 1.5, 6)])
    assert words(said) == [("raised", 2), ("cleared", 2), ("raised", 6)]


def test_a_delay_of_an_alarm_that_is_over_does_not_mature() -> None:
    """Its beginning came again, the readings that ended it are lost."""
    log = [live(0, 1.2, 1), live(0, 1.2, 20), live(0, 0.2, 30)]
    world = World.of(point("001A01"), rules=delayed("15s"))
    record = lived(world, *log)
    engine = restarted(world, [], record)
    before = list(record.told)
    record.take(feed(engine, [log[0], live(0, 1.2, 40)]))
    assert record.told == before
    assert since(engine) is None
    said = feed(engine, [live(0, 1.2, 60)])
    assert words(said) == [("raised", 55)]


def test_an_end_and_a_new_beginning_ahead() -> None:
    """Of one kind at one point, with and without the readings that made them."""
    logged = [live(0, 1.2, 1)]
    again = [live(0, 0.2, 2), live(0, 1.3, 3)]
    record = lived(WORLD, *logged, *again)
    engine, lossy = (restarted(WORLD, logged, record) for _ in range(2))
    before = list(record.told)
    record.take(feed(engine, again))
    assert record.told == before
    assert words(feed(lossy, [live(0, 1.1, 4)])) == [("cleared", 1)]
    assert since(engine) == since(lossy) == 3


def test_what_is_not_paid_in_time_is_as_it_is_recorded() -> None:
    """No reading comes: an alarm that is over does not live on, an open one lives."""
    logged = [live(0, 1.2, 1), live(1, 0.2, 1)]
    record = lived(WORLD, *logged, live(0, 0.5, 2), live(1, 1.2, 2))
    engine = restarted(WORLD, logged, record)
    before = list(record.told)
    record.take(feed(engine, [mark(5), mark(5 + OWED_S - 1)]))
    assert living(engine) == {("over_limit", 0)}
    record.take(feed(engine, [mark(5 + OWED_S)]))
    assert living(engine) == {("over_limit", 1)}
    assert not engine.owed
    assert record.told == before


def test_a_gap_of_our_clock_is_no_time_in_which_readings_could_come() -> None:
    """The wait goes on behind it."""
    logged = [live(0, 1.2, 1)]
    patient = replace(WORLD, patience=replace(WORLD.patience, gap_us=10 * US_PER_S))
    engine = restarted(patient, logged, lived(patient, *logged, live(0, 0.5, 2)))
    feed(engine, [mark(5), mark(500), mark(501)])
    assert engine.owed


@pytest.mark.parametrize("silent", ["will", "point"])
def test_silence_waits_for_nothing_more(silent: str) -> None:
    """What is over is not told as unknown, and what is open is."""
    world = World.of(
        *(point(f"00{n}A01") for n in (1, 2, 3)),
        patience=Patience(point_us=20 * US_PER_S),
    )
    logged = [live(0, 1.2, 1), live(1, 0.2, 1)]
    record = lived(world, *logged, live(0, 0.5, 2), live(1, 1.2, 2))
    engine = restarted(world, logged, record)
    last: list[Entry] = [mark(3), live(2, 0.2, 29), mark(30)]
    if silent == "will":
        last = [mark(3), Life(0, False, at(4)), mark(3 + OWED_US / US_PER_S)]
    said = feed(engine, last)
    told = [(e.event, e.row) for e in said if e.kind == "over_limit"]
    assert told == [("cleared", 0), ("unknown", 1)]
    assert not engine.owed


def test_frames_may_come_behind_a_will() -> None:
    """The broker tells at once that a gateway is gone, and repeats its frames later.

    Found by the campaign of seed 5003: an alarm that was over was told again, as late.
    """
    logged = [live(0, 0.2, 1)]
    again = [live(0, 1.2, 4), live(0, 0.5, 6), live(0, 1.2, 7)]
    record = lived(WORLD, *logged, *again)
    engine = restarted(WORLD, logged, record)
    before = list(record.told)
    record.take(feed(engine, [Life(0, False, at(20)), *again, mark(21)]))
    assert [told for told in record.told if "over_limit" in told] == before
    assert living(engine) >= {("over_limit", 0)}
    assert engine.n_late == 0


def test_what_is_older_than_what_was_judged_is_not_waited_for() -> None:
    """Its readings were judged, by other rules perhaps: the record counts at once."""
    record = lived(WORLD, live(0, 1.2, 1), live(1, 1.2, 1), live(1, 0.2, 2))
    engine = restarted(WORLD, [live(0, 0.2, 3), live(1, 0.2, 4)], record)
    assert not engine.owed
    assert living(engine) == {("over_limit", 0)}


def test_newest_values_without_a_memory() -> None:
    """What lived when they were judged lives again, and ends when its readings come."""
    log = [live(0, 1.2, 1), live(1, 0.2, 1), live(0, 0.4, 4), live(1, 1.2, 5)]
    record = lived(WORLD, *log)
    engine = WORLD.engine()
    engine.state.last_at_us[:2] = at(3)
    before = list(record.told)
    debts = going_on(engine, record.open_now(), record.ended())
    assert reconcile(engine, record.open_now(), debts) == ([], [])
    assert living(engine) == {("over_limit", 0)}
    engine.owe(debts)
    record.take(feed(engine, log[2:]))
    assert record.told == before
    assert living(engine) == {("over_limit", 1)}


def ids(rows: Int32) -> Int32:
    """Point ids of rows: 10, 20, 30, …"""
    return ((rows + 1) * 10).astype(np.int32)


DEBTS = (
    Debt(LivingAlarm("over_limit", 0, -1, at(1), 2, 1.5, at(2), True)),
    Debt(LivingAlarm("sensor_break", 1, -1, at(1), 2, 0.0, at(1)), at(7)),
)


def test_what_is_owed_is_in_the_log() -> None:
    """A second restart waits for it at the same place; for no point that is gone."""
    body = encode_steps([Step(1, ReadingBatch.empty(), owed=DEBTS)], ids, ())
    row_of = np.full(31, -1, np.int32)
    row_of[20] = 5
    (step,) = decode_steps(body, row_of, {})
    (debt,) = step.owed
    assert debt == Debt(replace(DEBTS[1].alarm, row=5), at(7))


def test_a_snapshot_knows_what_is_owed() -> None:
    """With the time since which it is, and without a point that is gone."""
    former = WORLD.engine()
    former.owe(DEBTS)
    feed(former, [mark(3)])
    engine = WORLD.engine()
    load(engine, dump(former))
    assert list(engine.owed) == list(DEBTS)
    assert engine.owed.since_us == at(3)
    smaller = World.of(point("002A01")).engine()
    load(smaller, dump(former))
    assert [debt.alarm.row for debt in smaller.owed] == [0]


def test_an_unknown_peak_stays_unknown() -> None:
    """JSON has no such number."""
    debt = Debt(LivingAlarm("low_limit", 3, -1, at(1), 2, nan, at(1)))
    told = debt.as_list(str)
    assert told[:5] == ["3", "low_limit", at(1), 2, None]
    (again,) = debts_of([told], int)
    assert again.alarm.peak != debt.alarm.peak
    assert replace(again.alarm, peak=0.0) == replace(debt.alarm, peak=0.0)


def test_many_debts_look_through_the_points_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A kill in a storm: hundreds ahead must not cost a restart seconds."""
    looked: list[int] = []

    def counted(engine: AlarmEngine) -> set[reconciling.Subject]:
        looked.append(1)
        return living(engine)

    world = World.of(*(point(f"{n:03d}A01") for n in range(40)))
    logged = [live(row, 1.2, 1) for row in range(20)]
    ends = [live(row, 0.2, 2) for row in range(20)]
    begun = [live(row, 1.2, 2) for row in range(20, 40)]
    record = lived(world, *logged, *ends, *begun)
    monkeypatch.setattr(reconciling, "living", counted)
    engine = restarted(world, logged, record)
    assert len([*engine.owed]) == 40
    assert len(looked) <= 2
