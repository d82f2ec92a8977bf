"""Scenarios on the whole stack, played by the real command; all of them: tests/long."""

from __future__ import annotations

import pytest

from tests.fix_scenarios import ScenarioStack, faults_of

SAMPLE = (
    "local-fan-failure",
    "feed-abnormal",
    "sensor-faults",
    "mine-link-break",
    "drainage-pump-trip",
)


@pytest.mark.slow
@pytest.mark.timeout(360)
def test_a_sample_of_scenarios_goes_as_expected(scenario_stack: ScenarioStack) -> None:
    """Every alarm that must come came in its time and level, and no other did."""
    code, report = scenario_stack.play(240, *SAMPLE, "--speed", "40")

    assert not faults_of(report)
    assert (code, report["met"]) == (0, True)
    assert [s["scenario"] for s in report["scenarios"]] == list(SAMPLE)
