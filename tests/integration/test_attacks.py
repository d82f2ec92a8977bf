"""What strangers and officers cannot do to the api.

Each test is an attack that once worked, written as it was made.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import socket

import httpx
import pytest

from gasmon.api.limits import MAX_BODY_BYTES
from gasmon.store import access
from gasmon.units import US_PER_MIN, US_PER_S, from_datetime
from tests.fix_api import ZHENXIONG, World

CONFIRM = "/api/v1/alarms/1/confirm"
WAIT_S = 20.0


def raw(world: World, head: str) -> socket.socket:
    """A connection on which this request was begun; it reads little at a time."""
    line = socket.create_connection(("127.0.0.1", world.api.port), timeout=WAIT_S)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.sendall(f"{head}\r\nHost: 127.0.0.1:{world.api.port}\r\n".encode())
    return line


def handshake(world: World, path: str, who: str | None) -> socket.socket:
    """A websocket of our own, as no library would behave."""
    line = raw(world, f"GET /api/v1/stream/{path} HTTP/1.1")
    key = base64.b64encode(os.urandom(16)).decode()
    more = "" if who is None else f"Authorization: Bearer {world.tokens[who]}\r\n"
    line.sendall(
        f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
        f"Sec-WebSocket-Version: 13\r\n{more}\r\n".encode()
    )
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += line.recv(1)
    assert answer.startswith(b"HTTP/1.1 101"), answer
    return line


def flood(line: socket.socket) -> None:
    """Send 64 MB of pings and read nothing.

    Raises:
        OSError: the server ended the connection, or took nothing any more.
    """
    pings = (b"\x89\xfd\0\0\0\0" + b"a" * 125) * 1000
    for _ in range(64 * 1024 * 1024 // len(pings)):
        line.sendall(pings)


def test_a_stranger_cannot_fill_memory_with_a_body(world: World) -> None:
    """A body that says it is large is refused before any of it is taken."""
    with raw(world, f"POST {CONFIRM} HTTP/1.1") as line:
        line.sendall(
            b"Content-Type: application/json\r\nContent-Length: 300000000\r\n\r\n"
        )
        assert line.recv(100).startswith(b"HTTP/1.1 413")


def test_a_stranger_cannot_fill_memory_with_chunks(world: World) -> None:
    """Nor one that does not say its length before."""

    def chunks() -> object:
        for _ in range(8):
            yield b" " * (MAX_BODY_BYTES // 4)

    answer = httpx.post(
        world.api.base + CONFIRM,
        content=chunks(),  # type: ignore[arg-type]
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:gasmon:problem:too-large"


def test_a_note_of_any_writing_fits(world: World) -> None:
    """The limit is above what a confirmation can hold."""
    world.record(world.event())
    escaped = json.dumps({"note": "\u4e00" * 1000, "cause_code": "gas_accumulation"})
    assert len(escaped) < MAX_BODY_BYTES
    with world.client("county") as client:
        number = client.get("/api/v1/alarms").json()["items"][0]["alarm_id"]
        answer = client.post(
            f"/api/v1/alarms/{number}/confirm",
            content=escaped,
            headers={"Content-Type": "application/json"},
        )
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("who", ["county", None])
def test_pings_without_reading_end_the_connection(
    world: World, who: str | None
) -> None:
    """Answers to pings do not pile up for a client that never reads them."""
    with handshake(world, "live", who) as line, pytest.raises(OSError):
        flood(line)


def test_a_token_in_an_address_is_not_logged(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """It is refused, and no line of any logger keeps it."""
    token = world.tokens["county"]
    with caplog.at_level(logging.INFO), handshake(world, f"live?token={token}", None):
        pass
    assert token not in caplog.text


def test_a_session_ends_with_its_token(world: World) -> None:
    """A log-in with a token of five minutes is no log-in for twelve hours."""
    expires_us = world.now_us + 15 * US_PER_MIN
    token = access.create_token(
        world.conn,
        name="for-a-while",
        role="viewer",
        areas=[ZHENXIONG],
        mines=None,
        now_us=world.now_us,
        expires_us=expires_us,
    )
    answer = httpx.post(
        world.api.base + "/api/v1/session", headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 200
    row = world.conn.execute("SELECT expires_at FROM session").fetchone()
    world.conn.commit()
    assert row is not None
    assert abs(from_datetime(row[0]) - expires_us) < US_PER_S  # type: ignore[arg-type]
