"""Late readings, repeated readings, and going on after a restart."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import pytest

from gasmon.alarms.engine import AlarmEngine, LivingAlarm, Patience
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.told import MAX_STRETCHES, Told
from gasmon.domain import states
from gasmon.units import US_PER_S
from tests.engine_world import Entry, Reading, World, at, feed, live, mark, point
from tests.rule_texts import delayed

# Nothing here is about silence.
DEAF = Patience(point_us=10**15, mine_us=10**15)
FACE = World.of(point(range_high=4.0), patience=DEAF)
CALM = mark(10_000)


def late(value: float, seconds: float, arrived: float, state: int = 0) -> Reading:
    """A reading that comes long after its own time."""
    return Reading(0, value, at(seconds), at(arrived), state)


def told(said: list[AlarmEvent], kind: str = "over_limit") -> list[tuple[object, ...]]:
    """(event, level, seconds, late, quiet) of one kind."""
    return [
        (e.event, e.level, (e.happened_at_us - at(0)) / US_PER_S, e.late, e.quiet)
        for e in said
        if e.kind == kind
    ]


def run(*log: Entry, world: World = FACE) -> list[AlarmEvent]:
    return feed(world.engine(), log)


def test_what_is_over_is_told_quietly() -> None:
    """A newer good value proves the end; nobody is woken, the record is made."""
    said = run(live(0, 0.3, 100), late(1.2, 50, 101), CALM)
    assert told(said) == [
        ("raised", "blue", 50, True, "late"),
        ("cleared", "blue", 100, True, "late"),
    ]
    assert [e.peak for e in said] == [1.2, 1.2]


def test_a_record_waits_until_nothing_more_of_it_comes() -> None:
    """120 s after the newest reading beyond the limit, by the clock."""
    engine = FACE.engine()
    assert feed(engine, [live(0, 0.3, 100), late(1.2, 50, 101)]) == []
    assert feed(engine, [late(1.3, 55, 200), mark(220)]) == []
    assert feed(engine, [late(0.3, 60, 319), mark(319.9)]) == []
    said = feed(engine, [mark(320)])
    assert told(said) == [
        ("raised", "blue", 50, True, "late"),
        ("cleared", "blue", 60, True, "late"),
    ]
    assert {e.peak for e in said} == {1.3}
    assert feed(engine, [mark(900)]) == []


def test_a_record_does_not_wait_for_ever() -> None:
    """A point that is late for ever is told of after 20 min."""
    log: list[Entry] = [live(0, 0.3, 5000)]
    for k in range(15):
        log += [late(1.2, 50 + k, 5000 + 90 * k), mark(5000 + 90 * k)]
    said = run(*log)
    assert [e.happened_at_us for e in said] == [at(50), at(5000)]


def test_a_step_back_of_our_clock_prolongs_no_wait() -> None:
    """Arrivals in the future count from the new time."""
    said = run(live(0, 0.3, 9000), late(1.2, 50, 9001), mark(10), mark(131))
    assert [e.event for e in said] == ["raised", "cleared"]


def test_a_gap_ends_what_was_in_it() -> None:
    """The backlog stops inside the stretch: it ended when the line was back."""
    said = run(
        live(0, 0.3, 0),
        live(0, 0.3, 7200),
        live(0, 0.3, 7215),
        live(0, 0.3, 7230),
        late(1.2, 3000, 7231),
        late(1.2, 3005, 7231),
        CALM,
    )
    assert told(said) == [
        ("raised", "orange", 3000, True, "late"),
        ("cleared", "orange", 7200, True, "late"),
    ]


def test_two_stretches_are_two_records() -> None:
    """A good value between them parts them."""
    said = run(
        live(0, 0.3, 100),
        *[late(v, s, 101) for v, s in ((1.2, 60), (0.3, 50), (1.4, 40), (0.2, 70))],
        CALM,
    )
    assert [(e.event, e.happened_at_us, e.peak) for e in said] == [
        ("raised", at(40), 1.4),
        ("cleared", at(50), 1.4),
        ("raised", at(60), 1.2),
        ("cleared", at(70), 1.2),
    ]


def test_a_stretch_before_a_living_alarm_belongs_to_it() -> None:
    """Nothing good is known between them: no second alarm, and the key stays."""
    said = run(live(0, 1.2, 100), late(1.3, 50, 101), CALM, live(0, 0.3, 10_001))
    assert {e.raised_at_us for e in said} == {at(100)}


def test_a_stretch_long_before_a_living_alarm_is_a_record() -> None:
    """A good value lies between them."""
    said = run(
        live(0, 1.2, 100), late(1.3, 50, 101), late(0.3, 60, 101), mark(230),
        late(1.3, 50, 240), CALM,
    )  # fmt: skip
    assert [(e.event, e.happened_at_us) for e in said if e.late] == [
        ("raised", at(50)),
        ("cleared", at(60)),
    ]
    assert [e.raised_at_us for e in said if e.event == "raised" and not e.late] == [
        at(100)
    ]


@pytest.mark.parametrize("newest", [0.7, None])
def test_a_stretch_before_an_alarm_that_ended_is_no_news(newest: float | None) -> None:
    """It was over when that alarm ended, whatever is known now."""
    own = point(alarm_high=1.0, clear_high=0.5, range_high=4.0)
    said = run(
        live(0, 1.2, 100), live(0, 0.3, 105), live(0, newest, 110),
        late(1.3, 50, 111), CALM, world=World.of(own, patience=DEAF),
    )  # fmt: skip
    assert [e.raised_at_us for e in said if e.kind == "over_limit"] == [at(100)] * 2


def test_the_worst_value_of_a_living_alarm_may_come_late() -> None:
    """Its peak is corrected; a level that needs no duration is earned, aloud."""
    said = run(live(0, 1.2, 10), live(0, 1.2, 60), late(3.5, 30, 61), late(1.3, 35, 62))
    assert [(e.event, e.level, e.peak, e.late) for e in said if e.event == "level"] == [
        ("level", "red", 3.5, False)
    ]


@pytest.mark.parametrize(
    ("on", "off", "begun", "ended"),
    [("0s", "0s", 10, 45), ("20s", "0s", 30, 45), ("40s", "0s", None, None)],
)
def test_delays_count_in_event_time(
    on: str, off: str, begun: float | None, ended: float | None
) -> None:
    """As live: raised at since + on, or not at all."""
    world = replace(FACE, rules=delayed(on))
    backlog = [late(1.2, 5 * k, 201) for k in range(2, 9)]
    said = run(live(0, 0.3, 200), *backlog, late(0.3, 45, 201), *backlog, CALM,
               *backlog, mark(20_000), world=world)  # fmt: skip
    times = [(e.happened_at_us - at(0)) / US_PER_S for e in said]
    assert times == ([] if begun is None else [begun, ended])


def test_a_pending_delay_of_a_late_value_goes_on() -> None:
    """Nothing newer is known and the delay is not over: it matures by the clock."""
    world = replace(FACE, rules=delayed("60s"))
    said = run(live(0, None, 20), late(1.2, 10, 21), mark(69.9), world=world)
    assert told(said) == []
    said = run(live(0, None, 20), late(1.2, 10, 21), mark(70), world=world)
    assert [row[2:] for row in told(said)] == [(70, False, None)]


def test_a_late_good_value_ends_what_only_late_values_know() -> None:
    """The sensor is dead now; its backlog tells how it went on."""
    dead = live(0, None, 1000)
    said = run(dead, late(1.2, 50, 1001), late(1.3, 55, 1002), late(0.3, 60, 1003))
    assert told(said) == [
        ("raised", "blue", 50, False, None),
        ("cleared", "blue", 60, False, None),
    ]
    # Older than what is known beyond the limit, it proves nothing.
    said = run(dead, late(1.2, 50, 1001), late(1.3, 55, 1002), late(0.3, 52, 1003))
    assert [e.event for e in said if e.kind == "over_limit"] == ["raised"]


def test_a_late_good_value_does_not_end_a_live_alarm() -> None:
    """What live readings raised, live readings end."""
    said = run(live(0, 1.2, 10), live(0, None, 20), late(0.3, 15, 21), mark(30))
    assert "cleared" not in [e.event for e in said if e.kind == "over_limit"]
    # Also when live readings found it high after late ones had begun it.
    said = run(
        live(0, None, 20), late(1.2, 10, 21), live(0, 1.2, 30), live(0, None, 40),
        late(0.3, 35, 41),
    )  # fmt: skip
    assert "cleared" not in [e.event for e in said if e.kind == "over_limit"]


def test_a_calibration_bit_that_is_not_believed_hides_no_late_value() -> None:
    """It has been set for longer than it is honoured."""
    world = replace(FACE, patience=replace(DEAF, calibration_us=30 * US_PER_S))
    said = run(
        live(0, 0.3, 10, states.CALIBRATION), live(0, 0.3, 100, states.CALIBRATION),
        late(1.2, 35, 101, states.CALIBRATION), late(1.2, 60, 101, states.CALIBRATION),
        CALM, world=world,
    )  # fmt: skip
    assert [row[2] for row in told(said)] == [60, 100]


def test_many_readings_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory of a point is bounded."""
    monkeypatch.setattr("gasmon.alarms.late.MOST_SEEN", 10)
    said = run(live(0, 0.3, 100), *[late(1.2, k, 101) for k in range(10, 25)])
    assert [e.event for e in said] == ["raised", "cleared"]


