"""An alarm about gasmon itself has no mine: stored, listed, streamed, by scope."""

from __future__ import annotations

import asyncio

import pytest

from gasmon.alarms.rules import default_rules
from gasmon.alarms.standing import Condition, StandingAlarms
from gasmon.store.alarms import open_alarms
from gasmon.units import US_PER_S
from tests.fix_api import World
from tests.integration.test_stream import api_settings, dial  # noqa: F401

OURS = Condition("our_clock", "link", "platform-clock", "530600", "", {"step_s": 60.0})


def tell(world: World) -> int:
    """Raise and end it, and raise it again; gives the outbox's last number."""
    alarms = StandingAlarms(default_rules())
    said = alarms.judge([OURS], world.now_us)
    for second in range(1, 100):
        said += alarms.judge([], world.now_us + second * US_PER_S)
    said += alarms.judge([OURS], world.now_us + 100 * US_PER_S)
    assert [event.event for event in said] == ["raised", "cleared", "raised"]
    return world.record(*said)


@pytest.mark.parametrize("who", ["city", "admin"])
async def test_who_sees_the_city_hears_it(both_world: World, who: str) -> None:
    """All three events, and the open one in the next snapshot."""
    async with dial(both_world, who) as client:
        await client.subscribe()
        last = await asyncio.to_thread(tell, both_world)
        await client.take_to(last)
    told = [body for _, body in client.events]
    assert [body["event"] for body in told] == ["raised", "cleared", "raised"]
    assert {(b["mine"], b["mine_name"], b["area"]) for b in told} == {
        (None, "", "530600")
    }
    assert told[0]["text"]["en"] == (
        "yellow Zhaotong the platform's clock is in doubt"
    )  # fmt: skip
    async with dial(both_world, who) as later:
        await later.subscribe()
    assert [a["subject"] for a in later.snapshot or []] == ["link:platform-clock"]


async def test_a_county_is_not_woken_by_it(world: World) -> None:
    """It can do nothing about the city's clock."""
    async with dial(world, "suijiang") as client:
        await client.subscribe()
        last = await asyncio.to_thread(tell, world)
        await client.take_to(last)
    assert client.events == []


def test_it_is_listed_restored_and_confirmed_like_any_other(world: World) -> None:
    """By the api's list and one alarm's page; a restart finds it open."""
    tell(world)
    (found,) = open_alarms(world.conn, 0)
    world.conn.commit()
    assert (found.subject_type, found.mine, found.area) == ("link", "", "530600")
    with world.client("city_officer") as client:
        page = client.get("/api/v1/alarms", params={"state": "open"}).json()
        (alarm,) = page["items"]
        assert (alarm["mine"], alarm["mine_name"], alarm["kind"]) == (
            None, "", "our_clock",
        )  # fmt: skip
        path = f"/api/v1/alarms/{alarm['alarm_id']}"
        answer = client.post(f"{path}/confirm", json={"note": "NTP was set"})
        assert answer.status_code == 200, answer.text
        assert client.get(path).json()["state"] == "confirmed"
        assert client.get("/api/v1/incidents").status_code == 200
    for who in ("county", "dispatcher", "viewer"):
        with world.client(who) as client:
            assert client.get("/api/v1/alarms").json()["items"] == []
