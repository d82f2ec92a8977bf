"""Commands that a receiver runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from gasmon.remote.hooks import run_command, run_with_retries
from tests.fix_wait import wait_until


def is_gone(pid: int) -> bool:
    """Whether a process ended (a zombie that init has not reaped yet has, too)."""
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        )
    except OSError:
        return True


@pytest.fixture(autouse=True)
def _real_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    """Commands write to our standard error, so it must be a real file here."""


async def test_a_command_gets_the_text_and_no_shell_sees_it(tmp_path: Path) -> None:
    """Quotes and dollars of a text are nothing but text."""
    out = tmp_path / "out"
    text = '{"a":"$(touch x) `id` \'\\""}'

    assert await run_command(f"cat > '{out}'", text) is None
    assert out.read_text() == text + "\n"


@pytest.mark.parametrize(
    ("command", "problem"),
    [("exit 7", "ended with 7"), ("/nonexistent/command", "ended with 127")],
)
async def test_a_failure_is_named(command: str, problem: str) -> None:
    """Whatever a command ends with is told."""
    assert await run_command(command, "{}") == problem


async def test_a_command_that_hangs_is_killed_with_its_children(
    tmp_path: Path,
) -> None:
    """After its time a command ends, and so does what it started."""
    pid = tmp_path / "pid"
    problem = await run_command(
        f"sleep 60 & echo $! > '{pid}'; wait", "{}", limit_s=0.5
    )

    assert problem == "ran over 0.5 s and was killed"
    wait_until(lambda: is_gone(int(pid.read_text())), what="the child is gone")


async def test_a_command_is_tried_until_it_works(tmp_path: Path) -> None:
    """The attempts are counted; the last failure is told."""
    log = tmp_path / "log"
    third = f"echo x >> '{log}'; test $(wc -l < '{log}') -ge 3"

    assert await run_with_retries(third, "{}", waits_s=(0.0, 0.0, 0.0)) is None
    assert len(log.read_text().splitlines()) == 3
    assert await run_with_retries("exit 1", "{}", waits_s=(0.0,)) == "ended with 1"
