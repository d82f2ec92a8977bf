"""What platforms say back: receipts make the ledger, commands are done once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gasmon.settings import ApiSettings
from tests.fix_api import MINE_S, MINE_Z, SUIJIANG, World
from tests.fix_stream import Client, dial
from tests.fix_wait import wait_until_async

KEY = "0123456789-key"


@pytest.fixture
def api_settings() -> ApiSettings:
    """Heartbeats that no test has to wait for."""
    return ApiSettings(heartbeat_s=20.0)


def ledger(world: World, alarm_id: int, who: str = "city_officer") -> dict[str, Any]:
    """Recipient → steps that happened, of an alarm's first event."""
    with world.client(who) as client:
        response = client.get(f"/api/v1/alarms/{alarm_id}/ledger")
    assert response.status_code == 200, response.text
    event = response.json()["events"][0]
    return {
        one["recipient"]: {step for step, at in one["steps"].items() if at}
        for one in event["recipients"]
    }


async def newest(client: Client) -> dict[str, Any]:
    """Take frames until the next event; gives its body."""
    n = len(client.events)
    while len(client.events) == n:
        await client.take()
    return client.events[-1][1]


async def result(client: Client, **command: Any) -> dict[str, Any]:
    """Send a command; gives its result, passing over what is told meanwhile."""
    await client.say(type="command", **command)
    while (frame := await client.frame())["type"] != "result":
        client.position = frame["to"]
    return frame


async def test_the_ledger_has_each_step_of_each_recipient(world: World) -> None:
    """Sent and stored by themselves, drawn and sounded by receipt; others see none."""
    async with dial(world) as client, dial(world, "suijiang") as other:
        await client.subscribe(reports=["drawn", "sounded"])
        await other.subscribe()
        await asyncio.to_thread(world.record, world.event(MINE_Z))
        body = await newest(client)
        for socket in (client, other):
            # Twice, and by one who may not see it: the first word of its own counts.
            for _ in range(2):
                await socket.say(type="receipt", step="drawn", ids=[body["id"], "x"])

        async def is_written() -> bool:
            found = await asyncio.to_thread(ledger, world, body["alarm_id"])
            return found["zhenxiong"] == {"sent", "stored", "drawn"}

        await wait_until_async(is_written, 20.0, "the ledger")

    found = ledger(world, body["alarm_id"])
    assert found["city"] == set()
    assert "suijiang" not in found
    assert ledger(world, body["alarm_id"], "dispatcher") == {}


async def test_a_receipt_with_a_key_is_written_when_it_is_answered(
    world: World,
) -> None:
    """The result is the proof; ids of others are ignored, and answered all the same."""
    world.record(world.event(MINE_Z), world.event(MINE_S))
    async with dial(world) as client:
        await client.subscribe()
        (alarm,) = client.snapshot or []
        told = {"type": "receipt", "step": "drawn", "key": KEY, "ids": [alarm["id"]]}
        await client.say(**told)
        while (frame := await client.frame())["type"] != "result":
            client.position = frame["to"]

    assert (frame["key"], frame["ok"], frame["status"]) == (KEY, True, 200)
    assert "drawn" in ledger(world, alarm["alarm_id"])["zhenxiong"]


async def test_a_snapshot_is_in_the_ledger(world: World) -> None:
    """What a platform learns from a snapshot was sent and stored as well."""
    world.record(world.event(MINE_Z))
    async with dial(world) as client:
        await client.subscribe()
        await client.say(type="ack", seq=client.position)
        (alarm,) = client.snapshot or []

        async def is_written() -> bool:
            found = await asyncio.to_thread(ledger, world, alarm["alarm_id"])
            return found["zhenxiong"] == {"sent", "stored"}

        await wait_until_async(is_written, 20.0, "the ledger")


def test_what_is_missing_is_named(world: World) -> None:
    """An old event that never reached a platform: sent and stored are missing."""
    world.record(world.event(MINE_Z))
    world.conn.execute(
        "ALTER TABLE alarm_journal DISABLE TRIGGER journal_append_only;"
        "UPDATE alarm_journal SET recorded_at = recorded_at + interval '1 h';"
        "UPDATE principal SET created_at = created_at - interval '1 day'"
    )
    world.conn.execute(
        "UPDATE alarm_journal SET recorded_at = recorded_at - interval '2 h'"
    )
    world.conn.commit()
    with world.client("county") as client:
        (event,) = client.get("/api/v1/alarms/1/ledger").json()["events"]
        assert client.get("/api/v1/alarms/2/ledger").status_code == 404

    lacks = {one["recipient"]: one["missing"] for one in event["recipients"]}
    assert lacks == {"city": ["sent", "stored"], "zhenxiong": ["sent", "stored"]}


async def test_a_command_is_done_once(world: World) -> None:
    """Confirmed by the stream, sent again on another line: one record, told to all."""
    async with dial(world) as platform, dial(world, "county") as first:
        await platform.subscribe()
        await first.subscribe()
        await asyncio.to_thread(world.record, world.event(MINE_Z))
        alarm_id = (await newest(first))["alarm_id"]
        asked = {"key": KEY, "alarm_id": alarm_id, "action": "confirm", "text": "见"}
        done = await result(first, **asked)
        await newest(platform)
        told = await newest(platform)
    async with dial(world, "county") as second:
        await second.subscribe()
        again = await result(second, **asked)
        clash = await result(second, **{**asked, "text": "other"})

    assert (done["ok"], done["status"], done["repeated"]) == (True, 200, False)
    assert again == {**done, "repeated": True}
    assert (clash["ok"], clash["status"]) == (False, 409)
    assert (told["event"], told["by"], told["tier"]) == (
        "confirmed",
        "county",
        "county",
    )


@pytest.mark.parametrize(
    ("who", "change", "status"),
    [
        ("zhenxiong", {}, 403),
        ("county", {"alarm_id": 99}, 404),
        ("county", {"alarm_id": 0}, 404),
        ("county", {"action": "explode"}, 404),
        ("county", {"action": "handle", "text": "通风"}, 409),
        ("county", {"minutes": "x"}, 422),
        ("county", {"wish": 1}, 422),
        ("county", {"cause_code": "weather"}, 422),
    ],
)
async def test_a_refused_command_says_why(
    world: World, who: str, change: dict[str, Any], status: int
) -> None:
    """As HTTP would: the role, the scope, the state, and what is not understood."""
    world.record(world.event(MINE_Z))
    asked = {"key": KEY, "alarm_id": 1, "action": "confirm", **change}
    async with dial(world, who) as client:
        await client.subscribe()
        answer = await result(client, **asked)

    assert (answer["ok"], answer["status"], answer["record_id"]) == (
        False,
        status,
        None,
    )
    assert answer["detail"]


async def test_an_alarm_of_another_county_is_not_there(world: World) -> None:
    """A county's command about somebody else's alarm finds nothing."""
    world.record(world.event(MINE_S))
    assert MINE_S.startswith(SUIJIANG)
    async with dial(world, "county") as client:
        await client.subscribe()
        answer = await result(client, key=KEY, alarm_id=1, action="confirm")

    assert answer["status"] == 404
