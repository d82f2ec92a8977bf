"""Falsified mines of the simulated city are found by name, and no other."""

from __future__ import annotations

import numpy as np
import pytest

from gasmon.alarms.suspicion import Finding
from gasmon.alarms.suspicion_flow import flow_mismatch
from gasmon.alarms.suspicion_series import (
    USUAL_STEP,
    Series,
    clipped,
    flat,
    replayed,
)
from gasmon.domain import quantity_of
from gasmon.units import US_PER_S
from simulators.city import City
from simulators.layout import build_city, choose_mines
from simulators.plan import PointPlan

START_US = 1_790_000_000 * US_PER_S
STEP_S = 40
HOURS = 12
N = HOURS * 3600 // STEP_S
PLAN = choose_mines(build_city(1), 6)
POINTS = [(m, p) for m, mine in enumerate(PLAN.mines) for p in mine.points]
FLOWS = ("CH4_PIPE", "PIPE_FLOW", "PIPE_FLOW_PURE", "PIPE_PRESSURE", "PIPE_TEMP")


def first(mine: int, place_class: str) -> int:
    """The first methane sensor of a mine at a class of place."""
    return next(
        i
        for i, (m, p) in enumerate(POINTS)
        if m == mine and p.place_class == place_class and p.sensor_type == "0001"
    )


FROZEN, CLIPPED, REPLAYED = (first(mine, "FACE_T1") for mine in (1, 3, 5))


@pytest.fixture(scope="module")
def city() -> list[Series]:
    """Twelve hours of six mines, three of which falsify one sensor each."""
    made = City(PLAN, np.random.default_rng(2), calibrations=False)
    faults = made.probes.faults
    faults.kept = np.array([REPLAYED])
    faults.replay_s = 3600.0
    values, states = np.empty((N, len(POINTS))), np.empty((N, len(POINTS)), np.int32)
    for k in range(N):
        hour = k * STEP_S / 3600
        faults.clear()
        faults.frozen[FROZEN] = hour >= 3
        faults.replayed[REPLAYED] = 4 <= hour < 5
        if 2 <= hour < 2.9:
            # More gas than the limit allows, and a falsifier who hides it.
            faults.offset[CLIPPED] = 1.0
            faults.ceiling[CLIPPED] = POINTS[CLIPPED][1].limits["alarm_high"] - 0.05
        step = made.step(START_US + k * STEP_S * US_PER_S)
        values[k], states[k] = step.value, step.state
    at_us = START_US + np.arange(N) * STEP_S * US_PER_S
    return [Series(at_us, values[:, i], states[:, i]) for i in range(len(POINTS))]


def found_at(point: PointPlan, own: Series) -> list[Finding]:
    """What one point's readings show."""
    limit = point.limits.get("alarm_high", float("nan"))
    step = USUAL_STEP[quantity_of(point.sensor_type)]
    return [*flat(own, step), *replayed(own), *clipped(own, limit)]


def test_each_falsified_mine_is_found_by_name_and_no_other(city: list[Series]) -> None:
    """Frozen, clipped and replayed, each by its own sign at its own sensor."""
    found = {}
    for i, (mine, point) in enumerate(POINTS):
        if quantity_of(point.sensor_type) in USUAL_STEP:
            shown = [finding.sign for finding in found_at(point, city[i])]
            if shown:
                found[PLAN.mines[mine].code, point.no] = shown
    names = {
        (PLAN.mines[POINTS[i][0]].code, POINTS[i][1].no): [sign]
        for i, sign in ((FROZEN, "flat"), (CLIPPED, "clipped"), (REPLAYED, "replayed"))
    }
    assert found == names


def test_the_flows_of_every_station_match_until_one_is_made_up(
    city: list[Series],
) -> None:
    """Of each mine with drainage, at its own air pressure."""
    stations = {
        mine: {
            quantity_of(p.sensor_type): city[i]
            for i, (m, p) in enumerate(POINTS)
            if m == mine and quantity_of(p.sensor_type) in FLOWS
        }
        for mine in range(len(PLAN.mines))
    }
    whole = {m: s for m, s in stations.items() if set(s) == set(FLOWS)}
    assert whole, "a mine with drainage"
    for mine, measured in whole.items():
        air_kpa = PLAN.mines[mine].atmosphere_kpa
        assert flow_mismatch(measured, air_kpa) == []
        pure = measured["PIPE_FLOW_PURE"]
        made_up = Series(pure.at_us, pure.value * 1.4, pure.state)
        lied = {**measured, "PIPE_FLOW_PURE": made_up}
        assert [f.sign for f in flow_mismatch(lied, air_kpa)] == ["flow_mismatch"]
