"""The fault campaign: all of gasmon broken at random, for ten minutes.

``GASMON_FAULTS_MINUTES`` and ``GASMON_FAULTS_SEED`` change how long and what; a failure
prints the seed, the invariants that broke with their keys, and where the logs are.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from tests.faults.campaign import Campaign
from tests.faults.plan import Plan
from tests.faults.report import as_table
from tests.fix_found import mosquitto_program, require

SEED = 20261126
MINUTES = 10.0


def say(text: str) -> None:
    """Onto the real standard error, so that a killed run has told its seed."""
    print(f"[faults] {text}", file=sys.__stderr__, flush=True)


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.timeout(3600)
def test_gasmon_survives_random_faults() -> None:
    """Every frame stored once, every alarm right, everything told in order."""
    if mosquitto_program() is None:
        require("Mosquitto")
    # Not a fixture's folder: after a failure the logs must still be there.
    logs = Path(tempfile.mkdtemp(prefix="gasmon-faults-"))
    logs.chmod(0o711)
    plan = Plan(
        seed=int(os.environ.get("GASMON_FAULTS_SEED", SEED)),
        minutes=float(os.environ.get("GASMON_FAULTS_MINUTES", MINUTES)),
        keep=logs,
    )
    say(f"seed {plan.seed}, {plan.minutes:g} minutes")

    outcome = Campaign(plan, say).run()

    table = as_table(outcome)
    say(table)
    assert not outcome.findings, table
    assert outcome.faults, "nothing was broken"
    shutil.rmtree(logs)
