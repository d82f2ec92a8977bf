"""What holds besides the readings, from turn to turn of an evaluator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.rules import default_rules
from gasmon.clock import SteadyClock
from gasmon.ingest.clocks import MineClocks
from gasmon.ingest.floods import Floods
from gasmon.ingest.topics import data_topic
from gasmon.pipeline.ourclock import OurClock, notable
from gasmon.pipeline.outage import Outage, measure
from gasmon.pipeline.spool import Spool
from gasmon.pipeline.standing import Standing
from gasmon.store.alarms import OpenAlarm
from gasmon.units import US_PER_H, US_PER_S
from tests.fix_pipeline import AREA, BOOT, CH4, MINE, Live, at, defined, frame
from tests.fix_spool import Turns


class Machine:
    """A machine's clock, moved by hand."""

    def __init__(self) -> None:
        self.second, self.wrong_us = 0.0, 0

    def now_us(self) -> int:
        return at(self.second) + self.wrong_us

    def monotonic_s(self) -> float:
        return 1000.0 + self.second


class Place:
    """An evaluator with its standing alarms, a look each second."""

    def __init__(self, areas: Sequence[str] = ()) -> None:
        self.live = Live(areas)
        self.machine = Machine()
        self.steady = SteadyClock(self.machine)
        self.clock = OurClock(self.steady, self.live.evaluator.clocks)
        self.floods = Floods(60)
        self.standing = Standing(
            default_rules(), self.live.evaluator, self.clock, self.floods, areas
        )

    def pass_time(
        self, seconds: int, outage: Outage | None = None, *, sends: bool = False
    ) -> list[AlarmEvent]:
        """Marks each second; a frame each ten when it sends. Gives what is standing."""
        said: list[AlarmEvent] = []
        for _ in range(seconds):
            self.machine.second += 1
            self.clock.look()
            second = int(self.machine.second)
            packets = []
            if sends and second % 10 == 0:
                packets = [frame(second, [("001A01", 0.2, 0)])]
            judged = self.live.take(*packets, marks=[second])
            before = len(judged.events)
            self.standing.judge(judged, outage, self.steady.now_us())
            said += judged.events[before:]
        return said


def spoken(said: Sequence[AlarmEvent]) -> list[tuple[str, str, str]]:
    """(event, kind, level)."""
    return [(event.event, event.kind, event.level) for event in said]


def test_points_that_send_without_definition_are_told_until_they_are_defined() -> None:
    """Five minutes after the first; the mine is to be asked all the while."""
    place = Place()
    said = place.pass_time(290, sends=True)
    assert said == []
    assert place.standing.undefined == {MINE}
    (event,) = place.pass_time(40, sends=True)
    assert spoken([event]) == [("raised", "definitions_missing", "yellow")]
    assert event.explain["points"] == 1
    assert event.explain["first"] == ["001A01"]
    place.live.take(defined(CH4, second=place.machine.second))
    said = place.pass_time(30, sends=True)
    assert spoken(said) == [("cleared", "definitions_missing", "yellow")]
    assert place.standing.undefined == set()


def test_a_point_that_is_defined_in_time_or_sent_by_mistake_is_not_told() -> None:
    """Within the five minutes, or not sending any more."""
    place = Place()
    place.pass_time(30, sends=True)
    place.live.take(defined(CH4, second=place.machine.second))
    assert place.pass_time(400, sends=True) == []
    mistaken = Place()
    mistaken.pass_time(30, sends=True)
    assert mistaken.pass_time(400) == []


def test_a_wrong_clock_of_a_mine_is_told_after_two_minutes() -> None:
    """With how far it is off, whether it is corrected, and since which start."""
    place = Place()
    place.live.take(defined())
    said: list[AlarmEvent] = []
    for _ in range(14):
        said += place.pass_time(10)
        now_us = place.steady.now_us()
        second = place.machine.second
        packet = frame(int(second), [("001A01", 0.2, 0)], second=second + 3600)
        arrived = replace(packet, arrived_us=now_us)
        judged = place.live.evaluator.evaluate([arrived], now_us=now_us)
        place.standing.judge(judged, None, now_us)
        # Without a clock mark nothing is looked at.
        assert judged.events == []
    (event,) = said
    assert spoken([event]) == [("raised", "clock_wrong", "blue")]
    assert (event.subject, event.area) == (f"mine:{MINE}", AREA)
    assert event.explain["offset_s"] == 3600.0
    assert event.explain["corrected"] is True
    assert event.explain["boot"] == BOOT


