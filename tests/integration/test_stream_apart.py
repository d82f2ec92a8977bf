"""Platforms side by side: none sees another's county, none waits for another."""

from __future__ import annotations

import asyncio
import json

import pytest

from gasmon.settings import ApiSettings
from tests.fix_api import MINE_S, MINE_Z, SECRETS, ZHENXIONG, World
from tests.fix_stream import Client, dial, repeat_in_outbox


@pytest.fixture
def api_settings() -> ApiSettings:
    """Heartbeats that no test has to wait for."""
    return ApiSettings(heartbeat_s=20.0)


async def everything(client: Client, resume: tuple[str, int] | None) -> str:
    """All that a connection says until its second event."""
    hello = await client.frame()
    position = resume and {"epoch": resume[0], "seq": resume[1]}
    await client.say(type="subscribe", resume=position)
    answer = await client.frame()
    client.position = answer["seq"]
    said = [hello, answer]
    while len(client.events) < 2:
        said.append(await client.take())
    return json.dumps(said, ensure_ascii=False)


async def test_suijiang_sees_no_byte_of_zhenxiong(world: World) -> None:
    """Neither in a snapshot, nor live, nor in the past; and the other way round."""
    world.record(world.event(MINE_Z), world.event(MINE_S, no="001A02"))
    async with dial(world, "suijiang") as live, dial(world) as other:
        tasks = [
            asyncio.create_task(everything(live, None)),
            asyncio.create_task(everything(other, None)),
        ]
        while not (live.position and other.position):
            await asyncio.wait(tasks, timeout=0.02)
        for mine in (MINE_Z, MINE_S):
            await asyncio.to_thread(world.raise_alarm, mine)
        ours, theirs = await asyncio.gather(*tasks)
    async with dial(world, "suijiang") as late:
        past = await everything(late, (world.epoch(), 0))

    for said in (ours, past):
        assert SECRETS[MINE_S[:6]] in said
        assert SECRETS[ZHENXIONG] not in said
        assert ZHENXIONG not in said
    assert SECRETS[ZHENXIONG] in theirs
    assert MINE_S[:6] not in theirs


async def test_one_that_is_far_behind_delays_nobody(world: World) -> None:
    """It does not even read what it asked for; the others hear at once."""
    first = world.record(world.event())
    n = 1500
    repeat_in_outbox(world, first, n)
    async with dial(world, max_queue=1) as late, dial(world) as other:
        await other.subscribe()
        await late.frame()
        late.socket.transport.pause_reading()
        position = {"epoch": world.epoch(), "seq": 0}
        await late.say(type="subscribe", resume=position)
        last = await asyncio.to_thread(world.raise_alarm)
        await other.take_to(last)
        late.socket.transport.resume_reading()
        assert (await late.frame())["type"] == "resumed"
        await late.take_to(last)

    assert [seq for seq, _ in other.events][-2:] == [last - 1, last]
    assert [seq for seq, _ in late.events] == list(range(1, n + 3))
