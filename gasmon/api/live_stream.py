"""The socket side of ``/api/v1/stream/live``: what a page shows, as it changes.

One socket per page: a snapshot, the alarm events that it missed if it says where it
was, then deltas with consecutive numbers, alarms as they come, and a heartbeat by which
the page notices a dead line and learns up to when it has every event.

With ``run`` it tells the alarms of that drill and nothing of real operation; a page
keeps such a one beside its own, which tells real alarms whatever it shows.
"""

import asyncio
import re

from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect

from gasmon import domain
from gasmon.api.auth import Caller
from gasmon.api.consoles import ConsolePlace
from gasmon.api.live import LiveListener, LiveMine
from gasmon.api.live_resume import join_of, missed, parse_after, still_kept
from gasmon.api.page_frames import Credit, parse_page
from gasmon.api.sockets import (
    StreamClosed,
    admit,
    close,
    finish,
    recheck,
    run_together,
    until_ready,
)
from gasmon.api.state import ApiState
from gasmon.remote import frames
from gasmon.remote.parsing import Malformed
from gasmon.remote.session import covers
from gasmon.store.outbox import Told
from gasmon.units import US_PER_MS

_RUN = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)

SEND_WAIT_S = 15.0
"""A page that takes no frame for this long is closed (1013) [s]."""


async def serve_live(socket: WebSocket, state: ApiState) -> None:
    """Show one page what its principal may see of what it asks for."""
    caller = await admit(socket, state)
    if caller is None:
        return
    try:
        stream = LiveStream(socket, state, caller)
    except StreamClosed as refused:
        await close(socket, state, refused.code, refused.reason)
        return
    try:
        end = await run_together(
            stream.read(),
            stream.write(),
            stream.guard(),
            recheck(socket, state, caller),
        )
    except Exception:
        await close(socket, state, 1011, "an error of ours; connect again")
        raise
    finally:
        stream.leave()
    await finish(socket, state, end)


