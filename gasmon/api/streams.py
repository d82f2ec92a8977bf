"""The socket side of ``/api/v1/stream/alarms``; the rules are in ``remote.session``.

Two tasks per client: one reads its frames, one writes ours. Events come from the hub's
queue; a client that resumes reads the outbox in pages first, with connections of the
pool and without anybody waiting for it, and then joins the hub without a gap or a
duplicate: it notes the hub's position when joining, reads up to exactly there, and the
session leaves out what was told already.
"""

import asyncio

from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect

from gasmon.api.auth import Caller
from gasmon.api.commanding import carry_out
from gasmon.api.hub import Subscriber
from gasmon.api.ledger import StreamNotes
from gasmon.api.sockets import (
    NO_DATABASE,
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
from gasmon.remote.parsing import Command, Receipt
from gasmon.remote.session import (
    Action,
    Begin,
    Close,
    ServerSession,
    judge_resume,
)
from gasmon.store.db import AsyncConnection
from gasmon.store.outbox import Told, position_async
from gasmon.store.receipts import subscribed
from gasmon.store.seals import seals_after
from gasmon.store.views_open import open_events
from gasmon.store.views_outbox import told_between, told_of_open

PAGE = 500
"""Outbox entries a resuming client reads at once; 500 × 1.2 kB = 0.6 MB."""

LATE_S = 0.25
"""A timer that fires so much too late [s]: this process was stopped or its machine was,
and what the client said meanwhile is not read yet."""


async def serve_alarms(socket: WebSocket, state: ApiState) -> None:
    """Speak ``gasmon.alarms.v1`` with one client until it ends."""
    caller = await admit(socket, state, frames.SUBPROTOCOL)
    if caller is None:
        return
    for name in socket.query_params:
        await close(
            socket, state, frames.CLOSE_MALFORMED, f"unknown parameter {name[:40]}"
        )
        return
    stream = AlarmStream(socket, state, caller)
    place = state.streams.enter(caller.principal.principal_id)
    try:
        end = await run_together(
            stream.read(),
            stream.write(),
            stream.guard(),
            stream.tell_seals(),
            _until_replaced(place.replaced, state.streams.limit),
            recheck(socket, state, caller),
        )
    except Exception:
        await close(socket, state, 1011, "an error of ours; resume")
        raise
    finally:
        stream.leave()
        state.streams.leave(place)
    await finish(socket, state, end)


async def _until_replaced(replaced: asyncio.Event, limit: int) -> None:
    """Wait until the principal has opened too many newer streams.

    Raises:
        StreamClosed: it did.
    """
    await replaced.wait()
    raise StreamClosed(
        frames.CLOSE_REPLACED, f"over {limit} streams of this principal; newest stay"
    )


class AlarmStream:
    """One client's socket, session and place in the hub."""

    def __init__(self, socket: WebSocket, state: ApiState, caller: Caller) -> None:
        self._socket = socket
        self._state = state
        self._scope = caller.principal.scope
        self._principal = caller.principal
        self._notes = StreamNotes(
            state.ledger, state.clock, caller.principal.name, self._scope
        )
        self._api = state.settings.api
        self._begin: asyncio.Future[Begin] = asyncio.get_running_loop().create_future()
        self._subscriber: Subscriber | None = None
        self._has_joined = asyncio.Event()
        self._joined = 0
        self._session = ServerSession(
            allows_area=self._scope.allows_area,
            heartbeat_s=self._api.heartbeat_s,
            max_frame_bytes=self._api.max_client_frame_bytes,
            at_s=state.clock.monotonic_s(),
        )

    def leave(self) -> None:
        """Give up the place in the hub."""
        if self._subscriber is not None:
            self._state.hub.leave(self._subscriber)

    async def read(self) -> None:
        """Take the client's frames, and notice when it falls silent.

        Raises:
            StreamClosed: it broke a rule, or was silent.
            WebSocketDisconnect: it left.
        """
        while True:
            wait_s = self._session.silent_at_s() - self._state.clock.monotonic_s()
            try:
                async with asyncio.timeout(max(wait_s, 0.01)):
                    message = await self._socket.receive()
            except TimeoutError:
                now_s = self._state.clock.monotonic_s()
                if now_s - self._session.silent_at_s() > LATE_S:
                    self._session.stood(now_s)
                    continue
                end = self._session.overdue(now_s)
                if end is not None:
                    raise StreamClosed(end.code, end.reason) from None
                continue
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(
                    message.get("code") or 1006, message.get("reason")
                )
            text = message.get("text")
            if text is None:
                await self._do(self._session.receive_binary())
            else:
                now_s = self._state.clock.monotonic_s()
                await self._do(self._session.receive(text, now_s))
                self._notes.acked(self._session.acked)

    async def _do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Close():
                    raise StreamClosed(action.code, action.reason)
                case Begin():
                    self._begin.set_result(action)
                case Receipt(key=None):
                    self._notes.reported(action.step, action.ids, action.at_us)
                case Receipt():
                    await self._socket.send_text(await self._written(action))
                case Command():
                    who = self._principal
                    await self._socket.send_text(
                        await carry_out(self._state, who, action)
                    )

    async def _written(self, receipt: Receipt) -> str:
        """Write a receipt whose sender waits for it; gives the result's frame."""
        assert receipt.key is not None
        try:
            await self._notes.write(receipt.step, receipt.ids, receipt.at_us)
        except NO_DATABASE:
            # It is known from now on, whenever it is written and told again.
            self._notes.reported(receipt.step, receipt.ids, receipt.at_us)
            detail = "no database; send it again"
            return frames.result(receipt.key, status=503, detail=detail)
        return frames.result(receipt.key, status=200)

    async def guard(self) -> None:
        """Wait until the hub cuts this client off; its writer may be stuck in a send.

        Raises:
            StreamClosed: it did.
        """
        await self._has_joined.wait()
        assert self._subscriber is not None
        await self._subscriber.gone.wait()
        assert self._subscriber.cut is not None
        raise StreamClosed(*self._subscriber.cut)

    async def tell_seals(self) -> None:
        """Tell the seals of hours that the client does not hold, and each new one.

        A mine's token gets none: they name every area's numbers.
        """
        await self._has_joined.wait()
        after_us = self._session.seals
        while after_us is not None and not self._scope.is_mine:
            try:
                async with self._state.pool.connection() as conn:
                    found = await seals_after(conn, after_us)
            except NO_DATABASE:
                found = []
            for one in found:
                told = frames.seal(one.hour_us, one.hash, one.body)
                await self._socket.send_text(told)
                after_us = one.hour_us
            if not found:
                # There is one an hour, and nobody waits for it.
                await asyncio.sleep(2 * self._api.heartbeat_s)
        await asyncio.Event().wait()

    async def write(self) -> None:
        """Greet, answer the subscription, then tell events and beat for ever.

        Raises:
            StreamClosed: there is no database.
        """
        hub = self._state.hub
        await until_ready(hub.ready)
        self._session.epoch = hub.epoch
        await self._socket.send_text(
            frames.hello(
                server="gasmon",
                epoch=hub.epoch,
                head=hub.position,
                now_us=self._state.clock.now_us(),
                heartbeat_s=self._api.heartbeat_s,
                principal=self._principal.name,
                areas=self._principal.areas,
            )
        )
        begin = await self._begin
        await self._remember()
        await self._answer(begin)
        await self._tell()

    async def _remember(self) -> None:
        session = self._session
        async with self._state.pool.connection() as conn:
            await subscribed(
                conn,
                self._principal.name,
                areas=session.areas,
                kinds=session.kinds,
                min_rank=session.min_rank,
                reports=session.reports,
                now_us=self._state.clock.now_us(),
            )

    async def _answer(self, begin: Begin) -> None:
        refusal: tuple[str, str] | None = None
        if begin.resume is not None:
            async with self._state.pool.connection() as conn:
                here = await position_async(conn)
            refusal = judge_resume(
                begin.resume,
                epoch=here.epoch,
                first_seq=here.first_seq,
                last_seq=here.last_seq,
            )
            if refusal is None:
                await self._socket.send_text(self._session.resumed(begin.resume[1]))
                await self._catch_up(begin.resume[1], here.last_seq)
                return
            await self._socket.send_text(frames.refused(*refusal))
        self._join()
        # What comes while we read is queued, and follows the snapshot.
        async with self._state.pool.connection() as conn:
            told = await self._open(conn)
        bodies = list(told.values())
        await self._socket.send_text(self._session.snapshot(self._joined, bodies))
        self._notes.sent_snapshot(self._joined, tuple(told))

    async def _open(self, conn: AsyncConnection) -> dict[str, str]:
        """Bodies of a snapshot, by the events' ids."""
        session, found = self._session, {}
        if session.history:
            for past in await told_of_open(
                conn, self._scope, self._joined, drills=session.drills
            ):
                if session.wants(past.area, past.rank, frames.kind_of(past.body)):
                    found[frames.id_of(past.body)] = past.body
        for one in await open_events(conn, self._scope, drills=session.drills):
            if session.wants(one.event.area, one.event.rank, one.event.kind):
                found.setdefault(one.event.event_id, frames.encode_body(one))
        return found

    def _join(self, told: int = 0) -> None:
        hub = self._state.hub
        if hub.epoch != self._session.epoch:
            raise StreamClosed(frames.CLOSE_RESTART, "a new epoch began; resume")
        self._joined = hub.position
        self._subscriber = hub.join(
            self._scope,
            self._wants,
            self._api.client_queue_frames,
            told,
            for_mine=self._scope.is_mine,
            with_drills=self._session.drills,
        )
        self._has_joined.set()

    def _wants(self, told: Told) -> bool:
        kind = frames.kind_of(told.body) if self._session.kinds else ""
        return self._session.wants(told.area, told.rank, kind)

    async def _catch_up(self, after: int, head: int) -> None:
        """Tell the past, then join the hub exactly where the past ends."""
        after = await self._tell_past(after, head)
        # The first reading may have taken minutes on a slow line. What came since is
        # read the same way until the rest is short, so that the hub's queue does not
        # have to hold it.
        while self._state.hub.position - after > PAGE:
            after = await self._tell_past(after, self._state.hub.position)
        self._join(told=after)
        await self._tell_past(after, self._joined)

    async def _tell_past(self, after: int, up_to: int) -> int:
        """Tell this client's entries in (after, up_to] from the outbox."""
        while after < up_to:
            async with self._state.pool.connection() as conn:
                entries = await told_between(
                    conn,
                    self._scope,
                    after=after,
                    up_to=up_to,
                    areas=self._session.areas,
                    min_rank=self._session.min_rank,
                    kinds=self._session.kinds,
                    drills=self._session.drills,
                    limit=PAGE,
                )
            for entry in entries:
                await self._send_event(entry.seq, entry.body)
            after = entries[-1].seq if len(entries) == PAGE else up_to
        return after

    async def _send_event(self, seq: int, body: str) -> None:
        frame = self._session.event(seq, body)
        if frame is not None:
            await self._socket.send_text(frame)
            self._notes.sent(seq)

    async def _tell(self) -> None:
        """Tell what the hub queues; beat in between."""
        place = self._subscriber
        assert place is not None
        clock = self._state.clock
        beat_s = clock.monotonic_s() + self._api.heartbeat_s
        while True:
            while place.queue:
                entry = place.queue.popleft()
                await self._send_event(entry.seq, entry.body)
            if clock.monotonic_s() >= beat_s:
                await self._socket.send_text(self._beat(place))
                beat_s = clock.monotonic_s() + self._api.heartbeat_s
                continue
            place.wake.clear()
            try:
                async with asyncio.timeout(max(beat_s - clock.monotonic_s(), 0)):
                    await place.wake.wait()
            except TimeoutError:
                pass

    def _beat(self, place: Subscriber) -> str:
        """A heartbeat; everything up to ``seen`` that matched has been sent."""
        hub = self._state.hub
        return self._session.heartbeat(
            place.seen, self._state.clock.now_us(), hub.complete_to_us
        )
