"""Nobody sees a byte of what is not theirs, on any route."""

from __future__ import annotations

import json

import httpx
import pytest
from fastapi.routing import APIRoute

from gasmon.api import (
    routes_alarms,
    routes_cap,
    routes_escalation,
    routes_life,
    routes_lists,
    routes_load,
    routes_mines,
    routes_places,
    routes_points,
    routes_session,
    routes_statistics,
)
from gasmon.points import PointKey
from gasmon.units import US_PER_MIN, iso_us
from tests.fix_api import (
    ANSWER_S,
    MINE_S,
    MINE_Z,
    MINE_Z2,
    SUIJIANG,
    ZHENXIONG,
    World,
    write_readings,
)

ROUTERS = (
    *(routes_session.router, routes_mines.router, routes_alarms.router),
    *(routes_lists.router, routes_statistics.router, routes_places.router),
    *(routes_points.router, routes_load.router),
    *(routes_life.router, routes_escalation.router, routes_cap.router),
)
# How a foreign byte would look: codes, names and numbers of the other county.
FOREIGN = ("530627", "zhenxiong", "镇雄", "Zhenxiong")


def all_routes() -> list[tuple[str, str]]:
    """Method and path of every HTTP route of the api."""
    return [
        (method, route.path)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in sorted(route.methods)
    ]


def fill(world: World) -> dict[str, dict[str, str]]:
    """An open alarm and readings in both counties; path values by county."""
    by_area: dict[str, dict[str, str]] = {}
    for mine in (MINE_Z, MINE_S):
        world.record(world.event(mine))
        point_id = world.ids[PointKey(mine, "01", "001A01")]
        row = world.conn.execute(
            "SELECT alarm_id, incident_id FROM alarm WHERE point_id = %s", (point_id,)
        ).fetchone()
        assert row is not None
        by_area[mine[:6]] = {
            "code": mine,
            "point_id": str(point_id),
            "alarm_id": str(row[0]),
            "incident_id": str(row[1]),
            "action": "confirm",
            "seq": str(world.outbox(mine[:6])[-1][0]),
        }
    world.conn.commit()
    return by_area


def query_of(world: World, path: str, code: str = MINE_Z) -> dict[str, str]:
    """The parameters without which a route answers nothing."""
    if path == "/search":
        return {"q": "0"}
    if path.startswith("/statistics/mine"):
        return {"mine": code}
    if path == "/places":
        return {"undecided": "false"}
    if path == "/rules/explain":
        return {"subject": code}
    if not path.endswith(("/readings", "/readings.csv", "/marks", "/crossings")):
        return {}
    return {
        "from": iso_us(world.now_us - US_PER_MIN),
        "to": iso_us(world.now_us + US_PER_MIN),
    }


def ask(
    world: World, client: httpx.Client, method: str, path: str, values: dict[str, str]
) -> httpx.Response:
    """Call one route with path values filled in."""
    return client.request(
        method,
        "/api/v1" + path.format(**values),
        params=query_of(world, path, values["code"]),
        json=body_of(path, values) if method == "POST" else None,
    )


def body_of(path: str, values: dict[str, str]) -> dict[str, object] | None:
    """What is sent to a route that changes something."""
    if path == "/session":
        # A log-in is shown a token here; a body would be a name and a password.
        return None
    if path == "/alarms/confirm":
        return {"alarm_ids": [int(values["alarm_id"])], "text": "seen"}
    return {"text" if "{action}" in path else "note": "seen"}


def test_no_route_shows_a_foreign_county(both_world: World) -> None:
    """A Suijiang token never sees a byte of Zhenxiong, whatever it asks for."""
    world = both_world
    values = fill(world)
    with world.client("suijiang") as client:
        for method, path in all_routes():
            for area in (SUIJIANG, ZHENXIONG):
                answer = ask(world, client, method, path, values[area])
                text, asked = answer.text, query_of(world, path)
                # By its address, or by what it is asked for.
                is_named = "{" in path or {"mine", "subject"} & asked.keys()
                if area == ZHENXIONG and is_named:
                    assert answer.status_code == 404, (method, path, text)
                    problem = answer.json()
                    # What was asked may be repeated in the refusal; nothing else may.
                    for value in values[area].values():
                        problem["detail"] = problem["detail"].replace(value, "")
                    text = json.dumps(problem, ensure_ascii=False)
                elif path == "/alarms/confirm" and area == ZHENXIONG:
                    statuses = [item["status"] for item in answer.json()["items"]]
                    assert statuses == [404], (method, path, text)
                elif method == "GET":
                    assert answer.status_code == 200, (method, path, text)
                for foreign in FOREIGN:
                    assert foreign not in text, (method, path, foreign)


