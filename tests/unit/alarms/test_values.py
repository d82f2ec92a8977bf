"""Over and under a limit: raise, end, delays, latch and unknown, reading by reading."""

from __future__ import annotations

from math import nan

import pytest

from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.resuming import LivingAlarm
from gasmon.alarms.rules import RuleSet
from gasmon.domain import states
from gasmon.units import US_PER_S
from tests.engine_world import Entry, Reading, World, at, feed, live, mark, point
from tests.rule_texts import delayed

FACE = point()  # A = 1.0, cut-off 1.5 with restore below 1.0


def words(said: list[AlarmEvent], kind: str = "over_limit") -> list[tuple[str, float]]:
    """(event, seconds after the start) of one kind."""
    return [
        (e.event, (e.happened_at_us - at(0)) / US_PER_S) for e in said if e.kind == kind
    ]


def run(*log: Entry, rules: RuleSet | None = None) -> list[AlarmEvent]:
    """A log at one methane point."""
    return feed(World.of(FACE, rules=rules).engine(), log)


def test_at_the_limit_raises_and_only_below_it_ends() -> None:
    """value >= alarm raises; value < clear ends; neither holds in between."""
    said = run(live(0, 0.99, 1), live(0, 1.0, 2), live(0, 1.0, 3), live(0, 0.99, 4))
    assert words(said) == [("raised", 2), ("cleared", 4)]


def test_hysteresis_holds_between_end_and_limit() -> None:
    """The cut-off begins at 1.5 and ends below 1.0; 1.2 holds it."""
    said = run(live(0, 1.5, 1), live(0, 1.2, 2), live(0, 1.0, 3), live(0, 0.9, 4))
    assert words(said, "cut_off") == [("raised", 1), ("cleared", 4)]


def test_a_float_is_at_its_limit() -> None:
    """0.7 is at 0.7, not a hair below it as in single precision."""
    own = point(quantity="PRESSURE_DIFF", place_class=None, alarm_high=0.7)
    said = feed(World.of(own).engine(), [live(0, 0.7, 1)])
    assert words(said) == [("raised", 1)]


@pytest.mark.parametrize(
    ("alarm", "value", "level"),
    [
        (0.1, 0.3, "red"),
        (0.1, 0.15, "orange"),
        (0.1, 0.29, "orange"),
        (0.7, 2.1, "red"),
    ],
)
def test_bands_begin_at_decimal_multiples(
    alarm: float, value: float, level: str
) -> None:
    """3 x 0.1 is 0.3, although the product of the floats is above it."""
    own = point(place_class=None, alarm_high=alarm)
    said = feed(World.of(own).engine(), [live(0, value, 1)])
    assert [e.level for e in said if e.kind == "over_limit"] == [level]


def test_low_limits() -> None:
    """value <= low raises; above its end it is over."""
    oxygen = point(quantity="O2", place_class=None)
    said = feed(
        World.of(oxygen).engine(),
        [live(0, 18.01, 1), live(0, 18.0, 2), live(0, 17.0, 3), live(0, 18.01, 4)],
    )
    assert words(said, "low_limit") == [("raised", 2), ("cleared", 4)]
    assert said[-1].peak == 17.0


def test_low_cut_off_of_the_mine() -> None:
    """A mine's own lower cut-off has its own kind."""
    air = point(quantity="AIR_VELOCITY", place_class=None, cut_low=0.2, restore_low=0.3)
    said = feed(
        World.of(air).engine(), [live(0, 0.2, 1), live(0, 0.3, 2), live(0, 0.31, 3)]
    )
    assert words(said, "low_cut_off") == [("raised", 1), ("cleared", 3)]


# Delays


def test_a_pending_delay_matures_on_the_next_reading() -> None:
    """It is raised at since + delay, however late the next reading comes."""
    said = run(live(0, 1.2, 0), live(0, 1.2, 45), rules=delayed("30s"))
    assert words(said) == [("raised", 30)]


def test_a_pending_delay_matures_on_a_mark() -> None:
    """Silence does not hold an alarm back."""
    said = run(live(0, 1.2, 0), mark(29), mark(31), rules=delayed("30s"))
    assert words(said) == [("raised", 30)]


def test_only_a_good_reading_before_it_was_due_cancels() -> None:
    """A good value before the delay is over cancels; one at its end is too late."""
    before = run(live(0, 1.2, 0), live(0, 0.5, 29), mark(60), rules=delayed("30s"))
    assert words(before) == []
    after = run(live(0, 1.2, 0), live(0, 0.5, 30), rules=delayed("30s"))
    assert words(after) == [("raised", 30), ("cleared", 30)]


