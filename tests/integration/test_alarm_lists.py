"""Floods: groups that hide no level, pages without a hole, and files."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from gasmon.units import US_PER_S
from tests.fix_api import MINE_S, MINE_Z, SUIJIANG, World

N_FLOOD = 10_000

FLOOD = """
WITH made AS (
    INSERT INTO incident (run, area_code, mine_id, scope_type, scope_id, opened_at)
    SELECT 0, area_code, mine_id, 'mine', code, now() FROM mine WHERE code = %(mine)s
    RETURNING incident_id, area_code, mine_id)
INSERT INTO alarm (run, subject_type, subject_id, kind, raised_at, incident_id,
                   area_code, mine_id, rule, rank, value, arrived_at, decided_at)
SELECT 0, 'point', %(mine)s || '-01-' || n, 'sensor_break',
       now() - n * interval '1 ms', incident_id, area_code, mine_id, 'test',
       CASE WHEN n = 7777 THEN 4 ELSE 1 END, NULL, now(), now()
FROM made, generate_series(1, %(n)s) AS n
"""


@pytest.fixture
def flooded(world: World) -> World:
    """Ten thousand broken sensors of one mine, one of them red, and an over-limit."""
    world.conn.execute(FLOOD, {"mine": MINE_Z, "n": N_FLOOD})
    world.record(world.event(mine=MINE_S, rank=3, value=1.6))
    world.conn.commit()
    return world


def told(world: World, who: str, path: str, **query: Any) -> Any:
    """What the server says to somebody."""
    with world.client(who) as client:
        answer = client.get(f"/api/v1{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_worst_come_first_when_asked_over_all_pages(world: World) -> None:
    """Of one level the newest; a cursor goes on where the page ended."""
    at = world.now_us
    for n, rank in enumerate((2, 4, 1, 4, 3)):
        times = dict.fromkeys(("raised_at_us", "happened_at_us"), at + n * 1_000_000)
        world.record(world.event(no=f"{n:03}A01", rank=rank, **times))
    found: list[tuple[int, int]] = []
    cursor: dict[str, str] = {}
    while True:
        page = told(
            world, "county", "/alarms", order="worst", limit=2, state="open", **cursor
        )
        found += [(row["rank"], row["alarm_id"]) for row in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert found == [(4, 4), (4, 2), (3, 5), (2, 1), (1, 3)]
    newest = told(world, "county", "/alarms", state="open")["items"]
    assert [row["alarm_id"] for row in newest] == [5, 4, 3, 2, 1]


def test_a_flood_is_a_few_groups_and_its_worst_alarm_is_named(flooded: World) -> None:
    """One red among 10,000 blue ones stands in front of them, by its place."""
    found = told(flooded, "city_officer", "/alarms/groups")

    assert (found["total"], found["groups"]) == (N_FLOOD + 1, 2)
    first, second = found["items"]
    assert (first["mine"], first["kind"], first["n"]) == (
        MINE_Z,
        "sensor_break",
        N_FLOOD,
    )
    assert (first["worst_rank"], first["red"]) == (4, 1)
    assert first["worst"]["place"] == f"{MINE_Z}-01-7777"
    assert (second["worst_rank"], second["worst"]["value"]) == (3, 1.6)
    assert first["unconfirmed"] == N_FLOOD
    groups_are_within_what_one_sees_and_asks_for(flooded)
    pages_of_a_flood_have_no_hole_and_no_repetition(flooded)


def groups_are_within_what_one_sees_and_asks_for(flooded: World) -> None:
    """A county's own; one mine; as many as wanted, and how many there are."""
    assert told(flooded, "viewer", "/alarms/groups")["total"] == 1
    assert told(flooded, "city_officer", "/alarms/groups", mine=MINE_S)["total"] == 1
    cut = told(flooded, "city_officer", "/alarms/groups", limit=1)
    assert (len(cut["items"]), cut["groups"]) == (1, 2)
    none = told(flooded, "county", "/alarms/groups", area=SUIJIANG)
    assert none == {"items": [], "total": 0, "groups": 0}


def pages_of_a_flood_have_no_hole_and_no_repetition(flooded: World) -> None:
    """Two pages by their cursor, also among those of one word and of who must act."""
    for more in ({}, {"q": "煤矿"}, {"overdue": "any", "state": "all"}):
        query = {"area": "530627", "limit": 200, **more}
        first = told(flooded, "city_officer", "/alarms", **query)
        if "overdue" in more:
            assert first["total"] == 0
            continue
        then = told(flooded, "city_officer", "/alarms", **query, cursor=first["next"])
        assert first["total"] == then["total"] == N_FLOOD
        ids = [row["alarm_id"] for page in (first, then) for row in page["items"]]
        assert len(set(ids)) == 400
        times = [row["raised_at"] for page in (first, then) for row in page["items"]]
        assert times == sorted(times, reverse=True)


def test_a_filtered_list_is_taken_as_a_file_that_stands_in_the_audit(
    world: World,
) -> None:
    """What the same filter finds, and never a part of it."""
    world.record(world.event(), world.event(no="001A02", rank=3))
    world.record(world.event(mine=MINE_S, happened_at_us=world.now_us + US_PER_S))
    with world.client("city_officer") as client:
        client.post("/api/v1/alarms/2/confirm", json={})
        # Owed by one's own tier no more, and by the others still.
        groups = client.get("/api/v1/alarms/groups").json()["items"]
        file = client.get("/api/v1/alarms/export", params={"min_rank": 3})
        refused = client.get("/api/v1/alarms/export", params={"limit": 1})

    theirs = told(world, "county", "/alarms/groups")["items"]
    assert [group["unconfirmed"] for group in groups] == [1, 1]
    assert [group["unconfirmed"] for group in theirs] == [2]
    lines = list(csv.reader(io.StringIO(file.content.decode("utf-8-sig"))))
    assert len(lines) == 2
    line = dict(zip(lines[0], lines[1], strict=True))
    assert line["等级 level"] == "橙色 orange"
    assert line["市级 city 确认人 by"] == "city_officer"
    assert line["结束 end"] == "未解除 ongoing"
    assert refused.status_code == 422
    assert "3 alarms" in refused.json()["detail"]
    rows = world.conn.execute(
        "SELECT principal, detail->'asked'->>'min_rank', detail->>'rows' FROM audit"
        " WHERE action = 'alarms.export'"
    ).fetchall()
    world.conn.commit()
    assert rows == [("city_officer", "3", "1")]
