"""What the doctor says of this machine: its clock, its files, the spool's disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from gasmon.commands.doctor_host import (
    UNSYNCHRONISED,
    clock_finding,
    clock_status,
    drift_finding,
    file_system_of,
    space_finding,
    sync_finding,
)
from tests.fix_doctor import examine

ROOT = Path(__file__).parents[2]


def test_a_spool_that_fits_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    """Write, fsync and free space on the real disk, and nothing is left there."""
    # Other temporary files may be in memory, which the doctor refuses.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        code, found = examine(
            capsys,
            *("--only", "host"),
            ingest__spool_dir=folder,
            ingest__spool_limit_mb=64,
        )
        assert code == 0
        assert found["host.spool_fsync"]["measured"] > 0
        assert found["host.spool_space"]["measured"] > 64
        assert list(Path(folder).iterdir()) == []


def test_a_spool_in_memory_over_its_disk_is_wrong(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """/dev/shm is lost with the power, and a limit above the free space is a lie."""
    memory = Path("/dev/shm")
    assert file_system_of(memory) == "tmpfs"
    code, found = examine(
        capsys,
        *("--only", "host"),
        ingest__spool_dir=memory,
        ingest__spool_limit_mb=10**9,
    )
    assert code == 4
    assert found["host.spool_file_system"]["level"] == "wrong"
    assert found["host.spool_space"]["level"] == "wrong"
    assert "ingest.spool_limit_mb = " in found["host.spool_space"]["todo_en"]


def test_a_spool_that_cannot_be_written_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder whose parent is missing too; and none at all in production."""
    code, found = examine(
        capsys, *("--only", "host"), ingest__spool_dir=tmp_path / "no" / "where"
    )
    assert (code, found["host.spool"]["level"]) == (4, "wrong")
    _, found = examine(capsys, "--only", "host")
    assert found["host.spool"]["level"] == "warning"
    _, found = examine(capsys, *("--only", "host", "--set", "mode=test"))
    assert found["host.spool"]["level"] == "ok"


def test_few_open_files_are_found() -> None:
    """A process that may open 256: number, need and where to set it."""
    program = "import sys; from gasmon.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [
            *("sh", "-c", 'ulimit -n 256; exec "$@"', "sh"),
            *(sys.executable, "-c", program, "doctor", "--only", "host", "--json"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    told = {f["check"]: f for f in json.loads(done.stdout)["findings"]}
    finding = told["host.open_files"]
    assert (finding["level"], finding["measured"]) == ("warning", 256)
    assert "LimitNOFILE" in finding["todo_en"]


def test_words_about_this_machine() -> None:
    """Clock, steps, slow disks and space: levels at their borders."""
    status, _ = clock_status()
    assert (status is None) == (sys.platform != "linux")
    assert clock_finding(None, 0).level == "ok"
    assert clock_finding(0, 1500).measured == 0.0015
    assert clock_finding(UNSYNCHRONISED, 0).level == "warning"
    assert drift_finding(10.0, 10.0).level == "ok"
    for wall_s in (9.0, 11.0):
        assert drift_finding(wall_s, 10.0).level == "wrong"
    here = Path("/")
    levels = [sync_finding(here, [ms] * 3).level for ms in (2.0, 80.0, 900.0)]
    assert levels == ["ok", "warning", "wrong"]
    assert space_finding(here, 64, 2**30, 0).level == "ok"
    assert space_finding(here, 2000, 2**30, 2**30).level == "wrong"
    assert space_finding(here, 1900, 2**30, 2**30).level == "ok"
