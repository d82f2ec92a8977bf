"""Rooms in the ledger: what pages show, which are ready, and what is missing calls."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from gasmon.alarms.escalation_rules import default_escalation
from gasmon.api.consoles import ConsolePlace, Consoles
from gasmon.api.ledger import Ledger, StreamNotes
from gasmon.api.page_frames import parse_page
from gasmon.clock import ManualClock, SystemClock
from gasmon.duty.escalating import SETTLE_US, Escalation, Settling
from gasmon.remote.frames import encode_body
from gasmon.settings import StorageSettings, load
from gasmon.shifts.posts import Post
from gasmon.store.access import principal_by_token
from gasmon.store.db import open_pool
from gasmon.store.retention import apply_retention
from gasmon.store.scope import Scope
from gasmon.telemetry import Metrics
from gasmon.units import US_PER_DAY, US_PER_MIN, US_PER_S, to_datetime
from tests.answers_only import EXPECTING
from tests.fix_api import MINE_S, MINE_Z, ZHENXIONG, World
from tests.fix_node import begin_to_follow, join
from tests.fix_shifts import begin_shifts
from tests.fix_wait import wait_until_async
from tests.integration.test_escalation import ask, escalated, look, steps, tell

RULES = default_escalation()
READY = {
    "type": "console",
    "page": "00000000000000a1",
    "console": "00000000000000c1",
    "visible": True,
    "sound": "on",
    "clock_off_ms": 5,
}
ROOM = f"county/{ZHENXIONG}"


def now_ms() -> int:
    """Our clock."""
    return SystemClock().now_us() // 1000


def open_page(world: World, who: str = "county") -> connect:
    """The live stream of somebody's page."""
    return connect(
        f"{world.api.ws}/live?points=0",
        additional_headers=world.header(who),
        compression=None,
    )


async def say(socket: ClientConnection, **frame: Any) -> None:
    """One frame of a page."""
    await socket.send(json.dumps(frame))


async def be_ready(socket: ClientConnection, **change: Any) -> None:
    """A page that would sound, but for what is changed."""
    await say(socket, **{**READY, "tested_at_ms": now_ms(), **change})


async def show(socket: ClientConnection, step: str, *alarms: list[int]) -> None:
    """A page showed alarms."""
    await say(socket, type="shown", step=step, alarms=alarms, at_ms=now_ms())


def room(world: World, alarm_id: int = 1, recipient: str = ROOM) -> dict[str, Any]:
    """A room's row of an alarm's first event; empty when there is none."""
    events = ask(world, f"alarms/{alarm_id}/ledger", "city_officer")["events"]
    rows = [one for one in events[0]["recipients"] if one["recipient"] == recipient]
    return rows[0] if rows else {}


def done(world: World) -> set[str]:
    """Steps of the room."""
    found = room(world).get("steps", {})
    return {step for step, at in found.items() if at}


def consoles(world: World, who: str = "city_officer") -> list[tuple[str, list[str]]]:
    """(person, reasons) of every console."""
    rows = ask(world, "consoles", who)["consoles"]
    return [(row["person"], row["reasons"]) for row in rows]


async def test_a_page_tells_what_it_drew_and_sounded(world: World) -> None:
    """By person and workstation; a blocked sound is no sound, a mine sees nothing."""
    await asyncio.to_thread(world.record, world.event(MINE_Z, rank=3))
    async with open_page(world) as page, open_page(world, "dispatcher") as other:
        await show(page, "drawn", [1, 4])  # before it said which workstation it is
        await be_ready(page)
        await be_ready(other, page="00000000000000a2", console="00000000000000c2")
        await show(page, "drawn", [1, 2], [999, 4])  # the alarm is red here: not yet
        await show(page, "blocked", [1, 3])
        await show(other, "drawn", [1, 3])

        def is_blocked() -> bool:
            (one,) = room(world).get("consoles") or [{"steps": {}}]
            return set(one["steps"]) == {"blocked"}

        await wait_until_async(lambda: asyncio.to_thread(is_blocked), what="blocked")
        assert await asyncio.to_thread(done, world) == set()
        await show(page, "drawn", [1, 3])
        await show(page, "sounded", [1, 3])

        async def is_shown() -> bool:
            return await asyncio.to_thread(done, world) == {"drawn", "sounded"}

        await wait_until_async(is_shown, what="drawn and sounded")
    (one,) = room(world)["consoles"]
    assert (one["person"], one["console"]) == ("county", "00000000000000c1")
    assert room(world, recipient=f"mine/{MINE_Z}")["consoles"][0]["person"] == (
        "dispatcher"
    )
    events = ask(world, "alarms/1/ledger", "dispatcher")["events"]
    assert [event["recipients"] for event in events] == [[]]


