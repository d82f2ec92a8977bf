"""Air, gas and sensors, each against what is known of it."""

from __future__ import annotations

import numpy as np
import pytest

from gasmon.domain import states
from gasmon.units import US_PER_DAY, US_PER_S
from simulators.airflow import Airflow
from simulators.city import City
from simulators.emission import Emission
from simulators.layout import build_city, choose_mines
from simulators.mine import Floats
from simulators.network import DEAD_END_SHARE, NATURAL_SHARE, Network
from simulators.plan import CityPlan
from simulators.probes import Probes

START_US = 1_790_042_400 * US_PER_S
PLAN = choose_mines(build_city(1), 20)
MINES = PLAN.mines
N_WORKINGS = sum(len(mine.workings) for mine in MINES)
EVERY = np.ones(len(MINES), np.bool_)
NONE = np.zeros(len(MINES), np.bool_)


def network() -> tuple[Network, Floats, np.ndarray]:
    """The airways of the mines, their planned air, and which are headings."""
    workings = [w for mine in MINES for w in mine.workings]
    mine = np.repeat(np.arange(len(MINES)), [len(m.workings) for m in MINES])
    air = np.array([w.air_m3_s for w in workings])
    heading = np.array([w.kind == "heading" for w in workings])
    return Network(MINES, mine, air, heading), air, heading


def test_the_plan_flows_when_all_is_well() -> None:
    """Resistances were fitted to it; nothing goes through shut doors."""
    net, planned, _ = network()
    share, doors = net.share(EVERY, NONE)
    fans, blocked = np.ones(N_WORKINGS, np.bool_), np.zeros(N_WORKINGS, np.bool_)

    np.testing.assert_allclose(share, 1.0)
    np.testing.assert_allclose(net.air_m3_s(share, fans, blocked), planned)
    assert (doors == 0).all()


def test_air_goes_by_the_root_of_the_pressure() -> None:
    """Natural ventilation alone moves √3 % = 17 %, of every branch alike."""
    share, _ = network()[0].share(NONE, NONE)
    np.testing.assert_allclose(share, np.sqrt(NATURAL_SHARE))


def test_open_doors_take_the_air_of_the_workings() -> None:
    """Less in the workings, more in all, because the mine has become easier."""
    net, planned, heading = network()
    share, doors = net.share(EVERY, EVERY)
    assert ((share > 0.3) & (share < 0.45)).all()
    mine = np.repeat(np.arange(len(MINES)), [len(m.workings) for m in MINES])
    branches = planned * np.where(heading, 1.4, 1.0)
    whole = np.bincount(mine, branches)
    assert (share * whole + doors > whole).all()


def test_a_heading_without_its_fan_is_a_dead_end() -> None:
    """4 % is left; and with a third of its roadway's air the fan draws its own."""
    net, planned, heading = network()
    fans, blocked = np.zeros(N_WORKINGS, np.bool_), np.zeros(N_WORKINGS, np.bool_)
    air = net.air_m3_s(np.ones(len(MINES)), fans, blocked)
    np.testing.assert_allclose(air[heading], DEAD_END_SHARE * planned[heading])
    air = net.air_m3_s(np.full(len(MINES), 1 / 3), ~fans, blocked)
    np.testing.assert_allclose(air[heading], 1.4 / 3 * planned[heading])


def emission(seed: int = 1) -> Emission:
    """A hundred workings of as many mines, one cubic metre of gas a second each."""
    n = 100
    rng = np.random.default_rng(seed)
    return Emission(n, np.arange(n), np.ones(n), rng)


def test_cutting_gives_more_gas_after_a_lag() -> None:
    """A third more or so, as measured, within a few minutes and not at once."""
    made = emission()
    idle, cutting = np.zeros(100, np.bool_), np.ones(100, np.bool_)
    for k in range(20):
        before = made.step(START_US + k * 60 * US_PER_S, 60.0 * (k > 0), idle).mean()
    soon = made.step(START_US + 1205 * US_PER_S, 5.0, cutting).mean()
    for k in range(21, 40):
        after = made.step(START_US + k * 60 * US_PER_S, 60.0, cutting).mean()
    assert soon < 1.1 * before
    assert 1.25 < after / before < 1.6


def test_a_falling_barometer_draws_gas() -> None:
    """Most gas where the pressure falls fastest, and the other way round."""
    made = emission()
    hour_us = 3600 * US_PER_S
    rise = made.barometer_kpa(START_US) - made.barometer_kpa(START_US - hour_us)
    gas = made._breathing(START_US)
    assert np.corrcoef(rise, gas)[0, 1] < -0.99


