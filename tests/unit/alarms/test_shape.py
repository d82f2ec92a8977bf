"""Kinds that follow how values move, and switches: what scripts cannot say."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import pytest

from gasmon import domain
from gasmon.alarms.engine import LivingAlarm
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.forecast_targets import is_forecast
from gasmon.alarms.reconcile import living, reconcile
from gasmon.alarms.rules import default_rules
from gasmon.alarms.snapshot import dump
from gasmon.points import MineDef
from tests.engine_world import Entry, World, at, feed, live, mark, point
from tests.rule_texts import rule_set

RISING: list[Entry] = [
    *(live(0, 0.5, 15 * k) for k in range(12)),
    *(live(0, round(0.5 + 0.05 * k, 2), 180 + 15 * k) for k in range(9)),
]
"""Up to 0.9 at 300 s."""


def told(said: list[AlarmEvent], kind: str) -> list[AlarmEvent]:
    return [event for event in said if event.kind == kind]


def test_a_share_of_the_limit_warns_exactly_where_no_forecast_does() -> None:
    """The shipped rule names the places that the forecast knows by their beginnings."""
    rules, mine = default_rules(), MineDef("530627004499", "530627")
    for row in (r for r in domain.limits() if r.quantity == "CH4"):
        known = point(place_class=row.place_class)
        warns = rules.params("high_pre_warning", known, mine) is not None
        assert warns != is_forecast(known), row.place_class


def test_an_evasion_says_what_it_saw() -> None:
    """Cause, numbers, and the newest good value with its time."""
    said = feed(World.of(point()).engine(), [*RISING, live(0, None, 315, 32)])
    (event,) = told(said, "evasion")
    why = event.explain
    assert (event.level, why["cause"], why["near"]) == ("orange", "stop", 0.8)
    assert (why["newest_good"], why["rise_limit"], why["window_s"]) == (0.9, 0.1, 120)
    assert why["rise"] >= 0.1


@pytest.mark.parametrize(
    ("entry", "cause"),
    [
        (live(0, 0.9, 315, 4), "calibration"),
        (live(0, None, 315), "line_break"),
        (live(0, None, 315, 16), "line_break"),
        (live(0, 0.9, 315, 64), "stop"),
    ],
)
def test_what_can_hide_a_rise(entry: Entry, cause: str) -> None:
    """Each way to say nothing of the gas."""
    said = feed(World.of(point()).engine(), [*RISING, entry])
    assert [e.explain["cause"] for e in told(said, "evasion")] == [cause]


def test_a_looser_limit_while_rising_is_an_evasion_and_does_not_end_it() -> None:
    """It ends by the limit before; a stricter one is none."""
    strict = point(alarm_high=0.9)
    loose = replace(strict, effective_from_us=at(310), alarm_high=nan)
    engine = World.of(strict, loose).engine()
    said = feed(engine, [*RISING, live(0, 0.75, 315), live(0, 0.71, 330)])
    assert [(e.event, e.happened_at_us) for e in told(said, "evasion")] == [
        ("raised", at(315)),
        ("cleared", at(330)),
    ]
    stricter = replace(strict, effective_from_us=at(310), alarm_high=0.5)
    said = feed(World.of(strict, stricter).engine(), [*RISING, live(0, 0.9, 315)])
    assert told(said, "evasion") == []


def test_a_restart_without_a_snapshot_knows_no_shape() -> None:
    """What was not followed is neither standing still nor rising."""
    engine = World.of(point()).engine()
    engine.state.good_at_us[0] = engine.state.last_at_us[0] = at(0)
    engine.state.good_value[0] = 0.9
    said = feed(engine, [live(0, 0.9, 15), live(0, 0.9, 30)])
    assert told(said, "suspicious_data") == []
    assert told(said, "evasion") == []


@pytest.mark.parametrize("kind", ["rapid_rise", "evasion", "suspicious_data"])
def test_an_alarm_goes_on_after_a_restart_and_ends_once(kind: str) -> None:
    """As itself, from the open alarms alone."""
    engine = World.of(point()).engine()
    open_now = LivingAlarm(kind, 0, 0, at(1), 1, nan, at(1))
    assert reconcile(engine, [open_now]) == ([(kind, 0)], [])
    log = [live(0, 0.1, 10 + 15 * k) for k in range(60)]
    words = [e.event for e in feed(engine, log) if e.kind == kind]
    assert words[-1] == "cleared"
    assert set(words) <= {"level", "cleared"}


def test_the_kinds_of_switches_stay_apart_over_a_restart() -> None:
    """Its own key goes on, whatever the point's rules call it now."""
    fan = point(quantity="FAN_LOCAL", value_kind="KG", place_class=None)
    engine = World.of(fan).engine()
    open_now = LivingAlarm("main_fan_stopped", 0, 0, at(1), 3, nan, at(1))
    reconcile(engine, [open_now])
    assert living(engine) == {("main_fan_stopped", 0)}
    (end,) = feed(engine, [live(0, 1.0, 10)])
    assert (end.kind, end.event) == ("main_fan_stopped", "cleared")
    reconcile(engine, [open_now])
    assert reconcile(engine, []) == ([], [("main_fan_stopped", 0)])
    assert feed(engine, [live(0, 1.0, 20)]) == []


