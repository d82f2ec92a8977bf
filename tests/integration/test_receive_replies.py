"""What a receiver says back arrives once, whenever it is killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gasmon.remote.replies import Replies, open_beside
from gasmon.settings import ApiSettings
from tests.fix_api import MINE_Z, World
from tests.fix_receive import Process
from tests.fix_wait import wait_until

CHILD = Path(__file__).parents[1] / "child_replies.py"


@pytest.fixture
def api_settings() -> ApiSettings:
    """Short heartbeats, so that lines are noticed soon."""
    return ApiSettings(heartbeat_s=0.3)


def test_killed_at_any_step_each_command_is_done_once(tmp_path: Path) -> None:
    """A real process, SIGKILL between any two statements, then one more life."""
    done = subprocess.run(
        [sys.executable, CHILD, tmp_path], capture_output=True, check=True, timeout=100
    )
    *lives, last = [json.loads(line) for line in done.stdout.splitlines()]
    steps = sorted([s, f"id{n}"] for s in ("received", "sounded") for n in (1, 2))

    assert last["killed"] == len(lives) - 1 > 30
    for found in lives:
        assert found == {
            "done": ["key-confirm", "key-handle"],
            "told": steps,
            "statuses": [200, 200],
            "owed": [0, 0],
        }


@pytest.fixture
def queue(tmp_path: Path) -> Callable[..., Any]:
    """A function that queues beside the receiver's file."""

    def ask(do: Callable[[Replies], Any]) -> Any:
        with open_beside(tmp_path / "state.sqlite") as (_, replies):
            return do(replies)

    return ask


def ledger(world: World) -> dict[str, set[str]]:
    """Recipient → steps of the first alarm's first event."""
    with world.client("city_officer") as client:
        (event, *_) = client.get("/api/v1/alarms/1/ledger").json()["events"]
    return {
        one["recipient"]: {step for step, at in one["steps"].items() if at}
        for one in event["recipients"]
    }


def comments(world: World) -> list[str]:
    """What was noted on the first alarm."""
    with world.client("county") as client:
        records = client.get("/api/v1/alarms/1/life").json()["records"]
    return [row["note"] for row in records if row["event"] == "commented"]


def test_a_killed_receiver_tells_everything_once(
    world: World, receive: Callable[..., Process], queue: Callable[..., Any]
) -> None:
    """Queued while it is away and while it is killed again and again: all done once."""
    world.record(world.event(MINE_Z))
    token = world.tokens["county"]
    assert receive(world.api.base, token, "--once").end() == 0
    wanted = [f"第{n}条" for n in range(8)]
    for n, text in enumerate(wanted):
        queue(lambda r, t=text: r.command(1, "comment", 1, text=t))
        if n % 4 == 3:
            process = receive(world.api.base, token)
            wait_until(lambda p=process: p.says("answered"), what="an answer")
            process.end(signal.SIGKILL)
    last = receive(world.api.base, token, "--once")

    assert last.end() == 0
    assert queue(lambda r: r.n_owed()) == (0, 0)
    assert {one.status for one in queue(lambda r: r.commands(50))} == {200}
    assert sorted(comments(world)) == sorted(wanted)


def test_a_hook_proves_that_it_sounded(
    world: World, receive: Callable[..., Process], queue: Callable[..., Any]
) -> None:
    """Received, stored and sounded are in the ledger; drawn is said by a program."""
    world.record(world.event(MINE_Z))
    token = world.tokens["zhenxiong"]
    flags = ("--exec", "cat >/dev/null", "--exec-proves", "sounded")
    process = receive(world.api.base, token, *flags, "--reports", "drawn")
    steps = {"sent", "received", "stored", "sounded"}
    wait_until(lambda: ledger(world)["zhenxiong"] == steps, what="the hook's word")
    event_id = json.loads(process.out[0])["id"]
    assert queue(lambda r: r.report("drawn", [event_id], 1)) == []
    wait_until(
        lambda: ledger(world)["zhenxiong"] == steps | {"drawn"}, what="the program's"
    )
    assert process.end(signal.SIGTERM) == 0