@pytest.mark.parametrize(
    ("minutes", "refused", "level"),
    [(None, False, "blue"), (240.0, False, "blue"), (239.9, False, "yellow"),
     (60.0, False, "yellow"), (59.9, False, "orange"), (0.0, True, "red")],
)  # fmt: skip
def test_a_filling_spool_is_told_by_the_minutes_that_are_left(
    minutes: float | None, refused: bool, level: str
) -> None:
    """About no mine, in the area of the city."""
    place = Place()
    (event,) = place.pass_time(100, Outage(7, minutes, refused))
    assert spoken([event]) == [("raised", "spool_filling", level)]
    assert (event.subject, event.area, event.mine) == (
        "link:platform-database", "530600", "",
    )  # fmt: skip
    assert event.explain["turns"] == 7
    assert event.explain["refused"] == refused


def test_an_outage_is_what_waits_in_the_spool(tmp_path: object) -> None:
    """Nothing without a spool or with an empty one."""
    assert measure(None, at(0)) is None
    spool = Spool(tmp_path)  # type: ignore[arg-type]
    assert measure(spool, at(0)) is None
    Turns().append(spool, 1)
    found = measure(spool, at(2))
    assert found is not None
    assert (found.n_turns, found.readings_refused) == (1, False)
    spool.close()


@pytest.mark.parametrize("step_s", [-3600, 3600])
def test_a_step_of_our_clock_is_told_and_ends_when_it_is_taken_back(
    step_s: int,
) -> None:
    """With too few mines it is followed after ten minutes, and that ends it too."""
    place = Place()
    place.pass_time(10)
    place.machine.wrong_us = step_s * US_PER_S
    (event,) = place.pass_time(60)
    assert spoken([event]) == [("raised", "our_clock", "yellow")]
    assert event.explain["step_s"] == step_s
    assert event.explain["witnesses"] == 0
    said = place.pass_time(700)
    assert spoken(said) == [("cleared", "our_clock", "yellow")]
    assert abs(place.steady.now_us() - place.machine.now_us()) < US_PER_S


def test_what_mines_say_together_is_a_bias_and_a_doubt() -> None:
    """It goes on to count when they fall silent, until ours is moved by it."""
    machine, clocks = Machine(), MineClocks()
    steady = SteadyClock(machine)
    ours = OurClock(steady, clocks)
    live = Live()
    live.evaluator.clocks = clocks
    mines = [f"5306270000{number:02d}" for number in range(1, 7)]

    def cycles(n: int, ahead_s: int) -> None:
        for _ in range(n):
            machine.second += 10
            for mine in mines:
                packet = frame(
                    int(machine.second),
                    [("001A01", 0.2, 0)],
                    second=machine.second + ahead_s,
                    mine=mine,
                )
                arrived = replace(packet, arrived_us=steady.now_us())
                live.evaluator.evaluate([arrived], now_us=steady.now_us())
            ours.look()

    cycles(10, -3600)
    assert clocks.bias_us == -US_PER_H
    doubt = ours.doubt()
    assert doubt is not None
    assert (doubt["bias_s"], doubt["witnesses"], doubt["witnesses_agree"]) == (
        -3600.0, 6, "neither",
    )  # fmt: skip
    machine.second += 1000
    ours.look()
    assert clocks.bias_us == -US_PER_H
    assert clocks.wrong(0) == []

    machine.wrong_us = -US_PER_H
    ours.look()
    cycles(10, -3600)
    assert clocks.bias_us == 0
    assert steady.now_us() == machine.now_us()
    assert ours.doubt() is None


