"""The AsyncAPI document, the frames that are written and those that are read agree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gasmon.remote import frames, parsing
from tests.asyncapi import check_frame, document, resolve, schemas

PAGE = Path(__file__).parents[3] / "docs" / "remote-protocol.md"
AT_US = 1_795_392_381_123_000


def references(part: Any) -> Iterator[dict[str, Any]]:
    """Every reference of the document."""
    if isinstance(part, dict):
        if "$ref" in part:
            yield part
        for inner in part.values():
            yield from references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from references(inner)


def test_every_reference_points_at_something() -> None:
    """The document is whole and of the version that it names."""
    assert document()["asyncapi"] == "3.0.0"
    assert all(resolve(ref) for ref in references(document()))
    assert document()["channels"]["alarms"]["address"] == "/api/v1/stream/alarms"


def test_it_has_the_frames_that_the_code_reads_and_writes() -> None:
    """No frame is missing on either side, and none is invented."""
    server = {
        kind.__name__.lower()
        for kind in parsing.ServerFrame.__args__
        if kind is not parsing.Unknown
    }
    client = {
        kind.__name__.removeprefix("Client").lower()
        for kind in parsing.ClientFrame.__args__
    }

    assert set(schemas("tell")) == server
    assert set(schemas("hear")) == client


@pytest.mark.parametrize(
    "text",
    [
        frames.hello(
            server="gasmon",
            epoch="e",
            head=9,
            now_us=AT_US,
            heartbeat_s=5.0,
            principal="p",
            areas=["530627"],
        ),
        frames.resumed("e", 4),
        *(frames.refused(reason, "why") for reason in frames.REFUSALS),
        frames.snapshot("e", 4, []),
        frames.heartbeat("e", 4, 9, AT_US, AT_US),
        frames.result("12345678", status=200, record_id=4),
        frames.seal(AT_US, "a" * 64, "{}"),
        frames.result("12345678", status=409, detail="why"),
    ],
)
def test_what_the_server_writes_is_documented(text: str) -> None:
    """Each of its frames, with every member."""
    assert check_frame(text, "tell")


@pytest.mark.parametrize(
    "text",
    [
        frames.subscribe(epoch=None, seq=None, areas=None, min_rank=0),
        frames.subscribe(
            epoch="e", seq=3, areas=["530627"], min_rank=4, kinds=["smoke"]
        ),
        frames.subscribe(epoch=None, seq=None, areas=None, min_rank=0, seals=AT_US),
        frames.ack(7),
        frames.CLIENT_HEARTBEAT,
        frames.client_heartbeat(7),
        frames.subscribe(
            epoch=None, seq=None, areas=None, min_rank=0, reports=["drawn"]
        ),
        frames.receipt("drawn", ["a"], AT_US),
        frames.receipt("drawn", ["a"]),
        frames.receipt("drawn", ["a"], AT_US, key="12345678"),
        frames.command("12345678", 5, "confirm", text=""),
    ],
)
def test_what_a_client_writes_is_documented(text: str) -> None:
    """Each of its frames, with every member."""
    assert check_frame(text, "hear")


@pytest.mark.parametrize(
    ("text", "operation"),
    [
        ('{"type":"ack","seq":-1}', "hear"),
        ('{"type":"hello"}', "tell"),
        ('{"type":"resumed","epoch":"e","seq":1,"more":1}', "tell"),
        ('{"type":"ack","seq":1}', "tell"),
    ],
)
def test_what_is_not_documented_is_noticed(text: str, operation: str) -> None:
    """The check would see a wrong value, a missing and an undocumented member."""
    with pytest.raises(AssertionError):
        check_frame(text, operation)


def test_the_page_has_every_close_code_offer_and_refusal() -> None:
    """What the code may answer with stands in a table of the page."""
    page = PAGE.read_text("utf-8")
    codes = {v for k, v in vars(frames).items() if k.startswith("CLOSE_")}
    told = {int(code) for code in re.findall(r"^\| (\d{4}) \|", page, re.M)}

    assert codes <= told
    for name in (*frames.REFUSALS, *frames.OFFERS):
        assert f"| `{name}` |" in page
