"""Shifts over HTTP: who may do and see what, and why not."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from gasmon.api import routes_shifts
from gasmon.api.schemas_shifts import (
    CalendarAnswer,
    HandoverAnswer,
    HandoverList,
    LoadAnswer,
    PostList,
    PostNow,
)
from gasmon.shifts.posts import Post
from gasmon.store import access
from tests.fix_api import ANSWER_S, MINE_S, MINE_Z, SUIJIANG, ZHENXIONG, World
from tests.fix_shifts import begin_shifts, days_on

COUNTY = f"/api/v1/shifts/county/{ZHENXIONG}"
MINE = f"/api/v1/shifts/mine/{MINE_Z}"


def ask(
    world: World, who: str, method: str, path: str, status: int = 200, **body: Any
) -> Any:
    """What the api answers, with the status that is wanted."""
    with world.client(who) as client:
        answer = client.request(method, path, json=body or None)
    assert answer.status_code == status, answer.text
    return answer.json()


def post(world: World, who: str, path: str, status: int = 200, **body: Any) -> Any:
    """The same for POST, with a body in any case."""
    with world.client(who) as client:
        answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.fixture
def shifts(world: World) -> World:
    """A shift in its middle at a county, its mine and the other county."""
    begin_shifts(
        world.dsn,
        Post("county", ZHENXIONG),
        Post("mine", MINE_Z),
        Post("county", SUIJIANG),
    )
    return world


def test_a_day_at_a_county(shifts: World) -> None:
    """Calendar, assignment, sign-on, hand-over, load, sign-off."""
    made = post(
        shifts,
        "admin",
        f"{COUNTY}/assignments",
        201,
        name="county",
        shift="全日班",
        from_day=str(days_on(2)),
    )
    signed = post(shifts, "county", f"{COUNTY}/sign-on")
    assert signed["name_en"] == "24 h duty"
    page = PostList.model_validate(ask(shifts, "county", "GET", "/api/v1/shifts"))
    assert [(row.tier, row.may_sign) for row in page.items] == [
        ("county", True),
        ("mine", False),
    ]
    row = PostNow.model_validate(ask(shifts, "city", "GET", COUNTY))
    assert [one.name for one in row.signed_on] == ["county"]
    shifts.record(shifts.event())
    body = {"tier": "county", "place": "zhenxiong"}
    found = HandoverAnswer.model_validate(
        post(shifts, "county", "/api/v1/handovers", **body)
    )
    assert found.summary["counts"]["open"] == 1
    assert found.load.alarms == 1
    path = f"/api/v1/handovers/{found.handover_id}"
    noted = post(shifts, "county", f"{path}/note", text="主扇检修")
    assert HandoverAnswer.model_validate(noted).notes[0].text == "主扇检修"
    listed = ask(shifts, "county", "GET", "/api/v1/handovers?limit=5")
    assert len(HandoverList.model_validate(listed).items) == 1
    shown = ask(shifts, "county", "GET", f"{COUNTY}/calendar?days=4")
    calendar = CalendarAnswer.model_validate(shown)
    assert calendar.shifts[-1].assigned == ["county"]
    loads = ask(shifts, "county", "GET", f"{COUNTY}/load?from={signed['day']}")
    assert LoadAnswer.model_validate(loads).items[0].load.alarms == 1
    assert post(shifts, "county", f"{COUNTY}/sign-off") == {"shifts": 1}
    number = made["assignment_id"]
    ask(shifts, "admin", "DELETE", f"{COUNTY}/assignments/{number}")
    shown = ask(shifts, "county", "GET", f"{COUNTY}/calendar?days=4")
    assert shown["assignments"] == []


def test_refusals_say_why(shifts: World) -> None:
    """403 for the role, 404 for the place, 409 for the state, 422 for the text."""
    refused = post(shifts, "city_officer", f"{COUNTY}/sign-on", 403)
    assert "role city_officer has no duty at county/530627" in refused["detail"]
    post(shifts, "zhenxiong", f"{COUNTY}/sign-on", 403)
    refused = post(shifts, "county", f"{COUNTY}/sign-off", 409)
    assert refused["detail"] == "'county' is not signed on at county/530627"
    post(shifts, "dispatcher", f"{MINE}/sign-on")
    again = post(shifts, "dispatcher", f"{MINE}/sign-on", 409)
    assert "is signed on already" in again["detail"]
    body = {"tier": "mine", "place": MINE_Z}
    opened = post(shifts, "dispatcher", "/api/v1/handovers", **body)
    path = f"/api/v1/handovers/{opened['handover_id']}"
    refused = post(shifts, "dispatcher", f"{path}/accept", 409)
    assert refused["detail"].startswith("交班人尚未签字 · the outgoing side")
    post(shifts, "dispatcher", f"{path}/note", 422, text="")
    post(shifts, "dispatcher", f"{path}/burn", 404)
    pattern = {"shifts": "甲 08:00-20:00, 乙 21:00-08:00", "from_day": str(days_on(2))}
    refused = post(shifts, "admin", f"{COUNTY}/pattern", 422, **pattern)
    assert "a gap of 60 min between 甲" in refused["detail"]
    day = {"shifts": "two-12h 08:00", "day": str(days_on(-1))}
    assert "is over" in post(shifts, "admin", f"{COUNTY}/day", 409, **day)["detail"]
    post(shifts, "county", f"{COUNTY}/pattern", 403, **pattern)
    ask(shifts, "admin", "GET", "/api/v1/shifts/county/530600", 422)
    ask(shifts, "admin", "GET", "/api/v1/shifts?tier=county", 422)
    ask(shifts, "admin", "GET", "/api/v1/handovers?place=530627", 422)
    unsigned = ask(shifts, "admin", "GET", "/api/v1/handovers?unsigned=true&tier=mine")
    assert unsigned == {"items": []}  # its shift still lasts
    ask(shifts, "admin", "GET", "/api/v1/shifts/city/530600", 404)
    pattern["shifts"] = "two-12h 08:00"
    made = post(shifts, "admin", f"{COUNTY}/pattern", **pattern)
    assert [shift["name_en"] for shift in made["shifts"]] == [
        "day shift",
        "night shift",
    ]
    pattern["shifts"] = ""
    assert post(shifts, "admin", f"{COUNTY}/pattern", **pattern)["shifts"] == []


def routes() -> list[tuple[str, str]]:
    """Method and path of every route of shifts."""
    return [
        (method, route.path)
        for route in routes_shifts.router.routes
        if isinstance(route, APIRoute)
        for method in sorted(route.methods)
    ]


BODIES: dict[str, dict[str, Any]] = {
    "/pattern": {"shifts": "one-24h 00:00", "from_day": str(days_on(2))},
    "/day": {"shifts": "one-24h 00:00", "day": str(days_on(2))},
    "/assignments": {"name": "county", "shift": "全日班", "from_day": str(days_on(2))},
    "/handovers": {"tier": "county", "place": ZHENXIONG},
}


def call(client: httpx.Client, method: str, path: str, number: int) -> httpx.Response:
    """Ask one route about the post of Zhenxiong."""
    body = next((b for end, b in BODIES.items() if path.endswith(end)), {})
    values = {"tier": "county", "place": ZHENXIONG, "number": number, "action": "note"}
    return client.request(
        method,
        "/api/v1" + path.format(**values),
        json=None if method in ("GET", "DELETE") else body or {"text": "?"},
    )


@pytest.mark.parametrize("who", ["suijiang", "viewer", "admin_s"])
def test_another_county_sees_nothing(shifts: World, who: str) -> None:
    """Whatever route it asks: not a byte of Zhenxiong, its people or hand-overs."""
    shifts.tokens["admin_s"] = access.create_token(
        shifts.conn,
        name="admin_s",
        role="administrator",
        areas=[SUIJIANG],
        mines=None,
        now_us=shifts.now_us,
        may="administer",
    )
    shifts.conn.commit()
    post(shifts, "county", f"{COUNTY}/sign-on")
    body = {"tier": "county", "place": ZHENXIONG}
    number = post(shifts, "county", "/api/v1/handovers", **body)["handover_id"]
    with shifts.client(who) as client:
        for method, path in routes():
            answer = call(client, method, path, number)
            if "{" not in path and method == "GET":
                assert answer.status_code == 200
                assert all(row["place"] == SUIJIANG for row in answer.json()["items"])
            else:
                assert answer.status_code in (403, 404, 422), (method, path)
            assert "镇雄" not in answer.text
            assert '"county"' not in answer.text.replace('"tier":"county"', "")
        foreign = client.get(f"/api/v1/shifts?tier=county&place={ZHENXIONG}")
        assert foreign.json()["items"] == []
        foreign = client.get(f"/api/v1/handovers?tier=county&place={ZHENXIONG}")
        assert foreign.json()["items"] == []


def test_a_mine_sees_itself_alone(shifts: World) -> None:
    """Neither its county's people nor another mine's."""
    page = ask(shifts, "dispatcher", "GET", "/api/v1/shifts")
    assert [row["tier"] for row in page["items"]] == ["mine"]
    ask(shifts, "dispatcher", "GET", COUNTY, 404)
    ask(shifts, "dispatcher", "GET", f"/api/v1/shifts/mine/{MINE_S}/load", 404)
    city = ask(shifts, "city", "GET", "/api/v1/shifts")
    assert len(city["items"]) == 3


def test_nobody_sees_it_without_a_name(shifts: World) -> None:
    """401 on every route."""
    with httpx.Client(base_url=shifts.api.base, timeout=ANSWER_S) as client:
        for method, path in routes():
            assert call(client, method, path, 1).status_code == 401, (method, path)
