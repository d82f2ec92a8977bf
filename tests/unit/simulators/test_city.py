"""Physics and sensors of the simulated city, on a clock of our own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gasmon.domain import states
from gasmon.errors import ConfigError
from gasmon.units import US_PER_S
from simulators.airflow import MAX_DELAY_S, Airflow
from simulators.city import City, CityStep
from simulators.incidents import DELAY_S
from simulators.layout import PLATFORM_COUNTIES, build_city, choose_mines, find_mine
from simulators.mine import Floats
from simulators.plan import CityPlan, PointPlan
from simulators.probes import CALIBRATION_PERIOD_US, TEST_GAS_PCT, Probes
from simulators.stations import pure_flow_m3_min

START_US = 1_790_000_000 * US_PER_S
PLAN = build_city(1)


def points_of(plan: CityPlan) -> list[PointPlan]:
    """All points in the order of the arrays."""
    return [point for mine in plan.mines for point in mine.points]


def make(plan: CityPlan, seed: int = 1, **options: float) -> City:
    """A city with its own generator."""
    return City(plan, np.random.default_rng(seed), activity=options.get("activity", 1))


def steps(city: City, n: int, cycle_s: float = 15.0) -> list[CityStep]:
    """The first n steps of a city."""
    cycle_us = int(cycle_s * US_PER_S)
    return [city.step(START_US + k * cycle_us) for k in range(n)]


@pytest.fixture(scope="module")
def quarter_day() -> tuple[Floats, np.ndarray]:
    """Values and states of the whole city, six hours at 90 s."""
    got = steps(make(PLAN), 240, 90.0)
    return np.array([s.value for s in got]), np.array([s.state for s in got])


def test_the_seed_decides_every_reading() -> None:
    """Two cities of one seed agree bit for bit, NaN included; another seed differs."""
    small = choose_mines(PLAN, 20)
    one, two, other = (steps(make(small, seed), 20) for seed in (5, 5, 6))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.value, b.value)
        np.testing.assert_array_equal(a.state, b.state)
    assert not np.array_equal(one[-1].value, other[-1].value, equal_nan=True)


LIMITS: list[tuple[str, Callable[[PointPlan], bool], float, float]] = [
    ("oxygen", lambda p: p.sensor_type == "0012", 19.5, 20.95),
    ("carbon monoxide", lambda p: p.sensor_type == "0004", 0.0, 200.0),
    ("temperature", lambda p: p.sensor_type == "0003", 15.0, 29.9),
    ("air velocity", lambda p: p.sensor_type == "0002", 0.25, 4.5),
    ("pipe methane", lambda p: p.sensor_type == "0022", 25.1, 60.0),
    ("suction", lambda p: p.sensor_type == "0025", -40.0, -8.0),
    ("switches", lambda p: p.kind == "KG", 0.0, 1.0),
]


@pytest.mark.parametrize(("name", "which", "low", "high"), LIMITS)
def test_readings_are_credible(
    quarter_day: tuple[Floats, np.ndarray],
    name: str,
    which: Callable[[PointPlan], bool],
    low: float,
    high: float,
) -> None:
    """No quantity leaves the range that its place would ever show."""
    values, _ = quarter_day
    at = [i for i, point in enumerate(points_of(PLAN)) if which(point)]
    assert at, name
    assert np.nanmin(values[:, at]) >= low
    assert np.nanmax(values[:, at]) <= high


def test_face_returns_show_a_third_to_half_a_percent(
    quarter_day: tuple[Floats, np.ndarray],
) -> None:
    """Mean methane in face returns, at a resolution of 0.01 %."""
    values, _ = quarter_day
    at = [i for i, p in enumerate(points_of(PLAN)) if p.place_class == "FACE_T2"]
    assert 0.28 < np.nanmean(values[:, at]) < 0.5
    scaled = values[:, at] * 100
    np.testing.assert_allclose(scaled, np.rint(scaled), atol=1e-9)


def test_most_points_are_quiet_and_a_few_are_not(
    quarter_day: tuple[Floats, np.ndarray],
) -> None:
    """Over six hours some points alarm and some lines break, never many at once."""
    values, state = quarter_day
    live = (state & states.CALIBRATION) == 0
    over = live & ((state & states.ALARM) != 0)
    assert 5 < np.count_nonzero(over.any(axis=0)) < 400
    assert np.count_nonzero(over, axis=1).max() < 60
    gone = np.isnan(values)
    assert gone.any()
    assert (state[gone] & states.NO_VALUE).all()
    assert not (state[~gone] & states.NO_VALUE).any()


def test_a_quiet_city_raises_nothing() -> None:
    """Without disturbances noise alone passes no limit in a day."""
    got = steps(make(PLAN, activity=0.0), 288, 300.0)
    for step in got:
        live = (step.state & states.CALIBRATION) == 0
        assert not (live & ((step.state & states.ALARM) != 0)).any()


def test_incidents_strike_one_point_of_each_mine_and_end() -> None:
    """Over 1.0 % within 20 s in each county, over 3 %, below again at 60 s."""
    plan = choose_mines(PLAN, 20)
    struck = [find_mine(plan, slug) for slug in PLATFORM_COUNTIES]
    city = City(
        plan,
        np.random.default_rng(1),
        activity=0.0,
        incidents=struck,
        incident_at_us=START_US + DELAY_S * US_PER_S,
    )
    got = steps(city, 61, 1.0)
    calibrated = np.array([(s.state & states.CALIBRATION) != 0 for s in got])
    over = np.array([(s.state & states.ALARM) != 0 for s in got]) & ~calibrated
    at = np.flatnonzero(over.any(axis=0))
    points = points_of(plan)
    mine_of = np.repeat(np.arange(20), [len(mine.points) for mine in plan.mines])
    assert sorted(mine_of[at]) == sorted(struck)
    assert {points[i].place_class for i in at} == {"FACE_T0"}
    assert not over[:DELAY_S].any()
    assert over[20][at].all()
    assert not over[-1].any()
    assert (np.array([s.value for s in got])[:, at].max(axis=0) > 3.0).all()
    assert all((s.value[at] < 4.0).all() for s in got)


def test_cut_off_takes_the_power_and_restore_gives_it_back() -> None:
    """The feed of the struck face goes off over 1.5 % and on again below 1.0 %."""
    plan = choose_mines(PLAN, 1, ("zhenxiong",))
    city = City(
        plan,
        np.random.default_rng(1),
        activity=0.0,
        incidents=[0],
        incident_at_us=START_US + DELAY_S * US_PER_S,
    )
    got = np.array([s.value for s in steps(city, 80, 1.0)])
    feed = next(i for i, p in enumerate(points_of(plan)) if p.role == "feed")
    corner = next(
        i for i, p in enumerate(points_of(plan)) if p.place_class == "FACE_T0"
    )
    first_cut = int(np.argmax(got[:, corner] >= 1.5))
    assert got[first_cut, feed] == 1
    assert got[first_cut + 1, feed] == 0
    assert got[-1, feed] == 1


def test_air_takes_its_time_to_travel() -> None:
    """What a working had a delay ago is what a sensor down the airway breathes."""
    mines = choose_mines(PLAN, 3).mines
    air = Airflow(mines, np.random.default_rng(1), 0.0)
    powered = np.ones(air.n, np.bool_)
    past = []
    for k in range(60):
        past.append(air.step(START_US + k * 2 * US_PER_S, 2.0 * (k > 0), powered))
    working = np.arange(air.n)
    ch4, _ = air.delayed(working, np.full(air.n, 40.0))
    np.testing.assert_array_equal(ch4, past[-1 - 20].ch4_pct)
    now, _ = air.delayed(working, np.zeros(air.n))
    np.testing.assert_array_equal(now, past[-1].ch4_pct)


def test_every_transport_time_fits_the_ring() -> None:
    """No sensor is farther away than the ring of past concentrations reaches."""
    assert max(p.delay_s for p in points_of(PLAN)) < MAX_DELAY_S


def test_gas_follows_the_air() -> None:
    """With a tenth of the air the methane rises; with the air back it falls again."""
    mines = choose_mines(PLAN, 3).mines
    air = Airflow(mines, np.random.default_rng(1), 0.0)
    idle = np.zeros(air.n, np.bool_)
    now_us = START_US
    before = air.step(now_us, 0.0, idle).ch4_pct
    air._failed_until_us[:] = START_US + 300 * US_PER_S
    for _ in range(20):
        now_us += 15 * US_PER_S
        during = air.step(now_us, 15.0, idle).ch4_pct
    for _ in range(40):
        now_us += 15 * US_PER_S
        after = air.step(now_us, 15.0, idle).ch4_pct
    assert (during > 1.3 * before).all()
    assert (after < 1.1 * before).all()


def test_calibration_shows_zero_then_test_gas_with_its_bit() -> None:
    """Each methane sensor is checked within 15 days, marked from begin to end."""
    mines = choose_mines(PLAN, 1).mines
    probes = Probes(mines, np.random.default_rng(1), 0.0)
    points = mines[0].points
    at = next(i for i, p in enumerate(points) if p.sensor_type == "0001")
    phase_us = int(probes._phase_us[at])
    begin_us = START_US - (START_US + phase_us) % CALIBRATION_PERIOD_US
    begin_us += CALIBRATION_PERIOD_US
    truth = np.full(len(points), 0.4)
    curve = []
    for k in range(-5, 60):
        value, state = probes.step(truth, begin_us + k * 5 * US_PER_S, 5.0 * (k > -5))
        curve.append((float(value[at]), int(state[at])))
    before, during = curve[:5], curve[5:53]
    assert all(not state & states.CALIBRATION for _, state in before)
    assert all(state & states.CALIBRATION for _, state in during)
    assert not curve[-1][1] & states.CALIBRATION
    # How far it had drifted shows in zero gas and in test gas.
    assert during[7][0] < 0.08
    assert abs(during[27][0] - TEST_GAS_PCT) < 0.1
    assert during[27][1] == states.CALIBRATION | states.ALARM | states.CUT_OFF
    assert abs(curve[-1][0] - 0.4) < 0.05


def test_over_range_is_held_at_the_range_and_marked() -> None:
    """A pellistor ends at 4 %."""
    mines = choose_mines(PLAN, 1).mines
    probes = Probes(mines, np.random.default_rng(1), 0.0)
    at = [i for i, p in enumerate(mines[0].points) if p.sensor_type == "0001"]
    value, state = probes.step(np.full(len(mines[0].points), 9.0), START_US, 0.0)
    awake = [i for i in at if not state[i] & states.CALIBRATION]
    assert (value[awake] == 4.0).all()
    assert (state[awake] & states.OVER_RANGE).all()


def test_doors_of_a_pair_never_open_together() -> None:
    """One of two interlocked doors stays shut, and doors do open at times."""
    got = np.array([s.value for s in steps(make(PLAN), 100, 10.0)])
    doors = [i for i, p in enumerate(points_of(PLAN)) if p.role == "door"]
    pairs = got[:, doors].reshape(100, -1, 2)
    assert np.nanmax(pairs) == 1
    assert not (pairs == 1).all(axis=2).any()


def test_pure_flow_uses_the_real_atmosphere() -> None:
    """100 m³/min at −20 kPa, 25 °C, 30 % and 84 kPa are 18.63 m³/min pure."""
    one = np.ones(1)
    pure = pure_flow_m3_min(100 * one, (84 - 20) * one, 25 * one, 30 * one)
    assert round(float(pure[0]), 2) == 18.63


def test_counters_only_rise(quarter_day: tuple[Floats, np.ndarray]) -> None:
    """Coal output and drained gas never run backwards."""
    values, _ = quarter_day
    at = [i for i, p in enumerate(points_of(PLAN)) if p.kind == "LJ"]
    for column in values[:, at].T:
        seen = column[~np.isnan(column)]
        assert (np.diff(seen) >= 0).all()


def test_an_empty_city_is_refused() -> None:
    """There is nothing to step."""
    with pytest.raises(ConfigError, match="without mines"):
        make(CityPlan(1, ()))
