"""What sensors make of the air: lag, noise, resolution, drift, calibration, faults.

Lags and noise follow data sheets of mine sensors: a methane sensor answers within 20 s
(T90, so a time constant of 8 s), resolution 0.01 % CH4 (AQ 6203 class devices). Its
zero and its sensitivity drift, which is why every 15 days it is checked on site with
zero gas and 2.00 % test gas while its readings carry the calibration bit; between two
checks it may wander by 0.02 % and by 2 % of the reading (a third of what the basic
error allows at 1 %; ours). Above its range it shows the end of the range and says so:
it is saturated.

What goes wrong beside that is written into ``Faults`` by a scenario, in this order:
other gas at the sensor, what a falsifier does to the reading, a broken line.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gasmon.domain import states
from gasmon.units import US_PER_DAY, US_PER_S
from simulators.forcing import Bools, Faults, Floats
from simulators.plan import MinePlan, PointPlan

CALIBRATION_PERIOD_US = 15 * US_PER_DAY
CALIBRATION_S = 240
TEST_GAS_PCT = 2.0
_ZERO_UNTIL_S = 40
_GAS_UNTIL_S = 140

_ZERO_DRIFT_PCT = 0.02
_SPAN_DRIFT = 0.02

# Rare on purpose: at most one alarm in ten comes from the wiring.
_BREAKS_PER_DAY = 0.002  # per point: 30 a day in the whole city
_OUTAGES_PER_DAY = 0.001  # per substation: 2 a day in the whole city


@dataclass(frozen=True, slots=True)
class Grade:
    """How good a sensor type is.

    Attributes:
        lag_s: time constant of its answer [s].
        noise: spread of one reading, in the point's unit.
        decimals: digits after the point that it shows.
    """

    lag_s: float
    noise: float
    decimals: int


_GRADES = {
    "0001": Grade(8.0, 0.008, 2),
    "0002": Grade(3.0, 0.04, 2),
    "0003": Grade(30.0, 0.05, 1),
    "0004": Grade(12.0, 0.35, 0),
    "0005": Grade(3.0, 4.0, 0),
    "0012": Grade(12.0, 0.03, 1),
    "0019": Grade(3.0, 15.0, 0),
    "0022": Grade(10.0, 0.15, 1),
    "0023": Grade(30.0, 0.05, 1),
    "0025": Grade(3.0, 0.08, 2),
    "0036": Grade(5.0, 0.4, 1),
    "0037": Grade(5.0, 0.15, 1),
    "0038": Grade(12.0, 0.3, 0),
    "3001": Grade(0.0, 0.0, 1),
    "3002": Grade(0.0, 0.0, 1),
}
_SWITCH = Grade(0.0, 0.0, 0)


def grade_of(point: PointPlan) -> Grade:
    """The grade of a point's sensor; switches and counters are exact."""
    return _GRADES.get(point.sensor_type, _SWITCH)


