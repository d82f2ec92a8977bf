"""A node below a node: what it stores, what it tells upwards, how they agree."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from gasmon.alarms.closing import load_closing
from gasmon.clock import SystemClock
from gasmon.embedded.postgres import EmbeddedPostgres
from gasmon.errors import BadRequest, StateConflict
from gasmon.remote.frames import encode_body
from gasmon.settings import ApiSettings
from gasmon.store import access, life_jobs, upstream
from gasmon.store.alarm_actions import act
from gasmon.store.alarm_effects import LifeRules, Wish
from gasmon.store.shelves import cover_of
from gasmon.telemetry import Metrics
from gasmon.units import US_PER_H
from gasmon.upstream.loop import Following
from tests.fix_api import MINE_S, MINE_Z, ZHENXIONG, World
from tests.fix_node import Node, newest, story
from tests.fix_proxy import Proxy
from tests.fix_wait import wait_until_async


@pytest.fixture
def api_settings() -> ApiSettings:
    """Heartbeats that come soon, and silence that a loaded machine does not reach."""
    return ApiSettings(heartbeat_s=1.0)


@pytest.fixture
def proxy(world: World, make_proxy: Callable[[int], Proxy]) -> Proxy:
    """The line to the node above."""
    return make_proxy(world.api.port)


def join(
    world: World,
    *,
    speaks_for: tuple[str, ...] = ("mine", "county"),
    name: str = "node",
    role: str = "county_officer",
    areas: list[str] | None = None,
) -> str:
    """A token for a node."""
    with world.conn.transaction():
        return access.create_token(
            world.conn,
            name=name,
            role=role,
            areas=[ZHENXIONG] if areas is None else areas,
            mines=None,
            now_us=world.now_us,
            speaks_for=speaks_for,
        )


@pytest.fixture
def node(
    world: World,
    proxy: Proxy,
    postgres_server: EmbeddedPostgres,
    new_migrated: Callable[[EmbeddedPostgres], str],
    tmp_path: Path,
) -> Node:
    """A county's node with a database of its own."""
    dsn = new_migrated(postgres_server)
    return Node("county", dsn, proxy.port, join(world), tmp_path)


@asynccontextmanager
async def following(node: Node) -> AsyncIterator[Following]:
    """The node follows for a while."""
    running = Following(node.settings, SystemClock(), Metrics())
    task = asyncio.create_task(running.run())
    try:
        yield running
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def at_hub(world: World, action: str, role: str = "city_officer", **more: Any) -> int:
    """Somebody does something at the node above, with its newest alarm."""
    who = access.Principal(1, f"{role} of hub", role, None, None)
    done = act(
        *(world.conn, newest(world.conn), who, Wish(action, **more)),
        rules=LifeRules(load_closing(None), 60),
        encode=encode_body,
        now_us=SystemClock().now_us(),
    )
    world.conn.commit()
    return done.record_id


async def agree(world: World, node: Node) -> dict[str, set[Any]]:
    """Wait until both know the same of the county; gives it."""

    async def same() -> bool:
        ours, theirs = await both()
        assert ours == theirs, {
            part: (ours[part] - theirs[part], theirs[part] - ours[part])
            for part in ours
        }
        return True

    async def both() -> tuple[dict[str, set[Any]], dict[str, set[Any]]]:
        return (
            await asyncio.to_thread(node.story),
            await asyncio.to_thread(story, world.conn, ZHENXIONG),
        )

    await wait_until_async(same, 30.0, "both nodes agree")
    return (await both())[0]


def marks(told: dict[str, set[Any]]) -> set[tuple[str, int, str]]:
    """(tier, level, who) of all marks."""
    return {(mark[3], mark[4], mark[5]) for mark in told["marks"]}


async def cut_off(running: Following) -> None:
    """Wait until the line is noticed to be gone."""
    await wait_until_async(
        lambda: running.notes.problem is not None, 30.0, "the line is gone"
    )


async def test_a_node_holds_what_the_node_above_tells(world: World, node: Node) -> None:
    """What was before (with its marks), what comes after, and nobody else's."""
    world.raise_alarm()
    world.record(world.event(MINE_Z))
    at_hub(world, "confirm", "county_officer", text="见")
    at_hub(world, "confirm", cause_code="gas_accumulation")
    world.record(world.event(MINE_S))
    async with following(node):
        told = await agree(world, node)
        world.record(world.event(MINE_Z, event="level", rank=3, value=2.0))
        await agree(world, node)

    assert {mark[:2] for mark in marks(told)} == {("county", 2), ("city", 2)}
    with node.connect() as conn:
        named = conn.execute(
            "SELECT m.name, v.place, v.quantity, v.uom, m.provisional FROM mine m"
            " JOIN point p USING (mine_id) JOIN point_version v USING (point_id)"
        ).fetchall()
    assert named == [("镇雄县1号煤矿", "镇雄县回风隅角T0", "CH4", "%", True)]


