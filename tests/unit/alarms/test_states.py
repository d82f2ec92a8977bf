"""State bits: calibration, faults, over-range, the mine's own alarm, unknown bits."""

from __future__ import annotations

import pytest

from gasmon.alarms.engine import Patience
from gasmon.alarms.events import AlarmEvent
from gasmon.domain import states
from gasmon.units import US_PER_S
from tests.engine_world import Entry, World, at, feed, live, mark, point

FACE = point(range_high=4.0)


def run(*log: Entry, patience: Patience | None = None) -> list[AlarmEvent]:
    """A log at one methane point whose sensor ends at 4 %."""
    return feed(World.of(FACE, patience=patience).engine(), log)


def told(said: list[AlarmEvent], kind: str) -> list[tuple[str, str, float]]:
    """(event, level, seconds) of one kind."""
    return [
        (e.event, e.level, (e.happened_at_us - at(0)) / US_PER_S)
        for e in said
        if e.kind == kind
    ]


# Calibration


def test_state_five_does_not_raise() -> None:
    """Calibration and alarm together are calibration gas and a mark, no over-limit."""
    said = run(live(0, 2.0, 1, states.CALIBRATION | states.ALARM))
    assert [(e.kind, e.event, e.level) for e in said] == [
        ("calibration", "raised", "ungraded")
    ]


def test_calibration_is_honoured_for_thirty_minutes_and_then_the_value_counts() -> None:
    """The bit hides the value up to, and not at, the end of what is honoured."""
    bit = states.CALIBRATION
    said = run(live(0, 2.0, 0, bit), live(0, 2.0, 1799, bit), live(0, 2.0, 1800, bit))
    assert told(said, "over_limit") == [("raised", "orange", 1800)]
    assert told(said, "calibration") == [
        ("raised", "ungraded", 0),
        ("level", "blue", 1800),
    ]


def test_the_honoured_time_begins_anew_after_the_bit_was_off() -> None:
    """Each run of the bit has its own half hour."""
    bit = states.CALIBRATION
    said = run(
        live(0, 2.0, 0, bit), live(0, 0.1, 1700), live(0, 2.0, 1710, bit),
        live(0, 2.0, 3500, bit), live(0, 2.0, 3510, bit),
    )  # fmt: skip
    assert told(said, "over_limit") == [("raised", "orange", 3510)]


def test_calibration_ends_with_a_value_without_the_bit() -> None:
    """No value is no proof that the calibration is over."""
    said = run(live(0, 2.0, 1, 4), live(0, None, 2), live(0, 0.1, 3))
    assert told(said, "calibration")[-1] == ("cleared", "ungraded", 3)


def test_calibration_makes_a_living_alarm_unknown_and_does_not_end_it() -> None:
    """A low value under the bit takes nothing back."""
    said = run(live(0, 1.2, 1), live(0, 0.0, 2, states.CALIBRATION))
    assert [w for w, _, _ in told(said, "over_limit")] == ["raised", "unknown"]


@pytest.mark.parametrize(
    ("kind", "bad"),
    [("over_range", live(0, 4.5, 1)), ("sensor_break", live(0, None, 1))],
)
def test_calibration_gas_does_not_end_what_is_taken_for_gas(
    kind: str, bad: Entry
) -> None:
    """A calibrating value is there, and says nothing about the air."""
    said = run(bad, live(0, 0.0, 2, states.CALIBRATION), live(0, 0.1, 3))
    assert [(w, s) for w, _, s in told(said, kind)] == [("raised", 1), ("cleared", 3)]


def test_nothing_is_honoured_when_the_patience_is_zero() -> None:
    """A site may decide that a bit never hides a value."""
    said = run(live(0, 2.0, 1, 4), patience=Patience(calibration_us=0))
    assert [e.kind for e in said] == ["over_limit", "cut_off", "calibration"]


# Over-range and faults


@pytest.mark.parametrize("reading", [live(0, 4.01, 1), live(0, 0.0, 1, 8)])
def test_methane_over_range_is_red(reading: Entry) -> None:
    """More than the sensor can show, by value or by bit, is red at once."""
    assert told(run(reading), "over_range") == [("raised", "red", 1)]


