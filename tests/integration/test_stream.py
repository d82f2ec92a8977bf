"""The alarm stream on real sockets: claims, resuming, limits, refusals."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import uuid
from collections import Counter
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from gasmon.remote.frames import SUBPROTOCOL
from gasmon.settings import ApiSettings, DatabaseSettings
from gasmon.store import db
from tests.fix_api import (
    MINE_S,
    MINE_Z,
    MINE_Z2,
    ZHENXIONG,
    World,
)
from tests.fix_stream import Client, dial, repeat_in_outbox
from tests.fix_wait import wait_until_async

WAIT_S = 20.0
QUEUE = 20


@pytest.fixture
def api_settings() -> ApiSettings:
    """Short heartbeats, a small queue, a small frame limit."""
    return ApiSettings(
        heartbeat_s=0.6,
        client_queue_frames=QUEUE,
        max_client_frame_bytes=2048,
        max_streams_per_principal=2,
    )


async def test_events_arrive_with_claims_that_follow_each_other(
    both_world: World,
) -> None:
    """A new client gets a snapshot, then each event of its county and no other."""
    world = both_world
    before = world.record(world.event(MINE_Z2))
    async with dial(world) as client:
        assert client.socket.subprotocol == SUBPROTOCOL
        answer = await client.subscribe()
        for mine in (MINE_Z, MINE_S, MINE_Z, MINE_S):
            last = await asyncio.to_thread(world.raise_alarm, mine)
        await client.take_to(last)

    assert answer["type"] == "snapshot"
    assert answer["seq"] == before
    assert [alarm["mine"] for alarm in client.snapshot or []] == [MINE_Z2]
    told = [(s, json.loads(b)) for s, b in world.outbox(ZHENXIONG) if s > before]
    assert client.events == told


async def test_a_filtered_stream_shows_no_holes(world: World) -> None:
    """Heartbeats claim what is not this client's, so its position keeps up."""
    async with dial(world, "suijiang") as client:
        await client.subscribe()
        last = await asyncio.to_thread(world.raise_alarm, MINE_Z)
        await client.take_to(last)
        n = client.n_heartbeats
        while client.n_heartbeats < n + 3:
            await client.take()

    assert client.events == []


async def test_levels_and_areas_narrow_a_subscription(world: World) -> None:
    """A city that wants red alarms of one county gets those alone, live and resumed."""
    epoch = world.epoch()
    async with dial(world, "city") as client:
        await client.subscribe(areas=["zhenxiong"], min_rank=4)
        await asyncio.to_thread(world.raise_alarm, MINE_S, rank=4)
        await asyncio.to_thread(world.raise_alarm, MINE_Z, rank=1)
        last = await asyncio.to_thread(world.raise_alarm, MINE_Z, rank=4)
        await client.take_to(last)
    async with dial(world, "city") as late:
        await late.subscribe((epoch, 0), areas=[ZHENXIONG], min_rank=4)
        await late.take_to(last)

    assert [(e["mine"], e["rank"]) for _, e in client.events] == [(MINE_Z, 4)] * 2
    assert late.events == client.events


async def test_kinds_narrow_a_subscription(world: World) -> None:
    """Who wants smoke alone gets it in the snapshot, live and resumed."""
    epoch = world.epoch()
    world.record(world.event(MINE_Z, no="001A02"))
    world.record(world.event(MINE_Z, kind="smoke", no="001A02"))
    async with dial(world) as client:
        await client.subscribe(kinds=["smoke"])
        await asyncio.to_thread(world.raise_alarm, MINE_Z)
        last = await asyncio.to_thread(world.raise_alarm, MINE_Z, kind="smoke")
        await client.take_to(last)
    async with dial(world) as late:
        await late.subscribe((epoch, 0), kinds=["smoke"])
        await late.take_to(last)

    assert [alarm["kind"] for alarm in client.snapshot or []] == ["smoke"]
    assert [event["kind"] for _, event in client.events] == ["smoke"] * 2
    assert late.events[1:] == client.events


async def test_the_newest_streams_of_a_principal_stay(world: World) -> None:
    """Over the limit the oldest one is closed with 4409; another's is left alone."""
    async with contextlib.AsyncExitStack() as stack:
        other = await stack.enter_async_context(dial(world, "suijiang"))
        await other.subscribe()
        own = []
        for _ in range(3):
            own.append(await stack.enter_async_context(dial(world)))
            await own[-1].subscribe()
        code = await own[0].closed()
        last = await asyncio.to_thread(world.raise_alarm)
        for client in (own[1], own[2], other):
            await client.take_to(last)

    assert code == 4409
    assert own[1].events == own[2].events
    assert other.events == []