@pytest.mark.parametrize(
    ("bias_s", "is_off"),
    [(-60, True), (-59, False), (0, False), (30, False), (31, True)],
)
def test_what_a_network_delays_is_no_wrong_clock_of_ours(
    bias_s: int, is_off: bool
) -> None:
    """All mines may hang on one slow relay; ahead they can only be by a clock."""
    assert (notable(bias_s * US_PER_S) != 0) is is_off


@pytest.mark.parametrize("step_us", [US_PER_H, 24 * 365 * US_PER_H])
def test_until_a_step_forward_is_decided_no_mine_is_corrected_for_it(
    step_us: int,
) -> None:
    """A machine that was paused for an hour gets its backlog with its own times."""
    place = Place()
    place.pass_time(30, sends=True)
    place.machine.wrong_us = step_us
    place.clock.look()
    now_us = place.steady.now_us()
    for ahead_s in (5, 600, 1800, 3600):
        packet = frame(1000 + ahead_s, [("001A01", 0.2, 0)], second=30 + ahead_s)
        judged = place.live.evaluator.evaluate(
            [replace(packet, arrived_us=now_us)], now_us=now_us
        )
        ((told,),) = (batch.frames for batch in judged.batches)
        assert told.judged_us == at(30 + ahead_s)
    assert place.live.evaluator.clocks.offset_us == {}


def recorded(subject_type: str, subject_id: str, kind: str, mine: str) -> OpenAlarm:
    """An alarm that is open in the database since the start of the day."""
    return OpenAlarm(
        alarm_id=1, incident_id=1, run=0, subject_type=subject_type,
        subject_id=subject_id, kind=kind, rule="standing", area=mine[:6] or "530600",
        mine=mine, system=None, no=None, unit=None, raised_at_us=at(-100),
        arrived_at_us=at(-100), decided_at_us=at(-100), rank=1, value=None, limit=None,
        peak=None, peak_at_us=None, unknown=False, late=False, planned=False,
        quiet=None, explain={}, confirmed_by=(),
    )  # fmt: skip


def test_each_process_goes_on_with_its_own() -> None:
    """Not with those of other areas, other processes, or of the engine."""
    clock = recorded("mine", MINE, "clock_wrong", MINE)
    link = recorded("link", "platform-database", "spool_filling", "")
    part = recorded("link", f"platform-database@{AREA}", "spool_filling", "")
    broken = recorded("mine", MINE, "link_break", MINE)
    everything = (clock, link, part, broken)
    whole, ours, others = Place(), Place([AREA]), Place(["530602"])
    assert [whole.standing.owns(a) for a in everything] == [True, True, False, False]
    assert [ours.standing.owns(a) for a in everything] == [True, False, True, False]
    assert [others.standing.owns(a) for a in everything] == [False] * 4

    ours.standing.begin(everything, (), at(0))
    said = ours.pass_time(700)
    assert spoken(said) == [
        ("cleared", "spool_filling", "blue"),
        ("cleared", "clock_wrong", "blue"),
    ]
    assert {event.raised_at_us for event in said} == {at(-100)}


def test_what_the_spool_tells_is_newer_than_what_is_recorded() -> None:
    """Ended there it is over; raised there it goes on."""
    place = Place()
    (raised,) = place.pass_time(70, Outage(1, None, False))
    ended = replace(raised, event="cleared")
    for said, n_open in ([raised], 1), ([raised, ended], 0):
        after = Place()
        after.standing.begin((), said, at(100))
        assert len(after.pass_time(100)) == n_open
    after = Place()
    link = recorded("link", "platform-database", "spool_filling", "")
    gone = replace(raised, event="cleared", raised_at_us=at(-100))
    after.standing.begin([link], [gone], at(100))
    assert after.pass_time(100) == []


# What mines do to their limits