def test_the_end_of_the_range_itself_is_in_range() -> None:
    """4.0 of 4.0 is a value; above it is over."""
    assert told(run(live(0, 4.0, 1)), "over_range") == []


def test_over_range_holds_until_a_good_value() -> None:
    """A fault after it proves nothing; a good value inside the range does."""
    said = run(live(0, 4.5, 1), live(0, 0.0, 2, 128), live(0, 0.3, 3))
    assert told(said, "over_range") == [("raised", "red", 1), ("cleared", "red", 3)]


def test_a_sensor_at_its_end_proves_no_low_value() -> None:
    """ "At least 0.5" ends no over-limit and makes no lack of oxygen."""
    said = run(live(0, 1.2, 1), live(0, 0.5, 2, states.OVER_RANGE))
    assert told(said, "over_limit") == [("raised", "blue", 1)]
    oxygen = point(quantity="O2", place_class=None)
    low = feed(World.of(oxygen).engine(), [live(0, 5.0, 1, states.OVER_RANGE)])
    assert told(low, "low_limit") == []


def test_other_quantities_over_range_are_blue() -> None:
    """Only methane is taken for the worst."""
    co = point(quantity="CO", place_class=None, range_high=1000.0)
    said = feed(World.of(co).engine(), [live(0, 1000.5, 1)])
    assert told(said, "over_range") == [("raised", "blue", 1)]


def test_switches_have_no_range() -> None:
    """The number of a switch is a state and no measurement."""
    fan = point(quantity="FAN_LOCAL", value_kind="KG", place_class=None, range_high=1.0)
    assert feed(World.of(fan).engine(), [live(0, 2.0, 1)]) == []


@pytest.mark.parametrize("fault", [live(0, None, 10), live(0, 0.0, 10, 128)])
def test_a_fault_right_after_a_rise_is_red(fault: Entry) -> None:
    """0.8 is near 1.0; a sensor that fails within five minutes is taken for gas."""
    assert told(run(live(0, 0.8, 1), fault), "sensor_break")[0] == ("raised", "red", 10)


@pytest.mark.parametrize(
    ("value", "gap", "level"),
    [(0.79, 1, "blue"), (0.8, 300, "red"), (0.8, 301, "blue")],
)
def test_what_right_after_a_rise_means(value: float, gap: int, level: str) -> None:
    """Near is 0.8 of the limit; right after is within five minutes."""
    said = run(live(0, value, 0), live(0, None, gap))
    assert told(said, "sensor_break") == [("raised", level, gap)]


def test_near_is_exact_in_decimals() -> None:
    """0.8 x 0.75 is 0.6, although the product of the floats is above it."""
    total = point(place_class="TOTAL_RETURN")
    said = feed(World.of(total).engine(), [live(0, 0.6, 1), live(0, None, 2)])
    assert told(said, "sensor_break") == [("raised", "red", 2)]


def test_a_fault_of_another_sensor_after_a_rise_is_blue() -> None:
    """The rule is methane's."""
    co = point(quantity="CO", place_class=None)
    said = feed(World.of(co).engine(), [live(0, 23.0, 1), live(0, None, 2)])
    assert told(said, "sensor_break") == [("raised", "blue", 2)]


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (states.SUBSTATION_FAULT, "substation_not_reachable"),
        (states.NOT_POLLED, "no_data"),
        (states.PAUSED, "no_data"),
    ],
)
def test_a_missing_value_with_a_reason_is_no_break(state: int, kind: str) -> None:
    """A substation that is away explains its silent sensors; so does a pause."""
    said = run(live(0, None, 1, state), live(0, 0.1, 2))
    assert [(e.kind, e.event) for e in said] == [(kind, "raised"), (kind, "cleared")]


