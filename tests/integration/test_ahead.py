"""Events go ahead of their readings: recorded once, in order, whatever happens."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
import pytest

from gasmon.alarms.events import AlarmEvent
from gasmon.clock import SystemClock
from gasmon.errors import DependencyError
from gasmon.pipeline import ahead
from gasmon.pipeline.ahead import Advance, Ahead
from gasmon.pipeline.counts import IngestCounts
from gasmon.pipeline.evaluate import Judged
from gasmon.pipeline.head_start import MOST_EVENTS
from gasmon.pipeline.line import Line
from gasmon.pipeline.merge import unrecorded
from gasmon.pipeline.right_of_way import RightOfWay
from gasmon.remote.frames import encode_body
from gasmon.store.outbox import LOCK_KEY
from gasmon.store.two_trips import TwoTrips
from tests.fix_pipeline import AREA, MINE
from tests.fix_wait import wait_until
from tests.integration.test_pipeline import HIGH, LOW, Plant, paired  # noqa: F401
from tests.integration.test_restart import SITE, open_of

T0 = 1_795_000_000_000_000


def raised(no: str, at_s: int = 0) -> AlarmEvent:
    """An alarm of a point that begins ``at_s`` after T0."""
    at_us = T0 + at_s * 1_000_000
    return AlarmEvent(
        event="raised",
        kind="over_limit",
        rule="law",
        subject_type="point",
        subject_id=f"{MINE}-01-{no}",
        area=AREA,
        mine=MINE,
        system="01",
        no=no,
        raised_at_us=at_us,
        happened_at_us=at_us,
        arrived_at_us=at_us,
        decided_at_us=at_us,
        rank=2,
        value=1.2,
        limit=1.0,
    )


def ended(event: AlarmEvent, at_s: int) -> AlarmEvent:
    """The end of an alarm."""
    at_us = T0 + at_s * 1_000_000
    return replace(event, event="cleared", happened_at_us=at_us, value=0.5)


def n_ahead(plant: Plant) -> int:
    """Events that went ahead."""
    for line in plant.metrics.render().splitlines():
        if line.startswith("gasmon_alarm_events_ahead_total "):
            return int(float(line.split()[-1]))
    return 0


@contextmanager
def held(dsn: str, statement: str) -> Iterator[None]:
    """What a statement locks is locked meanwhile."""
    with psycopg.connect(dsn) as conn:
        conn.execute(statement.encode())
        yield


@dataclass
class Lane:
    """The lane beside a turn's writer, which is the test."""

    plant: Plant
    line: Line
    ahead: Ahead
    way: RightOfWay
    is_direct: bool = True
    sent: list[tuple[bool, bool]] = field(default_factory=list)
    """Of each turn that was begun: whether the answer and the rows came with it."""

    def offer(self, *events: AlarmEvent) -> Judged:
        judged = Judged(events=list(events))
        self.ahead.offer(judged)
        return judged

    def settled(self, judged: Judged) -> list[AlarmEvent]:
        """Wait; returns what the turn itself must record."""
        self.ahead.settle(judged)
        return unrecorded(judged)

    def journal(self) -> list[str]:
        rows = self.plant.ask(
            "SELECT event || ' ' || p.no FROM alarm_journal JOIN alarm USING (alarm_id)"
            " JOIN point p USING (point_id) ORDER BY journal_id"
        )
        return [row[0] for row in rows]


@pytest.fixture
def lane(paired: Plant) -> Iterator[Lane]:  # noqa: F811
    """A lane that runs, in a database with two points."""
    paired.start()
    paired.gateway.define()
    paired.gateway.frame(("001A01", LOW, 0), ("002A01", LOW, 0))
    paired.stored(1)
    paired.stop()
    stop = threading.Event()
    line = Line(paired.settings(), "test", SystemClock(), stop)
    # The server may believe in the former owner's session for a moment.
    assert line.own(standby=True)
    made: list[Lane] = []
    way = RightOfWay(SystemClock())
    beside = Ahead(
        line,
        encode_body,
        SystemClock(),
        IngestCounts(paired.metrics),
        stop,
        lambda: made[0].is_direct,
        way,
        patience_s=2.0,
    )
    made.append(Lane(paired, line, beside, way))
    thread = threading.Thread(target=beside.run)
    thread.start()
    yield made[0]
    stop.set()
    thread.join(20)
    line.close()
    assert not thread.is_alive()