def test_filters_cannot_widen_a_scope(world: World) -> None:
    """Naming a foreign area, mine or point in a filter finds nothing."""
    values = fill(world)[ZHENXIONG]
    filters = [
        ("/mines", {"area": ZHENXIONG}),
        ("/mines", {"q": "镇雄"}),
        ("/alarms", {"area": ZHENXIONG, "state": "all"}),
        ("/alarms", {"mine": MINE_Z, "state": "all"}),
        ("/alarms", {"point": values["point_id"], "state": "all"}),
        ("/alarms", {"point": f"{MINE_Z}-01-001A01", "state": "all"}),
        ("/alarms", {"q": "镇雄", "state": "all"}),
        ("/incidents", {"area": ZHENXIONG, "state": "all"}),
        ("/incidents", {"mine": MINE_Z, "state": "all"}),
    ]
    with world.client("suijiang") as client:
        for path, query in filters:
            answer = client.get("/api/v1" + path, params=query)

            assert answer.status_code == 200, answer.text
            assert answer.json()["items"] == [], (path, query)


def test_a_mine_sees_itself_alone(world: World) -> None:
    """A mine's dispatcher does not see its neighbour in the same county."""
    values = fill(world)
    world.record(world.event(MINE_Z2))
    with world.client("dispatcher") as client:
        mines = client.get("/api/v1/mines").json()["items"]
        alarms = client.get("/api/v1/alarms").json()["items"]
        areas = client.get("/api/v1/areas").json()["items"]
        foreign = client.get(f"/api/v1/mines/{MINE_Z2}/points")
        other = client.get(f"/api/v1/alarms/{values[SUIJIANG]['alarm_id']}")

    assert [mine["code"] for mine in mines] == [MINE_Z]
    assert [alarm["mine"] for alarm in alarms] == [MINE_Z]
    assert [(area["code"], area["mines"]) for area in areas] == [(ZHENXIONG, 1)]
    assert areas[0]["open_alarms"] == 1
    assert foreign.status_code == 404
    assert other.status_code == 404


def test_the_city_sees_all_counties(world: World) -> None:
    """The prefecture's code covers its counties."""
    fill(world)
    with world.client("city") as client:
        mines = client.get("/api/v1/mines").json()["items"]
        alarms = client.get("/api/v1/alarms").json()

    assert [mine["code"] for mine in mines] == [MINE_S, MINE_Z, MINE_Z2]
    assert alarms["total"] == 2


@pytest.mark.parametrize("who", ["nobody", "bad", "basic"])
def test_every_route_wants_to_know_who_asks(world: World, who: str) -> None:
    """Without a good token every route answers 401 as a problem."""
    headers = {
        "nobody": {},
        "bad": {"Authorization": "Bearer gm_" + "x" * 43},
        "basic": {"Authorization": "Basic Z206Z20="},
    }[who]
    values = fill(world)[SUIJIANG]
    with httpx.Client(
        base_url=world.api.base, headers=headers, timeout=ANSWER_S
    ) as client:
        for method, path in all_routes():
            answer = ask(world, client, method, path, values)

            assert answer.status_code == 401, (method, path)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["www-authenticate"] == "Bearer"


def test_every_route_refuses_unknown_parameters(world: World) -> None:
    """A parameter that a route does not know is an error, a token in one too."""
    values = fill(world)[ZHENXIONG]
    with world.client("admin") as client:
        for method, path in all_routes():
            for name in ("surprise", "token", "access_token"):
                answer = client.request(
                    method,
                    "/api/v1" + path.format(**values),
                    params={**query_of(world, path), name: "1"},
                    json={} if method == "POST" else None,
                )

                assert answer.status_code == 422, (method, path, name)
                assert name in answer.json()["detail"]


def test_readings_of_a_foreign_point_do_not_exist(world: World) -> None:
    """A point of another county is 404 even when it has readings."""
    point_id = world.ids[PointKey(MINE_Z, "01", "001A01")]
    write_readings(world.conn, point_id, [(world.now_us, 0.5, 0)])
    world.conn.commit()
    path = f"/api/v1/points/{point_id}/readings"
    query = query_of(world, path)
    with world.client("zhenxiong") as own, world.client("suijiang") as foreign:
        assert len(own.get(path, params=query).json()["rows"]) == 1
        assert foreign.get(path, params=query).status_code == 404
