"""What the readings say of pre-warnings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from gasmon.alarms.forecast_truth import onsets, outcome, usable
from gasmon.domain import states
from gasmon.units import US_PER_S

HORIZON_US = 600 * US_PER_S


def judged(
    values: Sequence[tuple[int, float]], raised_s: int = 1000
) -> tuple[str, float | None]:
    """The outcome of a pre-warning, given (second, value) pairs."""
    at = np.asarray([s * US_PER_S for s, _ in values], np.int64)
    value = np.asarray([v for _, v in values], np.float64)
    return outcome(at, value, 1.0, raised_s * US_PER_S, HORIZON_US)


def every(
    step_s: int, begin_s: int, end_s: int, value: float
) -> list[tuple[int, float]]:
    """Readings of one value."""
    return [(s, value) for s in range(begin_s, end_s, step_s)]


def test_the_limit_reached_in_time_is_a_hit() -> None:
    """With the lead from the pre-warning to the first reading at the limit."""
    calm = every(30, 400, 1240, 0.9)
    assert judged([*calm, (1240, 1.0), (1270, 1.3)]) == ("hit", 240.0)


@pytest.mark.parametrize("end_s", [1601, 1630])
def test_the_limit_reached_too_late_is_no_hit(end_s: int) -> None:
    """Ten minutes and a second are too long."""
    assert judged([*every(30, 400, 1600, 0.9), (end_s, 1.2)]) == ("false", None)


def test_a_crossing_soon_after_another_is_no_onset() -> None:
    """After less than five minutes below; after five it is one."""
    before = [*every(30, 400, 900, 0.9), (910, 1.1)]
    assert judged([*before, *every(30, 920, 1190, 0.9), (1200, 1.1),
                   *every(30, 1210, 1630, 0.9)]) == ("false", None)  # fmt: skip
    assert judged([*before, *every(30, 920, 1215, 0.9), (1220, 1.1)])[0] == "hit"


def test_a_gap_in_which_an_onset_could_hide_is_unknown() -> None:
    """Also at the end and right after the pre-warning; a short one is nothing."""
    whole = every(30, 400, 1630, 0.9)
    assert judged(whole) == ("false", None)
    for begin, end in ((1000, 1100), (1200, 1300), (1510, 1640)):
        torn = [(s, v) for s, v in whole if not begin <= s < end]
        assert judged(torn) == ("unknown", None)
    short = [(s, v) for s, v in whole if not 1200 <= s < 1260]
    assert judged(short) == ("false", None)
    assert judged([]) == ("unknown", None)


def test_a_crossing_after_a_long_gap_is_no_onset() -> None:
    """Nobody saw what was before it."""
    at = np.asarray([0, 300, 1000, 1600], np.int64) * US_PER_S
    value = np.asarray([0.5, 0.5, 1.2, 0.5])
    assert onsets(at, value, 1.0).tolist() == []
    assert onsets(at, np.asarray([0.5, 0.5, 0.5, 1.2]), 1.0).tolist() == [at[3]]
    assert onsets(at[:0], value[:0], 1.0).tolist() == []


def test_bad_readings_say_nothing() -> None:
    """No value, a calibration, a fault of the sensor or its substation."""
    value = np.asarray([1.2, np.nan, 1.2, 1.2, 1.2])
    state = np.asarray([0, 0, states.CALIBRATION, 128, 1], np.int32)
    assert usable(value, state).tolist() == [True, False, False, False, True]
