"""What both streams do with a socket: admit, watch the rights, end with a code."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import psycopg
from fastapi import WebSocket
from psycopg_pool import PoolTimeout
from starlette.websockets import WebSocketDisconnect

from gasmon.api.auth import Caller, identify, is_own_origin
from gasmon.api.state import ApiState
from gasmon.errors import DependencyError, RequestError
from gasmon.remote import frames

log = logging.getLogger("gasmon.api.streams")

CLOSE_WAIT_S = 10.0
"""How long a close frame may wait for a client that does not read [s]."""

READY_WAIT_S = 5.0
"""How long a client waits for the followers' first positions [s]."""

RECHECK_S = 15.0
"""How often an open stream asks whether its token or session still holds [s]."""


NO_DATABASE = (psycopg.OperationalError, PoolTimeout, DependencyError)


class StreamClosed(Exception):
    """The stream ends with this code; raised by either task."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


async def admit(
    socket: WebSocket, state: ApiState, subprotocol: str | None = None
) -> Caller | None:
    """Accept a handshake and find out who it is; None when it was sent away.

    A browser's handshake from a page that is not ours is refused before anything is
    accepted. Everybody else gets a close code, because a browser's script can read
    that and cannot read a status.
    """
    from_page = "origin" in socket.headers and "authorization" not in socket.headers
    if from_page and not is_own_origin(socket, state.settings.api.allowed_origins):
        state.closes.inc(stream=socket.url.path, code="403")
        await socket.close()
        return None
    offered = socket.scope.get("subprotocols") or []
    await socket.accept(subprotocol if subprotocol in offered else None)
    if offered and subprotocol is not None and subprotocol not in offered:
        await close(socket, state, frames.CLOSE_MALFORMED, f"speak {subprotocol}")
        return None
    try:
        caller = await identify(socket, state)
        if caller.by_cookie and socket.headers.get("origin") is None:
            raise StreamClosed(frames.CLOSE_FORBIDDEN, "a session needs an Origin")
    except RequestError as error:
        await close(socket, state, frames.CLOSE_UNAUTHENTICATED, str(error))
    except NO_DATABASE:
        await close(socket, state, 1013, "no database; try again")
    except StreamClosed as end:
        await close(socket, state, end.code, end.reason)
    else:
        return caller
    return None


async def close(socket: WebSocket, state: ApiState, code: int, reason: str) -> None:
    """Close with a code, counted; gives up on a client that does not read."""
    state.closes.inc(stream=socket.url.path, code=str(code))
    # The protocol allows 123 bytes for the reason.
    short = reason.encode()[:120].decode(errors="ignore")
    try:
        async with asyncio.timeout(CLOSE_WAIT_S):
            await socket.close(code, short)
    except (TimeoutError, RuntimeError, WebSocketDisconnect, OSError):
        # It is gone, or will be when the server drops the transport.
        log.debug("close %s not delivered: %s", code, reason)


async def until_ready(*ready: asyncio.Event) -> None:
    """Wait until the followers know where they are.

    Raises:
        StreamClosed: they do not: there is no database.
    """
    try:
        async with asyncio.timeout(READY_WAIT_S):
            for event in ready:
                await event.wait()
    except TimeoutError:
        raise StreamClosed(1013, "not ready: no database; try again") from None


async def recheck(socket: WebSocket, state: ApiState, caller: Caller) -> None:
    """Watch that the token or session still holds, as long as the stream lasts.

    Raises:
        StreamClosed: it was revoked, ended, or its rights changed.
    """
    while True:
        await asyncio.sleep(RECHECK_S)
        try:
            found = await identify(socket, state)
        except RequestError as error:
            raise StreamClosed(frames.CLOSE_UNAUTHENTICATED, str(error)) from None
        except Exception as error:
            # Without a database nobody can be asked; the stream says by complete_to
            # that it is behind, and the next round asks again.
            log.warning("rights of %s unchecked: %s", caller.principal.name, error)
            continue
        if found.principal != caller.principal:
            raise StreamClosed(frames.CLOSE_UNAUTHENTICATED, "rights changed; resume")


async def run_together(*parts: Coroutine[Any, Any, None]) -> StreamClosed:
    """Run the tasks of one stream until the first ends; end the others.

    Returns:
        Why it ended.
    """
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    ends = [task.exception() for task in done if not task.cancelled()]
    for end in ends:
        if isinstance(end, StreamClosed):
            return end
    for end in ends:
        if isinstance(end, WebSocketDisconnect):
            return StreamClosed(-end.code, end.reason)
    for end in ends:
        if isinstance(end, NO_DATABASE):
            return StreamClosed(1013, "no database; resume later")
    for end in ends:
        if end is not None:
            raise end
    return StreamClosed(1000, "done")


async def finish(socket: WebSocket, state: ApiState, end: StreamClosed) -> None:
    """Close as a stream ended; a negative code is the client's own."""
    if end.code < 0:
        state.closes.inc(stream=socket.url.path, code=str(-end.code))
    else:
        await close(socket, state, end.code, end.reason)
