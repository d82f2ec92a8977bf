"""Accounts over HTTP, on the real database: log-in, links, users, tokens, audit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from gasmon.clock import SystemClock
from gasmon.settings import DatabaseSettings
from gasmon.store import access, db, users
from gasmon.store.audit import BY_OPERATOR
from gasmon.store.db import Connection
from gasmon.store.users import Rights
from gasmon.units import US_PER_H
from tests.fix_api import CHEAP, MINE_Z, SUIJIANG, ZHENXIONG, World

PASSWORD = "seven herons under the bridge"
OTHER = "a ladder leans on the moon"
COUNTY = Rights("county_officer", [ZHENXIONG], None)
ADMIN = Rights("administrator", None, None)
LOCAL = "127.0.0.1"
PATIENCE_S = 60.0
"""How long an answer may take [s]: a busy machine is no finding."""


@pytest.fixture
def conn(world: World) -> Iterator[Connection]:
    """An autocommit connection, as commands have."""
    with db.connect(DatabaseSettings(url=world.dsn), autocommit=True) as made:
        yield made


def link_for(conn: Connection, name: str, rights: Rights = COUNTY) -> str:
    """A user's one-time secret."""
    now_us = SystemClock().now_us()
    return users.add(
        conn, name, rights, BY_OPERATOR, now_us=now_us, life_us=24 * US_PER_H
    )


def open_browser(world: World, address: str = LOCAL) -> httpx.Client:
    """A browser with a page of ours; proxies of this machine may say where it is."""
    return httpx.Client(
        base_url=world.api.base,
        headers={"Origin": world.api.base, "X-Forwarded-For": address},
        timeout=PATIENCE_S,
    )


def log_in(
    client: httpx.Client, name: str, password: str = PASSWORD, **headers: str
) -> httpx.Response:
    """Log in by password; on success the client sends the CSRF value from then on."""
    body = {"name": name, "password": password}
    answer = client.post("/api/v1/session", json=body, headers=headers)
    if answer.status_code == 200:
        client.headers["X-CSRF-Token"] = answer.json()["csrf"]
    return answer


Settle = Callable[..., None]


@pytest.fixture
def settle(world: World, conn: Connection) -> Settle:
    """A function that makes a user with ``PASSWORD``."""

    def make(name: str, rights: Rights = COUNTY) -> None:
        link = link_for(conn, name, rights)
        with open_browser(world) as client:
            body = {"link": link, "password": PASSWORD}
            answer = client.post("/api/v1/links/use", json=body)
            assert answer.status_code == 200, answer.text
            client.headers["X-CSRF-Token"] = answer.json()["csrf"]
            assert client.delete("/api/v1/session").status_code == 204

    return make


def test_from_the_link_to_the_log_out(world: World, conn: Connection) -> None:
    """A link sets the password and logs in; the password does; log-out ends it."""
    link = link_for(conn, "li")
    with open_browser(world) as client:
        told = client.post("/api/v1/links/look", json={"link": link}).json()
        weak = client.post(
            "/api/v1/links/use", json={"link": link, "password": "li12345678901"}
        )
        used = client.post(
            "/api/v1/links/use", json={"link": link, "password": PASSWORD}
        )
        again = client.post("/api/v1/links/use", json={"link": link, "password": OTHER})
        me = client.get("/api/v1/me").json()["principal"]
    with open_browser(world) as client:
        first = log_in(client, "li")
        out = client.delete("/api/v1/session")
        after = client.get("/api/v1/me")

    assert (told["name"], told["role"]) == ("li", "county_officer")
    assert weak.status_code == 422
    assert "common" in weak.json()["detail"]
    assert used.status_code == 200
    assert again.status_code == 409
    assert (me["name"], me["areas"], me["may"]) == ("li", [ZHENXIONG], "administer")
    cookie = used.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert (first.status_code, out.status_code, after.status_code) == (200, 204, 401)


def test_two_log_ins_at_once_and_a_restart_between(
    world: World, conn: Connection, settle: Settle
) -> None:
    """Both hold, also in a new process; a new password ends the other one."""
    settle("li")
    with open_browser(world) as desk, open_browser(world) as hall:
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda c: log_in(c, "li"), (desk, hall)))
        assert [answer.status_code for answer in answers] == [200, 200]
        world.api.stop()
        world.api.start()
        listed = desk.get("/api/v1/sessions").json()["items"]
        assert [row["current"] for row in listed].count(True) == 1
        assert len(listed) == 2
        changed = desk.post("/api/v1/password", json={"old": PASSWORD, "new": OTHER})
        desk.headers["X-CSRF-Token"] = changed.json()["csrf"]
        assert changed.status_code == 200, changed.text
        assert desk.get("/api/v1/me").status_code == 200
        assert hall.get("/api/v1/me").status_code == 401
        assert log_in(hall, "li").status_code == 401
        assert log_in(hall, "li", OTHER).status_code == 200
        assert desk.delete("/api/v1/sessions").status_code == 204
        assert hall.get("/api/v1/me").status_code == 401
        assert desk.get("/api/v1/me").status_code == 401