async def test_an_alarm_of_another_county_is_not_told_of(world: World) -> None:
    """A page of Zhenxiong that names an alarm of Suijiang changes nothing."""
    await asyncio.to_thread(world.record, world.event(MINE_S), world.event(MINE_Z))
    async with open_page(world) as page:
        await be_ready(page)
        await show(page, "drawn", [1, 4], [2, 4])
        await wait_until_async(
            lambda: asyncio.to_thread(lambda: room(world, 2).get("consoles")),
            what="its own",
        )
    rows = world.conn.execute("SELECT DISTINCT alarm_id FROM receipt").fetchall()
    world.conn.commit()
    assert [row[0] for row in rows] == [2]


async def test_consoles_are_ready_or_say_why_not(world: World) -> None:
    """Blocked, mended, hung up, signed out; whoever looks on only is not listed."""

    async def found(*wanted: tuple[str, list[str]]) -> None:
        async def is_so() -> bool:
            return await asyncio.to_thread(consoles, world) == list(wanted)

        await wait_until_async(is_so, what=str(wanted))

    async with open_page(world, "viewer") as looker:
        await be_ready(looker, page="00000000000000a9")
        async with open_page(world) as page:
            await be_ready(page, sound="blocked", tested_at_ms=None)
            await found(("county", ["blocked", "untested"]))
            await be_ready(page)
            await found(("county", []))
        await found(("county", ["closed"]))
    async with open_page(world) as page:
        await be_ready(page)
        await found(("county", []))
        await say(page, type="leave")
    await found()
    with world.client("viewer") as client:
        assert client.get("/api/v1/consoles").json()["consoles"] == []


def subscribe(world: World, name: str = "zhenxiong") -> None:
    """A platform is in operation."""
    at = to_datetime(world.now_us - US_PER_DAY)
    world.conn.execute(
        "INSERT INTO stream_recipient VALUES (%s, NULL, NULL, 0, '{}', %s, %s)",
        (name, at, at),
    )
    world.conn.commit()


def stored(world: World, at_us: int, name: str = "zhenxiong") -> None:
    """A platform has everything."""
    world.conn.execute(
        "INSERT INTO receipt (alarm_id, event_id, recipient, step, happened_at,"
        " recorded_at) SELECT alarm_id, event_id, %s, 'stored', %s, %s"
        " FROM alarm_journal",
        (name, to_datetime(at_us), to_datetime(at_us)),
    )
    world.conn.commit()


def test_what_a_platform_did_not_store_calls_the_city_once(world: World) -> None:
    """After its time and not before, not again, and no more once it arrived."""
    subscribe(world)
    at_us = tell(world, world.event(MINE_Z, rank=3))
    due_us = at_us + 30 * US_PER_S + US_PER_MIN
    look(world, due_us - 1, RULES)
    assert steps(world) == []
    for later_us in (0, 10 * US_PER_S, 20 * US_PER_S):
        look(world, due_us + later_us, RULES)
        assert steps(world) == [("delivered/city/1", "city", "called", 3)]
    (body,) = escalated(world)
    assert (body["to"], body["without"]) == ("city", "delivered")
    assert body["text"]["zh"].endswith("报警未送达，升级至市级")
    assert ask(world, "alarms/1")["overdue"] == ["city"]
    stored(world, due_us + 25 * US_PER_S)
    look(world, due_us + 40 * US_PER_S, RULES)
    assert ask(world, "alarms/1")["overdue"] == []
    assert len(steps(world)) == 1


def test_a_node_is_expected_as_a_platform_is(world: World) -> None:
    """What a county's own gasmon did not store calls the city; it acts by its role."""
    join(world.conn, "node", ZHENXIONG, ["county"])
    begin_to_follow(world.conn, "node")
    at_us = tell(world, world.event(MINE_Z, rank=3))
    look(world, at_us + 30 * US_PER_S + US_PER_MIN, RULES)
    assert steps(world) == [("delivered/city/1", "city", "called", 3)]


def test_what_arrived_in_time_or_is_known_calls_nobody(world: World) -> None:
    """Stored in time; or confirmed by the county itself; or never in operation."""
    subscribe(world)
    at_us = tell(world, world.event(MINE_Z, rank=3))
    stored(world, at_us + 29 * US_PER_S)
    look(world, at_us + 2 * US_PER_MIN, RULES)
    second_us = tell(world, world.event(MINE_Z, no="001A02", rank=3))
    with world.client("county") as client:
        answer = client.post("/api/v1/alarms/2/actions/confirm", json={})
        assert answer.status_code == 200, answer.text
    tell(world, world.event(MINE_S, rank=3))
    look(world, second_us + 2 * US_PER_MIN, RULES)

    assert [steps(world, alarm_id) for alarm_id in (1, 2, 3)] == [[], [], []]


