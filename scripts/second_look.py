"""A second look at the few tests that failed while the machine was full.

``make test`` and most long tests run four workers on two cores, with databases, brokers
and browsers, on machines that others use too. What fails there is looked at again, each
test alone and three times. What then fails once is broken. What passes each time
depends on the load: it is named loudly, to be mended, and stops nothing.

Only for a run that came to its end with at most three failures: more are no accident.
Reads what ``pytest --junitxml=build/tests.xml`` and pytest's cache left behind.
Exit codes: 0 all passed alone, 1 something is broken, or there is nothing to look at.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

MOST = 3
TIMES = 3
CACHE = Path(".pytest_cache/v/cache/lastfailed")


def failed_tests(report: Path, cache: Path) -> list[str]:
    """Node ids of what failed in a run that came to its end.

    Raises:
        ValueError: the run did not come to its end, or nothing failed, or too much.
    """
    if not report.is_file() or not cache.is_file():
        raise ValueError("the run left no report: it did not come to its end")
    suites = ET.parse(report).getroot().iter("testsuite")
    counted = sum(int(s.get("failures", 0)) + int(s.get("errors", 0)) for s in suites)
    failed = sorted(json.loads(cache.read_text("utf-8")))
    if not failed:
        raise ValueError("no test failed: the run ended for another reason")
    if len(failed) > MOST or counted > 2 * MOST:
        raise ValueError(f"{len(failed)} tests failed, at most {MOST} are looked at")
    if not all("::" in name for name in failed):
        raise ValueError(f"a file could not be read: {' '.join(failed)}")
    return failed


def passes_alone(name: str) -> bool:
    """Whether a test passes each time with the machine for itself."""
    for number in range(1, TIMES + 1):
        print(f"second look {number} of {TIMES}: {name}", flush=True)
        command = [sys.executable, "-m", "pytest", "-n", "0", "-q", name]
        if subprocess.run(command, check=False).returncode != 0:
            return False
    return True


def main() -> int:
    """Look again; print a verdict for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--report", type=Path, default=Path("build/tests.xml"))
    parser.add_argument("--cache", type=Path, default=CACHE)
    options = parser.parse_args()
    try:
        failed = failed_tests(options.report, options.cache)
    except ValueError as error:
        print(f"second look: {error}", file=sys.stderr)
        return 1
    verdicts = {name: passes_alone(name) for name in failed}
    for name, passed in verdicts.items():
        word = "UNDER LOAD ONLY, mend it" if passed else "BROKEN"
        print(f"second look: {word}: {name}", file=sys.stderr)
    return 0 if all(verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
