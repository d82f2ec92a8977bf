"""Whatever somebody changes over HTTP is in the audit: every route is walked."""

from __future__ import annotations

from typing import Any

import httpx

from gasmon.api.app import create_app
from gasmon.clock import SystemClock
from gasmon.settings import DatabaseSettings, Settings
from gasmon.shifts.posts import Post
from gasmon.store import access
from gasmon.telemetry import Metrics
from gasmon.units import US_PER_MIN, iso_us
from tests.fix_api import MINE_Z, ZHENXIONG, World
from tests.fix_shifts import begin_shifts, days_on

PASSWORD = "seven herons under the bridge"
OTHER = "a ladder leans on the moon"
POST = f"/shifts/county/{ZHENXIONG}"

SAYS_NOTHING = {
    # It only tells whose link this is.
    ("POST", "/links/look"),
    # Finds or begins the sheet of a shift; what people say on it has rows.
    ("POST", "/handovers"),
}
"""Routes that are no GET and change nothing that anybody answers for."""


def changing_routes() -> set[tuple[str, str]]:
    """Method and path of every route of the api that is not a GET."""
    settings = Settings(mode="test", database=DatabaseSettings(url="postgresql:///x"))
    app = create_app(settings, Metrics(), SystemClock())
    return {
        (method.upper(), path.removeprefix("/api/v1"))
        for path, methods in app.openapi()["paths"].items()
        for method in methods
        if method not in ("get", "head")
    }


def file_routes() -> list[str]:
    """Path of every route that gives a file to take away."""
    settings = Settings(mode="test", database=DatabaseSettings(url="postgresql:///x"))
    paths = create_app(settings, Metrics(), SystemClock()).openapi()["paths"]
    return sorted(
        path.removeprefix("/api/v1")
        for path, methods in paths.items()
        if path.endswith((".csv", "/export"))
        or "text/csv" in str(methods.get("get", {}).get("responses"))
    )


