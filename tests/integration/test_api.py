"""The api's answers over HTTP: shapes, log-in, confirming, readings, pages, health."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import nan

import httpx
from pydantic import BaseModel

from gasmon.api import schemas, schemas_life, schemas_points
from gasmon.domain import states
from gasmon.points import PointKey
from gasmon.store import access
from gasmon.units import US_PER_H, US_PER_S, iso_us
from tests.fix_api import (
    ANSWER_S,
    MINE_S,
    MINE_Z,
    ZHENXIONG,
    World,
    write_readings,
)
from tests.fix_wait import wait_until

MODELS: dict[str, type[BaseModel]] = {
    "/me": schemas.Me,
    "/version": schemas.Version,
    "/areas": schemas.AreaList,
    "/mines": schemas.MineList,
    f"/mines/{MINE_Z}": schemas.MineDetail,
    f"/mines/{MINE_Z}/units": schemas.UnitList,
    f"/mines/{MINE_Z}/points": schemas.PointList,
    f"/mines/{MINE_Z}/latest": schemas.Latest,
    "/points/1": schemas.Point,
    "/alarms": schemas.AlarmList,
    "/alarms/1": schemas.Alarm,
    "/alarms/1/history": schemas_life.History,
    "/alarms/1/life": schemas_life.Life,
    "/incidents": schemas.IncidentList,
    "/incidents/1": schemas.Incident,
}


def test_answers_are_as_documented(world: World) -> None:
    """Every answer has exactly the members that the OpenAPI page names."""
    world.record(world.event(MINE_Z, explain={"why": "value"}))
    with world.client("admin") as client:
        for path, model in MODELS.items():
            answer = client.get("/api/v1" + path)

            assert answer.status_code == 200, (path, answer.text)
            assert answer.headers["cache-control"] == "no-store"
            model.model_validate(answer.json())
        page = client.get("/api/v1/openapi.json").json()
    assert "/api/v1/alarms/{alarm_id}/confirm" in page["paths"]


def test_mines_show_their_state_and_highest_methane(world: World) -> None:
    """A mine's tile: online, points, open alarms, the best methane value."""
    world.record(world.event(MINE_Z, rank=3))
    with world.client("zhenxiong") as client:
        # The list of methane points is loaded by a task that starts with the api.
        wait_until(
            lambda: client.get("/api/v1/mines").json()["items"][0]["top_ch4"],
            what="top_ch4",
        )
        mine = client.get("/api/v1/mines").json()["items"][0]
        latest = client.get(f"/api/v1/mines/{MINE_Z}/latest").json()

    assert mine["code"] == MINE_Z
    assert (mine["online"], mine["points"]) == (True, 2)
    assert (mine["worst_rank"], mine["open_alarms"], mine["unconfirmed"]) == (3, 1, 1)
    assert mine["top_ch4"] == {
        "point_id": world.ids[PointKey(MINE_Z, "01", "001A01")],
        "value": 0.4,
        "no": "001A01",
        "place": "镇雄县回风隅角T0",
        "at": iso_us(world.now_us),
    }
    assert [item["value"] for item in latest["items"]] == [0.4, 3.0]


def test_an_alarm_is_confirmed_once_per_tier_and_level(world: World) -> None:
    """Each tier for itself; twice is a conflict; a higher level asks again."""
    world.record(world.event(MINE_Z))
    path = "/api/v1/alarms/1"
    with world.client("county") as county, world.client("dispatcher") as mine:
        before = county.get(path).json()
        done = county.post(path + "/confirm", json={"note": "电话已核实"})
        again = county.post(path + "/confirm", json={})
        of_mine = mine.get(path).json()
        world.record(
            world.event(MINE_Z, event="level", rank=4, happened_at_us=world.now_us + 1)
        )
        risen = county.get(path).json()
        history = county.get(path + "/history").json()["items"]

    assert before["state"] == "unconfirmed"
    assert done.status_code == 200, done.text
    assert done.json()["state"] == "confirmed"
    assert done.json()["confirmations"]["county"]["by"] == "county"
    assert done.json()["confirmations"]["county"]["note"] == "电话已核实"
    assert again.status_code == 409
    assert "county" in again.json()["detail"]
    assert of_mine["state"] == "unconfirmed"
    assert of_mine["confirmations"]["county"]["by"] == "county"
    assert risen["state"] == "unconfirmed"
    assert risen["confirmations"]["county"] is None
    assert [row["event"] for row in history] == ["raised", "confirmed", "level"]
    assert (history[1]["by"], history[1]["tier"]) == ("county", "county")
    events = [body for _, body in world.outbox()]
    assert '"event":"confirmed"' in events[1]


