"""What a face gives off: gas remembers for half a day what was won."""

from __future__ import annotations

import numpy as np
import pytest

from gasmon.units import US_PER_S
from simulators.compare import Series, standing
from simulators.emission import STANDING, Emission, mean_share

STEP_S = 60.0


def gas(runs: list[bool]) -> list[float]:
    """What one place gives off, as a share of its plan; no seam, no barometer."""
    rng = np.random.default_rng(1)
    emission = Emission(1, np.array([0]), np.array([1.0]), rng, unevenness=0.0)
    noon_us = 1_790_000_000 * US_PER_S
    return [
        float(emission.step(noon_us, STEP_S if k else 0.0, np.array([run]))[0])
        for k, run in enumerate(runs)
    ]


def test_a_face_that_stands_still_gives_less_from_hour_to_hour() -> None:
    """At once what broken coal gave, then for half a day what strip and goaf gave."""
    hours = gas([True] * 600 + [False] * 6000)[599::60]
    assert hours[1] < hours[0] - 0.3
    assert hours[1] > hours[7] > hours[13] > hours[25]
    assert hours[13] - hours[25] < (hours[1] - hours[13])
    assert hours[-1] == pytest.approx(STANDING, rel=0.1)


def test_the_mean_follows_from_how_much_is_won() -> None:
    """A machine that runs a quarter of the time for two days."""
    found = gas([k % 40 < 10 for k in range(2880)])
    assert np.mean(found) == pytest.approx(mean_share(0.25), rel=0.08)


def test_only_most_of_a_day_counts_as_standing() -> None:
    """Pauses and shifts of maintenance are the rhythm's own."""
    cutting = np.ones(400, np.bool_)
    cutting[10:40] = False  # five hours at ten minutes
    cutting[100:220] = False  # twenty hours
    stands = standing(Series("", np.zeros(400), cutting, 600.0))
    assert stands.sum() == 120
    assert stands[100:220].all()
    cutting[:] = False
    assert standing(Series("", np.zeros(400), cutting, 600.0)).all()