def connected(lane: Lane) -> None:
    """The lane waits for events; from now on it is noted what is begun."""
    wait_until(lambda: lane.ahead._trips is not None, 20, "it is connected")
    with lane.ahead._speaking:
        pass
    put = lane.ahead._queue.put

    def note(advance: Advance) -> None:
        begun = lane.ahead._begun
        if begun is not None:
            lane.sent.append((begun.asked is not None, begun.written is not None))
        put(advance)

    lane.ahead._queue.put = note  # type: ignore[method-assign]


@SITE
def test_an_alarm_is_told_while_its_readings_wait(paired: Plant) -> None:  # noqa: F811
    """A disk that is busy with readings does not hold it back; it is told once."""
    paired.start()
    paired.gateway.define()
    paired.gateway.gas(LOW)
    paired.stored(1)
    with held(paired.dsn, "LOCK TABLE reading IN EXCLUSIVE MODE"):
        paired.gateway.gas(HIGH)
        wait_until(lambda: paired.count("outbox") == 2, 20, "both limits are told")
        assert paired.count("frame") == 1
    paired.stored(2)
    assert n_ahead(paired) == 2
    assert paired.count("outbox") == paired.count("alarm_journal") == 2
    (count,) = {
        line.split()[-1]
        for line in paired.metrics.render().splitlines()
        if line.startswith("gasmon_alarm_events_total{") and "over_limit" in line
    }
    assert float(count) == 1, "counted once"


