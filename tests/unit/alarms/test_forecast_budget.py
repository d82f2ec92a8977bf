"""The false-alarm budget holds its rate whatever the score does."""

from __future__ import annotations

import numpy as np
import pytest

from gasmon.alarms.forecast_budget import CEILING, LOWEST, START, Budget
from gasmon.batch import Float64

GROUP = np.zeros(1, np.intp)
NONE = np.zeros(1)


SHIFTS = np.array([-1.0, 0.0, 3.0])
"""How much the scores rise in the second half, one group each [log-odds]."""


def played(per_day: float, days: int) -> Float64:
    """False alarms a day in each half, when every pre-warning is false.

    Returns:
        float64[shifts, 2].
    """
    rng = np.random.default_rng(7)
    groups = np.arange(len(SHIFTS), dtype=np.intp)
    none, took_s = np.zeros(len(SHIFTS)), np.full(len(SHIFTS), 30.0)
    budget = Budget(per_day)
    budget.grow(len(SHIFTS))
    n = days * 2880
    odds = rng.normal(-2.0, 1.0, (n, len(SHIFTS)))
    odds[n // 2 :] += SHIFTS
    counts = np.zeros((len(SHIFTS), 2))
    free_at = np.zeros(len(SHIFTS), np.int64)
    for k in range(n):
        budget.earn(groups, took_s)
        speaks = (k >= free_at) & (odds[k] >= budget.threshold(groups, none))
        if speaks.any():
            said = groups[speaks]
            budget.settle(said, np.zeros(len(said), np.bool_))
            counts[said, int(k >= n // 2)] += 1
            free_at[said] = k + 20
    return counts / (days / 2)


@pytest.mark.parametrize(
    ("per_day", "days"), [(0.5, 40), (1.0, 40), (3.0, 16), (10.0, 8)]
)
def test_the_rate_holds_when_the_level_moves(per_day: float, days: int) -> None:
    """Within half of the budget before and after the scores jump, in each group."""
    rates = played(per_day, days)
    assert np.all(rates >= 0.5 * per_day), rates
    assert np.all(rates <= 1.5 * per_day), rates


def test_hits_cost_nothing() -> None:
    """Only false ones are paid for."""
    budget = Budget(1.0)
    budget.grow(1)
    budget.settle(GROUP, np.ones(1, np.bool_))
    assert budget.have[0] == START
    assert budget.told(0) == {
        "per_day": 1.0, "in_hand": START, "n_false": 0, "n_hits": 1
    }  # fmt: skip


def test_an_empty_purse_says_nothing() -> None:
    """Neither after a false one nor while one is undecided."""
    budget = Budget(1.0)
    budget.grow(1)
    assert np.isinf(budget.threshold(GROUP, np.ones(1)))[0]
    budget.settle(GROUP, np.zeros(1, np.bool_))
    assert np.isinf(budget.threshold(GROUP, NONE))[0]


def test_a_calm_week_is_not_hoarded() -> None:
    """What is kept has a ceiling, and the threshold a floor."""
    budget = Budget(1.0)
    budget.grow(1)
    for _ in range(100):
        budget.earn(GROUP, np.full(1, 86_400.0))
    assert budget.have[0] == CEILING
    assert budget.threshold(GROUP, NONE)[0] == LOWEST


def test_growing_keeps_what_is_there() -> None:
    """New groups begin with their start; smaller is no change."""
    budget = Budget(1.0)
    budget.grow(1)
    budget.settle(GROUP, np.zeros(1, np.bool_))
    budget.grow(3)
    budget.grow(2)
    assert budget.have.tolist() == [START - 1, START, START]
