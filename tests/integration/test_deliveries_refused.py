"""What a platform says while it cannot be written counts from when it said so."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from gasmon.clock import SystemClock
from gasmon.settings import ApiSettings, DatabaseSettings, Settings
from gasmon.units import from_datetime
from tests.fix_api import ApiServer, World
from tests.fix_stream import dial
from tests.fix_wait import wait_until_async


@pytest.fixture
def hurried(world: World) -> Iterator[World]:
    """The same database, behind an api that waits for it for a second at most."""
    settings = Settings(
        mode="test",
        database=DatabaseSettings(url=world.dsn, statement_timeout_s=1.0),
        api=ApiSettings(heartbeat_s=20.0),
    )
    server = ApiServer(settings)
    server.start()
    yield replace(world, api=server)
    server.stop()


async def test_a_receipt_that_was_refused_in_an_outage_is_not_late(
    hurried: World,
) -> None:
    """It is sent again, and that does not count as the time at which it was known."""
    async with dial(hurried) as client:
        await client.subscribe()
        last = await asyncio.to_thread(hurried.raise_alarm)
        await client.take_to(last)
        event_id = client.events[0][1]["id"]
        hurried.conn.execute("LOCK TABLE receipt IN ACCESS EXCLUSIVE MODE")
        told = {"type": "receipt", "step": "drawn", "ids": [event_id], "key": "k" * 8}
        await client.say(**told)
        result = await client.frame()
        assert (result["type"], result["status"]) == ("result", 503)
        refused_us = SystemClock().now_us()
        hurried.conn.rollback()

        def known() -> list[int]:
            rows = hurried.conn.execute(
                "SELECT recorded_at FROM receipt WHERE step = 'drawn'"
            ).fetchall()
            hurried.conn.rollback()
            return [from_datetime(at) for (at,) in rows]

        await wait_until_async(known, what="it is written")
        await client.say(**{**told, "key": "l" * 8})
        result = await client.frame()
        assert (result["type"], result["status"]) == ("result", 200)
    (known_us,) = known()
    assert known_us <= refused_us
