"""The follower: never skips, whatever happens to its connection or its task."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator

import httpx
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from gasmon.api.follower import POLL_S, Ear, Follower
from gasmon.api.hub import Hub
from gasmon.clock import SystemClock
from gasmon.settings import DatabaseSettings
from gasmon.store import db
from gasmon.store.outbox import CHANNEL, read
from gasmon.store.scope import Scope
from gasmon.telemetry import Metrics
from tests.fix_api import (
    MINE_S,
    MINE_Z,
    MINE_Z2,
    World,
)
from tests.fix_proxy import Proxy
from tests.fix_wait import wait_until, wait_until_async


@pytest.fixture
def proxy(world: World) -> Iterator[Proxy]:
    """A line to the database that can be cut."""
    port = int(str(conninfo_to_dict(world.dsn)["port"]))
    proxy = Proxy(port)
    yield proxy
    proxy.close()


@pytest.mark.parametrize("poll_s", [0.002, POLL_S])
async def test_concurrent_writers_are_followed_in_order(
    both_world: World, poll_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three writers, some of them rolled back: every row once, in order.

    Looking all the time, notifications come amid statements that found less.
    """
    monkeypatch.setattr("gasmon.api.follower.POLL_S", poll_s)
    world = both_world
    hub = Hub(Metrics())
    follower = Follower(DatabaseSettings(url=world.dsn), hub, Metrics(), SystemClock())
    task = asyncio.create_task(follower.run())
    await asyncio.wait_for(hub.ready.wait(), 20)
    client = hub.join(Scope(None, None), lambda entry: True, 10_000)

    def write(mine: str) -> None:
        with db.connect(DatabaseSettings(url=world.dsn)) as conn:
            for number in range(60):
                at_us = world.now_us + number
                kind = f"kind_{number}"
                event = world.event(
                    mine, kind=kind, raised_at_us=at_us, happened_at_us=at_us
                )
                db.retry_deadlock(lambda e=event: world.record(e, conn=conn))
                if number % 7 == 0:
                    # A writer that draws a number and fails leaves a hole.
                    conn.execute("SELECT nextval('outbox_seq')")
                    conn.rollback()

    threads = [
        threading.Thread(target=write, args=(mine,))
        for mine in (MINE_Z, MINE_Z2, MINE_S)
    ]
    for thread in threads:
        thread.start()
    await asyncio.to_thread(lambda: [thread.join() for thread in threads])
    told = [seq for seq, _ in world.outbox()]
    await wait_until_async(lambda: hub.position == told[-1], what="all published")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert len(told) == 180
    assert client.cut is None
    assert [entry.seq for entry in client.queue] == told


def test_a_notification_brings_what_the_table_says(world: World) -> None:
    """It is told once; where something before it was missed, or it is too long, not."""
    hub, database = Hub(Metrics()), DatabaseSettings(url=world.dsn)
    follower = Follower(database, hub, Metrics(), SystemClock())
    with db.connect(database, autocommit=True) as listener:
        listener.execute(f"LISTEN {CHANNEL}".encode())
        for note in ("一", "二", "很长" * 2000):
            world.raise_alarm(explain={"note": note})
        noted = [n.payload for n in listener.notifies(timeout=20, stop_after=3)]
        told = read(listener, 0, 10)
    hub.start_at("epoch", 0, 0)
    client = hub.join(Scope(None, None), lambda entry: True, 10)

    assert [len(payload) > 0 for payload in noted] == [True, True, False]
    assert not follower._publish(noted[1])
    assert not follower._publish(noted[2])
    assert len(client.queue) == 0
    assert follower._publish(noted[0])
    assert follower._publish(noted[0])
    assert follower._publish(noted[1])
    assert list(client.queue) == told[:4]
    assert len(told) == 6


async def test_a_cut_connection_skips_nothing(world: World, proxy: Proxy) -> None:
    """Cut and refused while rows are written: all are published, none twice."""
    url = make_conninfo(world.dsn, port=str(proxy.port))
    hub = Hub(Metrics())
    follower = Follower(DatabaseSettings(url=url), hub, Metrics(), SystemClock())
    task = asyncio.create_task(follower.run())
    await asyncio.wait_for(hub.ready.wait(), 20)
    client = hub.join(Scope(None, None), lambda entry: True, 10_000)
    for _ in range(5):
        await asyncio.to_thread(world.raise_alarm)
        await asyncio.to_thread(proxy.refuse)
        await asyncio.to_thread(world.raise_alarm)
        await asyncio.to_thread(proxy.heal)
        last = world.outbox()[-1][0]
        await wait_until_async(lambda n=last: hub.position == n, 20, "published")
    assert follower.problem() is None
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert [entry.seq for entry in client.queue] == [s for s, _ in world.outbox()]


async def test_who_gets_the_number_of_a_lost_connection_is_heard(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its socket is closed while it is looked at; another may be opened just then."""
    conn = await db.connect_async(DatabaseSettings(url=world.dsn))
    ear, loop, heard = Ear(conn, lambda payload: True), asyncio.get_running_loop(), []
    number, pairs = conn.fileno(), [socket.socketpair()]
    pid, look = conn.info.backend_pid, ear._look

    def look_and_open() -> None:
        look()
        if ear._error is None or heard:
            return
        while all(one.fileno() != number for pair in pairs for one in pair):
            pairs.append(socket.socketpair())
        (mine, other), *_ = (
            (a, b) if a.fileno() == number else (b, a)
            for a, b in pairs
            if number in (a.fileno(), b.fileno())
        )
        heard.append("opened")
        loop.add_reader(mine, lambda: heard.append(mine.recv(1).decode()))
        other.send(b"!")

    monkeypatch.setattr(ear, "_look", look_and_open)
    listening = asyncio.create_task(ear.missed_one(20))
    await asyncio.sleep(0)
    world.conn.execute("SELECT pg_terminate_backend(%s)", (pid,))
    with pytest.raises(psycopg.OperationalError):
        await listening
    await wait_until_async(lambda: heard == ["opened", "!"], 20, "the other is heard")
    loop.remove_reader(number)
    for pair in pairs:
        for one in pair:
            one.close()
    await conn.close()


def test_a_lost_notification_costs_a_second(world: World) -> None:
    """A row without NOTIFY is found by the slow poll."""
    with world.conn.transaction():
        world.conn.execute(
            "INSERT INTO outbox (seq, run, area_code, mine, event, rank, body)"
            " VALUES (nextval('outbox_seq'), 0, '530627', %s, 'raised', 1, '{}')",
            (MINE_Z,),
        )
    gauge = world.api.metrics.gauge("gasmon_api_outbox_position", "")

    wait_until(lambda: gauge.value() == 1, 20, "found by the poll")


def test_a_task_that_crashes_is_loud_and_mended(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Readyz fails, a metric counts, the log has it; afterwards it follows again."""
    crashes = world.api.metrics.counter("gasmon_api_task_crashes_total", "")
    with world.conn.transaction():
        world.conn.execute("DELETE FROM platform")
    wait_until(lambda: crashes.value(task="follower") >= 1, 20, "crash counted")
    wait_until(
        lambda: "crashed: follower" in httpx.get(world.api.base + "/readyz").text,
        20,
        "readyz fails",
    )
    with world.conn.transaction():
        world.conn.execute("INSERT INTO platform DEFAULT VALUES")
    wait_until(
        lambda: httpx.get(world.api.base + "/readyz").status_code == 200, 20, "ready"
    )
    assert "task follower crashed" in caplog.text
