"""The simulated city: truth at every point, then what its sensors show.

One step is a fixed number of array operations whatever the number of mines; nothing
loops over points.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gasmon.domain import states
from gasmon.errors import ConfigError
from gasmon.units import US_PER_S
from simulators.airflow import Air, Airflow
from simulators.incidents import Incidents
from simulators.mine import Floats, Roster
from simulators.network import NATURAL_SHARE
from simulators.plan import CityPlan
from simulators.probes import Probes
from simulators.stations import Stations

_DOOR_OPENINGS_PER_DAY = 60.0


@dataclass(frozen=True, slots=True)
class CityStep:
    """What all sensors reported at one instant.

    Attributes:
        at_us: the instant [µs UTC].
        value: shape (n_points,), NaN where a sensor reports nothing.
        state: shape (n_points,), the mine's own state bits.
    """

    at_us: int
    value: Floats
    state: NDArray[np.int32]


class City:
    """All points of a plan; one ``step`` per polling cycle, in time order."""

    def __init__(
        self,
        plan: CityPlan,
        rng: np.random.Generator,
        *,
        activity: float = 1.0,
        unevenness: float = 1.0,
        calibrations: bool = True,
        incidents: Sequence[int] = (),
        incident_at_us: int = 0,
    ) -> None:
        """Build the state of every mine of the plan.

        Args:
            rng: all randomness; the same state gives the same city.
            activity: factor on random disturbances (``airflow.ACTIVITY``).
            unevenness: factor on how unevenly the seams give their gas.
            calibrations: each methane sensor is checked every 15 days.
            incidents: indices of mines in whose first face's return corner gas
                rises over 3 % and goes again within 45 s.
            incident_at_us: when it begins [µs UTC].
        """
        mines = plan.mines
        if not mines:
            raise ConfigError("a city without mines")
        self.plan = plan
        self.roster = Roster(mines)
        self._rng = rng
        self.airflow = Airflow(mines, rng, activity, unevenness)
        self.probes = Probes(mines, rng, activity, calibrations)
        self._incidents = Incidents(mines, self.roster, incidents, incident_at_us)
        self._stations = Stations(mines, self.roster, rng)
        self._area_m2: Floats = np.array(
            [working.area_m2 for mine in mines for working in mine.workings]
        )
        self._powered = np.ones(self.airflow.n, np.bool_)
        cast = self.roster.cast
        still = cast("still")
        self._truth: Floats = np.zeros(self.roster.n)
        self._truth[still.at] = still.gain
        self._ch4, self._corner, self._ch4_mine = (
            cast(role) for role in ("ch4", "corner", "ch4_mine")
        )
        self._cutting = np.concatenate([self._ch4.at, self._corner.at])
        self._cut_of = np.concatenate([self._ch4.working, self._corner.working])
        self._co, self._o2, self._temp = cast("co"), cast("o2"), cast("temp")
        self._velocity, self._velocity_mine = cast("velocity"), cast("velocity_mine")
        self._quantity_mine = cast("quantity_mine")
        self._fan_pressure = cast("fan_pressure")
        self._fan, self._duct, self._feed = cast("fan"), cast("duct"), cast("feed")
        self._machine, self._belt = cast("machine"), cast("belt")
        self._output, self._door = cast("output"), cast("door")
        self._bunker = cast("bunker")
        self._mains, self._main_fan = cast("mains"), cast("main_fan")
        # The first pair of each mine is the one between intake and return.
        first = np.searchsorted(self._door.mine, self._door.mine)
        self._short_cut = np.arange(len(first)) - first < 2
        self._phase = rng.uniform(0, 2 * np.pi, self.roster.n)
        self._door_until_us = np.zeros(len(self._door.at), np.int64)
        self._last_us = 0

    def step(self, now_us: int) -> CityStep:
        """Advance to ``now_us`` and read every sensor.

        Args:
            now_us: not before the step before [µs UTC].
        """
        dt_s = (now_us - self._last_us) / US_PER_S if self._last_us else 0.0
        self._last_us = now_us
        air = self.airflow.step(now_us, dt_s, self._powered)
        self._gases(air, now_us)
        self._machines(air, now_us, dt_s)
        barometer_kpa = self.airflow.barometer_kpa(now_us)
        self._stations.step(
            self._truth, barometer_kpa, self.airflow.forcing, now_us, dt_s
        )
        self._incidents.apply(self._truth, now_us)
        value, state = self.probes.step(self._truth, now_us, dt_s)
        self._cut(value, state)
        return CityStep(now_us, value, state)

    def _gases(self, air: Air, now_us: int) -> None:
        """Methane, carbon monoxide, oxygen, temperature and air velocity."""
        truth, forcing = self._truth, self.airflow.forcing
        at = self._ch4.working
        ch4, _ = self.airflow.delayed(at, self._ch4.delay_s / air.share[at])
        truth[self._ch4.at] = self._ch4.gain * ch4 * (1 + air.layer[at])
        corner, at = self._corner, self._corner.working
        beside_pct = (corner.gain - 1) * air.corner_pct[at]
        truth[corner.at] = np.maximum(
            air.ch4_pct[at] + beside_pct + air.goaf_pct[at], forcing.pocket_pct[at]
        )
        self._returns(air)

        co = self._co
        swing = np.sin(now_us / US_PER_S / 1700 + self._phase[co.at])
        # Points without a working read working 0 and drop it again.
        _, blast = self.airflow.delayed(np.maximum(co.working, 0), co.delay_s)
        truth[co.at] = co.gain * (1 + 0.25 * swing) + blast * (co.working >= 0)

        # Methane displaces air, a fifth of which is oxygen.
        o2 = self._o2
        truth[o2.at] = o2.gain * (1 - air.ch4_pct[o2.working] / 100)

        temp = self._temp
        swing = np.sin(now_us / US_PER_S / 5000 + self._phase[temp.at])
        warm = air.producing[temp.working] & (temp.working >= 0)
        heat_c = forcing.heat_c[temp.working] * (temp.working >= 0)
        truth[temp.at] = temp.gain + 0.3 * swing + 0.9 * warm + heat_c

        velocity = self._velocity
        truth[velocity.at] = (
            air.air_m3_s[velocity.working] / self._area_m2[velocity.working]
        )

    def _returns(self, air: Air) -> None:
        """Panel, wing and total return: all workings of a mine, mixed on the way.

        What a return has beside the workings' air is clean leakage (the gain); open
        doors add more of it. With less air everything arrives later.
        """
        truth, points, mine = self._truth, self._ch4_mine, self.airflow.mine
        forcing = self.airflow.forcing
        fresh = np.bincount(mine, air.air_m3_s)
        share = fresh / np.bincount(mine, air.air_m3_s / air.share)
        everywhere = np.arange(self.airflow.n)
        for delay_s in np.unique(points.delay_s):
            gone, _ = self.airflow.delayed(everywhere, delay_s / share[mine])
            methane = np.bincount(mine, gone * air.air_m3_s)
            mixed = methane / (fresh + air.doors_m3_s)
            here = points.delay_s == delay_s
            at = points.at[here]
            truth[at] = points.gain[here] * mixed[points.mine[here]]
        velocity = self._velocity_mine
        through = (fresh + air.doors_m3_s) / (fresh / share)
        truth[velocity.at] = velocity.gain * through[velocity.mine]
        quantity = self._quantity_mine
        air_m3_min = (fresh + air.doors_m3_s) * 60
        truth[quantity.at] = quantity.gain * air_m3_min[quantity.mine]
        pressure = self._fan_pressure
        running = forcing.main_fan & forcing.power
        truth[pressure.at] = pressure.gain * np.where(
            running[pressure.mine], 1.0, NATURAL_SHARE
        )

    def _machines(self, air: Air, now_us: int, dt_s: float) -> None:
        """Fans, ducts, feeds, machines, doors and the output counter."""
        truth, forcing = self._truth, self.airflow.forcing
        lit = forcing.power
        truth[self._mains.at] = lit[self._mains.mine]
        fan = self._main_fan
        truth[fan.at] = fan.gain * (forcing.main_fan & lit)[fan.mine]
        truth[self._fan.at] = air.fan_on[self._fan.working]
        truth[self._duct.at] = air.fan_on[self._duct.working]
        # 风电闭锁: a heading whose local fan stands has no power (Coal Mine Safety
        # Regulations 2022, Art. 164); methane is the other half of the interlock.
        fed = self._powered & air.fan_on & lit[self.airflow.mine]
        live = fed | forcing.feed_stuck
        truth[self._feed.at] = live[self._feed.working]
        truth[self._machine.at] = air.producing[self._machine.working]
        cutting = np.bincount(self.airflow.mine, air.producing)
        truth[self._belt.at] = cutting[self._belt.mine] > 0
        # Coal goes on giving gas where it is kept, most while more of it comes.
        bunker = self._bunker
        truth[bunker.at] = bunker.gain * (0.8 + 0.4 * (cutting[bunker.mine] > 0))
        # 40 t/h from each working place that cuts.
        truth[self._output.at] += cutting[self._output.mine] * (40 / 3600) * dt_s

        door = self._door
        dice = self._rng.random(len(door.at))
        lasts_us = (self._rng.uniform(15, 45, len(door.at)) * US_PER_S).astype(np.int64)
        # Doors come in pairs and lock each other: only one of a pair opens.
        closed = self._door_until_us <= now_us
        pair_closed = np.repeat(closed.reshape(-1, 2).all(axis=1), 2)
        opens = pair_closed & (dice < _DOOR_OPENINGS_PER_DAY * dt_s / 86_400)
        opens[1::2] &= ~opens[::2]
        self._door_until_us[opens] = now_us + lasts_us[opens]
        forced = forcing.doors_open[door.mine] & self._short_cut
        truth[door.at] = (self._door_until_us > now_us) | forced

    def _cut(self, value: Floats, state: NDArray[np.int32]) -> None:
        """Interlock: methane at the cut-off limit takes a working's power away.

        Power returns when every methane sensor of the working is below its restore
        value. A sensor under calibration cuts nothing here, as a mine bypasses it.
        """
        at, working = self._cutting, self._cut_of
        awake = (state[at] & states.CALIBRATION) == 0
        n = self.airflow.n
        over = awake & (value[at] >= self.roster.cut_high[at])
        high = awake & (value[at] >= self.roster.restore_high[at])
        cut = np.bincount(working, over, n) > 0
        held = np.bincount(working, high, n) > 0
        self._powered = ~cut & (self._powered | ~held)