def test_only_duty_roles_confirm(world: World) -> None:
    """Programs and onlookers do not confirm; who cannot see it finds nothing."""
    world.record(world.event(MINE_Z))
    wanted = {"viewer": 404, "admin": 403, "zhenxiong": 403, "city_officer": 200}
    for who, status in wanted.items():
        with world.client(who) as client:
            answer = client.post("/api/v1/alarms/1/confirm", json={"note": ""})
        assert answer.status_code == status, (who, answer.text)


def test_alarms_are_paged_without_hole_or_repetition(world: World) -> None:
    """The pages of a cursor together are the whole list."""
    for _ in range(7):
        world.raise_alarm(MINE_Z)
    seen: list[int] = []
    cursor = None
    with world.client("zhenxiong") as client:
        while True:
            query = {"state": "all", "limit": "3"} | (
                {"cursor": cursor} if cursor else {}
            )
            page = client.get("/api/v1/alarms", params=query).json()
            seen += [alarm["alarm_id"] for alarm in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
        bad = client.get("/api/v1/alarms", params={"cursor": "1;2"})

    assert seen == [7, 6, 5, 4, 3, 2, 1]
    assert page["total"] == 7
    assert page["seq"] == world.outbox()[-1][0]
    assert bad.status_code == 422


FILTERS: list[tuple[dict[str, str], int]] = [
    ({}, 1),
    ({"state": "cleared"}, 1),
    ({"state": "all"}, 2),
    # What is cleared and not confirmed still asks for somebody.
    ({"state": "standing"}, 2),
    ({"state": "standing", "confirmed": "true"}, 0),
    ({"state": "all", "kind": "over_limit,cut_off"}, 2),
    ({"state": "all", "kind": "cut_off"}, 0),
    ({"state": "all", "min_rank": "3"}, 1),
    ({"area": "zhenxiong"}, 1),
    ({"area": "530600", "state": "all"}, 2),
    ({"area": "suijiang", "state": "all"}, 1),
    ({"point": f"{MINE_Z}-01-001A01"}, 1),
    ({"q": "回风隅角"}, 1),
    ({"q": "%"}, 0),
    ({"confirmed": "true"}, 0),
    ({"confirmed": "false"}, 1),
]


def test_alarms_are_filtered(world: World) -> None:
    """Each filter finds what it says."""
    world.record(world.event(MINE_Z, rank=4))
    world.raise_alarm(MINE_S)
    with world.client("admin") as client:
        for query, n in FILTERS:
            page = client.get("/api/v1/alarms", params=query).json()
            assert len(page["items"]) == page["total"] == n, query


NONSENSE: list[tuple[str, dict[str, str]]] = [
    ("/alarms", {"state": "closed"}),
    ("/alarms", {"min_rank": "9"}),
    ("/alarms", {"limit": "100000"}),
    ("/alarms", {"from": "yesterday"}),
    ("/alarms", {"from": "9999-01-01T00:00:00Z"}),
    ("/alarms", {"area": "atlantis"}),
    ("/alarms", {"q": "\x00"}),
    ("/alarms/0", {}),
    ("/alarms/99999999999999999999", {}),
    ("/mines/12", {}),
    ("/points/1/readings", {}),
    (
        "/points/1/readings",
        {"from": "2026-01-01T00:00:00Z", "to": "2025-01-01T00:00:00Z"},
    ),
    (
        "/points/1/readings",
        {"from": "2024-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
    ),
]


def test_nonsense_is_refused_by_name(world: World) -> None:
    """A value out of bounds is 422 with a problem that names it."""
    with world.client("admin") as client:
        for path, query in NONSENSE:
            answer = client.get("/api/v1" + path, params=query)
            assert answer.status_code == 422, (path, query, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["detail"]


def test_what_is_not_there_is_a_problem(world: World) -> None:
    """An unknown address is 404 in the same shape as every refusal."""
    with world.client("admin") as client:
        for path in ("/api/v1/nothing", "/nothing", "/static/no.js"):
            answer = client.get(path)
            assert answer.status_code == 404, path
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["type"] == "urn:gasmon:problem:not-found"


def test_readings_keep_their_extremes(world: World) -> None:
    """A spike of one reading among thousands stays visible; bad values never count."""
    point_id = world.ids[PointKey(MINE_Z, "01", "001A01")]
    begin = world.now_us - US_PER_H
    readings: list[tuple[int, float | None, int]] = [
        (begin + at * US_PER_S, 0.5, 0) for at in range(3000)
    ]
    readings[1234] = (readings[1234][0], 3.9, 0)
    readings[1500] = (readings[1500][0], 0.01, 0)
    readings[2000] = (readings[2000][0], 9.0, states.CALIBRATION)
    readings[2001] = (readings[2001][0], None, 0)
    readings[2002] = (readings[2002][0], 8.0, states.SENSOR_FAULT)
    readings[2003] = (readings[2003][0], nan, 0)
    write_readings(world.conn, point_id, readings)
    world.conn.commit()
    query = {"from": iso_us(begin), "to": iso_us(begin + US_PER_H), "max_points": "100"}
    path = f"/api/v1/points/{point_id}/readings"
    with world.client("zhenxiong") as client:
        answer = client.get(path, params=query).json()
        raw = client.get(path, params={**query, "max_points": "5000"}).json()
        too_many = client.get(path, params={**query, "max_points": "5001"})

    schemas_points.Readings.model_validate(answer)
    rows = answer["rows"]
    assert answer["step_ms"] == 36_000
    assert len(rows) <= 100
    assert max(row[2] for row in rows) == 3.9
    assert min(row[1] for row in rows) == 0.01
    assert sum(row[4] for row in rows) == 2996
    assert sum(row[5] for row in rows) == 4
    assert sum(row[6] for row in rows) == 1
    assert raw["step_ms"] == 0
    assert len(raw["rows"]) == 3000
    assert raw["rows"][2001][1:] == [None, None, None, 0, 1, 0]
    assert too_many.status_code == 422


@contextmanager
def browser(world: World) -> Iterator[tuple[httpx.Client, str]]:
    """A browser that logged in as the county's officer, and its CSRF value."""
    headers = {"Origin": world.api.base}
    with httpx.Client(
        base_url=world.api.base, headers=headers, timeout=ANSWER_S
    ) as client:
        answer = client.post("/api/v1/session", headers=world.header("county"))
        assert answer.status_code == 200, answer.text
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        yield client, answer.json()["csrf"]


def test_a_browser_logs_in_and_out(world: World) -> None:
    """The cookie reads; writing needs the CSRF value; after log-out nothing works."""
    world.record(world.event(MINE_Z))
    with browser(world) as (client, csrf):
        me = client.get("/api/v1/me").json()
        without = client.post("/api/v1/alarms/1/confirm", json={})
        wrong = client.post(
            "/api/v1/alarms/1/confirm", json={}, headers={"X-CSRF-Token": "guess"}
        )
        right = client.post(
            "/api/v1/alarms/1/confirm", json={}, headers={"X-CSRF-Token": csrf}
        )
        out = client.delete("/api/v1/session", headers={"X-CSRF-Token": csrf})
        after = client.get("/api/v1/me")

    assert me["csrf"] == csrf
    assert me["principal"]["areas"] == [ZHENXIONG]
    assert (without.status_code, wrong.status_code) == (403, 403)
    assert right.status_code == 200
    assert out.status_code == 204
    assert after.status_code == 401


def test_a_foreign_page_cannot_write(world: World) -> None:
    """A cookie with the right CSRF value but another (or no) origin is refused."""
    world.record(world.event(MINE_Z))
    with browser(world) as (client, csrf):
        del client.headers["Origin"]
        for origin in ("http://evil.example", "null", "http://[", None):
            headers = {"X-CSRF-Token": csrf} | ({"Origin": origin} if origin else {})
            answer = client.post("/api/v1/alarms/1/confirm", json={}, headers=headers)
            assert answer.status_code == 403, origin
            assert "origin" in answer.json()["detail"]


def test_a_secret_in_the_address_is_never_read(world: World) -> None:
    """A token as a query parameter is no authentication."""
    answer = httpx.get(
        world.api.base + "/api/v1/me", params={"token": world.tokens["admin"]}
    )

    assert answer.status_code in (401, 422)


def test_a_revoked_or_expired_token_ends_at_once(world: World) -> None:
    """Revoking ends tokens and the sessions made with them; the time does too."""
    expired = access.create_token(
        world.conn,
        name="old",
        role="viewer",
        areas=None,
        mines=None,
        now_us=world.now_us,
        expires_us=world.now_us + 1,
    )
    with browser(world) as (client, _):
        access.revoke_tokens(world.conn, "county", world.now_us)
        by_cookie = client.get("/api/v1/me")
    with world.client("county") as program:
        by_token = program.get("/api/v1/me")
    by_old = httpx.get(
        world.api.base + "/api/v1/me", headers={"Authorization": f"Bearer {expired}"}
    )

    statuses = {by_cookie.status_code, by_token.status_code, by_old.status_code}
    assert statuses == {401}


def test_addresses_of_the_page_give_the_page(world: World) -> None:
    """Every address that the page resolves gives index.html with strict headers."""
    with httpx.Client(base_url=world.api.base, timeout=ANSWER_S) as client:
        for path in ("/", "/login", "/alarms", "/area/530627", "/mine/1/x", "/point/3"):
            answer = client.get(path)
            assert answer.status_code == 200, path
            assert answer.headers["content-type"].startswith("text/html")
            policy = answer.headers["content-security-policy"]
            assert "default-src 'self'" in policy
            assert "frame-ancestors 'none'" in policy
            assert answer.headers["cache-control"] == "no-cache"


def test_files_of_the_page_are_asked_about_each_time(world: World) -> None:
    """A file has its media type and an ETag that answers 304."""
    first = httpx.get(world.api.base + "/static/app.js")
    second = httpx.get(
        world.api.base + "/static/app.js",
        headers={"If-None-Match": first.headers["etag"]},
    )
    above = httpx.get(world.api.base + "/static/%2e%2e/app.py")

    assert first.headers["content-type"].startswith("text/javascript")
    assert first.headers["cache-control"] == "no-cache"
    assert second.status_code == 304
    assert above.status_code == 404


def test_health_names_what_is_wrong(world: World) -> None:
    """Ready with all checks; alive but not ready when migrations are missing."""
    wait_until(
        lambda: httpx.get(world.api.base + "/readyz").status_code == 200, what="ready"
    )
    checks = httpx.get(world.api.base + "/readyz").json()["checks"]
    world.conn.execute(
        "DELETE FROM migration WHERE number = (SELECT max(number) FROM migration)"
    )
    world.conn.commit()
    broken = httpx.get(world.api.base + "/readyz")
    alive = httpx.get(world.api.base + "/healthz")
    metrics = httpx.get(world.api.base + "/metrics").text

    assert set(checks) == {"database", "migrations", "tasks", "follower", "live"}
    assert broken.status_code == 503
    assert "not applied: 0" in broken.json()["checks"]["migrations"]
    assert alive.status_code == 200
    assert "gasmon_api_stream_clients 0" in metrics