def test_the_bit_of_a_switch_counts_where_its_state_is_not_known() -> None:
    """And raises nothing else; a silent fan stays stopped and says so."""
    fan = point(quantity="FAN_LOCAL", value_kind="KG", place_class=None)
    patience = World.of(fan).patience
    engine = World.of(fan, patience=patience).engine()
    said = feed(engine, [live(0, None, 1, 128 | 1), mark(100), live(0, 1.0, 110, 1)])
    kinds = {e.kind for e in said}
    assert "over_limit" not in kinds
    assert [e.event for e in told(said, "local_fan_stopped")] == [
        "raised", "unknown", "cleared",
    ]  # fmt: skip


def test_a_kind_that_is_turned_off_ends_by_what_raised_it() -> None:
    """A point that becomes something else proves nothing about its switch."""
    fan = point(quantity="FAN_LOCAL", value_kind="KG", place_class=None)
    other = replace(fan, effective_from_us=at(10), quantity="HUMIDITY", value_kind="MN")
    engine = World.of(fan, other).engine()
    log = [live(0, 1.0, 0), live(0, 0.0, 1), live(0, 0.0, 11), live(0, 1.0, 21)]
    said = feed(engine, log)
    stopped = told(said, "local_fan_stopped")
    assert [(e.event, e.happened_at_us) for e in stopped] == [
        ("raised", at(1)),
        ("cleared", at(21)),
    ]


def test_a_low_pre_warning_is_off_until_a_site_wants_it() -> None:
    """An absolute number counts before a share; an end beyond it is there."""
    text = '[[rule]]\nkind = "low_pre_warning"\nmatch = { quantity = ["O2"] }\n'
    text += "with = { limit = 19.0, clear = 18.5 }\n"
    text += 'levels = [{ factor = 1.0, steps = [["0s", "ungraded"]] }]\n'
    oxygen = point(quantity="O2", place_class=None)
    log: list[Entry] = [live(0, v, 15 * k) for k, v in enumerate((20.0, 19.0, 19.1))]
    said = feed(World.of(oxygen, rules=rule_set(text)).engine(), log)
    told_low = told(said, "low_pre_warning")
    assert [(e.event, e.limit) for e in told_low] == [("raised", 19), ("cleared", 19)]
    assert feed(World.of(oxygen).engine(), log) == []


def test_two_values_below_the_range_are_suspicious() -> None:
    """One is noise; it is explained by its cause."""
    said = feed(
        World.of(point(range_low=0.0)).engine(),
        [live(0, -0.04, 0), live(0, -0.06, 15), live(0, -0.06, 30)],
    )
    (event,) = told(said, "suspicious_data")
    assert (event.happened_at_us, event.explain["causes"]) == (at(30), ["below_range"])


def test_a_snapshot_of_shapes_is_small() -> None:
    """It grows by about 100 bytes a point."""
    many = [point(f"{n:03d}B01") for n in range(200)]
    engine = World.of(*many).engine()
    feed(engine, [live(n, 0.3, 1) for n in range(200)])
    assert len(dump(engine)) < 200 * 250