@pytest.mark.parametrize("seed", [1, 2])
def test_no_seam_alone_passes_a_limit(seed: int) -> None:
    """Two days of the whole city without disturbances and calibrations."""
    city = City(
        build_city(1),
        np.random.default_rng(seed),
        activity=0.0,
        calibrations=False,
    )
    for k in range(96):
        step = city.step(START_US + k * 1800 * US_PER_S)
        assert not (step.state & states.ALARM).any()


def test_a_layer_forms_where_the_air_is_slow() -> None:
    """None at the planned air; the more the less air there is, 60 % at most."""
    air = Airflow(MINES, np.random.default_rng(1), 0.0)
    powered = np.ones(air.n, np.bool_)
    assert (air.step(START_US, 0.0, powered).layer == 0).all()
    air.forcing.local_fan[:] = False
    slow = air.step(START_US + 15 * US_PER_S, 15.0, powered)
    assert (slow.layer[~slow.fan_on] > 0.1).all()
    assert slow.layer.max() <= 0.6


def run(city: City, seconds: int, cycle_s: int = 15) -> Floats:
    """Truth and sensors over some time; gives what the sensors said."""
    begin = START_US
    return np.array(
        [city.step(begin + s * US_PER_S).value for s in range(0, seconds, cycle_s)]
    )


def quiet_city(plan: CityPlan = PLAN) -> City:
    """Nothing happens by itself."""
    rng = np.random.default_rng(1)
    return City(plan, rng, activity=0.0, calibrations=False)


def roles(role: str) -> list[int]:
    """Points of a role."""
    return [
        k
        for k, p in enumerate(p for mine in MINES for p in mine.points)
        if p.role == role
    ]


def test_less_air_reaches_every_sensor_of_it() -> None:
    """Without the main fan velocity and pressure fall and gas rises."""
    before = run(quiet_city(), 60)[-1]
    city = quiet_city()
    city.airflow.forcing.main_fan[:] = False
    after = run(city, 900)[-1]
    for role, low, high in (
        ("velocity", 0.1, 0.25),
        ("velocity_mine", 0.1, 0.25),
        ("quantity_mine", 0.1, 0.25),
        ("fan_pressure", 0.02, 0.05),
        ("corner", 2.0, 9.0),
    ):
        at = roles(role)
        ratio = np.nanmean(after[at]) / np.nanmean(before[at])
        assert low < ratio < high, role


def test_the_total_return_carries_what_the_workings_give() -> None:
    """Air quantity × methane of the return is the workings' methane: a rate of
    drainage needs the two to fit, and only who drains measures the air."""
    shown = np.mean(run(quiet_city(), 900)[-20:], axis=0)
    points = [p for mine in MINES for p in mine.points]
    begin, n_gassy = 0, 0
    for mine in MINES:
        own = range(begin, begin := begin + len(mine.points))
        air = [k for k in own if points[k].role == "quantity_mine"]
        assert len(air) == (mine.kind != "low_gas")
        gas = [k for k in own if points[k].place_class == "TOTAL_RETURN"]
        for k in air:
            n_gassy += 1
            carried_m3_min = shown[k] * shown[gas[0]] / 100
            given_m3_min = sum(w.air_m3_s * 60 * w.ch4_pct / 100 for w in mine.workings)
            # Workings give more and less than at mean production, each for itself.
            assert carried_m3_min == pytest.approx(given_m3_min, rel=0.5)
            nominal_m3_min = sum(w.air_m3_s * 60 for w in mine.workings)
            assert nominal_m3_min < shown[k] < 2 * nominal_m3_min
    assert n_gassy


def test_power_takes_everything_with_it() -> None:
    """No machine, fan, pump or feed runs in a dark mine."""
    city = quiet_city()
    city.airflow.forcing.power[:] = False
    after = run(city, 120)[-1]
    for role in ("fan", "duct", "feed", "machine", "main_fan", "pump", "mains", "belt"):
        assert not after[roles(role)].any(), role


