"""What ``stream_conformance.py`` asks of a server; see there."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

PROTOCOL = "gasmon.alarms.v1"
WAIT_S = 30.0


class Unreachable(Exception):
    """Nobody speaks WebSocket at the address."""


@asynccontextmanager
async def dial(
    url: str, token: str | None, protocol: str = PROTOCOL
) -> AsyncIterator[ClientConnection]:
    """One connection."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        socket = await connect(
            url,
            additional_headers=headers,
            subprotocols=[protocol],
            compression=None,
            max_size=None,
            open_timeout=WAIT_S,
            close_timeout=2,
        )
    except (OSError, TimeoutError, InvalidHandshake) as error:
        raise Unreachable(str(error)) from None
    async with socket:
        yield socket


async def frame(socket: ClientConnection) -> dict[str, Any]:
    """The next frame."""
    async with asyncio.timeout(WAIT_S):
        found: dict[str, Any] = json.loads(await socket.recv())
    return found


async def say(socket: ClientConnection, **members: Any) -> None:
    """Send one frame."""
    await socket.send(json.dumps(members))


async def code_of(socket: ClientConnection) -> int:
    """Read on until the server closes; gives the code."""
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                await socket.recv()
            except ConnectionClosed as end:
                return end.rcvd.code if end.rcvd else 1006


async def closes(
    url: str, token: str | None, frames: list[str | bytes], *codes: int
) -> None:
    """Whether frames after the hello are answered with one of these codes."""
    async with dial(url, token) as socket:
        if token is not None:
            await frame(socket)
        try:
            for text in frames:
                await socket.send(text)
        except ConnectionClosed:
            pass  # it may close before the last one is written
        code = await code_of(socket)
    assert code in codes, f"closed with {code}, not {' or '.join(map(str, codes))}"


