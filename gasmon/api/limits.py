"""What others may make us hold: request bodies, answers to pings, open streams.

The first two are taken in before anybody asks for a token, so they are bounded here,
below the routes. ``client_max_body_size`` of a proxy in front says the same once more.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

from fastapi.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.websockets.websockets_sansio_impl import (
    WebSocketsSansIOProtocol,
)

from gasmon.api.problems import problem

MAX_BODY_BYTES = 65_536
"""Largest body of a request [bytes]. Ours: the largest is a confirmation with a note
of 1,000 characters, 12 kB when each is escaped."""

MAX_UNREAD_PINGS = 1000
"""Pings that may come while answers wait to be sent. A page or platform pings a few
times a minute, so a slow line never gets there; 1000 answers are 127 kB."""

log = logging.getLogger("gasmon.api.sockets")
# Each handshake would be told at INFO with its whole query, in which a mistaken client
# puts its token (it is refused, and must not be kept). Closes are counted by code.
log.setLevel(logging.WARNING)


class BodyLimit:
    """ASGI middleware: a body over the limit is refused before it is gathered."""

    def __init__(self, app: ASGIApp, max_bytes: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        detail = f"a body may have {self._max_bytes} bytes at most"
        lengths = [v for name, v in scope["headers"] if name == b"content-length"]
        if any(int(length) > self._max_bytes for length in lengths):
            refusal = problem(413, "too-large", detail, headers={"Connection": "close"})
            await refusal(scope, receive, send)
            return
        n_taken = 0

        async def receive_some() -> Message:
            # A chunked body does not say its length before.
            nonlocal n_taken
            message = await receive()
            n_taken += len(message.get("body", b""))
            if n_taken > self._max_bytes:
                raise HTTPException(413, detail, {"Connection": "close"})
            return message

        await self._app(scope, receive_some, send)


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's protocol, which answers pings even to those who do not read.

    Each answer then waits in our memory: measured, 200 MB of pings held 190 MB.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = log
        self._n_unread_pings = 0

    def handle_ping(self) -> None:
        """Answer, or drop the connection of a client that lets answers pile up."""
        if self.transport.get_write_buffer_size() == 0:
            self._n_unread_pings = 0
        self._n_unread_pings += 1
        if self._n_unread_pings > MAX_UNREAD_PINGS:
            self.transport.abort()
            return
        super().handle_ping()


@dataclass(eq=False, slots=True)
class StreamPlace:
    """One open stream of a principal.

    Attributes:
        replaced: set when newer streams of the same principal took its place.
    """

    principal_id: int
    replaced: asyncio.Event = field(default_factory=asyncio.Event)


class StreamPlaces:
    """Open alarm streams of each principal, ``limit`` at most.

    The newest stay: after a line has flapped, its dead ends are still open here until
    their heartbeats are missing, and must not keep the living one away.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._open: dict[int, list[StreamPlace]] = {}

    def enter(self, principal_id: int) -> StreamPlace:
        """Take a place; the oldest one over the limit is told to go."""
        places = self._open.setdefault(principal_id, [])
        place = StreamPlace(principal_id)
        places.append(place)
        for oldest in places[: -self.limit]:
            oldest.replaced.set()
        return place

    def leave(self, place: StreamPlace) -> None:
        """Give a place up."""
        places = self._open[place.principal_id]
        places.remove(place)
        if not places:
            del self._open[place.principal_id]