async def test_an_outage_makes_no_delivery_late(world: World) -> None:
    """What was known in time counts, though its row comes behind the outage."""
    subscribe(world)
    clock = ManualClock(tell(world, world.event(MINE_Z, rank=3)))
    told_us = clock.time_us
    database = load(None, {"database.url": world.dsn}, environ={}).database
    pool = await open_pool(database, 1, "ledger")
    async with pool.connection() as conn:
        who = await principal_by_token(conn, world.tokens["county"], told_us)
    assert who is not None
    ledger, consoles = Ledger(pool, Metrics()), Consoles(pool, Metrics())
    stream = StreamNotes(ledger, clock, "zhenxiong", Scope(None, None))
    page = ConsolePlace(consoles, ledger, clock, who)
    clock.advance(1.0)
    stream.sent(world.outbox()[-1][0])
    stream.acked(world.outbox()[-1][0])
    page.take(parse_page(json.dumps({**READY, "tested_at_ms": None})))
    shown = {"type": "shown", "step": "drawn", "alarms": [[1, 3]]}
    page.take(parse_page(json.dumps({**shown, "at_ms": clock.time_us // 1000})))
    clock.advance(120.0)
    duty = Settling(Escalation(RULES, EXPECTING, encode_body))
    await asyncio.to_thread(duty.look, world.conn, clock.time_us)
    assert steps(world) == []
    await ledger.flush()
    await pool.close()
    rows = world.conn.execute("SELECT step, recorded_at FROM receipt").fetchall()
    world.conn.commit()
    at = to_datetime(told_us + US_PER_S)
    assert sorted(rows) == [("drawn", at), ("sent", at), ("stored", at)]
    clock.advance(20.0)
    await asyncio.to_thread(duty.look, world.conn, clock.time_us)
    assert steps(world) == []


def test_what_is_missing_behind_an_outage_calls_when_the_ledger_is_written(
    world: World,
) -> None:
    """A moment later than it would have, and however often duty connects anew."""
    subscribe(world)
    at_us = tell(world, world.event(MINE_Z, rank=3))
    back_us = at_us + 120 * US_PER_S
    duty = Settling(Escalation(RULES, EXPECTING, encode_body))
    duty.look(world.conn, back_us)
    duty.look(world.conn, back_us + SETTLE_US - 1)
    assert steps(world) == []
    assert ask(world, "alarms/1")["overdue"] == []
    duty.look(world.conn, back_us + SETTLE_US)
    assert steps(world) == [("delivered/city/1", "city", "called", 3)]
    Settling(Escalation(RULES, EXPECTING, encode_body)).look(
        world.conn, back_us + 2 * SETTLE_US
    )
    assert len(steps(world)) == 1
    assert ask(world, "alarms/1")["overdue"] == ["city"]


def test_a_room_with_a_shift_and_no_console_is_shown_and_calls(world: World) -> None:
    """The county has duty and nobody is at a page: city and bar are told."""
    begin_shifts(world.dsn, Post("county", ZHENXIONG))
    (row,) = ask(world, "consoles", "city_officer")["rooms"]
    assert (row["place"], row["ready"], row["reasons"]) == (
        ZHENXIONG,
        False,
        ["no_console"],
    )
    assert ask(world, "escalation", "city_officer")["rooms_not_ready"] == [ROOM]
    at_us = tell(world, world.event(MINE_Z, rank=3))
    look(world, at_us + 30 * US_PER_S + US_PER_MIN, RULES)

    assert steps(world) == [("delivered/city/1", "city", "called", 3)]


async def test_a_killed_tab_leaves_a_gap_and_calls(world: World) -> None:
    """Its room is expected on; the next alarm is missing there, in red."""
    async with open_page(world) as page:
        await be_ready(page)
        await wait_until_async(
            lambda: asyncio.to_thread(lambda: consoles(world)), what="heard of"
        )
        page.transport.abort()
    at_us = await asyncio.to_thread(tell, world, world.event(MINE_Z, rank=3))
    assert room(world)["missing"] == []
    look(world, at_us + 30 * US_PER_S + US_PER_MIN, RULES)

    assert steps(world) == [("delivered/city/1", "city", "called", 3)]
    world.conn.execute(
        "ALTER TABLE alarm_journal DISABLE TRIGGER journal_append_only;"
        "UPDATE alarm_journal SET recorded_at = recorded_at - interval '31 s';"
        "UPDATE console_page SET opened_at = opened_at - interval '1 h'"
    )
    world.conn.commit()
    assert room(world)["missing"] == ["drawn", "sounded"]


def test_old_steps_and_pages_are_deleted(world: World) -> None:
    """By their settings; newer ones stay."""
    at_us = tell(world, world.event(MINE_Z))
    stored(world, at_us - 20 * US_PER_DAY, "zhenxiong")
    stored(world, at_us, "city")
    result = apply_retention(world.conn, StorageSettings(), at_us, 19)

    assert result.deleted["receipt"] == 1
    assert result.deleted["console_page"] == 0