async def test_a_client_resumes_without_gap_or_repetition(both_world: World) -> None:
    """Cut at any point while others write, the parts together are the outbox."""
    world = both_world
    writers = 3
    per_writer = 40
    done = threading.Event()
    left = [writers]

    def write(mine: str) -> None:
        with db.connect(DatabaseSettings(url=world.dsn)) as conn:
            for number in range(per_writer):
                at_us = world.now_us + number * 1_000_000
                raised = world.event(mine, raised_at_us=at_us, happened_at_us=at_us)
                end = world.event(
                    mine, event="cleared", raised_at_us=at_us, happened_at_us=at_us + 1
                )
                db.retry_deadlock(
                    lambda both=(raised, end): world.record(*both, conn=conn)
                )
        left[0] -= 1
        if left[0] == 0:
            done.set()

    position = (world.epoch(), 0)
    events: list[tuple[int, dict[str, Any]]] = []
    threads = [
        threading.Thread(target=write, args=(mine,))
        for mine in (MINE_Z, MINE_Z2, MINE_S)
    ]
    for thread in threads:
        thread.start()
    n_cuts = 0
    while not done.is_set() or position[1] < world.outbox()[-1][0]:
        async with dial(world, "city") as client:
            answer = await client.subscribe(position)
            assert answer["type"] == "resumed"
            for _ in range(1 + n_cuts % 17):
                await client.take()
            # A line that breaks, not a polite good-bye.
            client.socket.transport.abort()
        events += client.events
        position = (client.epoch, client.position)
        n_cuts += 1
    for thread in threads:
        thread.join()

    assert n_cuts > 3
    assert len(events) == writers * per_writer * 2
    assert events == [(seq, json.loads(body)) for seq, body in world.outbox()]


async def test_a_long_past_is_read_in_pages(world: World) -> None:
    """A client far behind gets everything although its queue is small."""
    n = 700  # more than a page (500) and far more than the queue (20)
    first = world.record(world.event())
    repeat_in_outbox(world, first, n)
    async with dial(world) as client:
        await client.subscribe((world.epoch(), 0))
        await client.take_to(n)
        last = await asyncio.to_thread(world.raise_alarm)
        await client.take_to(last)

    assert [seq for seq, _ in client.events] == list(range(1, n + 3))


@pytest.mark.parametrize("reason", ["epoch_changed", "ahead", "too_old"])
async def test_a_position_that_cannot_be_kept_is_refused_aloud(
    world: World, reason: str
) -> None:
    """Another life of the database, the future, the forgotten past: a snapshot."""
    for _ in range(3):
        world.raise_alarm()
    last = world.record(world.event(MINE_Z, no="001A02"))
    if reason == "too_old":
        with world.conn.transaction():
            world.conn.execute("DELETE FROM outbox WHERE seq < %s", (last - 1,))
    positions = {
        "epoch_changed": (str(uuid.uuid4()), last),
        "ahead": (world.epoch(), last + 1),
        "too_old": (world.epoch(), 1),
    }
    async with dial(world) as client:
        answer = await client.subscribe(positions[reason])

    assert (answer["type"], answer["reason"]) == ("refused", reason)
    assert client.position == last
    assert client.snapshot is not None
    assert [alarm["point"] for alarm in client.snapshot] == ["001A02"]
    told = [json.loads(body)["id"] for seq, body in world.outbox() if seq == last]
    assert [alarm["id"] for alarm in client.snapshot] == told


async def test_a_new_epoch_sends_clients_away(world: World) -> None:
    """When the database begins another life, open streams end with 1012."""
    async with dial(world) as client:
        await client.subscribe()
        alive = asyncio.create_task(keep_speaking(client))
        with world.conn.transaction():
            world.conn.execute("UPDATE platform SET epoch = gen_random_uuid()")
        code = await client.closed()
        alive.cancel()
    async with dial(world) as again:
        answer = await again.subscribe((client.epoch, client.position))

    assert code == 1012
    assert answer["reason"] == "epoch_changed"


async def test_a_slow_client_is_closed_and_others_are_not(world: World) -> None:
    """Who does not read is closed with 1013; who reads notices nothing."""
    long_note = {"why": "x" * 50_000}
    async with dial(world) as quick, dial(world, max_queue=1) as slow:
        await quick.subscribe()
        await slow.subscribe()
        slow.socket.transport.pause_reading()
        alive = asyncio.create_task(keep_speaking(slow))
        closes = world.api.metrics.counter("gasmon_api_stream_closes_total", "")

        def n_closed() -> float:
            return closes.value(stream="/api/v1/stream/alarms", code="1013")

        last = 0
        for _ in range(400):
            last = await asyncio.to_thread(world.raise_alarm, explain=long_note)
            await quick.take_to(last)
            if n_closed():
                break
        slow.socket.transport.resume_reading()
        code = await slow.closed()
        alive.cancel()

    assert n_closed() == 1
    assert code == 1013
    assert [seq for seq, _ in quick.events] == list(range(1, last + 1))


