"""Every promise that holds for any input, with five times as many inputs.

``GASMON_EXAMPLES_TIMES`` chooses another factor.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_five_times_as_many_examples() -> None:
    """The same tests in a run of their own; what fails prints how to make it again."""
    files = sorted(
        str(path.relative_to(ROOT))
        for folder in ("property", "unit")
        for path in (ROOT / "tests" / folder).rglob("test_*.py")
        if "fix_examples" in path.read_text("utf-8")
    )
    assert "tests/property/test_engine.py" in files
    times = os.environ.get("GASMON_EXAMPLES_TIMES", "5")
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*run, "-o", "timeout=3000", *files],
        cwd=ROOT,
        env=os.environ | {"GASMON_EXAMPLES_TIMES": times},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
