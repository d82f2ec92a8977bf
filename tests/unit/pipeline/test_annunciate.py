"""The annunciator: what is raised, due when, and until when it may be trusted."""

from __future__ import annotations

from gasmon.alarms.rules import default_rules
from gasmon.alarms.standing import Condition, StandingAlarms
from gasmon.ingest.payloads import AlarmsPayload, RaisedAlarm, parse_alarms
from gasmon.ingest.topics import alarms_topic
from gasmon.pipeline.annunciate import PLATFORM, REFRESH_US, VALID_US, Annunciator
from gasmon.units import US_PER_MS
from tests.fix_pipeline import AREA, MINE, Live, at, defined, frame, told_state

TOPIC = alarms_topic(AREA, MINE)


def sent(annunciator: Annunciator, second: float) -> list[AlarmsPayload]:
    """What is published at a moment."""
    due = annunciator.due(at(second))
    assert {(mine, topic) for mine, topic, _ in due} <= {(MINE, TOPIC)}
    return [parse_alarms(payload) for _, _, payload in due]


def test_alarms_are_told_at_once_and_taken_back() -> None:
    """Raised, cleared: each is due at once, worst first."""
    live, annunciator = Live(), Annunciator()
    annunciator.apply(live.take(defined(), frame(1, [("001A01", 1.6, 0)])).events)
    assert annunciator.n_open == 2
    (message,) = sent(annunciator, 1)
    assert message.highest == "orange"
    assert {a.kind for a in message.open} == {"over_limit", "cut_off"}
    assert sorted(a.rank for a in message.open)[::-1] == [a.rank for a in message.open]
    assert message.valid_until_ms - message.ts_ms == VALID_US // US_PER_MS
    assert sent(annunciator, 2) == []
    annunciator.apply(live.take(frame(3, [("001A01", 0.2, 0)])).events)
    assert [m.open for m in sent(annunciator, 3)] == [()]


def test_a_quiet_mine_is_refreshed() -> None:
    """A relay takes silence for a reason to sound, so nothing raised is told too."""
    annunciator = Annunciator()
    annunciator.know([MINE])
    refresh_s = REFRESH_US / 1e6
    assert len(sent(annunciator, 0)) == 1
    assert sent(annunciator, refresh_s - 1) == []
    assert len(sent(annunciator, refresh_s)) == 1
    assert VALID_US > 2 * REFRESH_US


def test_a_step_back_of_our_clock_stops_no_refresh() -> None:
    """Else relays would sound for an hour, because nothing is valid any more."""
    annunciator = Annunciator()
    annunciator.know([MINE])
    assert len(sent(annunciator, 0)) == 1
    assert len(sent(annunciator, -3600)) == 1
    assert sent(annunciator, -3599) == []


def test_what_did_not_leave_stays_due() -> None:
    """A full or broken connection does not swallow an alarm."""
    annunciator = Annunciator()
    annunciator.know([MINE])
    assert len(sent(annunciator, 0)) == 1
    annunciator.again(MINE)
    assert len(sent(annunciator, 0)) == 1
    annunciator.reconnected()
    assert len(sent(annunciator, 0)) == 1


def test_a_late_alarm_does_not_sound() -> None:
    """What a backfill brings to light happened long ago; people read of it."""
    live, annunciator = Live(point_us=10**15, mine_us=10**15), Annunciator()
    live.take(defined(), frame(10, [("001A01", 0.2, 0)]))
    judged = live.take(frame(2, [("001A01", 1.6, 0)], backfill=True), marks=[200])
    assert judged.events
    assert all(event.late for event in judged.events)
    annunciator.apply(judged.events)
    assert annunciator.n_open == 0


def test_confirmed_until_it_gets_worse() -> None:
    """A confirmation quiets the level it was given at, not the one above."""
    live, annunciator = Live(), Annunciator()
    judged = live.take(defined(), frame(1, [("001A01", 1.2, 0)]))
    annunciator.apply(judged.events)
    key, rank = judged.events[0].key, judged.events[0].rank
    sent(annunciator, 1)
    annunciator.confirm({key: rank})
    (message,) = sent(annunciator, 1)
    assert [a.confirmed for a in message.open] == [True]
    annunciator.confirm({key: rank})
    assert sent(annunciator, 2) == []
    worse = live.take(frame(2, [("001A01", 3.5, 0)])).events
    annunciator.apply(worse)
    (message,) = sent(annunciator, 2)
    over = [a for a in message.open if a.kind == "over_limit"]
    assert [a.confirmed for a in over] == [False]


def test_a_mines_own_alarm_has_no_point() -> None:
    """A broken link is the mine's; its line names no point number."""
    live, annunciator = Live(), Annunciator()
    annunciator.apply(live.take(defined(), told_state("offline", 1)).events)
    (message,) = sent(annunciator, 1)
    assert [(a.kind, a.no) for a in message.open] == [("link_break", "")]


def test_restored_alarms_go_on() -> None:
    """After a restart the first message already holds what is open."""
    annunciator = Annunciator()
    alarm = RaisedAlarm("0/point:x/over_limit/1", "001A01", "over_limit", 3, 1.6, 1)
    annunciator.restore(MINE, alarm.id, alarm)
    assert [m.open for m in sent(annunciator, 0)] == [(alarm,)]


def test_what_is_raised_about_gasmon_has_a_topic_of_its_own() -> None:
    """Refreshed like a mine's, and with some areas only behind their codes."""
    clock = Condition("our_clock", "link", "platform-clock", "530600")
    for areas, topic in (
        ([], "gasmon/v1/alarms"),
        (["530627", "530602"], "gasmon/v1/alarms/530602-530627"),
    ):
        annunciator = Annunciator(areas=areas)
        annunciator.know([PLATFORM])
        assert [t for _, t, _ in annunciator.due(at(0))] == [topic]
        annunciator.apply(StandingAlarms(default_rules()).judge([clock], at(1)))
        ((_, told_on, payload),) = annunciator.due(at(1))
        assert told_on == topic
        (alarm,) = parse_alarms(payload).open
        assert (alarm.kind, alarm.no, alarm.rank) == ("our_clock", "", 2)
        assert annunciator.due(at(1)) == []
        assert len(annunciator.due(at(1) + REFRESH_US)) == 1