@pytest.mark.parametrize(
    "lost", [live(0, None, 10), live(0, 0.1, 10, states.SENSOR_FAULT)]
)
def test_unknown_does_not_cancel_a_delay(lost: Reading) -> None:
    """A value that says nothing leaves the delay running."""
    said = run(live(0, 1.2, 0), lost, mark(31), rules=delayed("30s"))
    assert words(said) == [("raised", 30)]


def test_a_delay_that_matures_blind_has_the_last_good_peak() -> None:
    """A faulty number beside a fault bit is neither value nor peak of an alarm."""
    fault = live(0, 40.0, 10, states.SENSOR_FAULT)
    said = run(live(0, 1.2, 0), fault, mark(31), rules=delayed("30s"))
    raised = next(e for e in said if e.kind == "over_limit")
    assert (raised.value, raised.peak, raised.peak_at_us) == (None, 1.2, at(0))


def test_a_cancelled_delay_begins_anew() -> None:
    """The next rise waits its whole delay again."""
    said = run(
        live(0, 1.2, 0), live(0, 0.5, 10), live(0, 1.2, 20), mark(49), mark(51),
        rules=delayed("30s"),
    )  # fmt: skip
    assert words(said) == [("raised", 50)]


def test_an_off_delay_ends_at_its_own_moment() -> None:
    """Only a good reading at or after since + delay ends; the end is since + delay."""
    said = run(
        live(0, 1.2, 0), live(0, 0.5, 10), mark(50), live(0, 0.4, 55),
        rules=delayed("0s", "30s"),
    )  # fmt: skip
    assert words(said) == [("raised", 0), ("cleared", 40)]


def test_silence_restarts_an_off_delay() -> None:
    """Good values around a broken link do not prove that it was good in between."""
    said = run(
        live(0, 1.2, 0), live(0, 0.5, 10), mark(80), live(0, 0.4, 85),
        live(0, 0.4, 115), rules=delayed("0s", "30s"),
    )  # fmt: skip
    assert words(said) == [
        ("raised", 0), ("unknown", 80), ("known", 85), ("cleared", 115),
    ]  # fmt: skip


@pytest.mark.parametrize("value", [1.2, None])
def test_a_rise_or_an_unknown_restarts_an_off_delay(value: float | None) -> None:
    """The end must be good all the way."""
    said = run(
        live(0, 1.2, 0), live(0, 0.5, 10), live(0, value, 20), live(0, 0.5, 41),
        live(0, 0.5, 71), rules=delayed("0s", "30s"),
    )  # fmt: skip
    assert words(said)[-1] == ("cleared", 71)


def test_a_reading_whose_alarm_was_recorded_ahead_is_judged_when_it_comes_again() -> (
    None
):
    """Killed between the two: it interrupts another alarm's end all the same."""
    broken = live(0, None, 11, states.SENSOR_FAULT)
    rules = delayed("0s", "1500ms")
    engine = World.of(FACE, rules=rules).engine()
    said = feed(engine, [live(0, 1.2, 0), live(0, 0.5, 10)])
    engine.resume([LivingAlarm("sensor_break", 0, 0, at(11), 1, nan, 0)])
    said += feed(engine, [broken, live(0, 0.5, 12), live(0, 1.2, 13)])
    assert "cleared" not in dict(words(said))
    assert [e.event for e in said if e.kind == "sensor_break"] == ["cleared"]


def test_an_old_good_reading_never_ends_an_alarm_before_it_began() -> None:
    """The delay matured on the clock; an older good reading comes after that."""
    late_good = Reading(0, 0.5, at(15), at(50))
    said = run(live(0, 1.2, 0), mark(40), late_good, rules=delayed("30s"))
    assert words(said) == [("raised", 30), ("cleared", 30)]


def test_what_comes_from_before_the_alarm_has_no_duration() -> None:
    """An older unknown reading after the delay matured: no negative lasting time."""
    lost = Reading(0, nan, at(15), at(50))
    said = run(live(0, 1.2, 0), mark(40), lost, rules=delayed("30s"))
    unknown = next(e for e in said if e.event == "unknown")
    assert "lasting_s" not in unknown.explain


# Unknown


def test_unknown_holds_and_says_so() -> None:
    """Without a value the alarm stays, unknown; with one it is known again."""
    said = run(live(0, 1.2, 1), live(0, None, 2), live(0, 1.1, 3), live(0, 0.5, 4))
    assert words(said) == [("raised", 1), ("unknown", 2), ("known", 3), ("cleared", 4)]


def test_unknown_keeps_durations_and_levels_running() -> None:
    """Blue becomes yellow after five minutes although nothing is known."""
    said = run(live(0, 1.2, 0), live(0, None, 60), mark(301))
    levels = [(e.level, e.happened_at_us) for e in said if e.event == "level"]
    assert levels == [("yellow", at(300))]
    assert said[-1].value is None