async def test_what_a_node_tells_onwards_has_its_own_numbers(
    world: World, node: Node
) -> None:
    """Its outbox has the same events in their order, with its own alarms' numbers."""
    world.record(world.event(MINE_S))
    world.record(world.event(MINE_Z))
    at_hub(world, "confirm")
    async with following(node):
        await agree(world, node)
    with node.connect() as conn:
        told = conn.execute(
            "SELECT body::json ->> 'id', body::json ->> 'alarm_id', alarm_id::text,"
            " body::json -> 'text' ->> 'zh' FROM outbox ORDER BY seq"
        ).fetchall()
    above = [orjson.loads(body) for _, body in world.outbox(ZHENXIONG)]
    assert [row[0] for row in told] == [body["id"] for body in above]
    assert [row[3] for row in told] == [body["text"]["zh"] for body in above]
    assert all(row[1] == row[2] for row in told)


async def test_confirmed_while_cut_off_both_marks_stand_and_no_duty_is_cleared(
    world: World, node: Node, proxy: Proxy
) -> None:
    """County at its node, city above, neither knowing: both are there afterwards."""
    world.record(world.event(MINE_Z))
    async with following(node) as running:
        await agree(world, node)
        proxy.refuse()
        await cut_off(running)
        node.do("confirm", text="已见")
        node.do("handle", text="加强通风")
        at_hub(world, "confirm")
        with node.connect() as conn:
            assert {m[3] for m in story(conn)["marks"]} == {"county"}
        assert {m[3] for m in story(world.conn)["marks"]} == {"city"}
        proxy.heal()
        told = await agree(world, node)

    assert marks(told) == {
        ("county", 2, "county_officer@home@node"),
        ("city", 2, "city_officer of hub"),
    }
    with node.connect() as conn:
        assert upstream.queue(conn) == upstream.Queue(0, None, 0, "")


async def test_of_two_confirmations_of_a_tier_the_earlier_stands_at_both(
    world: World, node: Node, proxy: Proxy
) -> None:
    """Both are in both journals; the mark is that of the first to see it."""
    world.record(world.event(MINE_Z))
    async with following(node) as running:
        await agree(world, node)
        proxy.refuse()
        await cut_off(running)
        node.do("confirm", text="first")
        at_hub(world, "confirm", "county_officer", text="second")
        proxy.heal()
        told = await agree(world, node)

    assert marks(told) == {("county", 2, "county_officer@home@node")}
    notes = {row[5] for row in told["journal"] if row[1] == "confirmed"}
    assert notes == {"first", "second"}


async def test_a_level_that_nobody_saw_stays_owed(
    world: World, node: Node, proxy: Proxy
) -> None:
    """Confirmed at yellow while cut off, red above meanwhile: red is still owed."""
    world.record(world.event(MINE_Z))
    async with following(node) as running:
        await agree(world, node)
        proxy.refuse()
        await cut_off(running)
        world.record(world.event(MINE_Z, event="level", rank=4, value=3.0))
        node.do("confirm")
        proxy.heal()
        told = await agree(world, node)

    assert {(mark[0], mark[1]) for mark in marks(told)} == {("county", 2)}
    (is_open,) = told["open"]
    assert is_open[3] == 4


async def test_corrections_name_the_same_record_at_both(
    world: World, node: Node, proxy: Proxy
) -> None:
    """A record of one's own, made while cut off, and one that came from above."""
    world.record(world.event(MINE_Z))
    async with following(node) as running:
        at_hub(world, "confirm", "county_officer")
        at_hub(world, "handle", "county_officer", text="wrong")
        told = await agree(world, node)
        (above,) = [row for row in told["journal"] if row[1] == "handled"]
        proxy.refuse()
        await cut_off(running)
        own = node.do("handle", text="also wrong")
        node.do("withdraw", text="not so", refers_to=own)
        node.do("correct", text="right", refers_to=record_of(node, above[0]))
        proxy.heal()
        told = await agree(world, node)

    about = {row[1]: row[7] for row in told["journal"] if row[7] is not None}
    assert about["corrected"] == above[0]
    assert "/handled/" in about["withdrawn"]
    assert about["withdrawn"] != above[0]


def record_of(node: Node, event_id: str) -> int:
    """The node's number of a record."""
    with node.connect() as conn:
        found = upstream.record_named(conn, event_id)
    assert found is not None
    return found


