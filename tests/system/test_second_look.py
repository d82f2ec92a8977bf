"""The second look forgives the machine's load, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "second_look.py"
ONCE = """
from pathlib import Path

def test_{name}():
    seen = Path(__file__).with_suffix(".seen")
    if not seen.exists():
        seen.touch()
        raise AssertionError("the first time")
"""
BROKEN = "def test_{name}():\n    assert False\n"
FIRST = ["-q", "--junitxml=build/tests.xml"]
# pytest as it is, but for what knows -n: the other plugins take longer than the tests.
PLAIN = {
    **os.environ,
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_PLUGINS": "xdist.plugin",
}


def look(folder: Path, **texts: str) -> subprocess.CompletedProcess[str]:
    """Run tests of these texts as ``make test`` would, then look again."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    for name, text in texts.items():
        (folder / f"test_{name}.py").write_text(text.format(name=name))
    subprocess.run(
        [sys.executable, "-m", "pytest", *FIRST],
        cwd=folder,
        capture_output=True,
        check=False,
        env=PLAIN,
    )
    return subprocess.run(
        [sys.executable, str(SCRIPT)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=PLAIN,
    )


@pytest.mark.slow
def test_what_passes_alone_is_named_and_stops_nothing(tmp_path: Path) -> None:
    """Three times alone, then a line on standard error."""
    done = look(tmp_path, flaky=ONCE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("1 passed") == 3
    assert "UNDER LOAD ONLY, mend it: test_flaky.py::test_flaky" in done.stderr


@pytest.mark.slow
def test_what_fails_again_is_broken(tmp_path: Path) -> None:
    """Also beside one that passes."""
    done = look(tmp_path, flaky=ONCE, broken=BROKEN)
    assert done.returncode == 1
    assert "BROKEN: test_broken.py::test_broken" in done.stderr
    assert "UNDER LOAD ONLY, mend it: test_flaky.py::test_flaky" in done.stderr


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ({f"t{i}": ONCE for i in range(4)}, "4 tests failed, at most 3"),
        ({"good": "def test_{name}():\n    pass\n"}, "left no report"),
        ({"bad": "import nothing_of_this_name\n"}, "could not be read"),
    ],
    ids=["too-many", "none", "unreadable"],
)
def test_anything_else_fails(
    tmp_path: Path, texts: dict[str, str], reason: str
) -> None:
    """Many failures, none at all, or a file that cannot be imported."""
    done = look(tmp_path, **texts)
    assert done.returncode == 1
    assert reason in done.stderr


def test_a_run_that_was_cut_off_fails(tmp_path: Path) -> None:
    """Without a report nobody knows what else would have failed."""
    look(tmp_path, flaky=ONCE)
    (tmp_path / "build" / "tests.xml").unlink()
    done = subprocess.run(
        [sys.executable, str(SCRIPT)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=PLAIN,
    )
    assert done.returncode == 1
    assert "did not come to its end" in done.stderr
