"""The false-alarm budget holds its rate whatever the score does."""

from __future__ import annotations

import numpy as np
import pytest

from gasmon.alarms.forecast_budget import CEILING, LOWEST, START, Budget

GROUP = np.zeros(1, np.intp)
NONE = np.zeros(1)


def played(per_day: float, days: int, shift: float) -> list[float]:
    """False alarms a day in each half, when every pre-warning is false.

    Args:
        shift: how much the scores rise in the second half [log-odds].
    """
    rng = np.random.default_rng(7)
    budget = Budget(per_day)
    budget.grow(1)
    n = days * 2880
    counts, waits = [0, 0], 0
    for k in range(n):
        budget.earn(GROUP, np.full(1, 30.0))
        late = k >= n // 2
        odds = rng.normal(-2.0 + shift * late, 1.0)
        waits -= 1
        if waits <= 0 and odds >= budget.threshold(GROUP, NONE)[0]:
            budget.settle(GROUP, np.zeros(1, np.bool_))
            counts[late] += 1
            waits = 20
    return [count / (days / 2) for count in counts]


@pytest.mark.parametrize("per_day", [0.5, 1.0, 3.0, 10.0])
@pytest.mark.parametrize("shift", [-1.0, 0.0, 3.0])
def test_the_rate_holds_when_the_level_moves(per_day: float, shift: float) -> None:
    """Within half of the budget before and after the scores jump."""
    for rate in played(per_day, 40, shift):
        assert 0.5 * per_day <= rate <= 1.5 * per_day


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
