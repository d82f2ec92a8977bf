"""The load of a shift against the figures of ISA-18.2."""

from __future__ import annotations

import numpy as np
import pytest

from gasmon.shifts.load import load_of
from gasmon.units import US_PER_H, US_PER_MIN

SHIFT_US = 8 * US_PER_H


def load(*minutes: float, until_us: int = SHIFT_US):  # type: ignore[no-untyped-def]
    """The load of a shift from 0 on, with alarms at minutes."""
    told = np.array([round(m * US_PER_MIN) for m in minutes], dtype=np.int64)
    return load_of(told, 0, until_us)


def test_a_quiet_shift() -> None:
    """Nothing is acceptable."""
    found = load()
    assert (found.n_alarms, found.mean_per_10min, found.peak_10min) == (0, 0.0, 0)
    assert (found.n_periods, found.n_floods, found.grade) == (48, 0, "acceptable")
    assert (found.flood_share_pct, found.is_flooded) == (0.0, False)


@pytest.mark.parametrize(
    ("n", "grade"),
    [(48, "acceptable"), (49, "manageable"), (96, "manageable"), (97, "over")],
)
def test_the_average_is_graded(n: int, grade: str) -> None:
    """Up to one in 10 min, up to two, more."""
    found = load(*np.linspace(0, 479, n))
    assert (found.n_alarms, found.grade) == (n, grade)
    assert found.mean_per_10min == pytest.approx(n / 48)


@pytest.mark.parametrize(("n", "floods"), [(10, 0), (11, 1)])
def test_more_than_ten_in_a_period_is_a_flood(n: int, floods: int) -> None:
    """Ten are none; one of 48 periods is over the accepted 1 %."""
    found = load(*[15 + i / 10 for i in range(n)])
    assert (found.n_floods, found.is_flooded) == (floods, floods > 0)
    assert found.peak_10min == n


def test_a_burst_over_the_edge_of_two_periods_shows_in_the_peak() -> None:
    """Six on each side: no period is a flood, ten minutes are."""
    found = load(*[9 + i / 10 for i in range(6)], *[10 + i / 10 for i in range(6)])
    assert (found.n_floods, found.peak_10min) == (0, 12)


def test_ten_minutes_end_before_the_eleventh() -> None:
    """Two alarms exactly ten minutes apart are not in the same ten minutes."""
    assert load(0, 10).peak_10min == 1
    assert load(0, 9.99).peak_10min == 2


def test_what_lies_outside_of_the_shift_is_not_its_load() -> None:
    """The first moment belongs to it, the last one to the next."""
    assert load(-0.01, 0, 480).n_alarms == 1


def test_a_shift_that_just_began_is_not_graded_by_its_first_minute() -> None:
    """A time under ten minutes counts as ten."""
    found = load(0.5, until_us=US_PER_MIN)
    assert (found.mean_per_10min, found.n_periods) == (1.0, 1)
