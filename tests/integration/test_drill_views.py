"""What a page of a drill is answered: its own alarms, incidents and values alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from gasmon.store import access, drills
from gasmon.store.latest import LATEST_DTYPE, MineLatest, upsert_latest
from gasmon.units import US_PER_H, US_PER_MIN, iso_us, to_datetime
from tests.fix_api import MINE_S, MINE_Z, ZHENXIONG, World
from tests.integration.test_stream_live import dial, frame


@pytest.fixture
def run(world: World) -> int:
    """An unannounced drill of one county, with a point that has a value."""
    areas = [ZHENXIONG]
    world.tokens["trainer"] = access.create_token(
        world.conn,
        name="trainer",
        role="trainer",
        areas=areas,
        mines=None,
        now_us=world.now_us,
    )
    trainer = access.Principal(0, "trainer", "trainer", tuple(areas), None)
    wish = drills.DrillWish(
        scenario="outburst",
        areas=(ZHENXIONG,),
        from_us=world.now_us - US_PER_MIN,
        until_us=world.now_us + US_PER_H,
        announced=False,
    )
    run = drills.declare(
        world.conn, trainer, wish, most_at_once=3, longest_h=8, now_us=world.now_us
    )
    row = world.conn.execute(
        "INSERT INTO point (run, mine_id, system, no, created_at)"
        " SELECT %s, mine_id, '01', '001A01', now() FROM mine WHERE code = %s"
        " RETURNING point_id",
        (run, MINE_Z),
    ).fetchone()
    assert row is not None
    packed = np.zeros(1, LATEST_DTYPE)
    packed[0] = (row[0], 0, 0.83, world.now_us, world.now_us)
    latest = MineLatest(MINE_Z, True, "b", 1, world.now_us, world.now_us, packed)
    upsert_latest(world.conn, run, [latest])
    world.conn.commit()
    return run


def raise_drilled(world: World, run: int) -> None:
    """An alarm of the run at its point."""
    world.record(replace(world.event(), run=run))


def test_a_drill_shows_its_own_values_and_incidents(world: World, run: int) -> None:
    """Beside the live ones of the same mine and point number; after its end none."""
    raise_drilled(world, run)
    world.record(world.event())
    with world.client("trainer") as http:
        values = http.get(f"/api/v1/drills/{run}/mines/{MINE_Z}/latest").json()
        live = http.get(f"/api/v1/mines/{MINE_Z}/latest").json()
        of_drill = http.get(f"/api/v1/incidents?run={run}").json()["items"]
        real = http.get("/api/v1/incidents").json()["items"]
        assert http.get(f"/api/v1/drills/{run}/mines/{MINE_S}/latest").is_error
        http.post(f"/api/v1/drills/{run}/end", json={"reason": "x"}).raise_for_status()
        after = http.get(f"/api/v1/drills/{run}/mines/{MINE_Z}/latest").json()
    (one,) = values["items"]
    assert (one["no"], one["value"]) == ("001A01", 0.83)
    assert 0.83 not in [item["value"] for item in live["items"]]
    assert len(of_drill) == len(real) == 1
    assert of_drill[0]["alarms"] != real[0]["alarms"]
    assert after["items"] == []


def test_who_is_tested_finds_a_drill_with_its_first_alarm(
    world: World, run: int
) -> None:
    """Before it, it is hidden; then its people must be able to act on it."""
    with world.client("county") as http:
        assert http.get(f"/api/v1/drills/{run}").status_code == 404
        raise_drilled(world, run)
        assert http.get(f"/api/v1/drills/{run}").json()["may_end"] is True
    with world.client("dispatcher") as http:
        assert http.get(f"/api/v1/drills/{run}").json()["may_end"] is False


def test_files_of_a_drill_say_so_in_name_and_lines(world: World, run: int) -> None:
    """No frame of a page follows them."""
    raise_drilled(world, run)
    at = {"from": iso_us(world.now_us - US_PER_H), "to": iso_us(world.now_us + 1)}
    with world.client("trainer") as http:
        (point,) = http.get(f"/api/v1/drills/{run}/points").json()["items"]
        world.conn.execute(
            "INSERT INTO reading (run, point_id, at, value, state, arrived_at)"
            " VALUES (%s, %s, %s, 0.8, 0, %s)",
            (run, point["point_id"], *[to_datetime(world.now_us - US_PER_MIN)] * 2),
        )
        world.conn.commit()
        files = [
            http.get("/api/v1/alarms/export", params={"run": run, "state": "all"}),
            http.get(f"/api/v1/points/{point['point_id']}/readings.csv", params=at),
        ]
    for file in files:
        assert f'filename="drill-{run}' in file.headers["content-disposition"]
        (line,) = file.text.splitlines()[1:]
        assert "演练 drill" in line


async def test_a_stream_of_a_drill_tells_its_alarms_alone(
    world: World, run: int
) -> None:
    """No real alarm and no live value is in it, and none of it is in the page's own."""
    async with (
        dial(world, "zhenxiong", f"?run={run}") as drill,
        dial(world, "zhenxiong", "?points=0") as page,
    ):
        snapshot = await frame(drill, "snapshot")
        await frame(page, "snapshot")
        await asyncio.to_thread(world.raise_alarm)
        await asyncio.to_thread(raise_drilled, world, run)
        await asyncio.to_thread(world.raise_alarm)
        told = (await frame(drill, "alarm"))["data"]
        real = [(await frame(page, "alarm"))["data"] for _ in range(2)]
    assert snapshot["mines"] == []
    assert (told["run"], told["drill"]) == (run, True)
    assert [one["run"] for one in real] == [0, 0]


@pytest.mark.parametrize("query", ["?run=0", "?run=x", "?run=1&after=a:1"])
async def test_a_run_that_is_none_is_refused(world: World, query: str) -> None:
    """Closed as not understood."""
    async with dial(world, "zhenxiong", query) as socket:
        await socket.wait_closed()
        assert socket.close_code == 4400
