"""Gas and air of the working places, all of them at once.

Each working place is one well-mixed volume V [m³] that fresh air Q [m³/s] washes and
coal feeds with methane E [m³/s]:

    dc/dt = (100·E/Q − c) / (V/Q)        c in % CH4, solved exactly over a step

Emission follows production, a slow random walk of its own, and the barometer (falling
pressure draws gas out of the goaf). What leaves a working reaches sensors downstream
after a transport time, read from a ring of past concentrations.

The numbers are plausible magnitudes for small gassy coal mines, not a calibrated
model; rates of disturbances are scaled from national figures of 2021 Q1 (37,608 methane
and 105,831 CO over-limit records from 1,385 mines), 0.3 and 0.85 a mine and day.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gasmon.units import US_PER_S
from simulators.plan import MinePlan

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Indices = NDArray[np.int64]

ACTIVITY = {"calm": 0.25, "normal": 1.0, "busy": 4.0}
"""Factor on every random disturbance."""

_SURGES_PER_DAY = 0.08  # per working; about two points see each of them
_BLASTS_PER_DAY = 0.35  # per heading
_THROTTLES_PER_DAY = 0.008  # per working: local fan stopped, or doors open

# A demo that starts should show life within a minute: disturbances begin 21 times
# as often and fall to the plain rate with this time constant. Calm cities skip it.
_OPENING_BOOST = 20.0
_OPENING_S = 300.0
_OPENING_BEFORE_S = 90.0

_SHIFT_S = 8 * 3600
_BEIJING_S = 8 * 3600
_HISTORY_GRID_S = 2
_HISTORY_SLOTS = 256
MAX_DELAY_S = float(_HISTORY_GRID_S * (_HISTORY_SLOTS - 2))
"""Longest transport time that the ring of past concentrations holds [s]."""


@dataclass(frozen=True, slots=True)
class Air:
    """What the working places are like at one instant; arrays of shape (n_workings,).

    Attributes:
        ch4_pct: methane where the coal is won [% CH4].
        co_ppm: carbon monoxide there [ppm].
        air_m3_s: air quantity [m³/s].
        producing: coal is being cut.
        fan_on: the working gets its air (local fan on, doors shut).
    """

    ch4_pct: Floats
    co_ppm: Floats
    air_m3_s: Floats
    producing: Bools
    fan_on: Bools


class Airflow:
    """State of all working places of some mines; stepped in time order."""

    def __init__(
        self,
        mines: tuple[MinePlan, ...],
        rng: np.random.Generator,
        activity: float,
    ) -> None:
        """Start in the middle of an ordinary day.

        Args:
            rng: everything random comes from here, in a fixed order of draws.
            activity: factor on the rates of disturbances (see ``ACTIVITY``).
        """
        places = [w for mine in mines for w in mine.workings]
        n = len(places)
        self.n = n
        self.mine: Indices = np.repeat(
            np.arange(len(mines)), [len(mine.workings) for mine in mines]
        )
        self._is_heading: Bools = np.array([w.kind == "heading" for w in places])
        self._air_m3_s: Floats = np.array([w.air_m3_s for w in places])
        self._base_pct: Floats = np.array([w.ch4_pct for w in places])
        self._volume_m3: Floats = np.array([w.volume_m3 for w in places])
        self._activity = activity
        self._rng = rng
        self._phase_s: Floats = rng.uniform(0, 6000, n)
        self._cycle_s: Floats = rng.uniform(3600, 6000, n)
        self._idle_shift = rng.integers(0, 3, len(mines))[self.mine]
        self._walk: Floats = rng.normal(0, 1, n).clip(-2, 2)
        self._baro_phase: Floats = rng.uniform(0, 2 * np.pi, (2, len(mines)))
        self._surge_pct: Floats = np.zeros(n)
        self._surge_until_us = np.zeros(n, np.int64)
        self._throttle_until_us = np.zeros(n, np.int64)
        self._ch4: Floats = self._base_pct.copy()
        self._co: Floats = np.zeros(n)
        self._history: Floats = np.empty((_HISTORY_SLOTS, 2, n))
        self._history[:, 0] = self._base_pct
        self._history[:, 1] = 0.0
        self._slot = 0
        self._start_us = 0

    def step(self, now_us: int, dt_s: float, powered: Bools) -> Air:
        """Advance every working to ``now_us``.

        Args:
            dt_s: time since the step before; 0 at the first.
            powered: shape (n_workings,); a working whose power is cut wins no coal.
        """
        if self._start_us == 0:
            self._start_us = now_us
        producing = self._producing(now_us) & powered
        self._disturb(now_us, dt_s)
        fan_on = self._throttle_until_us <= now_us
        noise = self._rng.normal(0, 1, (2, self.n))

        # Ornstein-Uhlenbeck walk with unit spread and 20 min memory; held within
        # 3.2 spreads so that only disturbances pass a limit, never plain noise.
        keep = np.exp(-dt_s / 1200.0)
        self._walk = self._walk * keep + noise[0] * np.sqrt(1 - keep * keep)
        np.clip(self._walk, -3.2, 3.2, out=self._walk)

        reduced = np.where(self._is_heading, 0.12, 0.3)
        air = self._air_m3_s * np.where(fan_on, 1 + 0.01 * noise[1], reduced)
        emission = (
            self._air_m3_s
            * self._base_pct
            * (0.75 + 0.5 * producing)
            * np.exp(0.08 * self._walk)
            * self._breathing(now_us)
        )
        target = emission / air
        surging = self._surge_until_us > now_us
        target = np.where(surging, np.maximum(target, self._surge_pct), target)
        self._ch4 = target + (self._ch4 - target) * np.exp(
            -dt_s * air / self._volume_m3
        )
        self._co *= np.exp(-dt_s / 150.0)
        self._remember(now_us)
        return Air(self._ch4.copy(), self._co.copy(), air, producing, fan_on)

    def delayed(self, working: Indices, delay_s: Floats) -> tuple[Floats, Floats]:
        """Concentrations that left a working ``delay_s`` ago.

        Args:
            working: index of a working, any shape.
            delay_s: same shape, 0 to ``MAX_DELAY_S`` [s].

        Returns:
            Methane [% CH4] and carbon monoxide [ppm], same shape.
        """
        back = np.minimum(delay_s / _HISTORY_GRID_S, _HISTORY_SLOTS - 2)
        slots = (self._slot - back.astype(np.int64)) % _HISTORY_SLOTS
        return self._history[slots, 0, working], self._history[slots, 1, working]

    def barometer_kpa(self, now_us: int) -> Floats:
        """Deviation of the pressure from each mine's mean, shape (n_mines,) [kPa].

        A half-daily tide of 0.12 kPa and weather of 0.4 kPa over 3.3 days.
        """
        t_h = now_us / US_PER_S / 3600
        tide = 0.12 * np.sin(2 * np.pi * t_h / 12 + self._baro_phase[0])
        weather = 0.4 * np.sin(2 * np.pi * t_h / 79 + self._baro_phase[1])
        return np.asarray(tide + weather, np.float64)

    def _breathing(self, now_us: int) -> Floats:
        """Factor on emission: a fall of 0.1 kPa/h draws 4 % more gas."""
        hour_us = 3600 * US_PER_S
        rise = self.barometer_kpa(now_us) - self.barometer_kpa(now_us - hour_us)
        return np.asarray((1 - 0.4 * rise).clip(0.9, 1.1)[self.mine], np.float64)

    def _producing(self, now_us: int) -> Bools:
        """Three shifts a day, one of them for maintenance; cutting comes in cycles."""
        t_s = now_us / US_PER_S
        shift = int((t_s + _BEIJING_S) % 86_400 // _SHIFT_S)
        in_cycle = ((t_s + self._phase_s) % self._cycle_s) < 0.6 * self._cycle_s
        return np.asarray(in_cycle & (self._idle_shift != shift), np.bool_)

    def _disturb(self, now_us: int, dt_s: float) -> None:
        """Begin surges, blasts and ventilation failures at their random times."""
        factor = self._activity
        if factor >= 1:
            age_s = (now_us - self._start_us) / US_PER_S
            factor *= 1 + _OPENING_BOOST * np.exp(-age_s / _OPENING_S)
            if age_s == 0:
                # What began in the minutes before the first look is under way.
                dt_s = _OPENING_BEFORE_S
        chance = factor * dt_s / 86_400
        dice = self._rng.random((3, self.n))
        size = self._rng.random((3, self.n))

        begins = dice[0] < _SURGES_PER_DAY * chance
        # Most rises just pass the limit; the tail reaches the cut-off limit.
        peak_pct = np.minimum(1.03 - 0.14 * np.log(1 - size[0]), 2.2)
        lasts_us = ((120 + 480 * size[0]) * US_PER_S).astype(np.int64)
        self._surge_pct = np.where(begins, peak_pct, self._surge_pct)
        self._surge_until_us = np.where(begins, now_us + lasts_us, self._surge_until_us)

        blasts = (dice[1] < _BLASTS_PER_DAY * chance) & self._is_heading
        self._co += np.where(blasts, 30 + 90 * size[1], 0.0)

        fails = dice[2] < _THROTTLES_PER_DAY * chance
        lasts_us = ((60 + 180 * size[2]) * US_PER_S).astype(np.int64)
        self._throttle_until_us = np.where(
            fails, now_us + lasts_us, self._throttle_until_us
        )

    def _remember(self, now_us: int) -> None:
        """Fill the ring up to now; a long step repeats its end value."""
        slot = now_us // (_HISTORY_GRID_S * US_PER_S)
        # The first step, and a gap longer than the ring, refill all of it.
        behind = min(slot - self._slot, _HISTORY_SLOTS) if self._slot else 1
        slots = np.arange(slot - behind + 1, slot + 1) % _HISTORY_SLOTS
        if behind <= 0:
            slots = np.array([slot % _HISTORY_SLOTS])
        self._history[slots, 0] = self._ch4
        self._history[slots, 1] = self._co
        self._slot = int(slot)
