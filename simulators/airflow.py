"""Gas and air of the working places, all of them at once.

Each working place is one well-mixed volume V [m³] that fresh air Q [m³/s] washes and
coal feeds with methane E [m³/s]:

    dc/dt = (100·E/Q − c) / (V/Q)        c in % CH4, solved exactly over a step

so gas accumulates when the air fails and is diluted when it is back. ``network.py``
says how much air there is and ``emission.py`` how much gas. Beside that:

- **The return corner** lies outside the main stream, which only stirs it; leakage
  through the goaf brings gas there. It holds more than the face by a share of what the
  face's own gas would be, and follows within about a minute at the planned air.
- **Layers**: methane is lighter than air and gathers under the roof where the air is
  too slow to stir it. Bakke and Leach (1962) tell by the layering number L = U /
  (g·Δρ/ρ · q/W)^⅓ (air velocity U, gas from a roof source q, width W; for methane in
  air g·Δρ/ρ = 4.4 m/s²): below 5 a layer forms. Sensors hang 0.3 m under the roof, so
  they read more then, here up to 60 %. A tenth of the gas counts as a source in the
  roof (ours).
- **Transport**: what leaves a working reaches sensors downstream after a transport
  time, read from a ring of past concentrations; with less air it takes longer.

The numbers are plausible magnitudes for small gassy coal mines, not a calibrated
model; rates of disturbances are scaled from national figures of 2021 Q1 (37,608 methane
and 105,831 CO over-limit records from 1,385 mines), 0.3 and 0.85 a mine and day.
"""

from dataclasses import dataclass

import numpy as np

from gasmon.units import US_PER_S
from simulators.emission import Emission
from simulators.forcing import Bools, Floats, Forcing, Indices
from simulators.network import Network
from simulators.plan import MinePlan

ACTIVITY = {"calm": 0.25, "normal": 1.0, "busy": 4.0}
"""Factor on every random disturbance."""

_SURGES_PER_DAY = 0.08  # per working; about two points see each of them
_BLASTS_PER_DAY = 0.35  # per heading
_FAILURES_PER_DAY = 0.008  # per working: local fan stopped, or airway blocked

# A demo that starts should show life within a minute: disturbances begin 21 times
# as often and fall to the plain rate with this time constant. Calm cities skip it.
_OPENING_BOOST = 20.0
_OPENING_S = 300.0
_OPENING_BEFORE_S = 90.0

_BLAST_FUMES_S = 150.0
_CORNER_S = 45.0
_LEAST_SHARE = 0.03
"""Of its planned air that a working always gets: no place is quite airtight."""

_BUOYANCY_M_S2 = 4.4
_LAYER_BELOW = 5.0
_LAYER_MOST = 0.6
_ROOF_SHARE = 0.1

_HISTORY_GRID_S = 2
_HISTORY_SLOTS = 256
MAX_DELAY_S = float(_HISTORY_GRID_S * (_HISTORY_SLOTS - 2))
"""Longest transport time that the ring of past concentrations holds [s]."""


@dataclass(frozen=True, slots=True)
class Air:
    """What the working places are like at one instant; arrays of shape (n_workings,).

    Attributes:
        ch4_pct: methane where the coal is won [% CH4].
        corner_pct: what a return corner has beside it, for a gain of 1 [% CH4].
        goaf_pct: what the goaf pushes into the corner beside that [% CH4].
        layer: share that a sensor under the roof reads too much, 0 to 0.6.
        co_ppm: carbon monoxide there [ppm].
        air_m3_s: fresh air [m³/s].
        share: that air as a share of the plan's.
        producing: coal is being cut.
        fan_on: the heading's local fan runs; true for faces.
        doors_m3_s: air that goes through open doors, (n_mines,) [m³/s].
    """

    ch4_pct: Floats
    corner_pct: Floats
    goaf_pct: Floats
    layer: Floats
    co_ppm: Floats
    air_m3_s: Floats
    share: Floats
    producing: Bools
    fan_on: Bools
    doors_m3_s: Floats