def test_a_log_in_ends_by_age_and_unused_but_not_in_use(
    world: World, conn: Connection, settle: Settle
) -> None:
    """A page that asks keeps it; hours without one, or a day and more, end it."""
    settle("li")
    with open_browser(world) as client:
        assert log_in(client, "li").status_code == 200
        conn.execute(
            "UPDATE session SET last_seen_at = now() - interval '3 h',"
            " created_at = now() - interval '23 h'"
        )
        assert client.get("/api/v1/me").status_code == 200
        row = conn.execute("SELECT now() - last_seen_at < '1 min' FROM session")
        assert row.fetchone() == (True,)
        conn.execute("UPDATE session SET last_seen_at = now() - interval '5 h'")
        assert client.get("/api/v1/me").status_code == 401
        assert log_in(client, "li").status_code == 200
        conn.execute("UPDATE session SET expires_at = now()")
        assert client.get("/api/v1/me").status_code == 401


def test_an_old_hash_is_made_anew_at_log_in(
    world: World, conn: Connection, settle: Settle
) -> None:
    """Other parameters: two log-ins at once still succeed, and the hash is new."""
    settle("li")
    world.api.stop()
    stronger = CHEAP.model_copy(update={"argon2_passes": 3})
    world.api.settings = world.api.settings.model_copy(update={"accounts": stronger})
    world.api.start()
    with open_browser(world) as one, open_browser(world) as two:
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda c: log_in(c, "li"), (one, two)))
        assert [answer.status_code for answer in answers] == [200, 200]
        (stored,) = conn.execute("SELECT hash FROM password").fetchall()
        assert "t=3" in str(stored[0])
        assert log_in(one, "li").status_code == 200


def test_tokens_may_read_act_or_administer(world: World) -> None:
    """A token does no more than it is for, and no more than its role; cookies too."""
    clients: dict[tuple[str, str], httpx.Client] = {}
    for role, name in (("county_officer", "county2"), ("administrator", "boss")):
        for may in access.MAY:
            token = access.create_token(
                world.conn,
                name=name,
                role=role,
                areas=None,
                mines=None,
                now_us=world.now_us,
                may=may,
            )
            client = httpx.Client(
                base_url=world.api.base,
                headers={"Authorization": f"Bearer {token}"},
                timeout=PATIENCE_S,
            )
            clients[role, may] = client
    world.record(world.event(MINE_Z))
    got: dict[tuple[str, str], tuple[int, int, int]] = {}
    for key, client in clients.items():
        read = client.get("/api/v1/alarms").status_code
        acted = client.post(
            "/api/v1/alarms/1/actions/comment", json={"text": "seen"}
        ).status_code
        got[key] = (read, acted, client.get("/api/v1/users").status_code)
    reader = clients["administrator", "read"]
    begun = reader.post("/api/v1/session")
    with open_browser(world) as page:
        page.cookies = begun.cookies
        page.headers["X-CSRF-Token"] = begun.json()["csrf"]
        by_cookie = page.post("/api/v1/alarms/1/actions/comment", json={"text": "seen"})
        out = page.delete("/api/v1/session")
    for client in clients.values():
        client.close()

    assert got == {
        ("county_officer", "read"): (200, 403, 403),
        ("county_officer", "act"): (200, 200, 403),
        ("county_officer", "administer"): (200, 200, 403),
        ("administrator", "read"): (200, 403, 403),
        ("administrator", "act"): (200, 200, 403),
        ("administrator", "administer"): (200, 200, 200),
    }
    assert (by_cookie.status_code, out.status_code) == (403, 204)


