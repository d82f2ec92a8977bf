"""Fixtures of all tests, one plugin file per kind of real part."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

pytest_plugins = [
    "tests.fix_found",
    "tests.fix_postgres",
    "tests.fix_store",
    "tests.fix_broker",
    "tests.fix_gateway",
    "tests.fix_proxy",
    "tests.fix_cli",
    "tests.fix_api",
    "tests.fix_receivers",
    "tests.fix_scenarios",
    "tests.fix_receive",
]

FOLDER_COST = {
    "unit": 0.02,
    "property": 1.0,
    "web": 3.0,
    "system": 4.0,
    "long": 300.0,
}
"""Seconds that a test of a folder takes, roughly; one of another folder takes one."""

SLOW_COST = 6.0
"""The same of a test that is marked slow."""

FILE_COST = {
    "long/test_examples_of_the_engine.py": 900.0,
    "long/test_examples.py": 700.0,
    "long/test_fuzz.py": 600.0,
    "long/test_soak.py": 200.0,
    "web/test_page_screens.py": 90.0,
    "web/test_page_outages.py": 70.0,
    "web/test_page_duties.py": 40.0,
    "system/test_clocks.py": 60.0,
    "system/test_whole_path.py": 50.0,
    "system/test_wheel.py": 30.0,
    "system/test_scenarios.py": 30.0,
    "integration/test_commands_doctor_provoked.py": 80.0,
    "integration/test_simulator.py": 60.0,
    "integration/test_takeover.py": 55.0,
    "integration/test_serve.py": 55.0,
    "integration/test_commands_doctor.py": 50.0,
    "integration/test_embedded_postgres.py": 45.0,
    "integration/test_receive.py": 45.0,
    "integration/test_restart.py": 40.0,
    "integration/test_standing.py": 40.0,
    "integration/test_broker_conformance.py": 40.0,
    "system/test_nodes.py": 35.0,
    "integration/test_following.py": 30.0,
}
"""Seconds, as measured, of files that these rules would begin too late."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Let workers begin with the longest files, so that none is alone in the end."""
    if not hasattr(config, "workerinput"):
        return
    cost: dict[Path, float] = defaultdict(float)
    for item in items:
        place = item.path.relative_to(Path(__file__).parent)
        if str(place) in FILE_COST:
            cost[item.path] = FILE_COST[str(place)]
            continue
        is_slow = item.get_closest_marker("slow") is not None
        each = SLOW_COST if is_slow else FOLDER_COST.get(place.parts[0], 1.0)
        cost[item.path] += each
    # The sort is stable: within a file nothing changes places.
    items.sort(key=lambda item: (-cost[item.path], item.path))