async def keep_speaking(client: Client) -> None:
    """Send heartbeats for ever, so that a client is slow and not silent."""
    while True:
        await client.say(type="heartbeat")
        await asyncio.sleep(0.2)


async def test_a_silent_client_is_closed(world: World) -> None:
    """Three heartbeats without a word end the stream with 4408."""
    async with dial(world) as client:
        await client.subscribe()
        assert await client.closed() == 4408


BREACHES: list[tuple[list[str | bytes], int]] = [
    (["{"], 4400),
    (["[]"], 4400),
    (['{"type":"ack","seq":1}'], 4400),
    (['{"type":"subscribe","resume":5}'], 4400),
    (['{"type":"subscribe"}', '{"type":"subscribe"}'], 4400),
    (['{"type":"subscribe"}', '{"type":"ack","seq":99999}'], 4400),
    ([b"\x00"], 4400),
    (['{"type":"subscribe"}', '{"type":"heartbeat","seq":99999}'], 4400),
    (['{"type":"subscribe","kinds":["gas"]}'], 4400),
    (['{"type":"subscribe","areas":["530626"]}'], 4403),
    (['{"type":"subscribe","areas":["530600"]}'], 4403),
    (['{"type":"subscribe","areas":["nowhere"]}'], 4403),
    (['{"type":"heartbeat","x":"' + "x" * 3000 + '"}'], 4413),
    (['{"type":"subscribe"}', *['{"type":"heartbeat"}'] * 500], 4429),
]


async def test_a_broken_rule_has_its_code(world: World) -> None:
    """Each breach of the protocol closes with its own code, counted."""
    closes = world.api.metrics.counter("gasmon_api_stream_closes_total", "")
    counted: Counter[int] = Counter()
    for frames, code in BREACHES:
        async with dial(world) as client:
            await client.frame()
            try:
                for frame in frames:
                    await client.socket.send(frame)
            except ConnectionClosed:
                pass  # the server may close before the last frame is written
            assert await client.closed() == code, frames[:2]
        counted[code] += 1
        labels = {"stream": "/api/v1/stream/alarms", "code": str(code)}
        await wait_until_async(
            lambda labels=labels, n=counted[code]: closes.value(**labels) == n,
            what=f"{code} counted for {frames[:2]}",
        )


async def test_a_stranger_is_closed_with_4401(world: World) -> None:
    """No token, a wrong one, a wrong cookie: closed before the first frame."""
    strangers: list[dict[str, str]] = [
        {},
        {"Authorization": "Bearer gm_" + "x" * 43},
        {"Authorization": "Basic x"},
        {"Cookie": "gasmon_session=guess"},
    ]
    for headers in strangers:
        async with dial(world, None, headers=headers) as client:
            with pytest.raises(ConnectionClosed) as end:
                await client.socket.recv()
        assert end.value.rcvd is not None
        assert end.value.rcvd.code == 4401, headers


async def test_a_name_that_is_no_area_is_refused_to_everybody(world: World) -> None:
    """Even who may see everything cannot put anything but a code into a query."""
    for name in ("%s", "'; --", "nowhere", "５３０６２７"):
        async with dial(world, "admin") as client:
            await client.frame()
            await client.say(type="subscribe", areas=[name])
            assert await client.closed() == 4403


async def test_a_foreign_page_gets_no_socket(world: World) -> None:
    """A handshake from another site's page is refused before it is accepted."""
    with pytest.raises(InvalidStatus) as refused:
        async with dial(world, None, origin=Origin("http://evil.example")):
            pass

    assert refused.value.response.status_code == 403


async def test_another_protocol_is_not_spoken(world: World) -> None:
    """A client that offers only other subprotocols is told so."""
    async with dial(world, subprotocols=[Subprotocol("gasmon.alarms.v9")]) as client:
        assert await client.closed() == 4400


async def test_a_restart_closes_with_1012_and_clients_resume(world: World) -> None:
    """Stopping the server tells clients to come back; they find what they missed."""
    async with dial(world) as client:
        await client.subscribe()
        await client.take_to(world.raise_alarm())
        stop = asyncio.create_task(asyncio.to_thread(world.api.stop))
        assert await client.closed() == 1012
        await stop
    last = world.raise_alarm()
    await asyncio.to_thread(world.api.start)
    async with dial(world) as again:
        answer = await again.subscribe((client.epoch, client.position))
        await again.take_to(last)

    assert answer["type"] == "resumed"
    both = client.events + again.events
    assert both == [(seq, json.loads(body)) for seq, body in world.outbox()]
