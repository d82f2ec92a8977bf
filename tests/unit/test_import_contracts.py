"""The import contracts hold, and each of them notices when it is broken."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

BREAKS = {
    "a lower room imports a higher one": (
        "gasmon/alarms/levels.py",
        "import gasmon.store.db",
        "rooms are layers",
    ),
    "strangers import one another": (
        "gasmon/store/rejects.py",
        "import gasmon.ingest.topics",
        "rooms are layers",
    ),
    "a room that nobody placed": (
        "gasmon/utils.py",
        '"""A drawer."""',
        "rooms are layers",
    ),
    "ingest reaches down to alarms": (
        "gasmon/ingest/topics.py",
        "import gasmon.alarms.events",
        "ingest does not know alarms",
    ),
    "the engine reads a clock": (
        "gasmon/alarms/engine.py",
        "import time",
        "the pure core is pure",
    ),
    "decoding meets threads through another room": (
        "gasmon/ingest/frame.py",
        "import gasmon.ingest.inbox",
        "the pure core is pure",
    ),
    "decoding logs": (
        "gasmon/ingest/decode.py",
        "import logging",
        "the pure core is pure",
    ),
    "a simulator looks into the engine": (
        "simulators/city.py",
        "import gasmon.alarms.engine",
        "simulators speak through topics and payloads",
    ),
    "gasmon imports a simulator": (
        "gasmon/demo.py",
        "import simulators.city",
        "gasmon does not know simulators",
    ),
}


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the contracts over a copy of the project."""
    program = (
        "import sys; sys.path.insert(0, '.');"
        "from importlinter.cli import lint_imports_command as c; c()"
    )
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The packages and their contracts in a folder of their own."""
    for package in ("gasmon", "simulators"):
        shutil.copytree(
            ROOT / package,
            tmp_path / package,
            ignore=shutil.ignore_patterns("__pycache__", "web", "schemas"),
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_contracts_hold(copy: Path) -> None:
    """The project as it is breaks no contract."""
    run = lint_imports(copy)

    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("what", BREAKS)
def test_each_contract_notices(copy: Path, what: str) -> None:
    """A line that breaks a contract makes exactly that contract fail."""
    file, line, contract = BREAKS[what]
    path = copy / file
    old = path.read_text("utf-8") if path.exists() else ""
    path.write_text(f"{old}\n{line}\n", "utf-8")

    run = lint_imports(copy)

    assert run.returncode != 0, run.stdout
    broken = [row for row in run.stdout.splitlines() if row.endswith("BROKEN")]
    assert any(row.startswith(contract) for row in broken), run.stdout