async def begin(
    socket: ClientConnection, **subscription: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Subscribe; gives the hello and the answer."""
    hello = await frame(socket)
    await say(socket, type="subscribe", **subscription)
    return hello, await frame(socket)


async def hello_is_whole(url: str, token: str) -> None:
    """The server speaks first, and its hello has every member."""
    async with dial(url, token) as socket:
        hello = await frame(socket)
        assert socket.subprotocol == PROTOCOL, socket.subprotocol
    assert (hello["type"], hello["protocol"]) == ("hello", PROTOCOL)
    assert isinstance(hello["epoch"], str)
    assert isinstance(hello["head"], int)
    assert hello["head"] >= 0
    assert hello["heartbeat_s"] > 0
    assert isinstance(hello["principal"], str)
    assert hello["areas"] is None or isinstance(hello["areas"], list)
    assert isinstance(hello["offers"], list)
    for name in ("server", "now"):
        assert isinstance(hello[name], str), name


async def strangers_are_sent_away(url: str, token: str) -> None:
    """No token and a wrong one are closed with 4401."""
    await closes(url, None, [], 4401)
    async with dial(url, token[:-4] + "0000") as socket:
        assert (code := await code_of(socket)) == 4401, code


async def other_words_are_refused(url: str, token: str) -> None:
    """Another subprotocol and a query are closed with 4400."""
    async with dial(url, token, "gasmon.alarms.v0") as socket:
        assert (code := await code_of(socket)) == 4400, code
    async with dial(f"{url}?token=x", token) as socket:
        assert (code := await code_of(socket)) == 4400, code


async def a_snapshot_is_followed_by_claims(url: str, token: str) -> None:
    """Without a position comes a snapshot, then claims that follow each other."""
    async with dial(url, token) as socket:
        hello, answer = await begin(socket, resume=None)
        assert answer["type"] == "snapshot", answer["type"]
        assert all(isinstance(alarm["id"], str) for alarm in answer["alarms"])
        here, n_beats = answer["seq"], 0
        while n_beats < 2:
            told = await frame(socket)
            assert told["epoch"] == hello["epoch"]
            assert told["from"] == here, f"claim from {told['from']}, we are at {here}"
            here = told["to"]
            if told["type"] == "heartbeat":
                n_beats += 1
                assert isinstance(told["complete_to"], str)
                await say(socket, type="heartbeat", seq=here)
            else:
                assert (told["type"], told["seq"]) == ("event", here)
                await say(socket, type="ack", seq=here)


async def a_position_is_resumed(url: str, token: str) -> None:
    """A position of the server is accepted as it is."""
    async with dial(url, token) as socket:
        hello, answer = await begin(socket)
    position = {"epoch": hello["epoch"], "seq": answer["seq"]}
    async with dial(url, token) as socket:
        _, answer = await begin(socket, resume=position, a_member_of_later="x")
    assert answer == {"type": "resumed", **position}, answer


async def a_wrong_position_is_refused(url: str, token: str) -> None:
    """Another epoch and the future are refused by name, and a snapshot follows."""
    async with dial(url, token) as socket:
        hello = await frame(socket)
    ahead = {"epoch": hello["epoch"], "seq": hello["head"] + 10**9}
    other = {"epoch": "never-was", "seq": 1}
    for position, reason in ((ahead, "ahead"), (other, "epoch_changed")):
        async with dial(url, token) as socket:
            _, answer = await begin(socket, resume=position)
            assert (answer["type"], answer["reason"]) == ("refused", reason), answer
            snapshot = await frame(socket)
            assert snapshot["type"] == "snapshot", snapshot["type"]


async def malformed_frames_are_closed(url: str, token: str) -> None:
    """What is no frame of a client, or has no place, is closed with 4400."""
    subscribe = '{"type":"subscribe"}'
    cases: list[list[str | bytes]] = [
        ["{"],
        ["[]"],
        [b"\x00"],
        ['{"type":"hello"}'],
        ['{"type":"ack","seq":0}'],
        ['{"type":"heartbeat"}'],
        ['{"type":"subscribe","resume":7}'],
        ['{"type":"subscribe","min_rank":5}'],
        [subscribe, subscribe],
        [subscribe, '{"type":"ack","seq":9000000000000000000}'],
        [subscribe, '{"type":"heartbeat","seq":9000000000000000000}'],
    ]
    for frames in cases:
        try:
            await closes(url, token, frames, 4400)
        except AssertionError as error:
            raise AssertionError(f"{frames[-1]!r}: {error}") from None


async def foreign_areas_are_closed(url: str, token: str) -> None:
    """An area that is nobody's is closed with 4403."""
    await closes(url, token, ['{"type":"subscribe","areas":["nowhere"]}'], 4403)


async def too_much_is_closed(url: str, token: str) -> None:
    """A huge frame (4413 or 1009) and a flood (4429) end the stream."""
    huge = json.dumps({"type": "heartbeat", "x": "x" * 2**20})
    await closes(url, token, [huge], 4413, 1009)
    flood: list[str | bytes] = ['{"type":"subscribe"}', *['{"type":"heartbeat"}'] * 900]
    await closes(url, token, flood, 4429)


async def silence_is_closed(url: str, token: str) -> None:
    """Three missing heartbeats of the client are closed with 4408."""
    await closes(url, token, ['{"type":"subscribe"}'], 4408)


async def offers_are_kept(url: str, token: str) -> None:
    """What the hello offers works, and an unknown kind is refused."""
    async with dial(url, token) as socket:
        offers = (await frame(socket))["offers"]
    if "kinds" in offers:
        async with dial(url, token) as socket:
            _, answer = await begin(socket, kinds=["over_limit"])
            assert answer["type"] == "snapshot"
        await closes(url, token, ['{"type":"subscribe","kinds":["no_such"]}'], 4400)
    async with dial(url, token) as socket:
        await begin(socket, **({"reports": ["drawn"]} if "receipts" in offers else {}))
        if "receipts" in offers:
            await say(socket, type="receipt", step="drawn", ids=["of nobody"])
        if "answers" in offers:
            ids = ["of nobody"]
            await say(socket, type="receipt", step="drawn", ids=ids, key="r" * 8)
            await result_of(socket, "r" * 8, True, 200)
        if "commands" in offers:
            await say(socket, type="command", key="k" * 8, alarm_id=0, action="confirm")
            await result_of(socket, "k" * 8, False, 403, 404)


async def result_of(
    socket: ClientConnection, key: str, ok: bool, *statuses: int
) -> None:
    """Read on until a result comes; whether it is the wanted one."""
    while (told := await frame(socket))["type"] != "result":
        pass
    assert (told["key"], told["ok"]) == (key, ok), told
    assert told["status"] in statuses, told


SERVER_CHECKS = [
    hello_is_whole,
    strangers_are_sent_away,
    other_words_are_refused,
    a_snapshot_is_followed_by_claims,
    a_position_is_resumed,
    a_wrong_position_is_refused,
    malformed_frames_are_closed,
    foreign_areas_are_closed,
    too_much_is_closed,
    offers_are_kept,
    silence_is_closed,
]
