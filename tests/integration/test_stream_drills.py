"""Events of drills on the alarm stream: only for who asks, and marked."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

from gasmon.units import US_PER_S
from tests.fix_api import World
from tests.fix_stream import Client, dial
from tests.fix_wait import wait_until

RUN = 7


def drilled(world: World, no: str, second: int) -> str:
    """Raise an alarm of a drill; gives its event's id."""
    at_us = world.now_us + second * US_PER_S
    event = world.event(no=no, raised_at_us=at_us, happened_at_us=at_us)
    event = replace(event, run=RUN)
    world.conn.execute(
        "INSERT INTO run (run, name) VALUES (%s, 'drill') ON CONFLICT DO NOTHING",
        (RUN,),
    )
    world.conn.execute(
        "INSERT INTO point (run, mine_id, system, no, created_at)"
        " SELECT %s, mine_id, '01', %s, now() FROM mine WHERE code = %s"
        " ON CONFLICT DO NOTHING",
        (RUN, no, event.mine),
    )
    world.conn.commit()
    world.record(event)
    return event.event_id


async def subscribed(
    client: Client, resume: tuple[str, int] | None = None
) -> dict[str, Any]:
    """Subscribe with drills; gives the answer."""
    hello = await client.frame()
    assert "drills" in hello["offers"]
    client.epoch = hello["epoch"]
    position = resume and {"epoch": resume[0], "seq": resume[1]}
    await client.say(type="subscribe", resume=position, drills=True)
    answer = await client.frame()
    client.snapshot, client.position = answer.get("alarms"), answer["seq"]
    return answer


async def told(client: Client, n: int) -> list[dict[str, Any]]:
    """The next events, beyond what the hub has told."""
    while len(client.events) < n:
        await client.take()
    return [event for _, event in client.events]


def test_drills_are_told_to_who_asks_and_only_there(world: World) -> None:
    """In the snapshot, live, and after a gap; the real ones with them in order."""
    first = drilled(world, "001A01", 1)

    async def with_and_without() -> None:
        async with dial(world, "zhenxiong") as asking, dial(world, "city") as plain:
            await subscribed(asking)
            await plain.subscribe()
            assert asking.snapshot is not None
            assert [alarm["id"] for alarm in asking.snapshot] == [first]
            assert asking.snapshot[0]["drill"] is True
            assert asking.snapshot[0]["run"] == RUN
            assert plain.snapshot == []
            second = await asyncio.to_thread(drilled, world, "001A02", 2)
            await asyncio.to_thread(world.raise_alarm)
            got = await told(asking, 3)
            assert got[0]["id"] == second
            assert [event["drill"] for event in got] == [True, False, False]
            assert [event["run"] for event in await told(plain, 2)] == [0, 0]
            position = (asking.epoch, asking.events[0][0] - 1)
        async with dial(world, "zhenxiong") as again:
            assert (await subscribed(again, position))["type"] == "resumed"
            assert [event["id"] for event in await told(again, 3)] == [
                event["id"] for event in got
            ]

    asyncio.run(with_and_without())


def test_receipts_of_a_drill_stand_in_its_ledger(world: World) -> None:
    """Delivery in a drill is measured as in earnest."""
    event_id = drilled(world, "001A01", 1)

    async def receive() -> None:
        async with dial(world, "zhenxiong") as client:
            await subscribed(client)
            await client.say(type="receipt", step="drawn", ids=[event_id], key="k" * 8)
            while (frame := await client.frame())["type"] != "result":
                pass
            assert frame["ok"], json.dumps(frame)

    asyncio.run(receive())
    with world.client("admin") as http:
        (alarm,) = http.get(f"/api/v1/alarms?run={RUN}").json()["items"]

        def drawn() -> bool:
            path = f"/api/v1/alarms/{alarm['alarm_id']}/ledger"
            (event,) = http.get(path).json()["events"]
            return any(
                each["recipient"] == "zhenxiong" and each["steps"]["drawn"]
                for each in event["recipients"]
            )

        wait_until(drawn, what="the step is in the ledger")
