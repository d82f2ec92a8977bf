"""One alarm through three tiers: database, HTTP, streams, and restarts between."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from gasmon.alarms.rules import default_rules
from gasmon.clock import SystemClock
from gasmon.duty.jobs import jobs
from gasmon.settings import ApiSettings, Settings
from gasmon.units import US_PER_MIN, US_PER_S
from tests.fix_api import World
from tests.integration.test_alarm_life import do, done
from tests.integration.test_escalation import look, steps, tell
from tests.integration.test_stream import dial


@pytest.fixture
def api_settings() -> ApiSettings:
    """Heartbeats so far apart that the calls between two frames miss none."""
    return ApiSettings(heartbeat_s=20.0)


NAMES = ("raised", "level", "cleared")


def life(world: World, who: str) -> Any:
    """What one of the tiers sees."""
    with world.client(who) as client:
        return client.get("/api/v1/alarms/1/life").json()


def states(world: World) -> tuple[str, str, str]:
    """The state for the mine, the county and the city."""
    mine, county, city = (
        life(world, who)["state"] for who in ("dispatcher", "county", "city_officer")
    )
    return mine, county, city


@dataclass
class Heard:
    """What one platform was told, and where it goes on."""

    bodies: list[dict[str, Any]] = field(default_factory=list)
    position: tuple[str, int] | None = None


@asynccontextmanager
async def served(world: World, heard: dict[str, Heard]) -> AsyncIterator[None]:
    """The server with the platforms of county and city, until it is stopped.

    A platform that was there before resumes, or this fails.
    """
    async with AsyncExitStack() as stack:
        here = {}
        for name, known in heard.items():
            here[name] = await stack.enter_async_context(dial(world, name))
            answer = await here[name].subscribe(known.position)
            assert answer["type"] == ("resumed" if known.position else "snapshot")
        yield
        for name, platform in here.items():
            await platform.take_to(world.outbox()[-1][0])
            heard[name].bodies += [body for _, body in platform.events]
            heard[name].position = (platform.epoch, platform.position)
        world.api.stop()


async def test_an_alarm_at_three_tiers_over_restarts(world: World) -> None:
    """Each tier confirms and handles for itself; what streams tell is the journal.

    Twice the server ends, and each time something happens while nobody serves. The
    platforms of county and city resume and miss nothing.
    """
    heard = {"zhenxiong": Heard(), "city": Heard()}
    tell(world, world.event(), ago_us=5 * US_PER_MIN)
    assert states(world) == ("unconfirmed",) * 3
    async with served(world, heard):
        # Nobody answered for five minutes: the county must.
        look(world, SystemClock().now_us())
        assert steps(world) == [("confirmed/county/1", "county", "called", 2)]
        with world.client("county") as county, world.client("dispatcher") as mine:
            done(county, "confirm", text="收到", key="walk-0001")
            assert states(world) == ("unconfirmed", "confirmed", "unconfirmed")
            done(county, "request_status", to="mine", text="现场情况？")
            done(mine, "confirm", text="正在处理")
            done(mine, "feed_back", text="瓦斯 1.6%，已撤人")

    # While nobody serves, the level rises: every tier has to confirm anew.
    world.record(
        world.event(event="level", rank=3, happened_at_us=world.now_us + US_PER_S)
    )
    world.api.start()
    assert states(world) == ("unconfirmed",) * 3
    async with served(world, heard):
        with world.client("county") as county, world.client("dispatcher") as mine:
            # The answer got lost in the restart: sent again, it is not done again.
            assert done(county, "confirm", text="收到", key="walk-0001")["state"] == (
                "unconfirmed"
            )
            done(county, "confirm", text="升级已知")
            done(county, "verify", text="电话核实", cause_code="ventilation")
            done(mine, "confirm")
            done(mine, "handle", text="恢复风筒")

    ended = world.now_us + 2 * US_PER_S
    world.record(world.event(event="cleared", happened_at_us=ended, value=0.4))
    world.api.start()
    assert states(world) == ("cleared", "cleared", "cleared_unconfirmed")
    async with served(world, heard):
        with world.client("county") as county, world.client("city_officer") as city:
            done(county, "close", text="处置完毕")
            assert states(world) == ("closed", "closed", "closed_unconfirmed")
            done(city, "confirm", text="已阅")
            refused = do(city, "close")

    assert refused.status_code == 409
    world.api.start()
    assert states(world) == ("closed",) * 3
    seen = life(world, "city_officer")
    tiers = {name: record["phase"] for name, record in seen["tiers"].items()}
    assert tiers == {"mine": "handling", "county": "verified", "city": "none"}
    # Streams and journal are the same story, in the same order, each part once.
    stored = [json.loads(body)["id"] for _, body in world.outbox()]
    for platform in heard.values():
        told = [body["event"] for body in platform.bodies]
        assert ["raised", *told] == [row["event"] for row in seen["records"]]
        assert [body["id"] for body in platform.bodies] == stored[1:]
    people = [row for row in seen["records"] if row["event"] not in NAMES]
    assert all(row["by"] and (row["tier"] or row["by"] == "gasmon") for row in people)


async def test_a_platform_that_comes_later_sees_the_alarm_and_not_the_remarks(
    world: World,
) -> None:
    """A snapshot tells what the engine said last, whatever people wrote since."""
    world.record(world.event())
    with world.client("admin") as admin, world.client("county") as county:
        done(admin, "comment", text="值班说明")
        done(county, "shelve", text="检修", minutes=30)
    (job,) = [
        one
        for one in jobs(Settings(mode="test"), default_rules)
        if one.name == "shelves"
    ]
    later_us = SystemClock().now_us() + 3600 * US_PER_S
    assert job.run(world.conn, later_us) == "1 shelves ended"
    async with dial(world, "zhenxiong") as platform:
        await platform.subscribe()
        assert platform.snapshot is not None
        (body,) = platform.snapshot
    assert body["event"] == "raised"
    assert body["id"] == json.loads(world.outbox()[0][1])["id"]