def test_a_substation_is_back_with_any_value() -> None:
    """A faulty sensor's number still comes through its substation."""
    said = run(live(0, None, 1, 16), live(0, None, 2), live(0, 0.0, 3, 128))
    assert [(w, s) for w, _, s in told(said, "substation_not_reachable")] == [
        ("raised", 1),
        ("cleared", 3),
    ]


# The mine's own alarm bits


def test_the_mines_alarm_counts_where_there_is_no_value() -> None:
    """Its system still sees something when we do not."""
    said = run(live(0, None, 1, states.ALARM), live(0, 0.3, 2))
    over = [e for e in said if e.kind == "over_limit"]
    assert [(e.event, e.peak) for e in over] == [("raised", None), ("cleared", None)]


def test_a_faulty_number_is_no_peak() -> None:
    """Raised by the mine's bit beside a fault: the number is shown and not kept."""
    said = run(live(0, 99.0, 1, 129), live(0, 1.3, 2))
    assert (said[0].event, said[0].value, said[0].peak) == ("raised", 99.0, None)
    said = run(live(0, 99.0, 1, 129), live(0, 1.3, 2), live(0, 0.3, 3))
    ended = next(e for e in said if e.event == "cleared" and e.kind == "over_limit")
    assert (ended.peak, ended.peak_at_us) == (1.3, at(2))


def test_the_mines_alarm_is_only_evidence_beside_a_value() -> None:
    """0.3 % with an alarm bit is no over-limit: the value is judged by us."""
    assert run(live(0, 0.3, 1, states.ALARM | states.CUT_OFF)) == []


def test_a_point_of_unknown_quantity_alarms_by_its_bits() -> None:
    """Where nothing can be judged, the mine's bits are all there is."""
    strange = point(quantity="UNKNOWN", place_class=None)
    said = feed(
        World.of(strange).engine(),
        [live(0, 7.0, 1, 3), live(0, 7.0, 2, 2), live(0, 7.0, 3)],
    )
    assert told(said, "over_limit") == [
        ("raised", "yellow", 1),
        ("cleared", "yellow", 2),
    ]
    assert told(said, "cut_off") == [
        ("raised", "orange", 1),
        ("cleared", "orange", 3),
    ]


def test_a_low_alarm_outlives_its_limit() -> None:
    """Taking the limit away proves nothing; the value must be back."""
    low = point(quantity="PRESSURE_DIFF", place_class=None, alarm_low=2.0)
    none = point(quantity="PRESSURE_DIFF", place_class=None, effective_from_us=at(10))
    series = [live(0, 1.0, 1), live(0, 1.0, 10), live(0, 2.1, 20)]
    said = feed(World.of(low, none).engine(), series)
    assert told(said, "low_limit") == [
        ("raised", "yellow", 1),
        ("cleared", "yellow", 20),
    ]


def test_calling_a_point_something_else_does_not_end_its_alarm() -> None:
    """5 % of methane stays an alarm when the mine says it is a humidity now."""
    gas = point(quantity="CH4", place_class="FACE_T1")
    other = point(quantity="HUMIDITY", place_class=None, effective_from_us=at(10))
    series = [live(0, 5.0, 1), live(0, 5.0, 11), live(0, 0.4, 20)]
    said = feed(World.of(gas, other).engine(), series)
    assert [e[0] for e in told(said, "over_limit")] == ["raised", "cleared"]
    assert told(said, "over_limit")[-1][2] == 20
    assert told(said, "cut_off")[-1][2] == 20


def test_bits_that_nobody_defined_are_an_alarm() -> None:
    """Normal is only what is known to be normal."""
    said = run(live(0, 0.1, 1, 256), live(0, None, 2, 16), live(0, 0.1, 3))
    assert told(said, "unknown_state") == [
        ("raised", "yellow", 1),
        ("cleared", "yellow", 3),
    ]


def test_levels_of_other_kinds_mature_with_time() -> None:
    """A break becomes yellow after an hour, on the clock alone."""
    said = run(live(0, None, 0), mark(3601))
    assert told(said, "sensor_break") == [
        ("raised", "blue", 0),
        ("level", "yellow", 3600),
    ]
    assert said[0].limit is None
