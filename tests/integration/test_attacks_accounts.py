"""What strangers cannot do to accounts, each as an attacker would try it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from gasmon.api import routes_accounts, routes_audit, routes_users
from gasmon.store.db import Connection
from tests.fix_api import World
from tests.integration.test_accounts import (
    OTHER,
    PASSWORD,
    PATIENCE_S,
    Settle,
    conn,
    link_for,
    log_in,
    open_browser,
    settle,
)

__all__ = ["conn", "settle"]


def post(address: str, **request: Any) -> httpx.Response:
    """POST as a program without a past does."""
    return httpx.post(address, timeout=PATIENCE_S, **request)


def checked(world: World, result: str) -> float:
    """Passwords that were looked at, by result."""
    counter = world.api.metrics.counter(
        "gasmon_api_log_ins_total", "passwords shown, by result"
    )
    return counter.value(result=result)


def test_a_cookie_planted_before_is_worth_nothing_after(
    world: World, settle: Settle
) -> None:
    """Session fixation: the log-in has a new secret, and the old one ends."""
    settle("li")
    settle("mallory")
    with open_browser(world) as attacker, open_browser(world) as victim:
        log_in(attacker, "mallory")
        planted = attacker.cookies["gasmon_session"]
        victim.cookies.set("gasmon_session", planted, domain="127.0.0.1")
        assert log_in(victim, "li").status_code == 200
        assert victim.cookies["gasmon_session"] != planted
        assert attacker.get("/api/v1/me").status_code == 401
        mine = {"Cookie": "gasmon_session=chosen-by-the-attacker"}
        answer = post(
            world.api.base + "/api/v1/session",
            json={"name": "li", "password": PASSWORD},
            headers=mine,
        )
        assert "chosen-by-the-attacker" not in answer.headers["set-cookie"]


@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
def test_a_foreign_page_cannot_log_its_visitor_in(
    world: World, settle: Settle, conn: Connection, origin: str
) -> None:
    """Neither as the attacker, nor by a link, nor with a form that needs no leave."""
    settle("mallory")
    link = link_for(conn, "li")
    foreign = {"Origin": origin}
    base = world.api.base + "/api/v1"
    body = {"name": "mallory", "password": PASSWORD}
    by_name = post(f"{base}/session", json=body, headers=foreign)
    by_link = post(
        f"{base}/links/use", json={"link": link, "password": OTHER}, headers=foreign
    )
    as_form = post(
        f"{base}/session",
        content='{"name": "mallory", "password": "' + PASSWORD + '"}',
        headers={"Content-Type": "text/plain"},
    )
    assert (by_name.status_code, by_link.status_code) == (403, 403)
    assert as_form.status_code in (401, 422)
    assert all("set-cookie" not in a.headers for a in (by_name, by_link, as_form))
    look = post(f"{base}/links/look", json={"link": link})
    assert look.status_code == 200, "the link is still unused"


def test_a_page_of_another_site_cannot_change_a_password_or_end_log_ins(
    world: World, settle: Settle
) -> None:
    """CSRF: the cookie alone, or with a guessed value, does nothing."""
    settle("li")
    with open_browser(world) as client:
        log_in(client, "li")
        del client.headers["X-CSRF-Token"]
        body = {"old": PASSWORD, "new": OTHER}
        without = client.post("/api/v1/password", json=body)
        guessed = client.delete("/api/v1/sessions", headers={"X-CSRF-Token": "x"})
        still = client.get("/api/v1/me")
    assert (without.status_code, guessed.status_code) == (403, 403)
    assert still.status_code == 200


def test_a_name_that_nobody_has_looks_like_one_with_another_password(
    world: World, settle: Settle
) -> None:
    """The same words, the same limit, and a password is hashed for both."""
    settle("li")
    answers = {}
    for name in ("li", "nobody"):
        with open_browser(world, "203.0.113.7") as client:
            before = checked(world, "wrong")
            told = [log_in(client, name, OTHER) for _ in range(6)]
            assert checked(world, "wrong") - before == 5
        answers[name] = [
            (a.status_code, a.json()["type"], a.headers.get("set-cookie")) for a in told
        ]
    assert answers["li"] == answers["nobody"]
    assert [status for status, *_ in answers["li"]] == [401] * 5 + [429]


def test_guessing_is_slow_and_the_officer_comes_in_all_the_same(
    world: World, settle: Settle
) -> None:
    """Forty guesses at once, five are looked at; the desk is not locked out."""
    settle("li")
    wrong = checked(world, "wrong")
    with open_browser(world, "203.0.113.7") as attacker:
        with ThreadPoolExecutor(8) as pool:
            guesses = list(
                pool.map(lambda n: log_in(attacker, "li", f"{n} {OTHER}"), range(40))
            )
        refused = [a for a in guesses if a.status_code == 429]
        right = log_in(attacker, "li")
    assert checked(world, "wrong") - wrong == 5
    assert all(1 <= int(a.headers["retry-after"]) <= 60 for a in refused)
    assert refused[0].json()["type"] == "urn:gasmon:problem:too-many"
    assert right.status_code == 429
    with open_browser(world) as desk:
        assert log_in(desk, "li").status_code == 200


def test_guessing_the_old_password_with_a_stolen_cookie_is_slow(
    world: World, settle: Settle
) -> None:
    """A cookie left open at a desk does not become the account."""
    settle("li")
    with open_browser(world) as thief:
        log_in(thief, "li")
        statuses = [
            thief.post(
                "/api/v1/password", json={"old": f"{n} guess", "new": OTHER}
            ).status_code
            for n in range(6)
        ]
    assert statuses == [403] * 5 + [429]


def test_a_used_link_is_worth_nothing_in_a_history(
    world: World, conn: Connection
) -> None:
    """Whoever finds it later learns that it was used, and sets nothing."""
    link = link_for(conn, "li")
    with open_browser(world) as client:
        body = {"link": link, "password": PASSWORD}
        assert client.post("/api/v1/links/use", json=body).status_code == 200
    with open_browser(world, "203.0.113.7") as finder:
        look = finder.post("/api/v1/links/look", json={"link": link})
        use = finder.post("/api/v1/links/use", json={"link": link, "password": OTHER})
        invented = finder.post("/api/v1/links/look", json={"link": "gl_" + "x" * 43})
        assert log_in(finder, "li", OTHER).status_code == 401
    assert (look.status_code, use.status_code) == (409, 409)
    assert invented.status_code == 404


@pytest.mark.parametrize("name", ["x\x00y", "' OR 1=1 --", "x" * 101, ""])
def test_odd_names_are_refused_like_any_other(world: World, name: str) -> None:
    """No error of ours, and no answer that differs by accident."""
    with open_browser(world) as client:
        assert log_in(client, name).status_code in (401, 422)


def test_a_refused_body_does_not_repeat_the_password(world: World) -> None:
    """An error that names a member does not quote it."""
    body = {"name": 7, "password": {"secret": PASSWORD}}
    answer = post(world.api.base + "/api/v1/session", json=body)
    assert answer.status_code == 422
    assert PASSWORD not in answer.text


def test_every_account_route_wants_to_know_who_asks(world: World) -> None:
    """Nobody, and a program that is no administrator, get nothing from them."""
    routes = [
        (method, route.path.format(name="li"))
        for routes in (routes_accounts, routes_users, routes_audit)
        for route in routes.router.routes
        if isinstance(route, APIRoute) and not route.path.startswith("/links")
        for method in sorted(route.methods)
    ]
    assert len(routes) == 11
    token = world.header("county")
    with httpx.Client(base_url=world.api.base + "/api/v1", timeout=PATIENCE_S) as ask:
        for method, path in routes:
            assert ask.request(method, path).status_code == 401, (method, path)
            if path.startswith(("/users", "/audit")):
                answer = ask.request(method, path, headers=token)
                assert answer.status_code == 403, (method, path)
