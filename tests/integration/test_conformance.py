"""The conformance script passes who keeps to the page, and names who does not."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from gasmon.settings import ApiSettings
from tests.fix_api import World

SCRIPTS = Path(__file__).parents[2] / "scripts"
PLACES = ("{url}", "{token}", "{state}")


@pytest.fixture
def api_settings() -> ApiSettings:
    """Short heartbeats, so that silence shows soon."""
    return ApiSettings(heartbeat_s=0.3)


def conformance(*arguments: str, code: int) -> dict[str, str]:
    """Run the script; gives the problem of each check."""
    done = subprocess.run(
        [sys.executable, SCRIPTS / "stream_conformance.py", "--json", *arguments],
        capture_output=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == code, (done.stdout + done.stderr).decode()
    if code == 3:
        return {}
    return {row["check"]: row["problem"] for row in json.loads(done.stdout)}


async def test_our_server_conforms(world: World, tmp_path: Path) -> None:
    """Every promise of the page, asked of the real server from outside."""
    token = tmp_path / "token"
    token.write_text(world.tokens["zhenxiong"])
    problems = await asyncio.to_thread(
        conformance, "server", f"{world.api.ws}/alarms", str(token), code=0
    )

    assert len(problems) == 11
    assert not any(problems.values())


def test_nobody_there_is_not_a_failure_to_conform(
    dead_port: int, tmp_path: Path
) -> None:
    """A wrong address has a code of its own."""
    token = tmp_path / "token"
    token.write_text("gm_x")

    conformance("server", f"ws://127.0.0.1:{dead_port}/", str(token), code=3)


@pytest.mark.slow
def test_a_client_written_from_the_page_conforms() -> None:
    """One file, without anything of gasmon."""
    client = str(SCRIPTS / "minimal_client.py")
    problems = conformance("client", "--", sys.executable, client, *PLACES, code=0)

    assert len(problems) == 5
    assert not any(problems.values())


@pytest.mark.long
def test_gasmon_receive_conforms() -> None:
    """The receiver that we ship, as a county starts it."""
    url, token, state = PLACES
    flags = ("--url", url, "--token-file", token, "--state", state)
    run = "import sys; from gasmon.cli import main; sys.exit(main())"
    problems = conformance(
        "client", "--", sys.executable, "-c", run, "receive", "c", *flags, code=0
    )

    assert not any(problems.values())


@pytest.mark.long
def test_a_client_that_trusts_the_line_is_found_out(tmp_path: Path) -> None:
    """Without looking at claims, holes pass by unseen: the script names that."""
    text = (SCRIPTS / "minimal_client.py").read_text("utf-8")
    check = "if here != (frame"
    assert check in text
    naive = tmp_path / "naive.py"
    naive.write_text(text.replace(check, "if False and here != (frame"), "utf-8")
    problems = conformance("client", "--", sys.executable, str(naive), *PLACES, code=4)

    assert problems["holes_and_repetitions_are_noticed"]
    assert not problems["silence_is_noticed"]
