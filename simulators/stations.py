"""Drainage stations: pipe methane, suction, flows and what has been drained.

The pure flow follows from the others by the conversion to standard state of
AQ 1027-2006 (101.325 kPa, 293 K), with the mine's own atmospheric pressure: at 1,500 m
the sea-level shortcut would be a quarter too high.

When the pump stops, suction and flow die away within a minute, as the gas in the pipes
comes to rest; a fifteenth of the flow goes on, because the goaf is above the outside's
pressure.
"""

import numpy as np
from numpy.typing import NDArray

from gasmon.units import US_PER_S
from simulators.forcing import Forcing
from simulators.mine import Floats, Roster
from simulators.plan import MinePlan

STANDARD_KPA = 101.325
STANDARD_K = 293.0
ZERO_CELSIUS_K = 273.0

_COAST_S = 15.0
_LEFT_SHARE = 1 / 15


def pure_flow_m3_min(
    flow_m3_min: Floats, pressure_kpa: Floats, temp_c: Floats, ch4_pct: Floats
) -> Floats:
    """Methane flow at standard state [m³/min].

    Args:
        flow_m3_min: mixed flow as measured in the pipe [m³/min].
        pressure_kpa: absolute pressure in the pipe [kPa].
        temp_c: temperature in the pipe [°C].
        ch4_pct: methane in the pipe [% CH4].
    """
    standard = pressure_kpa / STANDARD_KPA * STANDARD_K / (ZERO_CELSIUS_K + temp_c)
    return np.asarray(flow_m3_min * standard * ch4_pct / 100, np.float64)


class Stations:
    """One station per drainage mine; arrays in the order of those mines."""

    def __init__(
        self, mines: tuple[MinePlan, ...], roster: Roster, rng: np.random.Generator
    ) -> None:
        self._rng = rng
        self._atmosphere_kpa = np.array([mine.atmosphere_kpa for mine in mines])
        cast = roster.cast
        self._ch4, self._suction = cast("pipe_ch4"), cast("suction")
        self._flow, self._pure = cast("pipe_flow"), cast("pipe_pure")
        self._temp, self._room = cast("pipe_temp"), cast("room_ch4")
        self._drained, self._pump = cast("drained"), cast("pump")
        n = len(self._ch4.at)
        self._walk: NDArray[np.float64] = rng.normal(0, 1, (3, n)).clip(-2, 2)
        self._draws: NDArray[np.float64] = np.ones(n)

    def step(
        self,
        truth: Floats,
        barometer_kpa: Floats,
        forcing: Forcing,
        now_us: int,
        dt_s: float,
    ) -> None:
        """Write the truth at every station point.

        Args:
            truth: shape (n_points,), changed in place.
            barometer_kpa: deviation of the pressure per mine [kPa].
            forcing: pumps that may run, and what the wells give.
        """
        # Wells change over an hour: a walk of unit spread with that memory.
        keep = np.exp(-dt_s / 3600.0)
        noise = self._rng.normal(0, 1, self._walk.shape)
        self._walk = self._walk * keep + noise * np.sqrt(1 - keep * keep)
        walk = self._walk.clip(-3, 3)

        mine = self._ch4.mine
        runs = (forcing.pump & forcing.power)[mine]
        self._draws = runs + (self._draws - runs) * np.exp(-dt_s / _COAST_S)
        ch4_pct = (self._ch4.gain + 1.8 * walk[0]) * forcing.pipe[mine]
        suction_kpa = (self._suction.gain + 0.6 * walk[1]) * self._draws
        flow = self._flow.gain * (1 + 0.04 * walk[2])
        flow = flow * (_LEFT_SHARE + (1 - _LEFT_SHARE) * self._draws)
        temp_c = self._temp.gain + 0.5 * np.sin(now_us / US_PER_S / 13_000)
        outside_kpa = self._atmosphere_kpa[mine] + barometer_kpa[mine]
        pure = pure_flow_m3_min(flow, outside_kpa + suction_kpa, temp_c, ch4_pct)
        truth[self._ch4.at] = ch4_pct
        truth[self._suction.at] = suction_kpa
        truth[self._flow.at] = flow
        truth[self._temp.at] = temp_c
        truth[self._pure.at] = pure
        truth[self._room.at] = self._room.gain
        pump = self._pump
        truth[pump.at] = pump.gain * (forcing.pump & forcing.power)[pump.mine]
        truth[self._drained.at] += pure * dt_s / 60
