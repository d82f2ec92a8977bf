"""Planned work between database and engine: what is quiet, and what breaks through."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

import pytest

from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.planned import (
    BROKE_THROUGH,
    CEILING,
    LEVEL,
    NO_TEST_GAS,
    OVER,
    UNKNOWN,
    is_silent,
)
from gasmon.alarms.quiet import Quiet, QuietTable
from gasmon.domain import states
from gasmon.pipeline.evaluate import Judged
from gasmon.pipeline.openalarms import OpenAlarms, opened_event
from tests.fix_pipeline import CH4, MINE, Live, at, defined, frame

POINT = f"point:{MINE}-01-001A01"
KINDS = (
    *("over_limit", "cut_off", "rapid_rise"),
    *("calibration", "sensor_break", "suspicious_data"),
)


def plan(subject: str = POINT, until_s: float = 1000, **changes: Any) -> QuietTable:
    """The windows of one plan, up to orange and without a highest value."""
    window = Quiet("plan:7", subject, at(0), at(until_s), 3, **changes)
    return QuietTable.of(replace(window, alarm_kind=kind) for kind in KINDS)


GAS = plan(test_gas=2.0, value_ceiling=2.3)


class Mine:
    """One mine that sends a frame each five seconds under a plan."""

    def __init__(self, quiet: QuietTable, *points: Any) -> None:
        self.live, self.quiet, self.seq = Live(), quiet, 0
        self.live.take(defined(*points), quiet=quiet)

    def send(self, value: float | None, state: int = 0, **more: Any) -> Judged:
        """One value; without one only the clock goes on."""
        self.seq += 1
        second = 5 * self.seq
        if value is None:
            return self.live.take(marks=[second], quiet=self.quiet, **more)
        sent = frame(self.seq, [("001A01", value, state)], second=second)
        return self.live.take(sent, quiet=self.quiet, **more)


def told(judged: Judged, kind: str = "over_limit") -> list[tuple[str, str | None]]:
    """(event, what keeps it quiet) of one kind."""
    return [(e.event, e.quiet) for e in judged.events if e.kind == kind]


def why(event: AlarmEvent) -> dict[str, str]:
    """What an event says of the plan that it broke through."""
    found: dict[str, str] = event.explain["broke_through"]
    return found


def test_a_planned_alarm_is_raised_marked_and_quiet() -> None:
    """From its begin to its end, also while its value is not known."""
    mine = Mine(plan())
    mine.send(0.3)
    first = mine.send(1.2)
    gone = mine.send(None, states.NORMAL)
    assert told(first) == [("raised", "plan:7")]
    assert all(is_silent(event) for event in first.events)
    assert gone.events == []
    broken = mine.send(0.0, states.SENSOR_FAULT)
    assert told(broken) == [("unknown", "plan:7")]
    assert told(mine.send(1.2)) == [("known", "plan:7")]
    # The end is said as quietly as the begin, and with the same plan.
    assert told(mine.send(0.3)) == [("cleared", "plan:7")]


def test_a_higher_level_breaks_through_and_stays_loud() -> None:
    """Red is never quiet; what is loud does not fall silent under the same plan."""
    mine = Mine(plan())
    mine.send(0.3)
    mine.send(1.2)
    red = mine.send(3.2)
    assert told(red) == [("level", None)]
    (event,) = [e for e in red.events if e.kind == "over_limit"]
    assert (event.rank, why(event)) == (4, {"plan": "plan:7", "why": LEVEL})
    assert told(mine.send(0.0, states.SENSOR_FAULT)) == [("unknown", None)]
    assert told(mine.send(1.2)) == [("known", None)]
    assert told(mine.send(0.3)) == [("cleared", None)]


def test_a_value_above_the_ceiling_breaks_through_within_its_level() -> None:
    """The engine says nothing then, as the level is the same."""
    mine = Mine(plan(value_ceiling=1.3))
    mine.send(0.3)
    assert told(mine.send(1.2)) == [("raised", "plan:7")]
    assert told(mine.send(1.3)) == []
    judged = mine.send(1.35)
    assert told(judged) == [(BROKE_THROUGH, None)]
    (event,) = judged.events
    assert why(event) == {"plan": "plan:7", "why": CEILING}
    assert (event.value, event.peak, event.peak_at_us) == (1.35, 1.35, at(20))
    assert event.planned
    assert told(mine.send(1.2)) == []
    assert told(mine.send(1.4)) == []


def test_above_the_ceiling_from_the_begin_is_loud_and_says_so() -> None:
    """An ordinary alarm that tells which plan it went beyond."""
    mine = Mine(plan(value_ceiling=1.3))
    mine.send(0.3)
    judged = mine.send(1.4)
    assert told(judged) == [("raised", None)]
    assert why(judged.events[0]) == {"plan": "plan:7", "why": CEILING}
    assert not judged.events[0].planned


def test_a_window_that_ends_rings_without_a_reading() -> None:
    """A clock mark is enough, and it says the end of the window as its time."""
    mine = Mine(plan(until_s=18))
    mine.send(0.3)
    mine.send(1.2)
    assert mine.send(None).events == []
    judged = mine.send(None)
    assert told(judged) == [(BROKE_THROUGH, None)]
    assert judged.events[0].happened_at_us == at(18)
    assert why(judged.events[0])["why"] == OVER
    assert mine.send(None).events == []


def test_a_plan_that_is_gone_rings() -> None:
    """What is not known any more covers nothing."""
    mine = Mine(plan())
    mine.send(0.3)
    mine.send(1.2)
    mine.quiet = QuietTable()
    judged = mine.send(None)
    assert told(judged) == [(BROKE_THROUGH, None)]
    assert why(judged.events[0])["why"] == UNKNOWN


def test_an_alarm_that_rang_before_its_plan_rings_on() -> None:
    """A plan silences nothing that is loud already, whatever level it reaches."""
    mine = Mine(QuietTable())
    mine.send(0.3)
    mine.send(1.2)
    mine.quiet = plan()
    judged = mine.send(1.6)
    assert told(judged) == [("level", None)]
    assert told(judged, "cut_off") == [("raised", "plan:7")]
    assert not judged.events[0].planned


def test_a_shelf_under_a_plan_goes_on_when_the_plan_ends() -> None:
    """What else keeps it quiet is asked before it rings."""
    shelf = Quiet("shelf:1", POINT, at(0), at(1000), 3, planned=False)
    short = plan(until_s=12).by_subject[POINT]
    mine = Mine(QuietTable.of([*short, shelf]))
    mine.send(0.3)
    assert told(mine.send(1.2)) == [("raised", "plan:7")]
    assert mine.send(None).events == []


@pytest.mark.parametrize("subject", [f"unit:{MINE}/11121", f"mine:{MINE}"])
def test_a_plan_covers_what_belongs_to_its_unit_or_mine(subject: str) -> None:
    """The same as for a point."""
    mine = Mine(plan(subject, until_s=12))
    mine.send(0.3)
    assert told(mine.send(1.2)) == [("raised", "plan:7")]
    assert told(mine.send(None)) == [(BROKE_THROUGH, None)]


def test_another_kind_is_not_planned() -> None:
    """A plan is about the kinds that it names."""
    only = QuietTable.of(
        [w for w in plan().by_subject[POINT] if w.alarm_kind != "cut_off"]
    )
    mine = Mine(only)
    mine.send(0.3)
    judged = mine.send(1.6)
    assert told(judged) == [("raised", "plan:7")]
    assert told(judged, "cut_off") == [("raised", None)]
    assert "broke_through" not in judged.events[-1].explain


# Planned calibrations


def test_test_gas_is_quiet_from_step_to_fall() -> None:
    """A calibration as it should be wakes nobody, and neither does its end."""
    mine = Mine(GAS)
    said = []
    for value in (0.3, 0.3, 1.3, 2.0, 2.0, 2.0, 0.9, 0.3, 0.3, None, None):
        said += mine.send(value).events
    assert {event.quiet for event in said} == {"plan:7"}
    assert [e.event for e in said if e.kind == "over_limit"] == [
        "raised", "level", "cleared"
    ]  # fmt: skip


def test_a_true_rise_inside_of_a_calibration_rings_at_once() -> None:
    """At the very reading that reaches the limit, and it counts as misuse."""
    mine = Mine(GAS)
    for step in range(70):
        assert mine.send(0.3 + step / 100).events == []
    judged = mine.send(1.0)
    assert told(judged) == [("raised", None)]
    assert why(judged.events[0]) == {"plan": "plan:7", "why": NO_TEST_GAS}


def test_what_begins_like_test_gas_and_stays_breaks_through() -> None:
    """A level that lasts too long is gas, also while nothing is sent any more."""
    mine = Mine(GAS)
    mine.send(0.3)
    said = [e for _ in range(10) for e in mine.send(1.25).events]
    assert [e.quiet for e in said] == ["plan:7"]
    said = [e for _ in range(10) for e in mine.send(None).events]
    # A minute to get level, and one in which an alarm may outlive its test gas.
    assert [e.event for e in said] == []
    said = [e for _ in range(10) for e in mine.send(None).events]
    (broken,) = [e for e in said if e.event == BROKE_THROUGH]
    assert why(broken)["why"] == NO_TEST_GAS


def test_a_value_beyond_the_test_gas_breaks_through() -> None:
    """A burst is no calibration; the whole window is over for this sensor."""
    mine = Mine(GAS)
    for value in (0.3, 1.3, 2.0):
        mine.send(value)
    judged = mine.send(2.4)
    assert told(judged) == [(BROKE_THROUGH, None)]
    assert why(judged.events[0])["why"] == CEILING
    for value in (0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3):
        mine.send(value)
    again = mine.send(2.0)
    assert told(again) == [("raised", None)]
    assert why(again.events[0])["why"] == NO_TEST_GAS


def test_the_calibration_bit_is_quiet_until_something_is_no_test_gas() -> None:
    """It is raised before there is any gas, and it rings when the gas is none."""
    mine = Mine(GAS)
    mine.send(0.3)
    first = mine.send(0.3, states.CALIBRATION)
    assert told(first, "calibration") == [("raised", "plan:7")]
    said = []
    for value in (1.3, 2.0, 2.5, 3.9):
        said += told(mine.send(value, states.CALIBRATION), "calibration")
    assert said == [(BROKE_THROUGH, None)]


def test_only_the_window_counts_and_its_past_helps_to_see_it() -> None:
    """A step right after the begin is seen by the readings before it."""
    windows = [replace(w, from_us=at(18)) for w in GAS.by_subject[POINT]]
    mine = Mine(QuietTable.of(windows))
    for value in (0.3, 3.9, 0.3, 0.3):
        mine.send(value)
    assert told(mine.send(2.0)) == [("raised", "plan:7")]


def test_a_sensor_that_nobody_defined_is_not_calibrated() -> None:
    """Without a point there is no curve, and nothing is taken for test gas."""
    other = [
        replace(w, subject=f"point:{MINE}-01-099A99") for w in GAS.by_subject[POINT]
    ]
    mine = Mine(QuietTable.of([*other, *plan(test_gas=2.0).by_subject[POINT]]))
    mine.send(0.3)
    assert told(mine.send(2.0)) == [("raised", "plan:7")]


def test_a_new_plan_leaves_the_curves_of_others_alone() -> None:
    """What was seen of a calibration stays known when another one is approved."""
    mine = Mine(GAS, CH4, replace(CH4, no="001A02"))
    mine.send(0.3)
    mine.send(1.3)
    second = [
        replace(w, name="plan:8", subject=f"point:{MINE}-01-001A02")
        for w in GAS.by_subject[POINT]
    ]
    mine.quiet = QuietTable.of([*second, *GAS.by_subject[POINT]])
    assert {e.quiet for e in mine.send(2.0).events} == {"plan:7"}


# Over a restart


def test_a_planned_alarm_goes_on_quietly_after_a_restart() -> None:
    """It is restored as it was, and still breaks through."""
    before = Mine(plan(until_s=100))
    before.send(0.3)
    kept = OpenAlarms()
    kept.follow(before.send(1.2).events)
    (alarm,) = [a for a in kept._open.values() if a.kind == "over_limit"]
    event = opened_event(alarm, 0)
    after = Mine(plan(until_s=100))
    after.live.evaluator.planned.restore(event)
    assert is_silent(event)
    after.seq = 19
    judged = after.send(None)
    assert (BROKE_THROUGH, None) in told(judged)


def test_breaking_through_leaves_an_unknown_value_unknown() -> None:
    """The record of what is open does not learn of data by it."""
    mine = Mine(plan(until_s=18))
    kept = OpenAlarms()
    for value, state in ((0.3, 0), (1.2, 0), (0.0, states.SENSOR_FAULT)):
        kept.follow(mine.send(value, state).events)
    kept.follow(mine.send(None).events)
    (alarm,) = [a for a in kept._open.values() if a.kind == "over_limit"]
    assert (alarm.unknown, alarm.quiet) == (True, None)


def test_infinity_is_no_ceiling() -> None:
    """Windows without a highest value have one that nothing passes."""
    assert plan().by_subject[POINT][0].value_ceiling == inf


def test_no_value_and_old_values_are_no_part_of_a_calibration() -> None:
    """An unplugged sensor tells nothing of gas, and neither does a repeated frame."""
    mine = Mine(GAS)
    mine.send(0.3)
    said = told(mine.send(0.0, states.SENSOR_FAULT), "sensor_break")
    assert said == [("raised", "plan:7")]
    mine.send(1.3)
    old = frame(99, [("001A01", 0.2, 0)], second=2, backfill=True)
    mine.live.take(old, quiet=mine.quiet)
    assert {event.quiet for event in mine.send(2.0).events} == {"plan:7"}