def test_a_heading_has_no_power_without_its_fan() -> None:
    """The fan's half of the interlock; faces have no local fan and go on."""
    city = quiet_city()
    city.airflow.forcing.local_fan[:] = False
    city.airflow.forcing.cutting[:] = True
    after = run(city, 30)[-1]
    points = [p for mine in MINES for p in mine.points]
    kinds = {w.unit_id: w.kind for mine in MINES for w in mine.workings}
    for role in ("feed", "machine"):
        live = {kinds[points[k].unit_id]: set() for k in roles(role)}
        for k in roles(role):
            live[kinds[points[k].unit_id]].add(float(after[k]))
        assert live == {"face": {1.0}, "heading": {0.0}}, role


def test_gas_of_the_goaf_stays_in_the_corner_and_grows_with_less_air() -> None:
    """So much at the planned air, and in proportion more with less of it."""
    plain, pushed = quiet_city(), quiet_city()
    pushed.airflow.forcing.goaf_pct[:] = 0.5
    more = (run(pushed, 900) - run(plain, 900))[-1]
    np.testing.assert_allclose(more[roles("corner")], 0.5, atol=0.03)
    assert np.nanmax(np.abs(more[roles("ch4")])) < 0.01


def test_a_steady_flow_knows_no_mine_and_no_shift() -> None:
    """The same content in every working, whatever coal it has."""
    city = quiet_city()
    city.airflow.forcing.steady_pct[:] = 0.6
    city.airflow.forcing.steady_share[:] = 1.0
    run(city, 900)
    powered = np.ones(city.airflow.n, np.bool_)
    air = city.airflow.step(START_US + 900 * US_PER_S, 15.0, powered)
    np.testing.assert_allclose(air.ch4_pct, 0.6, rtol=0.03)


def test_suction_dies_away_when_the_pump_trips() -> None:
    """Within a minute and a half it is all but gone, and comes back."""
    city = quiet_city()
    city.airflow.forcing.pump[:] = False
    gone = run(city, 120)[-1][roles("suction")]
    assert (np.abs(gone) < 1.0).all()
    city.airflow.forcing.clear()
    back = np.array(
        [city.step(START_US + s * US_PER_S).value for s in range(120, 300, 15)]
    )[-1][roles("suction")]
    assert (back < -12).all()


def probes() -> tuple[Probes, list[int]]:
    """Sensors of the mines and which of them are methane."""
    made = Probes(MINES, np.random.default_rng(1), 0.0, calibrations=False)
    points = [p for mine in MINES for p in mine.points]
    return made, [k for k, p in enumerate(points) if p.sensor_type == "0001"]


def test_sensors_drift_until_they_are_checked() -> None:
    """Mean error grows with the time since the calibration, within its bound."""
    made, at = probes()
    truth = np.full(made._n, 0.5)
    age = [
        made._drifted(np.full(made._n, days * 86_400.0))
        for days in (1.0, 14.0)
        if made.step(truth, START_US, 0.0)
    ]
    young, old = (np.abs(a[at] - 0.5).mean() for a in age)
    assert young < old / 5
    assert np.abs(age[1][at] - 0.5).max() <= 0.03 + 1e-9


def test_falsified_readings_are_what_the_falsifier_wants() -> None:
    """Clipped below the ceiling, frozen to the digit, replayed from a minute ago."""
    made, at = probes()
    faults = made.faults
    clipped, frozen, replayed = at[:3]
    faults.kept, faults.replay_s = np.array([replayed]), 60.0
    shown = []
    for k in range(24):
        faults.clear()
        if k >= 12:
            faults.ceiling[clipped] = 0.95
            faults.frozen[frozen] = True
            faults.replayed[replayed] = True
        truth = np.full(made._n, 0.3 + 0.05 * k)
        shown.append(made.step(truth, START_US + k * 5 * US_PER_S, 5.0)[0])
    values = np.array(shown)
    assert values[12:, clipped].max() == 0.95
    assert (values[12:, frozen] == values[11, frozen]).all()
    np.testing.assert_array_equal(values[12:, replayed], values[:12, replayed])


def test_a_day_of_a_city_depends_on_its_seed_alone() -> None:
    """Forcing that is cleared is as if there were none."""
    plain, cleared = quiet_city(), quiet_city()
    cleared.airflow.forcing.emission[:] = 3.0
    cleared.airflow.forcing.clear()
    cleared.probes.faults.broken[:] = True
    cleared.probes.faults.clear()
    for k in range(4):
        at_us = START_US + k * US_PER_DAY // 4
        a, b = plain.step(at_us), cleared.step(at_us)
        np.testing.assert_array_equal(a.value, b.value)
        np.testing.assert_array_equal(a.state, b.state)
