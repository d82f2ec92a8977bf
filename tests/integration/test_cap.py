"""CAP messages over HTTP: pulled in order, valid, and nobody else's."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import xmlschema

from tests.fix_api import MINE_S, MINE_Z, World

ATOM = "{http://www.w3.org/2005/Atom}"
SCHEMA = xmlschema.XMLSchema(
    str(Path(__file__).parents[1] / "data" / "cap" / "CAP-v1.2.xsd")
)


def hrefs(text: str) -> list[str]:
    """Where the feed's messages are, in its order."""
    links = ElementTree.fromstring(text).findall(f"{ATOM}entry/{ATOM}link")
    return [link.get("href") or "" for link in links]


def following(text: str) -> str:
    """What the feed says to ask next."""
    links = ElementTree.fromstring(text).findall(f"{ATOM}link")
    return next(link.get("href") or "" for link in links if link.get("rel") == "next")


def test_what_was_told_is_pulled_in_order_and_once(both_world: World) -> None:
    """Page after page: every event of the county, each valid and referring back."""
    world = both_world
    for event in ("raised", "level", "cleared"):
        world.record(world.event(MINE_Z, event=event))
    with world.client("zhenxiong") as client:
        seen: list[str] = []
        url = "/api/v1/cap?after=0&limit=2"
        for _ in range(3):
            answer = client.get(url)
            assert answer.status_code == 200, answer.text
            assert answer.headers["content-type"].startswith("application/atom+xml")
            seen += hrefs(answer.text)
            url = following(answer.text)
        newest = hrefs(client.get("/api/v1/cap", params={"limit": 2}).text)
        messages = [client.get(href) for href in seen]
        as_json = [client.get(href, params={"format": "json"}).json() for href in seen]

    assert len(seen) == len(set(seen)) == 3
    assert newest == seen[1:]
    for message in messages:
        assert message.headers["content-type"].startswith("application/cap+xml")
        SCHEMA.validate(message.text)
    assert [one["msgType"] for one in as_json] == ["Alert", "Update", "Update"]
    assert [one.get("references", "").count(",") for one in as_json] == [0, 2, 4]
    assert as_json[2]["info"][0]["responseType"] == "AllClear"


def test_a_drill_is_there_for_who_asks_for_it(world: World) -> None:
    """Left out without a word, so that nobody overlooks its status."""
    world.record(world.event(MINE_Z, run=7))
    with world.client("zhenxiong") as client:
        without = hrefs(client.get("/api/v1/cap").text)
        (drill,) = hrefs(client.get("/api/v1/cap", params={"drills": True}).text)
        told = client.get(drill, params={"format": "json"}).json()
    assert without == []
    assert told["status"] == "Exercise"


def test_another_county_pulls_nothing(world: World) -> None:
    """Neither in the feed nor by its number, nor what is below the asked level."""
    world.record(world.event(MINE_S))
    with world.client("suijiang") as client:
        (own,) = hrefs(client.get("/api/v1/cap").text)
        assert hrefs(client.get("/api/v1/cap", params={"min_rank": 4}).text) == []
    with world.client("zhenxiong") as client:
        assert hrefs(client.get("/api/v1/cap").text) == []
        assert client.get(own).status_code == 404
        assert client.get("/api/v1/cap/999999").status_code == 404
        assert client.get("/api/v1/cap?from=1").status_code == 422