@SITE
def test_an_answer_that_is_lost_changes_no_count(
    paired: Plant,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The lane takes its events for not recorded; their turn finds them and says so."""
    go_on, lost = ahead.go_on, []

    def without_answer(*told: Any) -> Any:
        lost.append(go_on(*told))
        raise psycopg.OperationalError("the answer was lost")

    paired.start()
    paired.gateway.define()
    paired.gateway.gas(LOW)
    paired.stored(1)
    monkeypatch.setattr(ahead, "go_on", without_answer)
    paired.gateway.gas(HIGH)
    paired.stored(2)
    assert [len(events) for events in lost] == [2], "both went ahead"
    wait_until(lambda: n_ahead(paired) == 2, 20, "and were counted")
    assert paired.count("outbox") == paired.count("alarm_journal") == 2


JOURNAL = "SELECT event_id FROM alarm_journal ORDER BY event_id"


def die(plant: Plant) -> None:
    """The end of what runs, as by a kill: nothing more is stored or acknowledged."""
    (first,) = plant.running
    plant.running.clear()
    first.persisting.remembers = False
    first.give_up()
    first.pump.stop()
    plant.change(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND application_name LIKE 'gasmon-ingest%'"
    )
    first.stop()


def begin_again(plant: Plant) -> None:
    """Start it, as soon as the server has noticed that the former one is gone."""

    def begins() -> bool:
        try:
            plant.start()
        except DependencyError:
            return False
        return True

    wait_until(begins, 20, "the server has noticed")


@SITE
def test_dying_between_an_alarm_and_its_readings(paired: Plant) -> None:  # noqa: F811
    """The frame comes again, and its alarm is still one, with its own beginning."""
    paired.start()
    paired.gateway.define()
    paired.gateway.gas(LOW)
    paired.stored(1)
    with held(paired.dsn, "LOCK TABLE reading IN EXCLUSIVE MODE"):
        paired.gateway.gas(HIGH)
        wait_until(lambda: paired.count("outbox") == 2, 20, "both limits are told")
        die(paired)
        assert paired.count("frame") == 1
    before = paired.ask(JOURNAL)
    begin_again(paired)
    paired.stored(2)
    off = (
        "SELECT seq FROM frame WHERE extract(epoch FROM judged_at) * 1000 <> device_ms"
    )
    assert paired.ask(off) == [], "its clock did not go back"
    assert paired.ask(JOURNAL) == before
    assert [kind for kind, _ in open_of(paired.running[0])] == ["cut_off", "over_limit"]
    paired.gateway.gas(LOW)
    wait_until(
        lambda: paired.count("alarm", "cleared_at IS NULL") == 0, 20, "both are over"
    )
    assert paired.count("alarm") == 2


@SITE
@pytest.mark.parametrize("memory", ["engine_snapshot", "newest values"])
def test_dying_between_the_end_of_an_alarm_and_its_readings(
    paired: Plant,  # noqa: F811
    memory: str,
) -> None:
    """Readings from before its end come again: they are of the alarm that is over."""
    paired.start()
    paired.gateway.define()
    paired.gateway.gas(HIGH)
    paired.stored(1)
    with held(paired.dsn, "LOCK TABLE reading IN EXCLUSIVE MODE"):
        paired.gateway.gas(HIGH)
        paired.gateway.gas(LOW)
        wait_until(
            lambda: paired.count("alarm", "cleared_at IS NULL") == 0, 20, "both end"
        )
        die(paired)
        assert paired.count("frame") == 1
    before = paired.ask(JOURNAL)
    if memory == "newest values":
        paired.change("DELETE FROM engine_snapshot")
    begin_again(paired)
    assert "2 events ahead" in paired.running[0].restarted
    paired.stored(3)
    assert paired.ask(JOURNAL) == before
    assert open_of(paired.running[0]) == []
    paired.gateway.gas(HIGH)
    wait_until(
        lambda: paired.count("alarm", "cleared_at IS NULL") == 2, 20, "others begin"
    )
    assert paired.count("alarm") == 4


@SITE
def test_what_comes_behind_a_failure_waits_for_its_turn(lane: Lane) -> None:
    """An end is not recorded before its beginning, which was refused ahead."""
    first, stranger = raised("001A01"), raised("999A01")
    bad = lane.offer(stranger, first)
    behind = lane.offer(ended(first, 9))
    assert lane.settled(bad) == [stranger, first]
    assert lane.settled(behind) == [ended(first, 9)]
    later = lane.offer(raised("002A01", 10))
    assert lane.settled(later) == [raised("002A01", 10)]
    assert lane.journal() == []
    lane.ahead.stored([bad, behind])
    lane.ahead.stored([later])
    assert lane.settled(lane.offer(first)) == []
    assert lane.settled(lane.offer(ended(first, 9))) == []
    assert lane.journal() == ["raised 001A01", "cleared 001A01"]


@SITE
def test_nothing_goes_ahead_of_definitions_or_a_spool(lane: Lane) -> None:
    """They say what the events mean, or are older than these."""
    lane.is_direct = False
    spooled = lane.offer(raised("001A01"))
    lane.is_direct = True
    assert lane.settled(spooled) == spooled.events
    behind = lane.offer(raised("002A01"))
    assert lane.settled(behind) == behind.events
    lane.ahead.stored([spooled, behind])
    defining = Judged(definitions=[None])  # type: ignore[list-item]
    lane.ahead.offer(defining)
    assert lane.settled(lane.offer(raised("001A01"))) == [raised("001A01")]
    assert lane.journal() == []


@SITE
def test_a_newer_owner_stops_the_lane(lane: Lane) -> None:
    """Who was stopped and thawed may not tell any more."""
    lane.plant.change("UPDATE ingest_owner SET fencing = fencing + 1")
    judged = lane.offer(raised("001A01"))
    assert lane.settled(judged) == judged.events
    assert lane.journal() == []


@SITE
def test_a_lane_that_hangs_is_cut_and_comes_back(
    lane: Lane, caplog: pytest.LogCaptureFixture
) -> None:
    """Its turn goes the long way after a while; the next one is quick again."""
    with held(lane.plant.dsn, f"SELECT pg_advisory_xact_lock({LOCK_KEY})"):
        judged = lane.offer(raised("001A01"))
        with caplog.at_level(logging.ERROR):
            assert lane.settled(judged) == judged.events
        assert "did not get ahead" in caplog.text
    lane.ahead.stored([judged])
    assert lane.settled(lane.offer(raised("002A01", 5))) == []
    assert "raised 002A01" in lane.journal()


@SITE
@pytest.mark.parametrize("lock", ["SELECT FROM ingest_owner FOR UPDATE", None])
def test_judging_waits_a_moment_for_an_answer(
    lane: Lane, lock: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It writes what comes of it at once, and leaves an answer that takes long."""
    monkeypatch.setattr(ahead, "MOMENT_S", 0.2 if lock else 20.0)
    connected(lane)
    with held(lane.plant.dsn, lock or "SELECT"):
        judged = lane.offer(raised("001A01"))
    assert lane.settled(judged) == []
    assert lane.journal() == ["raised 001A01"]
    assert lane.sent == [(not lock, not lock)]


@SITE
def test_a_number_that_was_not_foreseen_is_left_to_the_thread(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Judging waits for one answer, not for two."""
    monkeypatch.setattr(ahead, "MOMENT_S", 20.0)
    connected(lane)
    judged = lane.offer(replace(raised("001A01"), event="level", rank=3))
    assert lane.settled(judged) == []
    assert lane.journal() == ["level 001A01"]
    assert lane.sent == [(True, False)]


@SITE
def test_an_end_leaves_nobody_waiting(lane: Lane) -> None:
    """What is offered while the thread ends goes the long way at once."""
    lane.ahead._stop.set()
    judged = [lane.offer(raised("001A01", n)) for n in range(3)]
    found = {event.event_id for each in judged for event in lane.settled(each)}
    # What was sent and not waited for is in both, and no fault: it is told once.
    rows = lane.plant.ask("SELECT event_id FROM alarm_journal")
    assert found | {row[0] for row in rows} == {
        event.event_id for each in judged for event in each.events
    }


@SITE
def test_an_end_while_judging_has_begun_leaves_nobody_waiting(
    lane: Lane, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The thread is gone when the turn is handed on to it."""
    connected(lane)
    hand_on = lane.ahead._hand_on

    def end_first(advance: Advance) -> None:
        lane.ahead._stop.set()
        wait_until(lambda: lane.ahead._has_ended, 20, "the thread ends")
        hand_on(advance)

    monkeypatch.setattr(lane.ahead, "_hand_on", end_first)
    judged = lane.offer(raised("001A01"))
    assert lane.settled(judged) == judged.events
    assert "did not get ahead" not in caplog.text
    assert lane.way._n_events == 0


@SITE
def test_judging_waits_in_vain_only_once(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is slow does not hold up every turn; a quick one is found out."""
    connected(lane)
    waits: list[float] = []
    is_answered = TwoTrips.is_answered

    def look(trips: TwoTrips, wait_s: float) -> bool:
        waits.append(wait_s)
        return is_answered(trips, wait_s)

    monkeypatch.setattr(TwoTrips, "is_answered", look)
    monkeypatch.setattr(ahead, "QUICK_S", 0.0)
    with held(lane.plant.dsn, "SELECT FROM ingest_owner FOR UPDATE"):
        first = lane.offer(raised("001A01"))
    assert lane.settled(first) == []
    monkeypatch.setattr(ahead, "QUICK_S", 60.0)
    for at_s in (1, 2):
        assert lane.settled(lane.offer(raised("002A01", at_s))) == []
    assert waits == [ahead.MOMENT_S, 0.0, ahead.MOMENT_S]


@SITE
def test_many_events_are_left_to_the_thread(lane: Lane) -> None:
    """Deciding about them takes longer than the wait."""
    connected(lane)
    told = [raised("001A01", at_s) for at_s in range(MOST_EVENTS + 1)]
    assert lane.settled(lane.offer(*told)) == []
    assert len(lane.journal()) == len(told)
    assert lane.sent == [(False, False)]
    assert lane.ahead._is_quick


@SITE
def test_a_turn_lets_events_pass_but_not_for_ever(lane: Lane) -> None:
    """While nothing is on its way it does not wait at all."""
    lane.way.allow(is_patient=True)
    assert lane.way.give_way()
    with held(lane.plant.dsn, f"SELECT pg_advisory_xact_lock({LOCK_KEY})"):
        judged = lane.offer(raised("001A01"))
        assert not lane.way.give_way()
    wait_until(lane.way.give_way, 20, "they have passed")
    assert lane.settled(judged) == []
    lane.is_direct = False
    # What does not go ahead is waited for by nobody.
    lane.offer(raised("002A01"))
    assert lane.way.give_way()
