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
]

FOLDER_COST = {"unit": 0.02, "property": 1.0, "web": 3.0, "system": 4.0, "long": 300.0}
"""Seconds that a test of a folder takes, roughly; one of another folder takes one."""

SLOW_COST = 12.0
"""The same of a test that is marked slow."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Let workers begin with the longest files, so that none is alone in the end."""
    if not hasattr(config, "workerinput"):
        return
    cost: dict[Path, float] = defaultdict(float)
    for item in items:
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        is_slow = item.get_closest_marker("slow") is not None
        cost[item.path] += SLOW_COST if is_slow else FOLDER_COST.get(folder, 1.0)
    # The sort is stable: within a file nothing changes places.
    items.sort(key=lambda item: (-cost[item.path], item.path))