def test_what_is_known_of_a_past_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The older half is forgotten; then an end is less exact, and no alarm less."""
    monkeypatch.setattr("gasmon.alarms.late_book.MAX_KEPT", 100)
    log = [late(0.3, k, 1001) for k in range(300)]
    said = run(live(0, 0.3, 1000), *log, late(1.2, 10, 1002), CALM)
    assert [(e.event, e.happened_at_us >= at(20)) for e in said] == [
        ("raised", False),
        ("cleared", True),
    ]


def test_what_nothing_newer_disproves_is_told_aloud() -> None:
    """The newest reading says nothing, so the late one is the best we know."""
    said = run(live(0, None, 100), late(1.2, 50, 101), live(0, 0.3, 110))
    assert told(said) == [
        ("raised", "blue", 50, False, None),
        ("cleared", "blue", 110, False, None),
    ]


def test_a_newer_value_above_the_end_proves_nothing() -> None:
    """1.2 is below the cut-off and not below its end: the alarm would still live."""
    said = run(live(0, 1.2, 100), late(1.6, 50, 101), live(0, 0.5, 110))
    assert told(said, "cut_off") == [
        ("raised", "orange", 50, False, None),
        ("cleared", "orange", 110, False, None),
    ]


@pytest.mark.parametrize("newer", [0.3, None])
def test_a_late_value_is_graded_by_how_bad_it_was(newer: float | None) -> None:
    """5 % is red, late or not."""
    said = run(live(0, newer, 100), late(5.0, 50, 101), CALM)
    assert told(said)[0][:3] == ("raised", "red", 50)


def test_a_quiet_record_leaves_nothing_behind() -> None:
    """The next alarm is graded by its own values."""
    said = run(
        live(0, 0.3, 100), late(5.0, 50, 101), mark(300), live(0, 1.1, 310),
        live(0, 0.3, 320),
    )  # fmt: skip
    assert told(said)[2:] == [
        ("raised", "blue", 310, False, None),
        ("cleared", "blue", 320, False, None),
    ]


def test_late_lack_of_oxygen_is_told_too() -> None:
    """Low limits are judged late as high ones are."""
    oxygen = World.of(point(quantity="O2", place_class=None), patience=DEAF)
    said = run(live(0, 20.0, 100), late(17.0, 50, 101), CALM, world=oxygen)
    assert [row[0] for row in told(said, "low_limit")] == ["raised", "cleared"]
    at_end = late(17.0, 50, 101, states.OVER_RANGE)
    assert run(live(0, 20.0, 100), at_end, CALM, world=oxygen) == []


@pytest.mark.parametrize("state", [states.CALIBRATION, states.SENSOR_FAULT])
def test_late_values_under_a_bit_say_nothing(state: int) -> None:
    """Neither calibration gas nor a faulty number is a record of gas."""
    assert run(live(0, 0.3, 100), late(2.0, 50, 101, state), CALM) == []


def test_one_stretch_is_one_record() -> None:
    """A backlog over the limit is one quiet alarm, not one for each reading."""
    backlog = [late(1.2, 10 + 5 * k, 101) for k in range(10)]
    assert len(run(live(0, 0.3, 100), *backlog, CALM)) == 2


def test_a_repeated_reading_of_an_ended_alarm_is_no_news() -> None:
    """Sent again after the alarm was over, it makes no second record."""
    again = live(0, 1.3, 20)
    said = run(live(0, 1.2, 10), again, live(0, 0.3, 30), again, live(0, 0.3, 30))
    assert [row[0] for row in told(said)] == ["raised", "cleared"]


def test_a_repeated_reading_of_a_cancelled_delay_is_no_news() -> None:
    """What was too short the first time is so the second time."""
    world = replace(FACE, rules=delayed("30s"))
    peak = live(0, 1.2, 10)
    assert run(peak, live(0, 0.3, 20), peak, mark(50), world=world) == []


@pytest.mark.parametrize("on", ["0s", "30s"])
def test_a_late_reading_of_a_living_alarm_belongs_to_it(on: str) -> None:
    """It is no second alarm now, nor when it comes once more."""
    world = replace(FACE, rules=delayed(on))
    older = late(1.3, 5, 15)
    said = run(live(0, 0.1, 1), live(0, 1.2, 10), older, live(0, 0.3, 60), older,
               world=world)  # fmt: skip
    assert [row[0] for row in told(said)] == ["raised", "cleared"]


def test_repeats_are_counted() -> None:
    """They are seen in the metrics, if nowhere else."""
    engine = FACE.engine()
    feed(engine, [live(0, 0.3, 10), live(0, 0.3, 10), late(0.2, 5, 11)])
    assert engine.n_late == 2


def test_a_chattering_point_is_forgotten_in_the_end() -> None:
    """Memory is bounded; the oldest stretches go first."""
    stretches = Told()
    for k in range(MAX_STRETCHES + 1):
        stretches.add(3, 0, 10 * k, 10 * k + 5)
    assert not stretches.covers(3, 0, 0)
    assert stretches.covers(3, 0, 10)
    assert not stretches.covers(3, 0, 16)
    assert not stretches.covers(4, 0, 10)


# Restart


def resumed(alarm: LivingAlarm, world: World = FACE) -> AlarmEngine:
    """An engine that goes on with one alarm."""
    engine = world.engine()
    engine.resume([alarm])
    return engine


OVER = LivingAlarm("over_limit", 0, 0, at(-600), 1, 1.2, at(-600))


def test_a_resumed_alarm_is_not_raised_again_and_ends() -> None:
    """It goes on silently and a good value ends it under its old key."""
    said = feed(resumed(OVER), [live(0, 1.2, 1), live(0, 0.3, 2)])
    assert [e.event for e in said] == ["level", "level", "cleared"]
    assert {e.raised_at_us for e in said} == {OVER.raised_us}


def test_a_resumed_alarm_catches_up_with_its_levels() -> None:
    """What became due while nobody looked is told at its own moment."""
    said = feed(resumed(OVER), [mark(0)])
    assert [(e.level, e.happened_at_us) for e in said] == [
        ("yellow", at(-300)),
        ("orange", at(0)),
    ]


def test_a_resumed_level_is_not_told_again() -> None:
    """A level that people know of is no news, at a point or at a link."""
    known = replace(OVER, rank=3)
    assert feed(resumed(known), [mark(0)]) == []
    link = LivingAlarm("link_break", -1, 0, at(-3700), 1, nan, 0)
    assert feed(resumed(link), [mark(1)]) == []
    later = feed(resumed(link), [mark(1), mark(4000)])
    assert [(e.level, e.happened_at_us) for e in later] == [("yellow", at(3500))]


def test_a_resumed_peak_keeps_its_band() -> None:
    """The band of the worst value is taken to have lasted since then."""
    high = replace(OVER, rank=3, peak=1.6, peak_at_us=at(-200))
    said = feed(resumed(high), [live(0, None, 59), live(0, None, 101)])
    said = [e for e in said if e.event == "level"]
    assert [(e.level, e.happened_at_us) for e in said] == [("red", at(100))]


def test_old_readings_do_not_end_a_resumed_alarm() -> None:
    """A backlog from before it began comes again after the restart."""
    said = feed(resumed(replace(OVER, rank=3)), [late(0.3, -700, 1)])
    assert said == []


def test_a_resumed_silence_ends_with_a_value() -> None:
    """Silence is reckoned by arrival, so the value's own time may be older."""
    silent = LivingAlarm("no_data", 0, 0, at(-50), 1, nan, 0)
    said = feed(resumed(silent), [late(0.3, -100, 1)])
    assert [(e.kind, e.event, e.happened_at_us) for e in said] == [
        ("no_data", "cleared", at(-50))
    ]


def test_a_resumed_unknown_alarm_becomes_known() -> None:
    """It was without a value when the process ended."""
    said = feed(resumed(replace(OVER, rank=3, unknown=True)), [live(0, 1.1, 1)])
    assert [e.event for e in said] == ["known"]


def test_a_resumed_link_ends_with_the_first_frame() -> None:
    """The mine is back."""
    link = LivingAlarm("link_break", -1, 0, at(-100), 0, nan, 0)
    said = feed(resumed(link), [live(0, 0.1, 1)])
    assert [(e.kind, e.event, e.raised_at_us) for e in said] == [
        ("link_break", "cleared", at(-100))
    ]