class LiveStream:
    """One page: its filter, its place in the hub, what it was told."""

    def __init__(self, socket: WebSocket, state: ApiState, caller: Caller) -> None:
        """Read the query.

        Raises:
            StreamClosed: it asks for what there is not, or what is not the caller's.
        """
        self._socket = socket
        self._state = state
        self._scope = caller.principal.scope
        self._area: str | None = None
        self._mine: str | None = None
        self._run = 0
        self._with_points = True
        self._after: tuple[str, int] | None = None
        self._room = ConsolePlace(
            state.consoles, state.ledger, state.clock, caller.principal
        )
        self._read_query()
        self._number = 0
        self._place = state.hub.join(
            self._scope,
            lambda told: told.run == self._run and self._covers(told.area, told.mine),
            state.settings.api.client_queue_frames,
            for_mine=self._scope.is_mine or self._mine is not None,
            with_drills=self._run != 0,
        )
        self._listener = LiveListener(self._place.wake)

    def _read_query(self) -> None:
        query = self._socket.query_params
        for name in query:
            if name not in ("area", "mine", "points", "after", "run"):
                raise StreamClosed(
                    frames.CLOSE_MALFORMED, f"unknown parameter {name[:40]}"
                )
        if query.get("points", "1") not in ("0", "1"):
            raise StreamClosed(frames.CLOSE_MALFORMED, "points is 0 or 1")
        self._with_points = query.get("points", "1") == "1"
        if "after" in query:
            self._after = parse_after(query["after"])
            if self._after is None:
                raise StreamClosed(frames.CLOSE_MALFORMED, "after is not EPOCH:NUMBER")
        if "run" in query:
            if not _RUN.fullmatch(query["run"]) or "after" in query:
                raise StreamClosed(frames.CLOSE_MALFORMED, "run is a drill's, no after")
            self._run = int(query["run"])
        if "area" in query:
            name = query["area"]
            try:
                self._area = domain.area_by(name).code
            except KeyError:
                self._area = name
            if not self._scope.allows_area(self._area):
                raise StreamClosed(frames.CLOSE_FORBIDDEN, f"area {name[:20]}")
        if "mine" in query:
            self._mine = query["mine"]
            if not self._scope.allows(self._mine[:6], self._mine):
                raise StreamClosed(frames.CLOSE_FORBIDDEN, f"mine {self._mine[:20]}")

    def leave(self) -> None:
        """Give up the places in the hub, among the listeners and in the room."""
        self._room.close()
        self._state.hub.leave(self._place)
        self._state.live.listeners.discard(self._listener)

    def _covers(self, area: str, mine: str | None) -> bool:
        if self._mine is not None and mine != self._mine:
            return False
        return self._area is None or covers((self._area,), area)

    def _wants(self, mine: LiveMine) -> bool:
        # Latest values here are real ones: a page of a drill must never mix them in.
        allowed = self._run == 0 and self._scope.allows(mine.area, mine.code)
        return allowed and self._covers(mine.area, mine.code)

    async def read(self) -> None:
        """Take what the page says of itself and showed, and notice when it leaves.

        Raises:
            StreamClosed: it says too much, or what nobody understands.
            WebSocketDisconnect: it left.
        """
        largest = self._state.settings.api.max_client_frame_bytes
        credit = Credit(self._state.clock.monotonic_s())
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(
                    message.get("code") or 1006, message.get("reason")
                )
            if len(message.get("text") or message.get("bytes") or "") > largest:
                raise StreamClosed(
                    frames.CLOSE_TOO_LARGE, f"frame over {largest} bytes"
                )
            if not credit.take(self._state.clock.monotonic_s()):
                raise StreamClosed(frames.CLOSE_FLOOD, "too many frames")
            try:
                self._room.take(parse_page(message.get("text") or ""))
            except Malformed as error:
                raise StreamClosed(frames.CLOSE_MALFORMED, str(error)) from None

    async def guard(self) -> None:
        """Wait until the hub cuts this page off.

        Raises:
            StreamClosed: it did.
        """
        await self._place.gone.wait()
        assert self._place.cut is not None
        raise StreamClosed(*self._place.cut)

    async def write(self) -> None:
        """Show the snapshot, then what changes.

        Raises:
            StreamClosed: the page is too slow, or there is no database.
        """
        await until_ready(self._state.live.ready, self._state.hub.ready)
        after = await still_kept(self._state.pool, self._after)
        # From here to the snapshot nothing waits: no tick can fall between.
        self._state.live.listeners.add(self._listener)
        mines = [m for m in self._state.live.state.mines.values() if self._wants(m)]
        mines.sort(key=lambda mine: mine.code)
        join = join_of(self._state.hub, self._place, after)
        resumed = "true" if join.after is not None else "false"
        await self._send_mines(
            "snapshot",
            [self._json(mine, True) for mine in mines],
            f'"epoch":"{join.epoch}","position":{join.position},"resumed":{resumed},',
        )
        async for told in missed(self._state.pool, self._scope, join):
            if self._covers(told.area, told.mine) and self._may_show(told):
                await self._send_alarm(told)
        await self._show()

    def _may_show(self, told: Told) -> bool:
        """A pre-warning is for the mine's own people and page, as in the hub."""
        return not told.mine_only or self._scope.is_mine or self._mine is not None

    async def _send_alarm(self, told: Told) -> None:
        await self._send(f'{{"type":"alarm","seq":{told.seq},"data":{told.body}}}')

    async def _show(self) -> None:
        clock = self._state.clock
        heartbeat_s = self._state.settings.api.heartbeat_s
        beat_s = clock.monotonic_s() + heartbeat_s
        while True:
            self._place.wake.clear()
            while self._place.queue:
                told = self._place.queue.popleft()
                await self._send_alarm(told)
            changed = [
                self._json(mine, whole)
                for mine, whole in self._listener.take()
                if self._wants(mine)
            ]
            if changed:
                await self._send_mines("delta", changed)
            # A heartbeat claims that nothing waits: what came meanwhile goes first.
            if clock.monotonic_s() >= beat_s and not self._place.queue:
                await self._send(self._beat())
                beat_s = clock.monotonic_s() + heartbeat_s
            try:
                async with asyncio.timeout(max(beat_s - clock.monotonic_s(), 0)):
                    await self._place.wake.wait()
            except TimeoutError:
                pass

    def _beat(self) -> str:
        """Alive, and every event up to ``complete_ms`` that is the page's was sent."""
        hub = self._state.hub
        at_ms = self._state.clock.now_us() // US_PER_MS
        return (
            f'{{"type":"heartbeat","at_ms":{at_ms},"position":{hub.position},'
            f'"complete_ms":{hub.complete_to_us // US_PER_MS}}}'
        )

    def _json(self, mine: LiveMine, whole: bool) -> str:
        if not self._with_points:
            return mine.top(self._state.live.state.top_points)
        return mine.full() if whole else mine.delta()

    async def _send_mines(self, kind: str, mines: list[str], more: str = "") -> None:
        self._number += 1
        at_ms = self._state.clock.now_us() // US_PER_MS
        await self._send(
            f'{{"type":"{kind}","seq":{self._number},"at_ms":{at_ms},{more}'
            f'"mines":[{",".join(mines)}]}}'
        )

    async def _send(self, text: str) -> None:
        try:
            async with asyncio.timeout(SEND_WAIT_S):
                await self._socket.send_text(text)
        except TimeoutError:
            reason = f"took no frame for {SEND_WAIT_S:g} s"
            raise StreamClosed(1013, reason) from None
