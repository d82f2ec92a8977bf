"""Test gas: arrays and their scalar twin agree, and what is gas is never test gas."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gasmon.alarms.gas_curve import (
    BROKEN,
    FALL,
    FALL_US,
    HOLD_US,
    LEVEL,
    QUICK_US,
    REST,
    RISE,
    STEP,
    TOLERANCE,
    GasCurves,
)
from gasmon.units import US_PER_S


@dataclass
class ScalarCurve:
    """The same for one curve, as a person would write it down."""

    gas: float
    phase: int = REST
    base: float = 0.0
    begun_us: int = 0
    fell_us: int = 0
    past: list[tuple[int, float]] = field(default_factory=list)

    def take(self, at_us: int, value: float) -> int:
        self.past = [p for p in self.past if p[0] > at_us - QUICK_US]
        self.past.append((at_us, value))
        lowest = min(v for _, v in self.past)
        if self.phase == REST and value - lowest >= STEP * self.gas:
            self.phase, self.base, self.begun_us = RISE, lowest, at_us
        if self.phase in (RISE, LEVEL, FALL):
            self.phase = self._goes_on(at_us, value)
        return self.phase

    def _goes_on(self, at_us: int, value: float) -> int:
        if value <= self.base + STEP * (self.gas - self.base):
            return REST
        held_us = self.begun_us + QUICK_US + HOLD_US
        deadline_us = {
            RISE: self.begun_us + QUICK_US,
            LEVEL: held_us,
            FALL: min(self.fell_us, held_us) + FALL_US,
        }[self.phase]
        if value > self.gas * (1 + TOLERANCE) or at_us > deadline_us:
            return BROKEN
        if value >= self.gas * (1 - TOLERANCE):
            return LEVEL
        if self.phase == LEVEL:
            self.fell_us = at_us
            return FALL
        return self.phase


def phases(gas: float, curve: list[tuple[float, float]]) -> list[int]:
    """The phase after each reading of one curve of (second, value)."""
    curves, found = GasCurves.of(np.asarray([gas])), []
    for second, value in curve:
        at_us = np.asarray([round(second * US_PER_S)])
        curves.advance(np.asarray([0]), at_us, np.asarray([value]))
        found.append(int(curves.phase[0]))
    return found


def step(
    *, cycle_s: float = 5, base: float = 0.3, top: float = 2.0
) -> list[tuple[float, float]]:
    """A calibration as it should be: rest, step, three minutes of plateau, rest."""
    values = [base] * 12 + [0.6 * top] + [top] * 36 + [0.5 * top] + [base] * 12
    return [(i * cycle_s, value) for i, value in enumerate(values)]


def test_test_gas_is_seen_from_its_first_reading_to_its_last() -> None:
    """Rest, rise, plateau, fall and rest, without a break."""
    found = phases(2.0, step())
    assert found == [REST] * 12 + [RISE] + [LEVEL] * 36 + [FALL] + [REST] * 12


def test_a_slow_rise_is_at_no_moment_test_gas() -> None:
    """Gas that rises from 0.3 to 3 % within half an hour."""
    rise = [(i * 5.0, 0.3 + 2.7 * i / 360) for i in range(361)]
    assert set(phases(2.0, rise)) == {REST}


def test_gas_that_goes_past_the_plateau_is_none() -> None:
    """A burst begins like test gas and does not stop there."""
    burst = [(0.0, 0.3), (5.0, 1.2), (10.0, 2.0), (15.0, 2.31)]
    assert phases(2.0, burst) == [REST, RISE, LEVEL, BROKEN]
    assert phases(2.0, [(0.0, 0.3), (5.0, 3.5)]) == [REST, BROKEN]


@pytest.mark.parametrize(
    ("curve", "last"),
    [
        # Never level, level for too long, and hanging on the way back.
        ([(0, 0.3), (5, 1.2), (65, 1.2), (70, 1.2)], BROKEN),
        ([(0, 0.3), (5, 2.0), (600, 2.0), (665, 2.0)], LEVEL),
        ([(0, 0.3), (5, 2.0), (600, 2.0), (666, 2.0)], BROKEN),
        ([(0, 0.3), (5, 2.0), (60, 1.0), (240, 1.0)], FALL),
        ([(0, 0.3), (5, 2.0), (60, 1.0), (241, 1.0)], BROKEN),
        # A puff, and what came back late but came back.
        ([(0, 0.3), (5, 1.2), (10, 0.3)], REST),
        ([(0, 0.3), (5, 2.0), (900, 0.3)], REST),
        # What is broken stays so.
        ([(0, 0.3), (5, 3.5), (10, 0.3), (15, 2.0)], BROKEN),
        # Nothing is known of the minute before: no step.
        ([(0, 2.0), (5, 2.0)], REST),
        ([(0, 0.3), (61, 2.0)], REST),
        # Around the edge of the plateau.
        ([(0, 0.3), (5, 1.8), (10, 1.6), (15, 1.8)], LEVEL),
    ],
)
def test_what_else_it_does_decides(curve: list[tuple[float, float]], last: int) -> None:
    """The last phase of curves at the borders."""
    assert phases(2.0, curve)[-1] == last


values = st.sampled_from(
    [0.0, 0.3, 0.69, 0.7, 0.9, 1.0, 1.69, 1.7, 2.0, 2.3, 2.31, 4.0]
)
readings = st.lists(
    st.tuples(st.sampled_from([1, 5, 20, 60, 61, 200]), values), max_size=60
)


@given(
    curves=st.lists(readings, min_size=1, max_size=4), gas=st.sampled_from([1.0, 2.0])
)
def test_arrays_and_scalars_agree(
    curves: list[list[tuple[int, float]]], gas: float
) -> None:
    """Several curves at once are what each of them is alone."""
    arrays = GasCurves.of(np.full(len(curves), gas))
    twins = [ScalarCurve(gas) for _ in curves]
    now_us = [0] * len(curves)
    for i in range(max(map(len, curves))):
        at = [c for c, curve in enumerate(curves) if i < len(curve)]
        expected = []
        for c in at:
            now_us[c] += curves[c][i][0] * US_PER_S
            expected.append(twins[c].take(now_us[c], curves[c][i][1]))
        arrays.advance(
            np.asarray(at),
            np.asarray([now_us[c] for c in at]),
            np.asarray([curves[c][i][1] for c in at]),
        )
        assert arrays.phase[at].tolist() == expected


@given(curve=readings)
def test_nothing_above_the_plateau_is_ever_test_gas(
    curve: list[tuple[int, float]],
) -> None:
    """Whatever came before."""
    at_s, told = 0, []
    for seconds, value in curve:
        at_s += seconds
        told.append((float(at_s), value))
    for (_, value), phase in zip(told, phases(2.0, told), strict=True):
        if value > 2.3:
            assert phase in (REST, BROKEN)