def test_limits_looser_than_the_law_are_told_until_they_are_right() -> None:
    """The mine is told at once, with its number and the law's."""
    place = Place()
    loose = replace(CH4, alarm_high=1.3, clear_high=1.0)
    place.live.take(defined(loose, second=place.machine.second))
    said = place.pass_time(3)
    assert spoken(said) == [("raised", "limits_looser", "yellow")]
    assert (said[0].mine, said[0].explain["limits"]) == (MINE, 1)
    assert said[0].explain["first"] == [
        {"no": "001A01", "limit": "alarm_high", "own": 1.3, "legal": 1.0}
    ]
    assert place.pass_time(3) == []
    place.live.take(defined(CH4, rev=2, second=place.machine.second))
    said = place.pass_time(15)
    assert spoken(said) == [("cleared", "limits_looser", "yellow")]


def redefine(place: Place, alarm_high: float, rev: int) -> list[AlarmEvent]:
    """The mine tells another limit; gives what is said of it within three seconds."""
    point = replace(CH4, alarm_high=alarm_high, clear_high=alarm_high)
    packet = defined(point, rev=rev, second=place.machine.second)
    place.standing.judge(place.live.take(packet), None, place.steady.now_us())
    return [e for e in place.pass_time(3) if e.kind == "limits_changed"]


def test_limits_changed_while_an_alarm_is_open_are_told() -> None:
    """Also where the change ends the alarm at once; ten minutes at least."""
    place = Place()
    place.live.take(defined(replace(CH4, alarm_high=0.8, clear_high=0.8)))
    place.pass_time(2)
    assert spoken(redefine(place, 0.7, 2)) == []
    second = place.machine.second
    raised = place.live.take(frame(1, [("001A01", 0.75, 0)], second=second))
    assert [e.kind for e in raised.events] == ["over_limit"]
    (event,) = redefine(place, 1.0, 3)
    assert spoken([event]) == [("raised", "limits_changed", "yellow")]
    # Power may return at 1.0 now too; with an alarm at 0.7 that was refused.
    assert event.explain["limits"] == 3
    assert event.explain["first"][0] == {
        "no": "001A01", "limit": "alarm_high", "old": 0.7, "new": 1.0,
    }  # fmt: skip
    assert not (place.live.engine.state.raised_us[0, :4] < 2**62).any()
    said = [e for e in place.pass_time(620, sends=True) if e.kind == "limits_changed"]
    assert spoken(said) == [("cleared", "limits_changed", "yellow")]


def test_limits_changed_stand_over_a_restart_while_an_alarm_is_open() -> None:
    """The new process holds it; after the alarm's end and ten minutes it ends."""
    told = recorded("mine", MINE, "limits_changed", MINE)
    told = replace(told, explain={"limits": 1, "first": []}, rank=2)
    place = Place()
    place.live.take(defined(replace(CH4, alarm_high=0.8, clear_high=0.8)))
    place.live.take(frame(1, [("001A01", 0.9, 0)], second=1))
    place.standing.begin([told], (), at(2))
    said = [e for e in place.pass_time(900) if e.kind == "limits_changed"]
    assert said == []
    place.live.take(frame(2, [("001A01", 0.2, 0)], second=901))
    said = [e for e in place.pass_time(30) if e.kind == "limits_changed"]
    assert spoken(said) == [("cleared", "limits_changed", "yellow")]
    # Its mine is not known here (yet): nothing of it is open.
    alone = Place()
    alone.standing.begin([told], (), at(0))
    said = alone.pass_time(700)
    assert spoken(said) == [("cleared", "limits_changed", "yellow")]


def test_what_stood_gives_way_to_what_is_changed_anew() -> None:
    """One alarm a mine, with the numbers of the newest change."""
    told = replace(recorded("mine", MINE, "limits_changed", MINE), rank=2)
    place = Place()
    place.live.take(defined(replace(CH4, alarm_high=0.7, clear_high=0.7)))
    place.pass_time(2)
    place.live.take(frame(1, [("001A01", 0.75, 0)], second=place.machine.second))
    place.standing.begin([told], (), at(2))
    assert redefine(place, 1.0, 2) == []
    found = [f for f in place.standing._limits.look(at(4)) if f[0] == "limits_changed"]
    assert [numbers["limits"] for _, _, numbers in found] == [3]


