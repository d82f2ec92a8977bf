"""The live stream of pages: snapshot, deltas, alarms, refusals."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from gasmon.points import PointKey
from gasmon.settings import ApiSettings
from gasmon.units import US_PER_S
from tests.fix_api import (
    MINE_S,
    MINE_Z,
    MINE_Z2,
    ZHENXIONG,
    World,
    write_latest,
)

WAIT_S = 20.0
N_CUTS = 6


@pytest.fixture
def api_settings() -> ApiSettings:
    """Short heartbeats, a small frame limit."""
    return ApiSettings(heartbeat_s=0.3, max_client_frame_bytes=2048)


def dial(world: World, who: str, query: str = "", **options: Any) -> connect:
    """Connect to the live stream."""
    return connect(
        f"{world.api.ws}/live{query}",
        additional_headers=world.header(who),
        compression=None,
        **options,
    )


async def frame(socket: ClientConnection, kind: str | None = None) -> dict[str, Any]:
    """The next frame (of a kind)."""
    async with asyncio.timeout(WAIT_S):
        while True:
            found: dict[str, Any] = json.loads(await socket.recv())
            if kind in (None, found["type"]):
                return found


def measure(world: World, mine: str, value: float, seconds: int) -> None:
    """New values of a mine."""
    at_us = world.now_us + seconds * US_PER_S
    write_latest(world.conn, world.ids, mine, (value, 3.0), at_us)
    world.conn.commit()


async def test_a_page_sees_its_county_and_what_changes(world: World) -> None:
    """Snapshot, then a delta of the mine that changed, and nothing of others."""
    async with dial(world, "zhenxiong", "?area=zhenxiong") as socket:
        snapshot = await frame(socket)
        await asyncio.to_thread(measure, world, MINE_S, 0.9, 1)
        await asyncio.to_thread(measure, world, MINE_Z, 0.5, 2)
        delta = await frame(socket, "delta")
        await asyncio.to_thread(measure, world, MINE_Z, 0.6, 3)
        following = await frame(socket, "delta")
        beat = await frame(socket, "heartbeat")

    point_id = world.ids[PointKey(MINE_Z, "01", "001A01")]
    assert snapshot["type"] == "snapshot"
    assert [mine["mine"] for mine in snapshot["mines"]] == [MINE_Z, MINE_Z2]
    assert snapshot["mines"][0]["points"][0] == [
        point_id,
        0.4,
        0,
        world.now_us // 1000,
    ]
    assert [mine["mine"] for mine in delta["mines"]] == [MINE_Z]
    assert delta["mines"][0]["points"][0][:2] == [point_id, 0.5]
    assert [f["seq"] for f in (snapshot, delta, following)] == [1, 2, 3]
    assert beat["at_ms"] > 0


async def test_a_tile_gets_the_highest_methane_alone(world: World) -> None:
    """points=0 leaves the points out and names the top value."""
    async with dial(world, "city", "?points=0") as socket:
        snapshot = await frame(socket)

    assert [mine["mine"] for mine in snapshot["mines"]] == [MINE_S, MINE_Z, MINE_Z2]
    assert "points" not in snapshot["mines"][0]
    assert snapshot["mines"][0]["top"]["value"] == 0.7
    assert snapshot["mines"][0]["top"]["quantity"] == "CH4"


async def test_alarms_come_at_once(world: World) -> None:
    """An alarm of the mine on show arrives as its body; another mine's does not."""
    async with dial(world, "zhenxiong", f"?mine={MINE_Z}") as socket:
        await frame(socket, "snapshot")
        await asyncio.to_thread(world.raise_alarm, MINE_Z2)
        await asyncio.to_thread(world.raise_alarm, MINE_S)
        await asyncio.to_thread(world.raise_alarm, MINE_Z)
        alarm = await frame(socket, "alarm")

    assert alarm["data"]["mine"] == MINE_Z
    assert alarm["data"] == json.loads(world.outbox()[4][1])


