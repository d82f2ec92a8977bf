"""A county below a city below the node that judges, as processes that are killed.

``GASMON_ROW_STEPS`` (40) and ``GASMON_ROW_SEED`` change how much and what; a failure
names the seed.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from gasmon.embedded.postgres import EmbeddedPostgres
from gasmon.settings import ApiSettings
from tests.fix_api import MINE_Z, ZHENXIONG, World
from tests.fix_node import Node, join, newest, plain, running_nodes, story
from tests.fix_proxy import Proxy
from tests.fix_wait import wait_until

STEPS = int(os.environ.get("GASMON_ROW_STEPS", "40"))
SEED = int(os.environ.get("GASMON_ROW_SEED", "20261127"))
Row = tuple[tuple[Node, Proxy], tuple[Node, Proxy]]
"""The city and, below it, the county, each behind a line that can be broken."""


@pytest.fixture
def api_settings() -> ApiSettings:
    """Heartbeats that come soon."""
    return ApiSettings(heartbeat_s=1.0)


@pytest.fixture
def row(
    world: World,
    make_proxy: Callable[[int], Proxy],
    postgres_server: EmbeddedPostgres,
    new_migrated: Callable[[EmbeddedPostgres], str],
    tmp_path: Path,
) -> Iterator[Row]:
    """Both as running processes."""
    new_dsn = partial(new_migrated, postgres_server)
    tiers = ["mine", "county", "city"]
    above = {"city": "530600"}
    with running_nodes(
        world, above, make_proxy, new_dsn, tmp_path, speaks_for=tiers
    ) as made:
        city, _ = made["city"]
        line = make_proxy(city.own_port)
        with city.connect() as conn:
            token = join(conn, "node-county", ZHENXIONG, tiers[:2])
        county = Node("county", new_dsn(), line.port, token, tmp_path)
        county.start()
        try:
            county.answers()
            yield made["city"], (county, line)
        finally:
            county.stop()


def act(node: Node, action: str, text: str) -> None:
    """Its officer does something with its newest alarm, if the state allows it."""
    with node.connect() as conn:
        alarm_id = newest(conn) if conn.execute("SELECT FROM alarm").rowcount else 1
    try:
        node.ask("POST", f"/alarms/{alarm_id}/actions/{action}", {"text": text})
    except HTTPError as error:
        error.close()
        if error.code not in (404, 409):
            raise


def happen(rng: random.Random, world: World, row: Row) -> None:
    """One thing happens somewhere in the row."""
    node, line = rng.choice(row)
    what = rng.choice(["alarm", "alarm", "level", "act", "act", "act", "line", "kill"])
    if what == "alarm":
        world.raise_alarm(MINE_Z, no="001A02", rank=rng.randrange(1, 5))
    elif what == "level":
        rank = rng.randrange(1, 5)
        world.record(world.event(MINE_Z, event="level", rank=rank))
    elif what == "act":
        act(node, rng.choice(["confirm", "handle", "comment"]), str(rng.random()))
    elif what == "line":
        ways = [line.cut, line.refuse, line.tear, line.repeat]
        rng.choice([*ways, line.heal, line.heal, line.heal])()
    else:
        node.kill()
        node.start()
        node.answers()


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_row_of_nodes_agrees_in_the_end(world: World, row: Row) -> None:
    """Whatever breaks between them: each record is at all three, once."""
    rng = random.Random(SEED)
    world.record(world.event(MINE_Z))
    for _ in range(STEPS):
        happen(rng, world, row)
    for _, line in row:
        line.heal()

    def same() -> bool:
        above = plain(story(world.conn, ZHENXIONG))
        for node, _ in row:
            ours = plain(node.story())
            assert ours == above, (SEED, node.name, difference(ours, above))
        return True

    wait_until(same, 180.0, f"all three agree (seed {SEED})")
    for node, _ in row:
        state = node.ask("GET", "/upstream")["upstream"]
        assert (state["waiting"], state["refused"]) == (0, 0)


def difference(ours: dict[str, set[Any]], above: dict[str, set[Any]]) -> dict[str, Any]:
    """What one has and the other lacks."""
    return {part: (ours[part] - above[part], above[part] - ours[part]) for part in ours}
