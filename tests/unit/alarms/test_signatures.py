"""What often is a false alarm is named beside it; a true rise has no signature."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gasmon.alarms.signatures import SIGNATURES, Around, signatures
from gasmon.alarms.suspicion_series import Series
from gasmon.batch import Float64
from gasmon.units import US_PER_S

STEP_S = 15
N = 100
CROSSED = 60
AT_US = np.arange(N) * STEP_S * US_PER_S
CROSSED_US = int(AT_US[CROSSED])


def series(value: Float64, state: int = 0) -> Series:
    return Series(AT_US, np.asarray(value, np.float64), np.full(N, state, np.int32))


RISE = np.interp(np.arange(N), [0, 40, 70, N], [0.4, 0.4, 1.3, 1.3])
RISE[CROSSED] = 1.0
TRUE = Around(
    own=series(RISE),
    limit=1.0,
    crossed_us=CROSSED_US,
    neighbours={"T2": series(RISE * 0.8)},
    fans={"fan": series(np.ones(N))},
    power={"feed": series(np.ones(N))},
    blasting=[(0, CROSSED_US), (CROSSED_US + 1, CROSSED_US + 10)],
)
"""A true rise: neighbours follow, fans run, nobody blasts."""


def spike(lasting: int) -> Float64:
    """From 0.4 to 1.5 for so many readings."""
    value = np.full(N, 0.4)
    value[CROSSED : CROSSED + lasting] = 1.5
    return value


def names(around: Around) -> list[str]:
    return list(signatures(around))


def test_a_true_rise_has_no_signature() -> None:
    """Nor one of which nothing is known besides."""
    assert names(TRUE) == []
    assert names(Around(TRUE.own, 1.0, CROSSED_US)) == []


def test_a_jump_that_returns_at_once() -> None:
    """Up and back within a minute; what stays for longer is none."""
    found = signatures(replace(TRUE, own=series(spike(2))))
    assert found == {"jump_and_return": {"from": 0.4, "to": 1.5, "back_after_s": 30.0}}
    assert names(replace(TRUE, own=series(spike(8)))) == []
    assert names(replace(TRUE, own=series(spike(N)))) == []


@pytest.mark.parametrize("crossed", [0, N])
def test_an_alarm_without_readings_before_or_after_it(crossed: int) -> None:
    """Where nothing is stored nothing is said."""
    at_us = crossed * STEP_S * US_PER_S
    around = replace(TRUE, own=series(spike(2)), crossed_us=at_us, blasting=[])
    assert names(replace(around, neighbours={}, fans={})) == []


def test_a_short_spike_after_data_or_power_came_back() -> None:
    """After a hole in the values, or a feed that was switched on."""
    value = spike(8)
    value[CROSSED - 10 : CROSSED - 2] = np.nan
    (numbers,) = signatures(replace(TRUE, own=series(value))).values()
    assert numbers == {"lasted_s": 120.0, "without_value_s": 135.0}
    fed = np.ones(N)
    fed[CROSSED - 12 : CROSSED - 4] = 0
    found = signatures(replace(TRUE, own=series(spike(8)), power={"feed": series(fed)}))
    assert found["spike_after_restore"]["switched_before_s"] == {"feed": 60.0}
    # What lasts is no spike.
    value = np.where(np.arange(N) < CROSSED, value, 1.5)
    assert names(replace(TRUE, own=series(value), power={"feed": series(fed)})) == []
    long = spike(20)
    long[CROSSED - 10 : CROSSED - 2] = np.nan
    assert names(replace(TRUE, own=series(long))) == []


def test_neighbours_that_stand_still() -> None:
    """Each of them must be known around the crossing and must not have moved."""
    still = series(np.full(N, 0.4))
    found = signatures(replace(TRUE, neighbours={"T2": still}))
    assert found == {"neighbours_flat": {"moved_by": {"T2": 0.0}}}
    both = {"T2": still, "T3": series(RISE * 0.8)}
    assert names(replace(TRUE, neighbours=both)) == []
    silent = {"T2": series(np.full(N, np.nan))}
    assert names(replace(TRUE, neighbours=silent)) == []


def test_a_fan_that_was_switched_and_planned_blasting() -> None:
    """Ten minutes before, or within a window."""
    fan = np.ones(N)
    fan[CROSSED - 20 :] = 0
    found = signatures(replace(TRUE, fans={"fan": series(fan)}))
    assert found == {"fan_switched": {"switched_before_s": {"fan": 300.0}}}
    early = np.ones(N)
    early[:5] = 0
    assert names(replace(TRUE, fans={"fan": series(early)})) == []
    assert names(replace(TRUE, blasting=[(0, CROSSED_US + 1)])) == ["blasting"]


def test_every_signature_has_words() -> None:
    """In both languages."""
    assert all(zh and en for zh, en in SIGNATURES.values())
