"""Whether values look like test gas: a step, a plateau at its content, and back. Pure.

Seen from the present only, because an alarm cannot wait for the end of a calibration.
A curve rests, rises quickly, stays level at the content of the test gas and falls back;
whatever else it does is gas. A slow rise never leaves ``REST``, so it is never taken
for test gas, not even for a moment.

Several curves are advanced at once, one reading each; a property test holds the
arrays against a scalar twin.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gasmon.batch import Float64, Int64
from gasmon.units import US_PER_MIN, US_PER_S

QUICK_US = 60 * US_PER_S
"""Test gas brings a sensor to its plateau within this time [µs]. A catalytic sensor
reaches 90 % of it in 20 s (AQ 6203); the rest is for hoses and slow cycles. Ours."""

HOLD_US = 10 * US_PER_MIN
"""Longest plateau [µs]: gas is applied for some minutes at most. Ours."""

FALL_US = 3 * US_PER_MIN
"""Longest way back from the plateau [µs]: a hood airs out more slowly. Ours."""

TOLERANCE = 0.15
"""A plateau is within this share of the test gas's content. Ours: a sensor that needs
calibration is off by less, or it is broken."""

STEP = 0.2
"""A rise by this share of the content within ``QUICK_US`` begins an excursion, and one
that fell to this share of its height is over. Ours."""

REST, RISE, LEVEL, FALL, BROKEN = range(5)
"""Phases. ``RISE``, ``LEVEL`` and ``FALL`` may be test gas; ``BROKEN`` was not, and
stays so."""

REMEMBERED = 64
"""Readings that are kept to look back by ``QUICK_US``: one a second at most."""

Int8 = NDArray[np.int8]
Rows = NDArray[np.intp]


@dataclass(slots=True)
class GasCurves:
    """What is remembered of m curves.

    Attributes:
        gas: content of the test gas, float64[m] [in the point's unit].
        phase: int8[m].
        base: value that the present excursion rose from, float64[m].
        begun_us: when it began, int64[m] [µs UTC].
        fell_us: when it last left the plateau, int64[m] [µs UTC].
        past: readings before, float64[m, REMEMBERED]; ``past_us``: their times.
        place: where the next one is kept, int64[m].
    """

    gas: Float64
    phase: Int8
    base: Float64
    begun_us: Int64
    fell_us: Int64
    past: Float64
    past_us: Int64
    place: Int64

    @classmethod
    def of(cls, gas: Float64) -> "GasCurves":
        """Curves that rest and have no past."""
        m = len(gas)
        return cls(
            gas=np.asarray(gas, np.float64),
            phase=np.zeros(m, np.int8),
            base=np.zeros(m),
            begun_us=np.zeros(m, np.int64),
            fell_us=np.zeros(m, np.int64),
            past=np.full((m, REMEMBERED), np.inf),
            past_us=np.full((m, REMEMBERED), np.iinfo(np.int64).min),
            place=np.zeros(m, np.int64),
        )

    def copy(self, at: int, other: "GasCurves", place: int) -> None:
        """Take over one curve of others."""
        for name in self.__slots__:
            getattr(self, name)[at] = getattr(other, name)[place]

    def advance(self, at: Rows, at_us: Int64, value: Float64) -> None:
        """Take one reading of each of some curves.

        Args:
            at: which curves, each once, intp[k].
            at_us: times, later than those before, int64[k] [µs UTC].
            value: values, no NaN, float64[k].
        """
        self._keep(at, at_us, value)
        self._leave_rest(at, at_us, value)
        gas, base, phase = self.gas[at], self.base[at], self.phase[at]
        out = (phase != REST) & (phase != BROKEN)
        home = out & (value <= base + STEP * (gas - base))
        # Time first: a level that was reached too late is none.
        broken = out & ~home & (value > gas * (1 + TOLERANCE))
        broken |= out & ~home & (at_us > self.deadline_us(at))
        level = out & ~home & ~broken & (value >= gas * (1 - TOLERANCE))
        falls = out & ~home & ~broken & ~level & (phase == LEVEL)
        self.fell_us[at[falls]] = at_us[falls]
        phase = np.where(falls, FALL, np.where(level, LEVEL, phase))
        self.phase[at] = np.where(home, REST, np.where(broken, BROKEN, phase))

    def deadline_us(self, at: Rows) -> Int64:
        """Until when the present phase may last, int64[k] [µs UTC]; 0 at rest."""
        begun, phase = self.begun_us[at], self.phase[at]
        held = begun + QUICK_US + HOLD_US
        fallen = np.minimum(self.fell_us[at], held) + FALL_US
        ends = np.where(phase == LEVEL, held, np.where(phase == FALL, fallen, 0))
        return np.where(phase == RISE, begun + QUICK_US, ends)

    def _leave_rest(self, at: Rows, at_us: Int64, value: Float64) -> None:
        """An excursion begins with a step."""
        near = self.past_us[at] > (at_us - QUICK_US)[:, None]
        lowest = np.where(near, self.past[at], np.inf).min(axis=1)
        leaves = (self.phase[at] == REST) & (value - lowest >= STEP * self.gas[at])
        rows = at[leaves]
        self.phase[rows] = RISE
        self.base[rows] = lowest[leaves]
        self.begun_us[rows] = at_us[leaves]

    def _keep(self, at: Rows, at_us: Int64, value: Float64) -> None:
        self.past[at, self.place[at]] = value
        self.past_us[at, self.place[at]] = at_us
        self.place[at] = (self.place[at] + 1) % REMEMBERED