async def test_a_page_that_comes_back_is_told_what_it_missed(world: World) -> None:
    """However often its line is cut, it gets every event of its own once, in order."""
    chance = random.Random(8)
    async with dial(world, "zhenxiong", "?points=0") as socket:
        first = await frame(socket, "snapshot")
    assert first["resumed"] is False
    got: list[int] = []

    def after() -> str:
        newest = got[-1] if got else first["position"]
        return f"?points=0&after={first['epoch']}:{newest}"

    for _ in range(N_CUTS):
        await asyncio.to_thread(world.raise_alarm, MINE_Z)
        await asyncio.to_thread(world.raise_alarm, MINE_S)
        async with dial(world, "zhenxiong", after()) as socket:
            assert (await frame(socket, "snapshot"))["resumed"] is True
            await asyncio.to_thread(world.raise_alarm, MINE_Z)
            # Four events are due: the line is cut among them.
            for _ in range(1 + chance.randrange(3)):
                got.append((await frame(socket, "alarm"))["seq"])
    due = [seq for seq, _ in world.outbox(ZHENXIONG) if seq > first["position"]]
    async with dial(world, "zhenxiong", after()) as socket:
        while len(got) < len(due):
            got.append((await frame(socket, "alarm"))["seq"])
        beat = await frame(socket, "heartbeat")
    assert got == due
    assert beat["position"] >= due[-1]
    assert beat["complete_ms"] > 0


async def test_a_page_of_another_life_begins_anew(world: World) -> None:
    """A position of a restored database, or one of the future, proves nothing."""
    foreign = "00000000-0000-0000-0000-000000000000"
    for after in (f"{foreign}:0", f"{world.epoch()}:999"):
        async with dial(world, "zhenxiong", f"?points=0&after={after}") as socket:
            assert (await frame(socket, "snapshot"))["resumed"] is False


@pytest.mark.parametrize(
    ("who", "query", "code"),
    [
        ("suijiang", "?area=530627", 4403),
        ("suijiang", f"?mine={MINE_Z}", 4403),
        ("dispatcher", f"?mine={MINE_Z2}", 4403),
        ("suijiang", "?token=x", 4400),
        ("suijiang", "?points=2", 4400),
        ("suijiang", "?after=12", 4400),
    ],
)
async def test_what_is_not_theirs_is_refused(
    world: World, who: str, query: str, code: int
) -> None:
    """A foreign area or mine, an unknown parameter."""
    async with dial(world, who, query) as socket:
        with pytest.raises(ConnectionClosed) as end:
            await frame(socket)

    assert end.value.rcvd is not None
    assert end.value.rcvd.code == code


@pytest.mark.parametrize(
    ("text", "n", "code"),
    [("x" * 3000, 1, 4413), ('{"type":"leave"}', 300, 4429), ("{}", 1, 4400)],
)
async def test_a_page_that_talks_too_much_is_closed(
    world: World, text: str, n: int, code: int
) -> None:
    """It says what it is and what it showed, and nothing else."""
    async with dial(world, "suijiang") as socket:
        with pytest.raises(ConnectionClosed) as end:
            await talk(socket, text, n)

    assert end.value.rcvd is not None
    assert end.value.rcvd.code == code


async def talk(socket: ClientConnection, text: str, n: int) -> None:
    """Send a text ``n`` times, then read on."""
    for _ in range(n):
        await socket.send(text)
    while True:
        await frame(socket)


async def test_a_browser_needs_its_own_origin(world: World) -> None:
    """The cookie works from our page and from no other."""

    def log_in() -> str:
        answer = httpx.post(
            world.api.base + "/api/v1/session", headers=world.header("county")
        )
        return answer.cookies["gasmon_session"]

    cookie = {"Cookie": f"gasmon_session={await asyncio.to_thread(log_in)}"}
    address = f"{world.api.ws}/live"
    async with connect(
        address, additional_headers=cookie, origin=Origin(world.api.base)
    ) as socket:
        assert (await frame(socket))["type"] == "snapshot"
    with pytest.raises(InvalidStatus):
        async with connect(
            address, additional_headers=cookie, origin=Origin("http://evil.example")
        ):
            pass
    async with connect(address, additional_headers=cookie) as socket:
        with pytest.raises(ConnectionClosed) as end:
            await frame(socket)
    assert end.value.rcvd is not None
    assert end.value.rcvd.code == 4403