class Airflow:
    """State of all working places of some mines; stepped in time order.

    Attributes:
        forcing: what a scenario does to them.
        mine: index of the mine of each working.
    """

    def __init__(
        self,
        mines: tuple[MinePlan, ...],
        rng: np.random.Generator,
        activity: float,
        unevenness: float = 1.0,
    ) -> None:
        """Start in the middle of an ordinary day.

        Args:
            rng: everything random comes from here, in a fixed order of draws.
            activity: factor on the rates of disturbances (see ``ACTIVITY``).
            unevenness: factor on how unevenly the seam gives its gas.
        """
        places = [w for mine in mines for w in mine.workings]
        n = len(places)
        self.n = n
        self.mine: Indices = np.repeat(
            np.arange(len(mines)), [len(mine.workings) for mine in mines]
        )
        self.forcing = Forcing(n, len(mines))
        self._is_heading: Bools = np.array([w.kind == "heading" for w in places])
        self._planned_m3_s: Floats = np.array([w.air_m3_s for w in places])
        self._volume_m3: Floats = np.array([w.volume_m3 for w in places])
        self._area_m2: Floats = np.array([w.area_m2 for w in places])
        base_pct: Floats = np.array([w.ch4_pct for w in places])
        self.emission = Emission(
            len(mines), self.mine, self._planned_m3_s * base_pct / 100, rng, unevenness
        )
        self._network = Network(mines, self.mine, self._planned_m3_s, self._is_heading)
        self._activity = activity
        self._rng = rng
        self._surge_pct: Floats = np.zeros(n)
        self._surge_until_us = np.zeros(n, np.int64)
        self._failed_until_us = np.zeros(n, np.int64)
        self._ch4: Floats = base_pct.copy()
        self._corner: Floats = base_pct.copy()
        self._goaf: Floats = np.zeros(n)
        self._fumes: Floats = np.zeros(n)
        self._history: Floats = np.empty((_HISTORY_SLOTS, 2, n))
        self._history[:, 0] = base_pct
        self._history[:, 1] = 0.0
        self._slot = 0
        self._start_us = 0

    def step(self, now_us: int, dt_s: float, powered: Bools) -> Air:
        """Advance every working to ``now_us``.

        Args:
            dt_s: time since the step before; 0 at the first.
            powered: shape (n_workings,); a working whose power is cut wins no coal.
        """
        forcing = self.forcing
        if self._start_us == 0:
            self._start_us = now_us
        lit = forcing.power[self.mine]
        wanted = self.emission.producing(now_us, dt_s) | forcing.cutting
        self._disturb(now_us, dt_s)
        failed = self._failed_until_us > now_us
        fan_on = ~self._is_heading | (~failed & forcing.local_fan & lit)
        # A heading's power hangs on its fan (`city.py`), so nothing runs without it.
        producing = wanted & ~forcing.standing & powered & lit & fan_on
        share, doors_m3_s = self._network.share(
            forcing.main_fan & forcing.power, forcing.doors_open
        )
        noise = self._rng.normal(0, 1, self.n)
        air = self._network.air_m3_s(share, fan_on, failed & ~self._is_heading)
        air = np.maximum(air * (1 + 0.01 * noise), _LEAST_SHARE * self._planned_m3_s)
        gas = self.emission.step(now_us, dt_s, producing)
        steady = self._planned_m3_s * forcing.steady_pct / 100
        gas += (steady - gas) * forcing.steady_share
        gas *= forcing.emission
        gas *= np.where(self._is_heading, 1.0, 1 + forcing.breathing[self.mine])
        self._mix(now_us, dt_s, gas, air)
        self._remember(now_us)
        return Air(
            self._ch4.copy(),
            self._corner.copy(),
            self._goaf.copy(),
            self._layer(gas, air),
            self._fumes + forcing.co_ppm,
            air,
            air / self._planned_m3_s,
            producing,
            fan_on,
            doors_m3_s,
        )

    def _mix(self, now_us: int, dt_s: float, gas: Floats, air: Floats) -> None:
        """Dilute what comes out: face or heading, its corner, fumes of blasts."""
        forcing = self.forcing
        # An outburst fills the place with gas; air alone would never reach 100 %.
        target = 100 * (gas + forcing.burst_m3_s) / (air + forcing.burst_m3_s)
        surging = self._surge_until_us > now_us
        target = np.where(surging, np.maximum(target, self._surge_pct), target)
        through = air + forcing.burst_m3_s
        keep = np.exp(-dt_s * through / self._volume_m3)
        self._ch4 = target + (self._ch4 - target) * keep
        # The corner is stirred by the face's air, so it slows down with it.
        slow_s = _CORNER_S * self._planned_m3_s / air
        stays = np.exp(-dt_s / slow_s)
        self._corner = target + (self._corner - target) * stays
        goaf = forcing.goaf_pct * self._planned_m3_s / air
        self._goaf = goaf + (self._goaf - goaf) * stays
        self._fumes *= np.exp(-dt_s / _BLAST_FUMES_S)

    def _layer(self, gas: Floats, air: Floats) -> Floats:
        # A roadway three times as wide as high leaves W = √(area/3)·3 ≈ 1.7·√area.
        width_m = 1.7 * np.sqrt(self._area_m2)
        roof = _BUOYANCY_M_S2 * _ROOF_SHARE * gas / width_m
        number = air / self._area_m2 / np.cbrt(roof)
        return _LAYER_MOST * (1 - number / _LAYER_BELOW).clip(0.0, 1.0)

    def delayed(self, working: Indices, delay_s: Floats) -> tuple[Floats, Floats]:
        """Concentrations that left a working ``delay_s`` ago.

        Args:
            working: index of a working, any shape.
            delay_s: same shape, 0 or more; ``MAX_DELAY_S`` at most is looked back [s].

        Returns:
            Methane [% CH4] and carbon monoxide [ppm], same shape.
        """
        back = np.minimum(delay_s / _HISTORY_GRID_S, _HISTORY_SLOTS - 2)
        slots = (self._slot - back.astype(np.int64)) % _HISTORY_SLOTS
        return self._history[slots, 0, working], self._history[slots, 1, working]

    def barometer_kpa(self, now_us: int) -> Floats:
        """Deviation of the pressure from each mine's mean, shape (n_mines,) [kPa]."""
        return self.emission.barometer_kpa(now_us) + self.forcing.barometer_kpa

    def _disturb(self, now_us: int, dt_s: float) -> None:
        """Begin surges, blasts and failures of air at their random times."""
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
        self._fumes += np.where(blasts, 30 + 90 * size[1], 0.0)

        fails = dice[2] < _FAILURES_PER_DAY * chance
        lasts_us = ((60 + 180 * size[2]) * US_PER_S).astype(np.int64)
        self._failed_until_us = np.where(
            fails, now_us + lasts_us, self._failed_until_us
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
        self._history[slots, 1] = self._fumes + self.forcing.co_ppm
        self._slot = int(slot)
