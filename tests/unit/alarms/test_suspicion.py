"""What looks made is found and named; what sensors do by themselves is not."""

from __future__ import annotations

from math import nan

import numpy as np
import pytest

from gasmon.alarms.kinds import ALL_KINDS
from gasmon.alarms.suspicion import (
    FROM_JOURNAL,
    SIGNS,
    Finding,
    combined,
    mine_score,
    score,
)
from gasmon.alarms.suspicion_flow import flow_mismatch
from gasmon.alarms.suspicion_series import (
    Series,
    bits_contradict,
    clipped,
    flat,
    replayed,
)
from gasmon.batch import Float64
from gasmon.units import US_PER_S

STEP_US = 15 * US_PER_S
DAY = 24 * 240
"""Readings of a day at 15 s."""


def series(value: Float64, state: int | np.ndarray = 0) -> Series:
    """Readings at 15 s."""
    n = len(value)
    bits = np.broadcast_to(np.asarray(state, np.int32), n)
    return Series(np.arange(n) * STEP_US, np.asarray(value, np.float64), bits)


def face(seed: int = 1, n: int = DAY, level: float = 0.5) -> Float64:
    """Methane as at a face: a slow swing, noise, two decimals."""
    rng = np.random.default_rng(seed)
    swing = np.cumsum(rng.normal(0, 0.01, n))
    swing -= np.linspace(0, swing[-1], n)
    return np.round(np.abs(level + 0.4 * swing + rng.normal(0, 0.01, n)), 2)


def signs(found: list[Finding]) -> list[str]:
    return [finding.sign for finding in found]


@pytest.mark.parametrize("seed", range(6))
def test_a_sensor_that_works_shows_nothing(seed: int) -> None:
    """A day of a good sensor: neither flat nor clipped, and nothing comes twice."""
    good = series(face(seed))
    top = float(good.value.max())
    assert flat(good, 0.01) + replayed(good) == []
    assert clipped(good, top + 0.01) + clipped(good, top * 1.1) == []


def test_a_frozen_sensor_is_flat_and_says_since_when() -> None:
    """Nine hours to the last digit where it usually moves each minute."""
    value = face()
    value[2000:4160] = value[2000]
    (found,) = flat(series(value), 0.01)
    assert found.sign == "flat"
    assert found.from_us // STEP_US == pytest.approx(2000, abs=5)
    assert found.numbers["lasting_s"] == pytest.approx(9 * 3600, abs=60)
    assert found.numbers["value"] == value[2000]
    # Of a coarse sensor it would have to be longer.
    assert flat(series(value), 0.005) == []


def test_silence_and_calibration_are_not_flat() -> None:
    """Nothing is known of a time without readings, nor of test gas."""
    value = face()
    gap = np.r_[0:2000, 4160:DAY]
    whole = series(value)
    cut = Series(whole.at_us[gap], whole.value[gap], whole.state[gap])
    assert flat(cut, 0.01) == []
    value[2000:4160] = 2.0
    bits = np.zeros(DAY, np.int32)
    bits[2000:4160] = 4
    assert flat(series(value, bits), 0.01) == []


def test_a_sensor_that_hardly_moves_is_not_judged() -> None:
    """Its usual time of standing still is not known."""
    assert flat(series(np.full(DAY, 0.02)), 0.01) == []
    few = np.full(DAY, 0.02)
    few[::300] = 0.03
    assert flat(series(few), 0.01) + replayed(series(few)) == []
    assert flat(series(np.zeros(0)), 0.01) + replayed(series(np.zeros(0))) == []


def test_values_that_pile_up_under_the_limit_are_clipped() -> None:
    """As a falsifier does it who lets nothing above a value through."""
    value = np.minimum(face() + 0.45, 0.95)
    (found,) = clipped(series(value), 1.0)
    assert found.numbers["highest"] == 0.95
    assert found.numbers["readings"] > 100
    # Far below the limit, or beyond it, it hides nothing.
    assert clipped(series(value), 1.5) + clipped(series(value), 0.9) == []
    assert clipped(series(value), nan) == []


def test_a_coarse_sensor_is_never_called_clipped() -> None:
    """With steps of 0.1 it stands at its highest value for hours by itself."""
    value = np.minimum(np.round(face() + 0.3, 1), 0.9)
    assert clipped(series(value), 1.0) == []
    assert clipped(series(np.full(100, 0.95)), 1.0) == []


def test_old_readings_that_come_again_are_found_with_their_origin() -> None:
    """An hour of the morning once more in the evening."""
    value = face()
    value[4000:4240] = value[1000:1240]
    (found,) = replayed(series(value))
    assert found.from_us // STEP_US == pytest.approx(4000, abs=5)
    assert found.numbers["back_s"] == 3000 * 15
    assert found.numbers["lasting_s"] == pytest.approx(3600, abs=120)