def test_an_administrator_runs_accounts_over_http(
    world: World, conn: Connection, settle: Settle
) -> None:
    """Add, list, change, reset, end log-ins, retire; and what others may not."""
    settle("boss", ADMIN)
    with open_browser(world) as boss, open_browser(world) as li:
        assert log_in(boss, "boss").status_code == 200
        new = {"name": "li", "role": "viewer", "areas": [ZHENXIONG], "mines": None}
        added = boss.post("/api/v1/users", json=new)
        assert added.status_code == 201, added.text
        secret = re.fullmatch(
            r"http://127\.0\.0\.1:\d+/welcome#link=(gl_\S{43})", added.json()["link"]
        )
        assert secret is not None
        assert boss.post("/api/v1/users", json=new).status_code == 409
        body = {"link": secret.group(1), "password": PASSWORD}
        assert li.post("/api/v1/links/use", json=body).status_code == 200
        rights = {"role": "county_officer", "areas": [SUIJIANG], "mines": None}
        changed = boss.post("/api/v1/users/li/role", json=rights).json()
        assert li.get("/api/v1/me").json()["principal"]["areas"] == [SUIJIANG]
        assert li.get("/api/v1/users").status_code == 403
        ended = boss.delete("/api/v1/users/li/sessions").json()
        assert li.get("/api/v1/me").status_code == 401
        reset = boss.post("/api/v1/users/li/reset")
        assert log_in(li, "li").status_code == 401
        shown = boss.get("/api/v1/users/li").json()
        retired = boss.post("/api/v1/users/li/retire")
        names = [u["name"] for u in boss.get("/api/v1/users").json()["items"]]
        last = boss.post("/api/v1/users/admin/retire")
        missing = boss.get("/api/v1/users/nobody")

    assert changed["role"] == "county_officer"
    assert ended == {"sessions": 1, "tokens": 0}
    assert reset.status_code == 200
    assert (shown["password_set_at"], shown["sessions"]) == (None, 0)
    assert shown["link_until"] is not None
    assert retired.status_code == 200
    assert "li" in names
    assert "zhenxiong" not in names, "a platform is a program"
    assert last.status_code == 200, "the other administrator is still there"
    assert missing.status_code == 404


def test_the_audit_tells_who_did_what(
    world: World, conn: Connection, settle: Settle
) -> None:
    """Good and bad log-ins, users and actions on alarms, by filter and page."""
    settle("boss", ADMIN)
    settle("li")
    world.record(world.event(MINE_Z))
    with open_browser(world, "10.0.0.9") as li, open_browser(world) as boss:
        assert log_in(li, "li", OTHER).status_code == 401
        assert log_in(li, "my password typed here", OTHER).status_code == 401
        assert log_in(li, "li").status_code == 200
        done = li.post("/api/v1/alarms/1/actions/comment", json={"text": "seen"})
        assert done.status_code == 200, done.text
        assert li.get("/api/v1/audit").status_code == 403
        assert log_in(boss, "boss").status_code == 200

        def rows(**query: Any) -> list[dict[str, Any]]:
            answer = boss.get("/api/v1/audit", params=query)
            assert answer.status_code == 200, answer.text
            items: list[dict[str, Any]] = answer.json()["items"]
            return items

        by_li = [(r["action"], r["outcome"]) for r in rows(principal="li", limit=3)]
        strangers = [r for r in rows(outcome="refused") if r["principal"] is None]
        made = rows(action="user")
        on_alarm = rows(action="alarm.comment")
        everything = rows(limit=1000)
        page = boss.get("/api/v1/audit", params={"limit": 2}).json()
        following = rows(limit=2, cursor=page["next"])
        early = rows(to="2001-01-01T00:00:00Z")
        odd = boss.get("/api/v1/audit", params={"who": "li"})

    assert by_li == [
        ("alarm.comment", "done"),
        ("session.create", "done"),
        ("session.create", "refused"),
    ]
    assert [r["detail"]["from"] for r in strangers] == ["10.0.0.9"]
    assert {r["action"] for r in made} == {"user.add"}
    assert (on_alarm[0]["principal"], on_alarm[0]["subject"]) == ("li", "1")
    assert page["items"] + following == everything[:4]
    assert early == []
    assert odd.status_code == 422
    text = str(everything)
    assert "typed here" not in text
    assert PASSWORD not in text
    assert OTHER not in text


def test_a_limited_administrator_reads_of_his_own_people(
    world: World, conn: Connection, settle: Settle
) -> None:
    """What people of another county did does not exist for him."""
    settle("chen", Rights("administrator", [ZHENXIONG], None))
    settle("near", COUNTY)
    settle("far", Rights("county_officer", [SUIJIANG], None))
    with open_browser(world) as client:
        assert log_in(client, "chen").status_code == 200
        rows = client.get("/api/v1/audit").json()["items"]
        new = {"name": "spy", "role": "administrator", "areas": None, "mines": None}
        wide = client.post("/api/v1/users", json=new)
    assert {row["principal"] for row in rows} == {"chen", "near"}
    assert wide.status_code == 403
