"""Nodes on bad lines, killed at any moment, while people act at every one of them.

``GASMON_NODES_STEPS`` (60) and ``GASMON_NODES_SEED`` change how much and what; a
failure names the seed.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from gasmon.alarms.closing import load_closing
from gasmon.clock import SystemClock
from gasmon.embedded.postgres import EmbeddedPostgres
from gasmon.remote.frames import encode_body
from gasmon.settings import ApiSettings
from gasmon.store import access
from gasmon.store.alarm_actions import act
from gasmon.store.alarm_effects import LifeRules, Wish
from tests.fix_api import MINE_S, MINE_Z, SUIJIANG, ZHENXIONG, World
from tests.fix_node import Node, Site, newest, running_nodes, story
from tests.fix_proxy import Proxy
from tests.fix_wait import wait_until

STEPS = int(os.environ.get("GASMON_NODES_STEPS", "60"))
SEED = int(os.environ.get("GASMON_NODES_SEED", "20261127"))
COUNTIES = {"zhenxiong": (ZHENXIONG, MINE_Z), "suijiang": (SUIJIANG, MINE_S)}
AREAS = {name: area for name, (area, _) in COUNTIES.items()}


@pytest.fixture
def api_settings() -> ApiSettings:
    """Heartbeats that come soon."""
    return ApiSettings(heartbeat_s=1.0)


class Campaign:
    """One seeded campaign: what is done to lines and nodes, and by whom to alarms."""

    def __init__(self, world: World, site: Site) -> None:
        self.rng = random.Random(SEED)
        self.world = world
        self.nodes = {name: node for name, (node, _) in site.items()}
        self.lines = {name: line for name, (_, line) in site.items()}

    def step(self) -> None:
        """One thing happens somewhere."""
        kinds: list[Callable[[], None]] = [
            *(self.alarm,) * 4,
            *(self.somebody_acts,) * 4,
            self.somebody_acts_above,
            self.break_line,
            self.break_line,
            self.kill,
        ]
        self.rng.choice(kinds)()

    def alarm(self) -> None:
        """An alarm comes, rises, or goes."""
        _, mine = self.rng.choice(list(COUNTIES.values()))
        if self.rng.random() < 0.5:
            self.world.raise_alarm(mine, no="001A02", rank=self.rng.randrange(1, 5))
        else:
            rank = self.rng.randrange(1, 5)
            self.world.record(self.world.event(mine, event="level", rank=rank))

    def somebody_acts(self) -> None:
        """At a node, connected or not."""
        node = self.nodes[self.rng.choice(list(self.nodes))]
        action = self.rng.choice(["confirm", "handle", "comment", "feed_back"])
        with node.connect() as conn:
            alarm_id = newest(conn) if conn.execute("SELECT FROM alarm").rowcount else 0
        body = {"text": f"{action} {self.rng.random()}"}
        try:
            node.ask("POST", f"/alarms/{max(alarm_id, 1)}/actions/{action}", body)
        except HTTPError as error:
            error.close()
            if error.code not in (404, 409):  # not there yet, or its state forbids it
                raise

    def somebody_acts_above(self) -> None:
        """Where it is judged, for either tier."""
        role = self.rng.choice(["county_officer", "city_officer"])
        who = access.Principal(1, f"{role} of hub", role, None, None)
        conn = self.world.conn
        with conn.transaction():
            act(
                *(conn, newest(conn), who, Wish("comment", str(self.rng.random()))),
                rules=LifeRules(load_closing(None), 60),
                encode=encode_body,
                now_us=SystemClock().now_us(),
            )

    def break_line(self) -> None:
        """A line breaks in one of its ways, or is mended."""
        line = self.lines[self.rng.choice(list(self.lines))]
        ways = [line.cut, line.refuse, line.stall, line.tear, line.repeat]
        self.rng.choice([*ways, line.heal, line.heal, line.heal])()

    def kill(self) -> None:
        """A node dies and comes back."""
        node = self.nodes[self.rng.choice(list(self.nodes))]
        node.kill()
        node.start()
        node.answers()


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_nodes_on_bad_lines_agree_in_the_end(
    world: World,
    make_proxy: Callable[[int], Proxy],
    postgres_server: EmbeddedPostgres,
    new_migrated: Callable[[EmbeddedPostgres], str],
    tmp_path: Path,
) -> None:
    """Two counties and the city: every journal, mark and open alarm is the same."""
    for _, mine in COUNTIES.values():
        world.record(world.event(mine))
    areas = {**AREAS, "city": "530600"}
    new_dsn = partial(new_migrated, postgres_server)
    with running_nodes(world, areas, make_proxy, new_dsn, tmp_path) as site:
        campaign = Campaign(world, site)
        for _ in range(STEPS):
            campaign.step()
        for _, line in site.values():
            line.heal()
        for name, (node, _) in site.items():
            check(world, node, AREAS.get(name))


def check(world: World, node: Node, area: str | None) -> None:
    """Wait until a node knows what the node above knows."""

    def same() -> bool:
        ours, above = node.story(), story(world.conn, area)
        assert ours == above, (SEED, node.name, difference(ours, above))
        return True

    wait_until(same, 180.0, f"{node.name} agrees (seed {SEED})")
    assert node.ask("GET", "/upstream")["upstream"]["refused"] == 0


def difference(ours: dict[str, set[Any]], above: dict[str, set[Any]]) -> dict[str, Any]:
    """What one has and the other lacks."""
    return {part: (ours[part] - above[part], above[part] - ours[part]) for part in ours}
