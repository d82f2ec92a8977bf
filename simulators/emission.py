"""How much methane the coal of each working place gives off.

What a working place gives off is what its return carries away at the plan's quantity of
air (``WorkingPlan.ch4_pct``), times

- **production**: three shifts a day, one of them for maintenance. Cutting alternates
  with turning, supports and waiting, about once in an hour and a half and never
  regularly. Broken coal gives its gas fast at first and then ever more slowly: what is
  left falls like exp(-(t/t0)^n) with n about 1/3 (Airey 1968, gas emission from broken
  coal), which no single time constant follows. Three do over a day: minutes for what
  lies on the conveyor, two hours for the web that was cut and the new face, half a day
  for the strip and the goaf behind it. Where a measured longwall stood still for a day
  and a half, its gas fell to less than half, most of it within the first twelve hours;
- **the seam**: gas comes unevenly. Measured emission is autocorrelated over hours (what
  the web and the strip go through), and the stream that carries it is not quite mixed
  where a sensor hangs, so a sum of three walks;
- **the barometer**: a goaf holds as much gas as the air presses into it. When the
  pressure falls by dp, the share dp/p of its volume comes out (McPherson, chapter 12):
  4 % more for 0.1 kPa/h, and as much less when it rises.

Sizes are ours, plausible for small gassy mines; ``gasmon-sim compare`` holds them
against a measured series.
"""

import numpy as np
from numpy.typing import NDArray

from gasmon.units import US_PER_S

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Indices = NDArray[np.int64]

SHIFT_S = 8 * 3600
BEIJING_S = 8 * 3600
CUTTING_SHARE = 0.6
"""Of a shift of production in which the machine cuts; the rest is turning, supports,
waiting. How long either lasts nobody plans, so this too is a Markov chain of two
states; cycles of equal length would make gas forget, and remember, by the clock."""

PASS_SHARE = 0.7
"""Of that in which it really runs: it stops every few minutes, for the conveyor, for a
large block, for gas."""

RUNS_S = 720.0
"""Mean time that it runs between two such stops. Nobody plans them: times between
failures of a longwall's machines, and those of their repair, are about exponential, so
the machine is a Markov chain of two states (fitted by the measured one's stretches)."""

WORKING_SHARE = CUTTING_SHARE * PASS_SHARE * 2 / 3
"""Of the whole day in which the machine runs: one shift of three is for maintenance."""

STANDING, FRESH, WEB, STRIP = 0.50, 0.24, 0.50, 0.62
"""What a place that stands still for days gives off, what broken coal adds while the
machine runs, and what the web, and strip and goaf, add where it ran all the time."""


def mean_share(working_share: float) -> float:
    """Mean emission of a place whose machine runs for a share of all time.

    Returns:
        A share of what the plan says.
    """
    return STANDING + (FRESH + WEB + STRIP) * working_share


_FRESH_LAG_S = 240.0
_WEB_LAG_S = 2 * 3600.0
_STRIP_LAG_S = 12 * 3600.0
# Memory [s] and spread of the logarithm of each walk: eddies in the stream of air, the
# web, the strip. Together 0.06; held within 2.5 spreads, so that only disturbances pass
# a limit, never the seam alone, also where a machine happens to cut for hours.
_WALK_S = np.array([[90.0], [7200.0], [28_800.0]])
_WALK_SPREAD = np.array([[0.025], [0.017], [0.054]])
_WALK_BOUND = 0.154


