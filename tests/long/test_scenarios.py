"""Every shipped scenario on one platform at the same time; six minutes at most.

Two of them are for a slow machine to take in the definitions. ``GASMON_SCENARIOS``
names some scenarios instead, with commas, and ``GASMON_SCENARIO_CITY`` is the seed of
the city in whose mines they play, for that of their files.
"""

from __future__ import annotations

import os

import pytest

from simulators.scenario import shipped
from tests.fix_scenarios import ScenarioStack, faults_of

BUDGET_S = 360.0


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.timeout(600)
def test_every_scenario_goes_as_expected(scenario_stack: ScenarioStack) -> None:
    """About a hundred mines; each expected alarm comes, and nothing else."""
    wanted = os.environ.get("GASMON_SCENARIOS")
    names = wanted.split(",") if wanted else shipped()
    city = os.environ.get("GASMON_SCENARIO_CITY")
    words = ("--seed", city) if city else ()

    code, report = scenario_stack.play(BUDGET_S, *names, *words)

    assert not faults_of(report), "\n".join(faults_of(report))
    assert code == 0
