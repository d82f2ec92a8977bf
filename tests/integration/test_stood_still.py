"""Who was stopped for a while calls nobody silent for it."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gasmon.settings import ApiSettings
from tests.fix_api import World
from tests.fix_receive import Process
from tests.fix_stream import dial
from tests.fix_wait import wait_until

SILENCE_S = 4.5
"""Three heartbeats."""


@pytest.fixture
def api_settings() -> ApiSettings:
    """Heartbeats short enough to be missed, long enough for a busy machine."""
    return ApiSettings(heartbeat_s=SILENCE_S / 3)


def test_a_receiver_that_was_stopped_calls_no_silence(
    world: World, receive: Callable[..., Process], tmp_path: Path
) -> None:
    """Nobody listened: what the server says is heard first, or its silence begins."""
    log = tmp_path / "silence"
    flags = ("--on-silence", f"cat >> '{log}'")
    process = receive(world.api.base, world.tokens["zhenxiong"], *flags)
    wait_until(lambda: process.says("connected"), what="connected")
    process.popen.send_signal(signal.SIGSTOP)
    assert not threading.Event().wait(SILENCE_S + 2.0)
    process.popen.send_signal(signal.SIGCONT)
    world.raise_alarm()
    wait_until(lambda: len(process.out) == 2, what="it hears again")
    assert process.end(signal.SIGTERM) == 0
    assert not process.says("silence")
    assert not log.exists()


async def test_a_server_that_stood_still_closes_nobody_for_it(world: World) -> None:
    """What the client said meanwhile lies in the socket, unread."""
    async with dial(world) as client:
        await client.subscribe()
        await client.take()
        # So that no word of before is on its way.
        await asyncio.to_thread(threading.Event().wait, 0.5)
        world.api.stand_still(SILENCE_S + 1.0)
        for _ in range(4):
            await asyncio.to_thread(threading.Event().wait, SILENCE_S / 4)
            await client.say(type="heartbeat", seq=client.position)
        before = client.n_heartbeats
        while client.n_heartbeats < before + 2:
            await client.take()