class Probes:
    """Sensors of all points of some mines; arrays of shape (n_points,).

    Attributes:
        faults: what a scenario does to them.
    """

    def __init__(
        self,
        mines: tuple[MinePlan, ...],
        rng: np.random.Generator,
        activity: float,
        calibrations: bool = True,
    ) -> None:
        """Sensors somewhere between two calibrations.

        Args:
            calibrations: every methane sensor is checked each 15 days.
        """
        points = [point for mine in mines for point in mine.points]
        n = len(points)
        self._n = n
        self._rng = rng
        self._activity = activity
        grades = [grade_of(point) for point in points]
        # A lag of nothing would divide by zero; a microsecond is as good.
        self._lag_s: Floats = np.array([max(g.lag_s, 1e-6) for g in grades])
        self._noise: Floats = np.array([g.noise for g in grades])
        self._scale: Floats = np.array([10.0**g.decimals for g in grades])
        ranges = [point.range for point in points]
        self._low: Floats = np.array([r[0] if r else -np.inf for r in ranges])
        self._high: Floats = np.array([r[1] if r else np.inf for r in ranges])
        self._alarm_high = _limits(points, "alarm_high", np.inf)
        self._alarm_low = _limits(points, "alarm_low", -np.inf)
        self._cut_high = _limits(points, "cut_high", np.inf)
        self._calibrated: Bools = np.array([p.sensor_type == "0001" for p in points])
        self._checked = self._calibrated & calibrations
        self._phase_us = rng.integers(0, CALIBRATION_PERIOD_US, n)
        self._drifts: Floats = rng.uniform(-1, 1, (2, n)) * self._calibrated
        self.faults = Faults(n)
        self._past: deque[tuple[int, Floats]] = deque()
        self._last: Floats = np.full(n, np.nan)
        keys = [(mine.code, p.substation) for mine in mines for p in mine.points]
        order = {key: i for i, key in enumerate(dict.fromkeys(keys))}
        self._substation = np.array([order[key] for key in keys])
        self._broken_until_us = np.zeros(n, np.int64)
        self._down_until_us = np.zeros(len(order), np.int64)
        self._shown: Floats | None = None

    def step(
        self, truth: Floats, now_us: int, dt_s: float
    ) -> tuple[Floats, NDArray[np.int32]]:
        """What the sensors report at ``now_us``.

        Args:
            truth: the quantity at each sensor, in the point's unit.
            dt_s: time since the step before; 0 at the first.

        Returns:
            Values, NaN where there is none, and the mine's own state bits.
        """
        faults = self.faults
        at_s = (now_us + self._phase_us) % CALIBRATION_PERIOD_US / US_PER_S
        checked = self._checked & (at_s < CALIBRATION_S)
        truth = np.where(checked & (at_s < _ZERO_UNTIL_S), 0.0, truth)
        in_gas = (at_s >= _ZERO_UNTIL_S) & (at_s < _GAS_UNTIL_S)
        truth = np.where(checked & in_gas, TEST_GAS_PCT, truth)
        truth = np.where(np.isnan(faults.gas), truth, faults.gas)
        calibrating = checked | faults.calibrating
        if self._shown is None:
            self._shown = truth.copy()
        self._shown = truth + (self._shown - truth) * np.exp(-dt_s / self._lag_s)
        noisy = self._drifted(at_s) + self._noise * self._rng.normal(0, 1, self._n)
        value = self._falsified(noisy + faults.offset, now_us)
        value = np.rint(value * self._scale) / self._scale
        over = value > self._high
        # Only a sensor whose zero is off shows less than its range.
        low = np.where(faults.offset < 0, -np.inf, self._low)
        # Adding zero turns the -0.0 of a small negative noise into 0.0.
        value = np.clip(value, low, self._high) + 0.0
        self._last = value

        state = np.zeros(self._n, np.int32)
        state[calibrating] |= states.CALIBRATION
        state[over] |= states.OVER_RANGE
        alarm = (value >= self._alarm_high) | (value <= self._alarm_low)
        state[alarm] |= states.ALARM
        state[value >= self._cut_high] |= states.CUT_OFF
        broken, down = self._failures(now_us, dt_s)
        broken |= faults.broken
        down |= faults.down
        state[broken] = states.SENSOR_FAULT
        state[down] = states.SUBSTATION_FAULT
        value = np.where(broken | down, np.nan, value)
        return value, state

    def _drifted(self, at_s: Floats) -> Floats:
        """What the sensor sees, off by what it drifted since it was checked."""
        period_s = CALIBRATION_PERIOD_US / US_PER_S
        # It is adjusted at the end of the check: the test gas shows how far it was off.
        age = (at_s - CALIBRATION_S) % period_s / period_s
        zero, span = self._drifts * age
        shown = self._shown
        assert shown is not None
        seen: Floats = shown * (1 + _SPAN_DRIFT * span) + _ZERO_DRIFT_PCT * zero
        return seen

    def _falsified(self, value: Floats, now_us: int) -> Floats:
        """Clipped, frozen, or replayed from the past, where somebody does that."""
        faults = self.faults
        value = np.minimum(value, faults.ceiling)
        value = np.where(faults.frozen & ~np.isnan(self._last), self._last, value)
        if len(faults.kept):
            self._past.append((now_us, value[faults.kept]))
            back_us = now_us - int(faults.replay_s * US_PER_S)
            # The newest that is old enough stays at the front.
            while len(self._past) > 1 and self._past[1][0] <= back_us:
                self._past.popleft()
            again = value.copy()
            again[faults.kept] = self._past[0][1]
            value = np.where(faults.replayed, again, value)
        return value

    def _failures(self, now_us: int, dt_s: float) -> tuple[Bools, Bools]:
        """Broken lines and substations out of reach, per point."""
        chance = self._activity * dt_s / 86_400
        broken_until, down_until = self._broken_until_us, self._down_until_us
        for until_us, per_day in (
            (broken_until, _BREAKS_PER_DAY),
            (down_until, _OUTAGES_PER_DAY),
        ):
            begins = np.flatnonzero(self._rng.random(len(until_us)) < per_day * chance)
            lasts_s = 90 + self._rng.exponential(420, len(begins))
            until_us[begins] = now_us + (lasts_s * US_PER_S).astype(np.int64)
        return broken_until > now_us, (down_until > now_us)[self._substation]


def _limits(points: list[PointPlan], name: str, absent: float) -> Floats:
    return np.array([point.limits.get(name, absent) for point in points])