def test_an_alarm_that_a_stricter_limit_raises_was_not_open_before() -> None:
    """The mine made it stricter, and that is what alarms say it is for."""
    place = Place()
    place.live.take(defined(CH4))
    place.pass_time(2)
    second = place.machine.second
    place.live.take(frame(1, [("001A01", 0.75, 0)], second=second))
    assert redefine(place, 0.7, 2) == []
    assert (place.live.engine.state.raised_us[0, :4] < 2**62).any()


def test_a_first_definition_or_another_place_name_is_no_change_of_limits() -> None:
    """What decides no limit may change while an alarm is open."""
    place = Place()
    place.live.take(frame(1, [("001A01", 4.0, 0)], second=1))
    place.machine.second = 1
    place.pass_time(2)
    for point, rev in ((CH4, 1), (replace(CH4, place="别处"), 2)):
        packet = defined(point, rev=rev, second=place.machine.second)
        place.standing.judge(place.live.take(packet), None, place.steady.now_us())
        assert place.pass_time(3) == []


# A mine that floods the broker


def flood(
    place: Place, seconds: int, per_second: int, mine: str = MINE
) -> list[AlarmEvent]:
    """So many messages of a mine in each second; gives what is said meanwhile."""
    said: list[AlarmEvent] = []
    for _ in range(seconds):
        for _ in range(per_second):
            now_us = place.steady.now_us()
            place.floods.count(data_topic(mine[:6], mine), now_us)
        said += place.pass_time(1)
    return said


def test_a_mine_that_floods_is_told_after_five_minutes_until_it_stops() -> None:
    """With its messages and the limit; it ends though nobody sends any more."""
    place = Place()
    assert flood(place, 290, 3) == []
    (event,) = flood(place, 60, 3)
    assert spoken([event]) == [("raised", "message_flood", "blue")]
    assert (event.subject, event.area, event.mine) == (f"mine:{MINE}", AREA, MINE)
    assert (event.explain["messages"], event.explain["messages_limit"]) == (180, 60)
    # It counts until the end of the minute after it, then it must be calm for five.
    assert place.pass_time(300) == []
    said = place.pass_time(150)
    assert spoken(said) == [("cleared", "message_flood", "blue")]


def test_a_flood_that_lasts_half_an_hour_gets_worse() -> None:
    """Others wait all the while."""
    said = flood(Place(), 2200, 2)
    assert spoken(said) == [
        ("raised", "message_flood", "blue"),
        ("level", "message_flood", "yellow"),
    ]


@pytest.mark.parametrize("seconds", [30, 120, 180])
def test_what_a_gateway_sends_again_after_an_outage_is_not_told(seconds: int) -> None:
    """A ring buffer goes through in minutes, though far above the limit meanwhile."""
    place = Place()
    assert flood(place, seconds, 20) == []
    assert place.pass_time(600) == []
    assert flood(place, 600, 1) == []


def test_a_mine_that_nobody_takes_frames_of_is_not_told() -> None:
    """Of an area that is not ours, or that nobody knows."""
    place, ours = Place(), Place([AREA])
    assert flood(place, 400, 2, "999999000001") == []
    assert flood(ours, 400, 2, "530602000001") == []
    assert place.floods.now(place.steady.now_us()) == {"999999000001": 120}


def test_a_flood_stands_over_a_restart_while_it_lasts() -> None:
    """A new process counts from nothing, and goes on with the same alarm."""
    told = recorded("mine", MINE, "message_flood", MINE)
    goes_on, stops = Place(), Place()
    for place in goes_on, stops:
        place.standing.begin([told], (), at(0))
    assert flood(goes_on, 700, 2) == []
    (ended,) = stops.pass_time(400)
    assert spoken([ended]) == [("cleared", "message_flood", "blue")]
    assert ended.raised_at_us == at(-100)


def test_who_has_other_areas_ends_no_flood_of_ours() -> None:
    """Each owner hears its own mines only, so a flood elsewhere looks like none."""
    told = recorded("mine", MINE, "message_flood", MINE)
    ours, others = Place([AREA]), Place(["530602"])
    for place in ours, others:
        place.standing.begin([told], (), at(0))
    assert others.pass_time(700) == []
    assert spoken(ours.pass_time(700)) == [("cleared", "message_flood", "blue")]