class Emission:
    """Methane of all working places; stepped in time order."""

    def __init__(
        self,
        n_mines: int,
        mine: Indices,
        planned_m3_s: Floats,
        rng: np.random.Generator,
        unevenness: float = 1.0,
    ) -> None:
        """Start in the middle of an ordinary day.

        Args:
            mine: index of the mine of each working, (n_workings,).
            planned_m3_s: mean methane of each, (n_workings,) [m³/s].
            rng: everything random comes from here, in a fixed order of draws.
            unevenness: factor on the walks of the seam.
        """
        n = len(mine)
        self._mine = mine
        self._planned_m3_s = planned_m3_s
        self._rng = rng
        self._unevenness = unevenness
        self._cuts: Bools = rng.random(n) < CUTTING_SHARE
        self._cycle_s: Floats = rng.uniform(3600, 6000, n)
        self._runs: Bools = rng.random(n) < PASS_SHARE
        self._idle_shift = rng.integers(0, 3, n_mines)[mine]
        self._baro_phase: Floats = rng.uniform(0, 2 * np.pi, (2, n_mines))
        self._walk: Floats = rng.normal(0, 1, (3, n)).clip(-2, 2)
        self._fresh: Floats | None = None
        self._web: Floats = np.full(n, WORKING_SHARE)
        self._strip: Floats = np.full(n, WORKING_SHARE)

    def work_all_shifts(self) -> None:
        """No shift is for maintenance, in any mine."""
        self._idle_shift = np.full_like(self._idle_shift, -1)

    def step(self, now_us: int, dt_s: float, producing: Bools) -> Floats:
        """What comes out at ``now_us``, (n_workings,) [m³/s].

        Args:
            dt_s: time since the step before; 0 at the first.
            producing: coal is being cut, (n_workings,).
        """
        runs = producing.astype(np.float64)
        if self._fresh is None:
            self._fresh = runs
        self._fresh = runs + (self._fresh - runs) * np.exp(-dt_s / _FRESH_LAG_S)
        self._web = runs + (self._web - runs) * np.exp(-dt_s / _WEB_LAG_S)
        self._strip = runs + (self._strip - runs) * np.exp(-dt_s / _STRIP_LAG_S)
        coal = STANDING + FRESH * self._fresh + WEB * self._web + STRIP * self._strip
        # Ornstein-Uhlenbeck walks of unit spread, each with its own memory.
        keep = np.exp(-dt_s / _WALK_S)
        noise = self._rng.normal(0, 1, self._walk.shape)
        self._walk = self._walk * keep + noise * np.sqrt(1 - keep * keep)
        bound = _WALK_BOUND * self._unevenness
        walk = (self._walk * _WALK_SPREAD * self._unevenness).sum(axis=0)
        seam = np.exp(walk.clip(-bound, bound))
        gas: Floats = self._planned_m3_s * coal * seam
        return gas * self._breathing(now_us)

    def producing(self, now_us: int, dt_s: float) -> Bools:
        """Whether the machine would cut by shift, cycle and luck, (n_workings,).

        Args:
            dt_s: time since it was asked before; 0 at the first.
        """
        # Of a chain that stays on for on_s and off for so long that a share is left,
        # what it is after any time is known exactly.
        dice = self._rng.random((2, len(self._runs)))
        still = np.exp(-dt_s / (RUNS_S * (1 - PASS_SHARE)))
        self._runs = dice[0] < PASS_SHARE + (self._runs - PASS_SHARE) * still
        on_s = CUTTING_SHARE * self._cycle_s
        still_cuts = np.exp(-dt_s / (on_s * (1 - CUTTING_SHARE)))
        self._cuts = dice[1] < CUTTING_SHARE + (self._cuts - CUTTING_SHARE) * still_cuts
        shift = int((now_us / US_PER_S + BEIJING_S) % 86_400 // SHIFT_S)
        works = self._idle_shift != shift
        return np.asarray(self._cuts & self._runs & works, np.bool_)

    def barometer_kpa(self, now_us: int) -> Floats:
        """Deviation of the pressure from each mine's mean, shape (n_mines,) [kPa].

        A half-daily tide of 0.12 kPa and weather of 0.4 kPa over 3.3 days.
        """
        t_h = now_us / US_PER_S / 3600
        tide = 0.12 * np.sin(2 * np.pi * t_h / 12 + self._baro_phase[0])
        weather = 0.4 * np.sin(2 * np.pi * t_h / 79 + self._baro_phase[1])
        return np.asarray(tide + weather, np.float64)

    def _breathing(self, now_us: int) -> Floats:
        hour_us = 3600 * US_PER_S
        rise = self.barometer_kpa(now_us) - self.barometer_kpa(now_us - hour_us)
        return np.asarray((1 - 0.4 * rise).clip(0.9, 1.1)[self._mine], np.float64)