def test_a_cleared_unknown_alarm_is_only_cleared() -> None:
    """The reading that ends it does not also say that it is known again."""
    said = run(live(0, 1.2, 1), live(0, None, 2), live(0, 0.5, 3))
    assert words(said) == [("raised", 1), ("unknown", 2), ("cleared", 3)]


# Levels


def test_a_level_latches_until_the_alarm_ends() -> None:
    """Falling back to a lower band takes nothing back."""
    said = run(live(0, 1.6, 1), live(0, 1.1, 2), live(0, 1.6, 3), live(0, 0.5, 4))
    assert words(said) == [("raised", 1), ("cleared", 4)]
    ended = next(e for e in said if e.event == "cleared" and e.kind == "over_limit")
    assert ended.level == "orange"
    assert ended.peak == 1.6


def test_leaving_a_band_restarts_its_duration() -> None:
    """Five minutes from 1.5 A upwards make red only in one piece."""
    log: list[Entry] = [live(0, 1.6, 0), live(0, 1.1, 200), live(0, 1.6, 250)]
    log += [mark(549), mark(551)]
    said = [e for e in run(*log) if e.event == "level" and e.kind == "over_limit"]
    assert [(e.level, e.happened_at_us) for e in said] == [("red", at(550))]


def test_the_worst_value_is_kept() -> None:
    """The peak and its moment stay when the value falls."""
    said = run(live(0, 1.1, 1), live(0, 1.4, 2), live(0, 1.2, 3), live(0, 0.5, 4))
    assert (said[-1].peak, said[-1].peak_at_us) == (1.4, at(2))


def test_durations_run_from_the_raise_and_not_from_the_delay() -> None:
    """A band entered while the delay ran counts from the raise."""
    rules = delayed("30s")
    said = run(live(0, 1.6, 0), mark(31), mark(329), mark(331), rules=rules)
    red = [e for e in said if e.level == "red" and e.kind == "over_limit"]
    assert [e.happened_at_us for e in red] == [at(330)]


# Versions


def test_the_limit_is_that_of_the_readings_own_time() -> None:
    """A delayed reading from before a change is judged with the old limit."""
    old = point(quantity="PRESSURE_DIFF", place_class=None, alarm_high=5.0)
    new = point(
        quantity="PRESSURE_DIFF", place_class=None, alarm_high=2.0,
        effective_from_us=at(100),
    )  # fmt: skip
    world = World.of(old, new)
    said = feed(
        world.engine(),
        [Reading(0, 3.0, at(99), at(200)), Reading(0, 3.0, at(100), at(200))],
    )
    assert [(e.event, e.happened_at_us, e.limit) for e in said] == [
        ("raised", at(100), 2.0)
    ]


def test_history_that_was_judged_is_not_judged_again() -> None:
    """A version from before the newest one counts from the newest one's time."""
    first = point(quantity="PRESSURE_DIFF", place_class=None, alarm_high=5.0)
    second = point(
        quantity="PRESSURE_DIFF", place_class=None, alarm_high=4.0,
        effective_from_us=at(100),
    )  # fmt: skip
    third = point(
        quantity="PRESSURE_DIFF", place_class=None, alarm_high=1.0,
        effective_from_us=at(50),
    )  # fmt: skip
    world = World.of(first, second)
    engine = world.engine()
    engine.adopt(world.table, [third], at(100))
    said = feed(engine, [live(0, 2.0, 60), live(0, 2.0, 100)])
    assert [e.happened_at_us for e in said] == [at(100)]


def test_many_versions_and_points_fit() -> None:
    """The tables grow beyond what they begin with."""
    versions = [
        point(f"{n:03d}A01", quantity="PRESSURE_DIFF", place_class=None,
              alarm_high=1.0 + v, effective_from_us=at(v))
        for n in range(70) for v in range(2)
    ]  # fmt: skip
    world = World.of(*versions)
    said = feed(world.engine(), [live(row, 2.0, 1) for row in range(70)])
    assert len(said) == 70
    assert {e.limit for e in said} == {2.0}


def test_state_survives_growth() -> None:
    """Points that are adopted later take nothing from those that were there."""
    first = World.of(FACE)
    engine = first.engine()
    feed(engine, [live(0, 1.2, 1)])
    more = [point(f"{n:03d}B01") for n in range(200)]
    engine.adopt(first.table.extended(points=more), more, at(2))
    said = feed(engine, [live(0, 0.3, 3), live(200, 1.2, 3)])
    assert {(e.event, e.row) for e in said} == {("cleared", 0), ("raised", 200)}
    assert 300 < engine.state.bytes_per_point() < 900
