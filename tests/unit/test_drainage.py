"""Drainage: the standard state to the last digit, volumes that hide no gap."""

from __future__ import annotations

from math import isnan, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gasmon.domain.drainage import (
    FACE_STEPS,
    GAP_US,
    MINE_STEPS,
    as_of,
    pure_flow,
    rate_pct,
    required_pct,
    standard_flow,
    volume,
)
from gasmon.units import US_PER_H, US_PER_MIN, US_PER_S
from tests.fix_examples import examples


def test_the_check_case() -> None:
    """100 m³/min at −20 kPa, 84 kPa, 25 °C and 30 %; and what sea level would make."""
    flow = float(standard_flow(100.0, -20.0, 84.0, 25.0))
    assert flow == 100 * ((84 - 20) / 101.325) * (293 / 298)
    assert round(flow, 2) == 62.10
    assert round(float(pure_flow(flow, 30.0)), 2) == 18.63
    at_sea = float(standard_flow(100.0, -20.0, 101.325, 25.0))
    assert round(at_sea, 1) == 78.9
    assert round(float(pure_flow(at_sea, 30.0)), 1) == 23.7
    assert round(at_sea / flow - 1, 2) == 0.27


def test_another_standard_temperature_is_a_choice() -> None:
    """Some makers count with 273 K."""
    ratio = float(standard_flow(1.0, 0.0, 84.0, 20.0, 273.0))
    assert ratio == pytest.approx(84 / 101.325 * 273 / 293)


def test_without_an_input_there_is_no_flow() -> None:
    """Nothing is assumed."""
    for inputs in ((nan, -20, 84, 25), (1, nan, 84, 25), (1, -20, nan, 25)):
        assert isnan(float(standard_flow(*inputs)))


@pytest.mark.parametrize(
    ("steps", "emission", "pct"),
    [
        *((FACE_STEPS, 4.9, None), (FACE_STEPS, 5, 20), (FACE_STEPS, 9.9, 20)),
        *((FACE_STEPS, 39.9, 40), (FACE_STEPS, 100, 70), (FACE_STEPS, 900, 70)),
        *((MINE_STEPS, 0, 25), (MINE_STEPS, 19.9, 25), (MINE_STEPS, 20, 35)),
        *((MINE_STEPS, 300, 55), (MINE_STEPS, 500, 60)),
    ],
)
def test_the_steps_of_the_standard(
    steps: tuple[tuple[int, int], ...], emission: float, pct: int | None
) -> None:
    """Each step begins with its lower end."""
    assert required_pct(steps, emission) == pct


def test_the_rate_is_a_share_of_all_methane() -> None:
    """Without any methane there is no share."""
    assert rate_pct(18.63, 18.63) == 50
    assert rate_pct(0, 0) is None


def test_the_newest_value_counts_for_a_while() -> None:
    """Not what comes later, and nothing that is too old."""
    known_us = np.array([0, 60, 600]) * US_PER_S
    at_us = np.array([-1, 0, 59, 60, 240, 241, 700]) * US_PER_S
    found = as_of(at_us, known_us, np.array([1.0, 2.0, 3.0]))
    assert np.array_equal(found, [nan, 1, 1, 2, 2, nan, 3], equal_nan=True)
    assert np.isnan(as_of(at_us, known_us[:0], np.array([]))).all()


def at_minutes(*minutes: float) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Times of samples."""
    return (np.array(minutes) * US_PER_MIN).astype(np.int64)


def test_volumes_are_over_true_times() -> None:
    """Uneven cycles; flow changes evenly in between."""
    at_us = at_minutes(0, 1, 3, 4)
    flow = np.array([10.0, 20.0, 20.0, 0.0])
    told = volume(at_us, flow, flow / 2, (0, 4 * US_PER_MIN))
    assert (told.mixed_m3, told.pure_m3) == (15 + 40 + 10, 32.5)
    assert (told.covered_s, told.gap_s, told.n_gaps) == (240, 0, 0)
    assert told.n_samples == 3


def test_a_gap_is_counted_and_not_filled() -> None:
    """Too far apart, a bad sample, and the ends of the window."""
    at_us = at_minutes(1, 2, 3, 4, 20, 21)
    flow = np.array([6.0, 6.0, nan, 6.0, 6.0, 6.0])
    pure = np.array([3.0, 3.0, 3.0, 3.0, 3.0, nan])
    told = volume(at_us, flow, pure, (0, 30 * US_PER_MIN))
    # From 1 to 4 min: the bad sample is no reason to doubt what is on both sides.
    assert (told.mixed_m3, told.pure_m3) == (18, 9)
    assert (told.covered_s, told.gap_s, told.n_gaps) == (180, 27 * 60, 2)
    assert told.n_samples == 4


def test_nothing_at_all_is_one_gap() -> None:
    """A station that sent nothing has no volume and a gap of the whole day."""
    empty = np.array([], np.float64)
    told = volume(at_minutes(), empty, empty, (0, US_PER_H))
    assert (told.mixed_m3, told.covered_s, told.gap_s, told.n_gaps) == (0, 0, 3600, 1)


@given(
    st.lists(st.integers(1, 2 * GAP_US // US_PER_S), min_size=2, max_size=40),
    st.integers(0, 3000),
)
@examples(40)
def test_parts_of_a_window_add_up(steps: list[int], cut: int) -> None:
    """Days of a month, cut anywhere, give the month; covered and gap its length."""
    at_us = np.cumsum(np.array(steps)) * US_PER_S
    flow = np.array([7.0 + (step % 11) for step in steps])
    flow[::7] = nan
    end_us = int(at_us[-1]) + US_PER_MIN
    cut_us = min(cut * US_PER_S, end_us)
    whole = volume(at_us, flow, flow * 0.3, (0, end_us))
    windows = ((0, cut_us), (cut_us, end_us))
    parts = [volume(at_us, flow, flow * 0.3, window) for window in windows]
    for name in ("mixed_m3", "pure_m3", "covered_s", "gap_s", "n_samples"):
        total = sum(getattr(part, name) for part in parts)
        assert total == pytest.approx(getattr(whole, name), abs=1e-6)
    assert whole.covered_s + whole.gap_s == pytest.approx(end_us / US_PER_S)