def test_a_value_that_is_predictable_is_no_replay() -> None:
    """A signal that repeats itself by nature says nothing."""
    assert replayed(series(np.tile([0.1, 0.2], DAY // 2))) == []
    toggling = np.random.default_rng(3).integers(0, 2, DAY) / 10
    assert replayed(series(toggling)) == []
    assert replayed(series(np.tile([0.1, 0.2, 0.3, 0.4], DAY // 4))) == []


def test_a_pattern_that_swings_for_a_while_is_no_replay() -> None:
    """What repeats at once, within its own length, is a machine's rhythm."""
    value = np.random.default_rng(5).integers(10, 90, 2000) / 100
    value[900:1100] = np.tile([0.11, 0.52, 0.33, 0.74, 0.25], 40)

    assert replayed(series(value)) == []


def test_bits_that_contradict_the_value_are_counted() -> None:
    """The alarm bit without gas, gas without the bit, and a fault whose value moves."""
    value = face()
    bits = np.zeros(DAY, np.int32)
    bits[100:120] = 1
    (found,) = bits_contradict(series(value, bits), 2.0, 1.9, True)
    assert found.numbers == {"alarm_bit_below_the_end": 20, "alarm_high": 2.0}
    over = np.where(np.arange(DAY) < 30, 2.5, value)
    (found,) = bits_contradict(series(over), 2.0, nan, True)
    assert found.numbers["over_limit_without_bit"] == 30
    # A mine that sets no bits at all hides nothing by that.
    assert bits_contradict(series(over), 2.0, nan, False) == []
    (found,) = bits_contradict(series(value, 128), nan, nan, True)
    assert found.numbers["fault_bit_with_moving_values"] > 1000
    assert found.numbers["alarm_high"] is None
    assert bits_contradict(series(value), 2.0, 1.9, True) == []


N = 600
STATION = {
    "CH4_PIPE": np.full(N, 30.0),
    "PIPE_FLOW": np.full(N, 100.0),
    "PIPE_PRESSURE": np.full(N, -20.0),
    "PIPE_TEMP": np.full(N, 25.0),
    "PIPE_FLOW_PURE": np.full(N, 18.63),
}
"""The check case of AQ 1027-2006 as it is used in the region, for 150 min."""


def station(**more: Float64 | None) -> dict[str, Series]:
    given = {**STATION, **more}
    return {name: series(v) for name, v in given.items() if v is not None}


def test_flows_that_match_show_nothing_and_others_do() -> None:
    """What the station reports is compared with what it measures."""
    assert flow_mismatch(station(), 84.0) == []
    (found,) = flow_mismatch(station(PIPE_FLOW_PURE=np.full(N, 25.0)), 84.0)
    assert found.numbers["expected_m3_min"] == pytest.approx(18.63, abs=0.01)
    assert found.numbers["share_off"] == 1.0
    # Without suction or air pressure nothing can be said; without temperature it can.
    assert flow_mismatch(station(PIPE_PRESSURE=None), 84.0) == []
    assert flow_mismatch(station(PIPE_FLOW=None), 84.0) == []
    assert flow_mismatch(station(PIPE_FLOW_PURE=np.full(N, 25.0)), None) == []
    assert flow_mismatch(station(PIPE_TEMP=None), 84.0) == []
    short = {name: series(v[:60]) for name, v in STATION.items()}
    assert flow_mismatch(short, 84.0) == []


def test_scores_add_up_and_each_sign_counts_once() -> None:
    """A second finding of one sign proves no more; another sign does."""
    one, two = Finding("flat", 0, 1), Finding("flat", 5, 6)
    other = Finding("clock", 0, 1)
    assert score([]) == 0
    assert score([one]) == score([one, two]) == 60
    assert score([one, other]) == score([other, one]) == 72
    assert mine_score([other], [60, 10, 0]) == combined([0.3, 0.6]) == 72
    assert mine_score([], []) == 0


def test_every_sign_has_words_and_the_journal_knows_its_kinds() -> None:
    """No sign without a text, no kind that no alarm has."""
    assert set(FROM_JOURNAL.values()) <= set(SIGNS)
    assert set(FROM_JOURNAL) <= set(ALL_KINDS)
    assert all(
        0 < words.weight < 1 and words.zh and words.en for words in SIGNS.values()
    )
    assert [w.weight for w in SIGNS.values()] == sorted(
        (w.weight for w in SIGNS.values()), reverse=True
    )
