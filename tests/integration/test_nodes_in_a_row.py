"""A node below a node below a node: records go all the way up, and nobody claims more
than he knows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from gasmon.clock import SystemClock
from gasmon.embedded.postgres import EmbeddedPostgres
from gasmon.remote.listening import STILL_HEARTBEATS
from gasmon.settings import ApiSettings
from gasmon.store import upstream
from gasmon.store.points import ensure_areas
from tests.fix_api import MINE_Z, ZHENXIONG, ApiServer, World
from tests.fix_node import Node, join, plain, story
from tests.fix_proxy import Proxy
from tests.fix_wait import wait_until_async
from tests.integration.test_following import at_hub, cut_off, following

WAIT_S = 30.0
PREFECTURE = "530600"


@pytest.fixture
def api_settings() -> ApiSettings:
    """Heartbeats that come soon: six of them make what stands still."""
    return ApiSettings(heartbeat_s=0.5)


@dataclass
class Row:
    """The city below the node that judges, and a county below the city.

    Attributes:
        line: from the city to the node that judges.
        api: the city's.
    """

    city: Node
    county: Node
    line: Proxy
    api: ApiServer


@pytest.fixture
def row(
    world: World,
    make_proxy: Callable[[int], Proxy],
    postgres_server: EmbeddedPostgres,
    new_migrated: Callable[[EmbeddedPostgres], str],
    api_settings: ApiSettings,
    tmp_path: Path,
) -> Iterator[Row]:
    """Three databases; the two nodes follow while a test says so."""
    line = make_proxy(world.api.port)
    token = join(world.conn, "hub-city", PREFECTURE, ["mine", "county", "city"])
    city = Node("city", new_migrated(postgres_server), line.port, token, tmp_path)
    api = ApiServer(city.settings.model_copy(update={"api": api_settings}))
    api.start()
    county = Node("county", new_migrated(postgres_server), api.port, "", tmp_path)
    with city.connect() as conn:
        ensure_areas(conn)
        county.token = join(conn, "county", ZHENXIONG, ["mine", "county"])
    yield Row(city, county, line, api)
    api.stop()


async def all_agree(world: World, row: Row) -> dict[str, set[Any]]:
    """Wait until all three know the same; gives what the highest knows."""

    def same() -> bool:
        above = plain(story(world.conn, ZHENXIONG))
        for node in (row.city, row.county):
            ours = plain(node.story())
            assert ours == above, {k: (ours[k] ^ above[k]) for k in ours}
        return True

    await wait_until_async(lambda: asyncio.to_thread(same), WAIT_S, "all three agree")
    return story(world.conn, ZHENXIONG)


async def test_what_a_county_does_goes_up_through_the_city(
    world: World, row: Row
) -> None:
    """Marks, records and what they are about: each once, at all three."""
    world.record(world.event(MINE_Z))
    async with following(row.city), following(row.county):
        await all_agree(world, row)
        row.county.do("confirm", text="已见")
        wrong = row.county.do("handle", text="wrong")
        row.county.do("withdraw", text="not so", refers_to=wrong)
        await all_agree(world, row)
        row.city.do("confirm", "city_officer")
        at_hub(world, "handle", "county_officer", text="written at the top")
        told = await all_agree(world, row)
        # About a record from the top, and seen from the bottom.
        (above,) = [r[0] for r in told["journal"] if r[5] == "written at the top"]
        with row.county.connect() as conn:
            about = upstream.record_named(conn, above)
        row.county.do("correct", text="seen", refers_to=about)
        told = await all_agree(world, row)

    assert {(mark[3], mark[5]) for mark in told["marks"]} == {
        ("county", "county_officer@home@county@hub-city"),
        ("city", "city_officer@home@hub-city"),
    }
    withdrawn = [r for r in told["journal"] if r[1] in ("withdrawn", "corrected")]
    assert all(r[7] is not None for r in withdrawn)
    for node in (row.city, row.county):
        with node.connect() as conn:
            assert upstream.queue(conn) == upstream.Queue(0, None, 0, "")
    refuses_what_changes_judging(row)


def refuses_what_changes_judging(row: Row) -> None:
    """A node that follows takes no plans and limits, which would count for nothing."""
    header = {"Authorization": f"Bearer {row.county.token}"}
    with httpx.Client(base_url=row.api.base, headers=header, timeout=WAIT_S) as client:
        for path in ("plans", "limit-changes"):
            for more in ("", "/1/actions/approve"):
                answer = client.post(f"/api/v1/{path}{more}", json={})
                assert (answer.status_code, "hub" in answer.text) == (409, True)


def known(node: Node) -> upstream.Followed | None:
    """Where a node is."""
    with node.connect() as conn:
        return upstream.followed(conn)


@pytest.mark.long
async def test_a_node_claims_no_more_than_the_node_above_it_knows(
    world: World, row: Row
) -> None:
    """The city is cut off: what it knows stands still below it, and nothing is lost."""
    world.record(world.event(MINE_Z))

    def stands_still() -> bool:
        city, county = known(row.city), known(row.county)
        assert city is not None
        assert county is not None
        still = county.stands_still(SystemClock().now_us(), STILL_HEARTBEATS)
        return still and county.complete_to_us == city.complete_to_us

    def goes_on() -> bool:
        county = known(row.county)
        return county is not None and not county.stands_still(
            SystemClock().now_us(), STILL_HEARTBEATS
        )

    async with following(row.city) as city, following(row.county):
        await all_agree(world, row)
        await wait_until_async(lambda: asyncio.to_thread(goes_on), WAIT_S, "complete")
        row.line.refuse()
        await cut_off(city)
        row.county.do("confirm")

        async def is_at_the_city() -> bool:
            return len((await asyncio.to_thread(row.city.story))["marks"]) == 1

        await wait_until_async(is_at_the_city, WAIT_S, "the city has it")
        assert story(world.conn, ZHENXIONG)["marks"] == set()
        await wait_until_async(
            lambda: asyncio.to_thread(stands_still), WAIT_S, "it stands still"
        )
        row.line.heal()
        await wait_until_async(lambda: asyncio.to_thread(goes_on), WAIT_S, "it goes on")
        told = await all_agree(world, row)
    assert {mark[3] for mark in told["marks"]} == {"county"}
