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
from simulators.plan import CityPlan
from simulators.probes import Probes
from simulators.stations import Stations

_RETURN_DELAY_S = 180.0
"""Mean time of the air from the workings to the mine's common returns [s]."""

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
        incidents: Sequence[int] = (),
        incident_at_us: int = 0,
    ) -> None:
        """Build the state of every mine of the plan.

        Args:
            rng: all randomness; the same state gives the same city.
            activity: factor on random disturbances (``airflow.ACTIVITY``).
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
        self.airflow = Airflow(mines, rng, activity)
        self._probes = Probes(mines, rng, activity)
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
        self._ch4, self._ch4_mine = cast("ch4"), cast("ch4_mine")
        self._co, self._o2, self._temp = cast("co"), cast("o2"), cast("temp")
        self._velocity, self._velocity_mine = cast("velocity"), cast("velocity_mine")
        self._fan_pressure = cast("fan_pressure")
        self._fan, self._duct, self._feed = cast("fan"), cast("duct"), cast("feed")
        self._machine, self._belt = cast("machine"), cast("belt")
        self._output, self._door = cast("output"), cast("door")
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
        self._stations.step(
            self._truth, self.airflow.barometer_kpa(now_us), now_us, dt_s
        )
        self._incidents.apply(self._truth, now_us)
        value, state = self._probes.step(self._truth, now_us, dt_s)
        self._cut(value, state)
        return CityStep(now_us, value, state)

    def _gases(self, air: Air, now_us: int) -> None:
        """Methane, carbon monoxide, oxygen, temperature and air velocity."""
        truth = self._truth
        ch4, _ = self.airflow.delayed(self._ch4.working, self._ch4.delay_s)
        truth[self._ch4.at] = self._ch4.gain * ch4

        everywhere = np.arange(self.airflow.n)
        gone, _ = self.airflow.delayed(
            everywhere, np.full(len(everywhere), _RETURN_DELAY_S)
        )
        mine = self.airflow.mine
        methane = np.bincount(mine, gone * air.air_m3_s)
        mixed = methane / np.bincount(mine, air.air_m3_s)
        returns = self._ch4_mine
        truth[returns.at] = returns.gain * mixed[returns.mine]

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
        truth[temp.at] = temp.gain + 0.3 * swing + 0.9 * warm

        velocity = self._velocity
        truth[velocity.at] = (
            air.air_m3_s[velocity.working] / self._area_m2[velocity.working]
        )
        truth[self._velocity_mine.at] = self._velocity_mine.gain
        truth[self._fan_pressure.at] = self._fan_pressure.gain

    def _machines(self, air: Air, now_us: int, dt_s: float) -> None:
        """Fans, ducts, feeds, machines, doors and the output counter."""
        truth = self._truth
        truth[self._fan.at] = air.fan_on[self._fan.working]
        truth[self._duct.at] = air.fan_on[self._duct.working]
        truth[self._feed.at] = self._powered[self._feed.working]
        truth[self._machine.at] = air.producing[self._machine.working]
        cutting = np.bincount(self.airflow.mine, air.producing)
        truth[self._belt.at] = cutting[self._belt.mine] > 0
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
        truth[door.at] = self._door_until_us > now_us

    def _cut(self, value: Floats, state: NDArray[np.int32]) -> None:
        """Interlock: methane at the cut-off limit takes a working's power away.

        Power returns when every methane sensor of the working is below its restore
        value. A sensor under calibration cuts nothing here, as a mine bypasses it.
        """
        at, working = self._ch4.at, self._ch4.working
        awake = (state[at] & states.CALIBRATION) == 0
        n = self.airflow.n
        over = awake & (value[at] >= self.roster.cut_high[at])
        high = awake & (value[at] >= self.roster.restore_high[at])
        cut = np.bincount(working, over, n) > 0
        held = np.bincount(working, high, n) > 0
        self._powered = ~cut & (self._powered | ~held)