class Walk:
    """Calls routes and looks at what the audit got of each."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.walked: set[tuple[str, str]] = set()
        self.browser = httpx.Client(
            base_url=world.api.base, headers={"Origin": world.api.base}, timeout=60.0
        )

    def newest(self) -> int:
        """Number of the newest row."""
        row = self.world.conn.execute("SELECT max(audit_id) FROM audit").fetchone()
        self.world.conn.commit()
        assert row is not None
        return int(str(row[0] or 0))

    def did(
        self,
        who: str,
        route: tuple[str, str],
        actions: str,
        body: Any = None,
        status: int = 200,
        **values: object,
    ) -> Any:
        """Call a route as somebody; its rows in the audit are these, by this name.

        Args:
            who: of the tokens; empty is the browser.
            actions: with a space between them.
        """
        before, (method, path) = self.newest(), route
        client = self.world.client(who) if who else self.browser
        answer = client.request(method, "/api/v1" + path.format(**values), json=body)
        if who:
            client.close()
        assert answer.status_code == status, (route, answer.text)
        rows = self.world.conn.execute(
            "SELECT action, principal FROM audit WHERE audit_id > %s ORDER BY audit_id",
            (before,),
        ).fetchall()
        self.world.conn.commit()
        assert [action for action, _ in rows] == actions.split(), route
        assert {name for _, name in rows} <= {who or "li", "li"}, route
        self.walked.add(route)
        is_json = "json" in answer.headers.get("content-type", "")
        return answer.json() if is_json else None


def accounts(walk: Walk) -> None:
    """A user from the link to the end."""
    rights = {"role": "county_officer", "areas": [ZHENXIONG], "mines": None}
    made = walk.did(
        "admin", ("POST", "/users"), "user.add", {"name": "li"} | rights, 201
    )
    link = {"link": made["link"].partition("#link=")[2]}
    me = walk.did(
        "", ("POST", "/links/use"), "password.set session.create",
        link | {"password": PASSWORD},
    )  # fmt: skip
    walk.browser.headers["X-CSRF-Token"] = me["csrf"]
    me = walk.did(
        "", ("POST", "/password"), "password.set session.create",
        {"old": PASSWORD, "new": OTHER},
    )  # fmt: skip
    walk.browser.headers["X-CSRF-Token"] = me["csrf"]
    walk.did("", ("DELETE", "/session"), "session.delete", status=204)
    logged = {"name": "li", "password": PASSWORD}
    walk.did("", ("POST", "/session"), "session.create", logged, 401)
    me = walk.did(
        "", ("POST", "/session"), "session.create", logged | {"password": OTHER}
    )
    walk.browser.headers["X-CSRF-Token"] = me["csrf"]
    walk.did("", ("DELETE", "/sessions"), "session.end", status=204)
    rights["role"] = "viewer"
    for verb, action, body in (
        ("role", "user.set_role", rights),
        ("reset", "user.reset", None),
    ):
        walk.did("admin", ("POST", f"/users/{{name}}/{verb}"), action, body, name="li")
    ended = ("DELETE", "/users/{name}/sessions")
    walk.did("admin", ended, "session.end", name="li")
    walk.did("admin", ("POST", "/users/{name}/retire"), "user.retire", name="li")
    program = {"name": "screen", "program": True, "areas": [ZHENXIONG]}
    walk.did("admin", ("POST", "/tokens"), "token.create", program, 201)
    (row,) = walk.world.conn.execute("SELECT max(token_id) FROM token").fetchall()
    walk.did("admin", ("DELETE", "/tokens/{number}"), "token.revoke", number=row[0])


def life(walk: Walk) -> None:
    """An alarm, planned work, a change of limits."""
    world = walk.world
    world.record(world.event())
    acting = ("POST", "/alarms/{alarm_id}/actions/{action}")
    walk.did(
        "county",
        acting,
        "alarm.comment",
        {"text": "看到"},
        alarm_id=1,
        action="comment",
    )
    walk.did("county", ("POST", "/alarms/{alarm_id}/confirm"), "alarm.confirm", {},
             alarm_id=1)  # fmt: skip
    many = {"alarm_ids": [1], "text": "收到"}
    walk.did("dispatcher", ("POST", "/alarms/confirm"), "alarm.confirm", many)
    now_us = SystemClock().now_us()
    plan = {
        "mine": MINE_Z, "work": "blasting", "units": ["11121"], "value_ceiling": 1.4,
        "from": iso_us(now_us), "until": iso_us(now_us + 30 * US_PER_MIN),
        "reason": "放炮",
    }  # fmt: skip
    filed = walk.did("dispatcher", ("POST", "/plans"), "plan.filed", plan)
    walk.did("county", ("POST", "/plans/{plan_id}/actions/{action}"), "plan.approved",
             {}, plan_id=filed["plan_id"], action="approve")  # fmt: skip
    change = {
        "mine": MINE_Z, "point": "01-001A01", "limits": {"alarm_high": 0.8},
        "reason": "偏高",
    }  # fmt: skip
    with world.client("county") as client:
        places = client.get("/api/v1/places", params={"undecided": "false"}).json()
    (place,) = [
        one
        for one in places["items"]
        if (one["mine"], one["point"]) == (MINE_Z, "001A01")
    ]
    ruling = {
        "mine": MINE_Z, "point": "01-001A01", "place_class": "FACE_T0",
        "place": place["place"], "reason": "现场核实",
    }  # fmt: skip
    walk.did("county", ("POST", "/places/rulings"), "place.rule", ruling)
    asked = walk.did(
        "county", ("POST", "/limit-changes"), "limit_change.proposed", change
    )
    walk.did(
        "city_officer", ("POST", "/limit-changes/{change_id}/actions/{action}"),
        "limit_change.refused", {"reason": "不必"}, change_id=asked["change_id"],
        action="refuse",
    )  # fmt: skip


def shifts(walk: Walk) -> None:
    """A calendar, people, a hand-over."""
    begin_shifts(walk.world.dsn, Post("county", ZHENXIONG))
    at = "/shifts/{tier}/{place}"
    where = {"tier": "county", "place": ZHENXIONG}
    day = str(days_on(3))
    slots = {"shifts": "one-24h 00:00"}
    for path, action, body in (
        ("/pattern", "shift.pattern", slots | {"from_day": day}),
        ("/day", "shift.day", slots | {"day": day}),
    ):
        walk.did("admin", ("POST", at + path), action, body, **where)
    person = {"name": "county", "shift": "全日班", "from_day": day}
    made = walk.did(
        "admin", ("POST", at + "/assignments"), "shift.assign", person, 201, **where
    )
    walk.did("admin", ("DELETE", at + "/assignments/{number}"), "shift.unassign",
             number=made["assignment_id"], **where)  # fmt: skip
    walk.did("county", ("POST", at + "/sign-on"), "shift.sign_on", **where)
    sheet = walk.did("county", ("POST", "/handovers"), "", where)
    note = ("POST", "/handovers/{number}/{action}")
    walk.did("county", note, "handover.note", {"text": "主扇检修"},
             number=sheet["handover_id"], action="note")  # fmt: skip
    walk.did("county", ("POST", at + "/sign-off"), "shift.sign_off", **where)


def files(walk: Walk) -> None:
    """Every file that somebody may take away."""
    asked = {
        "/alarms/export": "alarms.export",
        "/points/{point_id}/readings.csv"
        "?from=2026-11-27T00:00:00Z&to=2026-11-27T01:00:00Z": "readings.export",
        "/statistics/daily/export": "statistics.export",
        "/statistics/export": "statistics.export",
        f"/statistics/mine/export?mine={MINE_Z}": "statistics.export",
    }
    assert [path.partition("?")[0] for path in asked] == file_routes()
    for path, action in asked.items():
        walk.did("county", ("GET", path), action, point_id=1)


def drills(walk: Walk) -> None:
    """A drill, declared by a trainer and ended by the county."""
    walk.world.tokens["trainer"] = access.create_token(
        walk.world.conn,
        name="trainer",
        role="trainer",
        areas=[ZHENXIONG],
        mines=None,
        now_us=walk.world.now_us,
    )
    walk.world.conn.commit()
    until = iso_us(SystemClock().now_us() + 30 * US_PER_MIN)
    drill = {"scenario": "outburst", "areas": [ZHENXIONG], "until": until}
    made = walk.did("trainer", ("POST", "/drills"), "drill.declare", drill)
    walk.did("county", ("POST", "/drills/{run}/end"), "drill.end", {"reason": "停"},
             run=made["run"])  # fmt: skip
    sheet = {"sheet": "standard", "points": 80, "of_points": 100, "passed": True}
    walk.did("trainer", ("POST", "/drills/{run}/score"), "drill.score", sheet,
             run=made["run"])  # fmt: skip


def test_every_change_and_every_file_leaves_its_row(world: World) -> None:
    """By whom, and refused log-ins too; a new route fails this until it is walked."""
    walk = Walk(world)
    with walk.browser:
        accounts(walk)
    life(walk)
    shifts(walk)
    drills(walk)
    assert changing_routes() - walk.walked == SAYS_NOTHING - walk.walked
    assert walk.walked <= changing_routes()
    files(walk)
    ((outcome,),) = world.conn.execute(
        "SELECT outcome FROM audit WHERE action = 'session.create'"
        " AND outcome <> 'done'"
    ).fetchall()
    assert outcome == "refused"
    world.conn.commit()


def test_accounts_and_audit_are_for_administrators(world: World) -> None:
    """The pages are there for everybody; what they show is refused by the server."""
    for who in ("county", "city_officer", "viewer", "zhenxiong"):
        with world.client(who) as client:
            for path in ("/users", "/audit"):
                assert client.get(path).status_code == 200, who
                assert client.get(f"/api/v1{path}").status_code == 403, who
