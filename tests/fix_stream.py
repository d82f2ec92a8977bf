"""A client of the alarm stream that checks every frame and claim as it goes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from gasmon.remote.frames import SUBPROTOCOL
from tests.asyncapi import check_frame
from tests.fix_api import World

WAIT_S = 20.0

CHECKED = 20
"""Frames of a connection that are held against the AsyncAPI document: a thousand more
of the same kind would cost seconds."""


class Client:
    """A platform's end of a stream, checking frames and claims as it goes."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.epoch = ""
        self.position = 0
        self.events: list[tuple[int, dict[str, Any]]] = []
        self.snapshot: list[dict[str, Any]] | None = None
        self.n_heartbeats = 0
        self._n_frames = 0

    async def frame(self) -> dict[str, Any]:
        """The next frame, whatever it is; as the AsyncAPI document says."""
        async with asyncio.timeout(WAIT_S):
            text = await self.socket.recv()
        assert isinstance(text, str)
        self._n_frames += 1
        if self._n_frames > CHECKED:
            later: dict[str, Any] = json.loads(text)
            return later
        return check_frame(text, "tell")

    async def say(self, **frame: Any) -> None:
        """Send one frame."""
        await self.socket.send(json.dumps(frame))

    async def subscribe(
        self,
        resume: tuple[str, int] | None = None,
        areas: list[str] | None = None,
        min_rank: int = 0,
        kinds: list[str] | None = None,
        reports: list[str] | None = None,
    ) -> dict[str, Any]:
        """Read the hello, subscribe, and read the answer."""
        hello = await self.frame()
        assert hello["type"] == "hello"
        self.epoch = hello["epoch"]
        position = resume and {"epoch": resume[0], "seq": resume[1]}
        await self.say(
            type="subscribe",
            resume=position,
            areas=areas,
            min_rank=min_rank,
            kinds=kinds,
            reports=reports,
        )
        answer = await self.frame()
        if answer["type"] == "refused":
            snapshot = await self.frame()
            assert snapshot["type"] == "snapshot"
            self.snapshot, self.position = snapshot["alarms"], snapshot["seq"]
        else:
            assert answer["type"] in ("resumed", "snapshot")
            self.snapshot, self.position = answer.get("alarms"), answer["seq"]
        return answer

    async def take(self) -> dict[str, Any]:
        """The next frame; its claim must follow the one before without a hole."""
        frame = await self.frame()
        assert frame["from"] == self.position, (frame["from"], self.position)
        assert frame["to"] >= frame["from"]
        self.position = frame["to"]
        if frame["type"] == "event":
            assert frame["seq"] == frame["to"]
            self.events.append((frame["seq"], frame["data"]))
            await self.say(type="ack", seq=frame["seq"])
        else:
            assert frame["type"] == "heartbeat"
            self.n_heartbeats += 1
            await self.say(type="heartbeat", seq=frame["to"])
        return frame

    async def take_to(self, position: int) -> None:
        """Take frames until everything up to a position is claimed."""
        while self.position < position:
            await self.take()

    async def closed(self) -> int:
        """Read on until the server closes; gives the code."""
        try:
            async with asyncio.timeout(WAIT_S):
                while True:
                    await self.socket.recv()
        except ConnectionClosed as end:
            # 1006 is what a line without a closing frame is called (RFC 6455).
            return int(end.rcvd.code) if end.rcvd else 1006


def repeat_in_outbox(world: World, seq: int, n: int) -> None:
    """Have ``n`` entries in the outbox by repeating one under other ids."""
    with world.conn.transaction():
        world.conn.execute(
            "INSERT INTO outbox (seq, run, area_code, mine, event, rank, body)"
            " SELECT nextval('outbox_seq'), run, area_code, mine, event, rank,"
            " (body::jsonb || jsonb_build_object('id', n::text))::text"
            " FROM outbox, generate_series(2, %s) n WHERE seq = %s",
            (n, seq),
        )


@asynccontextmanager
async def dial(
    world: World, who: str | None = "zhenxiong", **options: Any
) -> AsyncIterator[Client]:
    """Connect to the alarm stream."""
    headers = world.header(who) if who else {}
    async with connect(
        world.api.ws + "/alarms",
        additional_headers={**headers, **options.pop("headers", {})},
        subprotocols=options.pop("subprotocols", [Subprotocol(SUBPROTOCOL)]),
        compression=None,
        **options,
    ) as connection:
        yield Client(connection)