async def test_shelves_and_closing_are_of_the_node_that_judges(
    world: World, node: Node
) -> None:
    """A shelf from above is quiet here too; nobody shelves or closes here."""
    world.record(world.event(MINE_Z))
    async with following(node):
        await agree(world, node)
        with pytest.raises(StateConflict, match="hub"):
            node.do("shelve", text="x", minutes=10)
        at_hub(world, "shelve", text="泵检修", minutes=10)
        await agree(world, node)
        now_us = SystemClock().now_us()
        with node.connect() as conn:
            assert cover_of(conn, newest(conn), now_us) == (True, False)
            assert life_jobs.tell_ended_shelves(conn, encode_body, now_us) == 0
            later_us = now_us + US_PER_H
            assert life_jobs.tell_ended_shelves(conn, encode_body, later_us) == 0
        at_hub(world, "unshelve")
        at_hub(world, "confirm")
        world.record(world.event(MINE_Z, event="cleared", value=0.4))
        await agree(world, node)
        with node.connect() as conn:
            rules, later_us = load_closing(None), now_us + 100 * US_PER_H
            assert life_jobs.close_what_may(conn, rules, encode_body, later_us) == 0
            assert cover_of(conn, newest(conn), now_us) == (False, False)
        at_hub(world, "verify", text="是", cause_code="gas_accumulation")
        at_hub(world, "close")
        await agree(world, node)
        with node.connect() as conn:
            closed = conn.execute("SELECT closed_by FROM alarm").fetchall()
    assert closed == [("city_officer of hub",)]


async def test_a_refused_position_is_followed_by_a_snapshot_that_clears_what_is_over(
    world: World, node: Node, proxy: Proxy
) -> None:
    """The database above began another life meanwhile, and one alarm was over."""
    world.record(world.event(MINE_Z), world.event(MINE_Z, "001A02"))
    async with following(node) as running:
        await agree(world, node)
        proxy.refuse()
        await cut_off(running)
        node.do("confirm")
        world.record(world.event(MINE_Z, event="cleared", value=0.2))
        world.conn.execute(
            "UPDATE alarm SET closed_at = cleared_at, self_closed = true"
            " WHERE cleared_at IS NOT NULL;"
            "UPDATE platform SET epoch = gen_random_uuid()"
        )
        world.conn.commit()
        proxy.heal()

        async def is_over() -> bool:
            ours = await asyncio.to_thread(node.story)
            theirs = await asyncio.to_thread(story, world.conn, ZHENXIONG)
            return ours["open"] == theirs["open"] and ours["marks"] == theirs["marks"]

        await wait_until_async(is_over, 30.0, "the same alarms are open")
    with node.connect() as conn:
        why = conn.execute(
            "SELECT detail -> 'explain' ->> 'by' FROM alarm_journal"
            " WHERE event = 'cleared'"
        ).fetchall()
    assert why == [("snapshot",)]


async def test_two_processes_do_not_follow_into_one_database(
    world: World, node: Node
) -> None:
    """The second waits, and goes on when the first has ended."""
    world.record(world.event(MINE_Z))
    async with following(node) as second:
        await agree(world, node)
        async with following(node) as waiting:
            await wait_until_async(
                lambda: "another process" in (waiting.notes.problem or ""), 20.0, "it"
            )
            assert second.notes.problem is None


async def test_an_event_that_cannot_be_stored_does_not_stop_those_after_it(
    world: World, node: Node
) -> None:
    """A newer server may say what our tables do not know; it is said and counted."""
    world.record(world.event(MINE_Z, no="001A02"))
    world.conn.execute(
        "UPDATE outbox SET body = replace(body, 'over_limit', 'x' || chr(92)"
        " || 'u0000over_limit')"
    )
    world.conn.commit()
    world.record(world.event(MINE_Z))
    async with following(node) as running:

        async def has_the_second() -> bool:
            return len((await asyncio.to_thread(node.story))["open"]) == 2

        await wait_until_async(has_the_second, 30.0, "the second and the mended one")
        assert running.notes.problem is None


async def test_a_node_without_the_right_keeps_its_records_waiting(
    world: World, node: Node, proxy: Proxy
) -> None:
    """A token that speaks for nobody: nothing is lost, and it is told as waiting."""
    node.token = join(world, name="mute", speaks_for=())
    world.record(world.event(MINE_Z))
    async with following(node) as running:
        await agree(world, node)
        node.do("confirm")
        await wait_until_async(lambda: running.notes.n_waiting == 1, 30.0, "told")
    with node.connect() as conn:
        assert upstream.queue(conn).n_waiting == 1
    assert story(world.conn)["marks"] == set()
    node.token = join(world, name="mute", speaks_for=("county",))
    async with following(node):
        told = await agree(world, node)
    assert marks(told) == {("county", 2, "county_officer@home@mute")}


def test_a_token_cannot_speak_for_a_tier_above_its_role(world: World) -> None:
    """A county's node brings no marks of the city, and a platform's none at all."""
    with pytest.raises(BadRequest, match="'city'"):
        join(world, name="a", speaks_for=("county", "city"))
    with pytest.raises(BadRequest, match="none it can"):
        join(world, name="b", role="platform", speaks_for=("mine",))
