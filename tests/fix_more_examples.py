"""Tests with Hypothesis again, with five times as many inputs.

``GASMON_EXAMPLES_TIMES`` chooses another factor.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run_again(wanted: Callable[[str], bool]) -> None:
    """Run files in a run of their own; what fails prints how to make it again.

    Args:
        wanted: which files, by their path from the project's root.
    """
    files = sorted(
        str(path.relative_to(ROOT))
        for folder in ("property", "unit")
        for path in (ROOT / "tests" / folder).rglob("test_*.py")
        if "fix_examples" in path.read_text("utf-8")
    )
    chosen = [file for file in files if wanted(file)]
    assert chosen
    times = os.environ.get("GASMON_EXAMPLES_TIMES", "5")
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*run, "-o", "timeout=3000", *chosen],
        cwd=ROOT,
        env=os.environ | {"GASMON_EXAMPLES_TIMES": times},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
