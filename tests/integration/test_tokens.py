"""Tokens given and revoked over HTTP, within what the administrator sees."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from gasmon.store import access
from gasmon.units import US_PER_DAY, parse_iso_us
from tests.fix_api import MINE_S, SUIJIANG, ZHENXIONG, World

TOKENS = "/api/v1/tokens"


def ask(world: World, who: str, method: str, path: str, body: Any = None) -> Any:
    """The server's answer to somebody."""
    with world.client(who) as client:
        return client.request(method, path, json=body)


@pytest.fixture
def chief(world: World) -> World:
    """A world with an administrator of Zhenxiong alone."""
    world.tokens["chief"] = access.create_token(
        world.conn,
        name="chief",
        role="administrator",
        areas=[ZHENXIONG],
        mines=None,
        now_us=world.now_us,
        may="administer",
    )
    world.conn.commit()
    return world


def test_a_new_programs_token_works_until_it_is_revoked(world: World) -> None:
    """Shown once, for reading, of its areas; ended at once; never listed."""
    asked = {"name": "screen", "program": True, "areas": [SUIJIANG], "days": 30}
    made = ask(world, "admin", "POST", TOKENS, asked)
    assert made.status_code == 201, made.text
    world.tokens["screen"] = made.json()["token"]
    lived_us = parse_iso_us(made.json()["expires_at"]) - world.now_us
    assert 29 * US_PER_DAY < lived_us < 31 * US_PER_DAY

    seen = ask(world, "screen", "GET", "/api/v1/mines").json()["items"]
    assert [mine["code"] for mine in seen] == [MINE_S]
    act = ask(world, "screen", "POST", "/api/v1/alarms/confirm", {"alarm_ids": [1]})
    assert act.status_code == 403

    listed = ask(world, "admin", "GET", TOKENS)
    assert made.json()["token"] not in listed.text
    (mine,) = [one for one in listed.json()["items"] if one["name"] == "screen"]
    assert (mine["role"], mine["may"], mine["state"]) == ("platform", "read", "alive")
    gone = ask(world, "admin", "DELETE", f"{TOKENS}/{mine['id']}")
    assert gone.json()["items"][0]["state"] == "revoked"
    assert ask(world, "screen", "GET", "/api/v1/mines").status_code == 401
    again = ask(world, "admin", "DELETE", f"{TOKENS}/{mine['id']}")
    assert again.status_code == 409
    ended = ask(world, "admin", "GET", f"{TOKENS}?ended=true").json()["items"]
    assert mine["id"] in {one["id"] for one in ended}
    left = ask(world, "admin", "GET", TOKENS).json()["items"]
    assert mine["id"] not in {one["id"] for one in left}
    somebody_who_exists_gets_one_with_the_rights_that_he_has(world)
    the_last_way_in_for_an_administrator_stays(world)
    tokens_are_for_administrators(world)


def somebody_who_exists_gets_one_with_the_rights_that_he_has(world: World) -> None:
    """Without an end; what he may see does not change by it."""
    body = {"name": "dispatcher", "may": "act", "days": None}
    made = ask(world, "admin", "POST", TOKENS, body)

    assert made.json()["expires_at"] is None
    world.tokens["second"] = made.json()["token"]
    me = ask(world, "second", "GET", "/api/v1/me").json()["principal"]
    assert (me["name"], me["role"], me["may"]) == (
        "dispatcher", "mine_dispatcher", "act",
    )  # fmt: skip


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"name": "nobody"}, 404, "nobody is called"),
    ({"name": "viewer"}, 404, "nobody is called"),
    ({"name": "admin"}, 404, "nobody is called"),
    ({"name": "x", "program": True}, 422, "areas or mines"),
    ({"name": "county", "areas": [ZHENXIONG]}, 422, "new program"),
    ({"name": "x", "program": True, "areas": [SUIJIANG]}, 403, "more than he sees"),
    ({"name": "county", "program": True, "areas": [ZHENXIONG]}, 409, "exists as"),
    ({"name": "county", "may": "everything"}, 422, "read"),
    ({"name": "county", "days": 0}, 422, "days"),
]


def test_an_administrator_of_a_county_gives_within_it(chief: World) -> None:
    """Not to strangers or others' people, for no other area; others do not exist."""
    for body, status, words in REFUSED:
        refused = ask(chief, "chief", "POST", TOKENS, body)
        assert refused.status_code == status, refused.text
        assert words in refused.text
    names = {one["name"] for one in ask(chief, "chief", "GET", TOKENS).json()["items"]}
    assert names == {"chief", "county", "dispatcher", "zhenxiong"}
    every = ask(chief, "admin", "GET", TOKENS).json()["items"]
    (city,) = [one["id"] for one in every if one["name"] == "city"]
    assert ask(chief, "chief", "DELETE", f"{TOKENS}/{city}").status_code == 404


def the_last_way_in_for_an_administrator_stays(world: World) -> None:
    """Nobody has a password here, and there is one administrator's token."""
    every = ask(world, "admin", "GET", TOKENS).json()["items"]
    (last,) = [one["id"] for one in every if one["name"] == "admin"]

    refused = ask(world, "admin", "DELETE", f"{TOKENS}/{last}")

    assert refused.status_code == 409
    assert "last way in" in refused.text
    assert ask(world, "admin", "GET", TOKENS).status_code == 200


def tokens_are_for_administrators(world: World) -> None:
    """Whatever one's own token may."""
    for who in ("county", "city_officer", "zhenxiong"):
        for method, path in (
            ("GET", TOKENS),
            ("POST", TOKENS),
            ("DELETE", f"{TOKENS}/1"),
        ):
            answer: httpx.Response = ask(world, who, method, path, {"name": "county"})
            assert answer.status_code == 403, (who, method)
