"""Four platforms on bad lines: what they hold equals the database.

``GASMON_PLATFORM_EVENTS`` (600), ``GASMON_PLATFORM_FAULTS`` (40) and
``GASMON_PLATFORM_SEED`` change how much and what; a failure names the seed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gasmon.clock import SystemClock
from gasmon.units import US_PER_DAY
from tests.faults.platforms import Plan, run


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_what_platforms_hold_equals_the_database(
    plain_migrated_dsn: str, tmp_path: Path
) -> None:
    """Cuts, stalls, torn and doubled bytes, kills of both ends: no gap, no double."""
    plan = Plan(
        seed=int(os.environ.get("GASMON_PLATFORM_SEED", "20261127")),
        n_events=int(os.environ.get("GASMON_PLATFORM_EVENTS", "600")),
        n_faults=int(os.environ.get("GASMON_PLATFORM_FAULTS", "40")),
        pause_s=0.8,
    )
    now_us = SystemClock().now_us() - US_PER_DAY

    outcome = run(plain_migrated_dsn, now_us, tmp_path, plan)

    assert not outcome.findings, (plan, outcome)
    assert outcome.n_events >= plan.n_events
    assert sum(outcome.done.values()) == plan.n_faults
