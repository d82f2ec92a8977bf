"""Three counties and a city, each a gasmon of its own below the node that judges."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gasmon.embedded.postgres import EmbeddedPostgres
from gasmon.settings import ApiSettings
from tests.fix_api import MINE_S, MINE_Z, SUIJIANG, ZHENXIONG, World
from tests.fix_node import Node, Site, running_nodes, story
from tests.fix_proxy import Proxy
from tests.fix_wait import wait_until

SEED = 20261127
WEIXIN = "530629"
MINE_W = "530629000001"
AREAS = {"zhenxiong": ZHENXIONG, "suijiang": SUIJIANG, "weixin": WEIXIN}
PREFECTURE = "530600"


@pytest.fixture
def api_settings() -> ApiSettings:
    """Heartbeats that come soon, and silence that a loaded machine does not reach."""
    return ApiSettings(heartbeat_s=2.0)


@pytest.fixture
def site(
    world: World,
    make_proxy: Callable[[int], Proxy],
    postgres_server: EmbeddedPostgres,
    new_migrated: Callable[[EmbeddedPostgres], str],
    tmp_path: Path,
) -> Iterator[Site]:
    """The nodes as running processes."""
    areas = {**AREAS, "city": PREFECTURE}
    new_dsn = partial(new_migrated, postgres_server)
    with running_nodes(world, areas, make_proxy, new_dsn, tmp_path) as made:
        yield made


def agree(world: World, site: Site) -> None:
    """Wait until each node knows exactly what the node above knows of its area."""
    for name, (node, _) in site.items():
        area = AREAS.get(name)

        def same(node: Node = node, area: str | None = area) -> bool:
            ours, above = node.story(), story(world.conn, area)
            assert ours == above, {
                part: (ours[part] - above[part], above[part] - ours[part])
                for part in ours
            }
            return True

        wait_until(same, 60.0, f"{name} agrees")


def newest(node: Node) -> int:
    """Its number of the alarm that was raised last."""
    (alarm, *_) = node.ask("GET", "/alarms?state=open&limit=1")["items"]
    return int(alarm["alarm_id"])


def act(node: Node, action: str, **body: Any) -> None:
    """Its officer does something with the newest alarm, over HTTP."""
    path = f"/alarms/{newest(node)}/actions/{action}"
    assert node.ask("POST", path, {"text": "", **body}) is not None


def told(node: Node) -> int:
    """How many events it has told onwards."""
    with node.connect() as conn:
        row = conn.execute("SELECT count(*) FROM outbox").fetchone()
    assert row is not None
    return int(str(row[0]))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nodes_work_alone_and_agree_afterwards(world: World, site: Site) -> None:
    """Each sees its area; cut off, killed and back, nothing is lost or there twice."""
    rng = random.Random(SEED)
    for mine in (MINE_Z, MINE_S, MINE_W):
        world.record(world.event(mine))
    agree(world, site)
    for name, (node, _) in site.items():
        seen = {row[0][:6] for row in node.story()["open"]}
        assert seen == ({AREAS[name]} if name in AREAS else set(AREAS.values()))

    # Cut off, the county goes on; the city confirms the same alarm meanwhile.
    county, line = site["zhenxiong"]
    city, _ = site["city"]
    line.refuse()
    wait_until(
        lambda: county.ask("GET", "/upstream")["upstream"]["cut_off"],
        *(60.0, "the county says that it is cut off"),
    )
    world.record(world.event(MINE_Z, no="001A02"))
    act(county, "confirm", text="已见")
    act(county, "handle", text="加强通风", cause_code="gas_accumulation")
    confirm_same(city)
    state = county.ask("GET", "/upstream")["upstream"]
    assert (state["waiting"], state["refused"]) == (2, 0)

    # Killed while cut off, and again and again while it catches up.
    county.kill()
    n_before = told(county)
    for _ in range(20):
        world.raise_alarm(MINE_Z)
    line.heal()
    for goal in sorted(rng.sample(range(n_before + 1, n_before + 30), 2)):
        county.start()
        wait_until(lambda goal=goal: told(county) >= goal, 60.0, f"{goal} events")  # type: ignore[misc]
        county.kill()
    county.start()
    county.answers()
    agree(world, site)

    marks = {(m[0], m[3]) for m in county.story()["marks"]}
    assert marks == {(f"{MINE_Z}-01-001A01", t) for t in ("county", "city")}
    wait_until(
        lambda: not county.ask("GET", "/upstream")["upstream"]["cut_off"],
        *(60.0, "the county says that it is connected"),
    )
    assert county.ask("GET", "/upstream")["upstream"]["waiting"] == 0


def confirm_same(city: Node) -> None:
    """The city's officer confirms the alarm that the county has confirmed."""
    wanted = f"/alarms?state=open&area={ZHENXIONG}"
    for alarm in city.ask("GET", wanted)["items"]:
        if alarm["point"] == "001A01":
            path = f"/alarms/{alarm['alarm_id']}/actions/confirm"
            assert city.ask("POST", path, {"text": "市级已见"}) is not None
            return
    raise AssertionError("the city does not see it")
