"""Calibrations beside neighbours: gas that reaches several sensors is no test gas."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.planned import BROKE_THROUGH, NO_TEST_GAS
from gasmon.alarms.quiet import QuietTable
from gasmon.pipeline.evaluate import Judged
from tests.fix_pipeline import CH4, MINE, at, frame
from tests.unit.pipeline.test_planned_work import GAS, Mine, plan, told, why


class Unit(Mine):
    """A mine whose frames have a calibrated sensor and its neighbour."""

    def send_both(self, value: float, near: float, *, near_first: bool) -> Judged:
        """A value of the calibrated sensor and one of its neighbour, in one frame."""
        self.seq += 1
        values = [("001A01", value, 0), ("001A02", near, 0)]
        sent = frame(
            self.seq, values[::-1] if near_first else values, second=5 * self.seq
        )
        return self.live.take(sent, quiet=self.quiet)


NEAR = replace(CH4, no="001A02")


@pytest.mark.parametrize("near_first", [False, True])
def test_gas_that_reaches_two_sensors_is_no_test_gas(near_first: bool) -> None:
    """The true rise alarms with the very reading that reaches the limit."""
    mine = Unit(GAS, CH4, NEAR)
    mine.send_both(0.3, 0.3, near_first=near_first)
    judged = mine.send_both(1.9, 0.6, near_first=near_first)
    raised = [e for e in judged.events if e.kind == "over_limit" and e.no == "001A01"]
    assert [(e.event, e.quiet) for e in raised] == [("raised", None)]
    assert why(raised[0])["why"] == NO_TEST_GAS


def test_a_neighbour_that_rises_later_breaks_through() -> None:
    """What was quiet until then rings, once, and the window is void."""
    mine = Unit(GAS, CH4, NEAR)
    mine.send_both(0.3, 0.3, near_first=False)
    assert told(mine.send_both(1.9, 0.35, near_first=False)) == [("raised", "plan:7")]
    assert told(mine.send_both(2.0, 0.4, near_first=False)) == []
    judged = mine.send_both(2.0, 0.5, near_first=False)
    assert told(judged) == [(BROKE_THROUGH, None)]
    mine.send_both(0.3, 0.3, near_first=False)
    assert told(mine.send_both(1.9, 0.3, near_first=False)) == [("raised", None)]


def test_flat_neighbours_and_slow_ones_leave_a_calibration_quiet() -> None:
    """Also over a plateau of minutes, with a neighbour that went up before it."""
    mine = Unit(GAS, CH4, NEAR, replace(CH4, no="001A03"))
    for near in (0.1, 0.2, 0.3):
        for _ in range(13):
            mine.send_both(0.3, near, near_first=True)
    assert told(mine.send_both(2.0, 0.3, near_first=True)) == [("raised", "plan:7")]
    for _ in range(30):
        assert told(mine.send_both(2.0, 0.4, near_first=False)) == []
    assert told(mine.send_both(0.3, 0.3, near_first=True)) == [("cleared", "plan:7")]


def test_sensors_of_one_unit_are_calibrated_one_after_the_other() -> None:
    """Each has its own excursion while the other rests."""
    windows = [
        window
        for no in ("001A01", "001A02")
        for of in plan(
            f"point:{MINE}-01-{no}", test_gas=2.0, value_ceiling=2.3
        ).by_subject.values()
        for window in of
    ]
    mine = Unit(QuietTable.of(windows), CH4, NEAR)
    mine.send_both(0.3, 0.3, near_first=False)
    said: list[AlarmEvent] = []
    for value, near in ((2.0, 0.3), (0.3, 0.3), (0.3, 2.0), (0.3, 0.3)):
        said += mine.send_both(value, near, near_first=False).events
    assert {e.quiet for e in said if e.kind == "over_limit"} == {"plan:7"}
    assert BROKE_THROUGH not in {e.event for e in said}


def test_a_sensor_that_names_no_unit_has_no_neighbours() -> None:
    """It is judged by its own curve."""
    alone = replace(CH4, unit_id="")
    mine = Unit(GAS, alone, replace(NEAR, unit_id=""))
    mine.send_both(0.3, 0.3, near_first=True)
    judged = mine.send_both(1.9, 0.9, near_first=True)
    assert told(judged) == [("raised", "plan:7")]


def test_a_late_reading_of_a_neighbour_says_nothing_of_now() -> None:
    """What comes behind a newer one is no rise."""
    mine = Unit(GAS, CH4, NEAR)
    mine.send_both(0.3, 0.3, near_first=False)
    assert told(mine.send_both(1.9, 0.35, near_first=False)) == [("raised", "plan:7")]
    late = frame(99, [("001A02", 0.9, 0)], second=7, backfill=True)
    late = replace(late, arrived_us=at(12))
    assert told(mine.live.take(late, quiet=mine.quiet)) == []
    assert told(mine.send_both(2.0, 0.35, near_first=False)) == []
