"""Shipped scenarios, judged by gasmon's own engine: what must come, and no more."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from simulators.scenario import Scenario, load, shipped
from simulators.verdict import as_dict, as_lines
from tests.scenario_judge import judged

ONLY_ON_A_PLATFORM = {"calibration-planned"}
"""Planned work is filed over HTTP."""

BESIDE_THE_ENGINE = ("limits_looser",)
"""A kind that is decided where definitions are taken, before the engine."""


IN_EVERY_RUN = {
    "blasting",
    "gradual-accumulation",
    "late-backfill",
    "low-concentration",
    "outburst",
    "quiet",
}
"""Beside those that tests/system plays on a whole gasmon; the others for test-long."""


@pytest.mark.parametrize(
    "name",
    [
        name if name in IN_EVERY_RUN else pytest.param(name, marks=pytest.mark.long)
        for name in shipped()
        if name not in ONLY_ON_A_PLATFORM
    ],
)
def test_expected_alarms_come_and_nothing_else(name: str) -> None:
    """Kind, place, level, and within its time."""
    verdict = judged(within_the_engine(name))
    assert verdict.is_met, "\n".join(as_lines(verdict))


@pytest.mark.long
@pytest.mark.parametrize(
    "name", [name for name in shipped() if name not in ONLY_ON_A_PLATFORM]
)
def test_another_day_in_the_same_mines_goes_as_expected(name: str) -> None:
    """Other gas of the seam, other noise; ``GASMON_SCENARIO_SEED`` chooses them."""
    seed = int(os.environ.get("GASMON_SCENARIO_SEED", "2"))
    verdict = judged(within_the_engine(name), seed)
    assert verdict.is_met, "\n".join([f"seed {seed}", *as_lines(verdict)])


@pytest.mark.parametrize(
    "name", [name for name in shipped() if name not in ONLY_ON_A_PLATFORM]
)
def test_the_same_in_other_mines_goes_as_expected(name: str) -> None:
    """As ``gasmon-sim run --seed 2`` plays it; tolerances hold for every mine."""
    verdict = judged(within_the_engine(name), city=2)
    assert verdict.is_met, "\n".join(as_lines(verdict))


@pytest.mark.long
@pytest.mark.parametrize("city", range(3, 11))
def test_eight_more_cities_go_as_expected(city: int) -> None:
    """Mines as gassy, as large and as far as the plan draws them; about 3 s each."""
    verdicts = [
        judged(within_the_engine(name), city=city)
        for name in shipped()
        if name not in ONLY_ON_A_PLATFORM
    ]
    faults = [line for v in verdicts if not v.is_met for line in as_lines(v)]
    assert not faults, "\n".join(faults)


def within_the_engine(name: str) -> Scenario:
    """A scenario with what the engine alone decides."""
    scenario = load(name)
    kept = [e for e in scenario.expected if e.kinds != BESIDE_THE_ENGINE]
    return replace(scenario, expected=tuple(kept))


def test_a_missing_alarm_and_an_unexpected_one_are_told() -> None:
    """A fan that stops where nobody is said to stop it, and the other way round."""
    scenario = load("local-fan-failure")
    wrong = replace(scenario.expected[0], levels=(4,))
    verdict = judged(replace(scenario, expected=(wrong, *scenario.expected[1:])))

    assert not verdict.is_met
    assert [line.is_met for line in verdict.lines] == [False, True, True, True]
    ((seen, why),) = verdict.unexpected
    assert (seen.kind, why) == ("local_fan_stopped", "yellow, not red")
    told = "\n".join(as_lines(verdict))
    assert "✗ 缺少 missing local_fan_stopped" in told
    assert "✗ 意外 unexpected local_fan_stopped" in told
    assert as_dict(verdict)["met"] is False


def test_without_its_cause_a_scenario_misses_everything() -> None:
    """No expectation is met by a mine that does nothing."""
    verdict = judged(replace(load("outburst"), causes=()))
    assert not any(line.is_met for line in verdict.lines)
    assert not verdict.unexpected
