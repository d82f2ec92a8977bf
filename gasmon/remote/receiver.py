"""What a county or city platform runs: receives alarms and keeps them.

Use it as a class in a program of your own, or as ``gasmon receive``::

    options = Options(name="county", url="wss://city.example", token=token,
                      state=Path("alarms.sqlite"))
    with Keeping(options.state) as keeping:
        await Receiver(options, keeping, on_event=print).run()

Promises: an event is in the file before ``on_event`` or a hook hears of it; events come
in the order of the stream; none is missing as long as the server does not refuse the
position, and a refusal is said aloud and followed by all alarms that are open; after a
crash what was not finished is done again (``id`` tells a repetition); it never gives
up by itself.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.typing import Subprotocol

from gasmon.clock import Clock
from gasmon.remote import frames, parsing
from gasmon.remote.chain import Chain
from gasmon.remote.hooks import run_with_retries
from gasmon.remote.keeping import Arrived, Keeping, Kept
from gasmon.remote.options import Options, stream_url

SILENCE_HEARTBEATS = 3
"""Heartbeats that may be missing before the line counts as silent."""

DEFAULT_HEARTBEAT_S = 5.0
BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Waits before connecting again [s], each shortened at random by up to a half so that
the platforms of a city do not all come back at once; the last is repeated."""

REFUSED_BACKOFF_S = 30.0
"""Wait after a refused token or area [s]: somebody has to change something first."""

LOOK_S = 0.05
"""How exactly a silence is noticed [s]."""

BATCH = 200
"""Frames kept in one transaction at most, when they come faster than the disk."""

MAX_FRAME_BYTES = 64 * 1024 * 1024
"""Largest frame taken: a snapshot of 50,000 open alarms at 1.2 kB."""


class Finished(Exception):
    """Everything that was asked for is done."""


class Receiver:
    """Keeps one stream, for ever or until what was asked for is done.

    Attributes:
        chain: where we are in the stream.
        n_events: new events since the start.
        n_connects: subscriptions that were answered.
        silent: whether the line is silent now.
    """

    def __init__(
        self,
        options: Options,
        keeping: Keeping,
        *,
        clock: Clock,
        on_event: Callable[[str], None],
        on_notice: Callable[[str, dict[str, Any]], None] = lambda kind, facts: None,
        rng: random.Random | None = None,
    ) -> None:
        """Describe the receiver; nothing happens before :meth:`run`.

        Args:
            keeping: the open file; the caller closes it.
            clock: wall time for stamps, monotonic time for silence.
            on_event: told each new event's JSON, after it was kept.
            on_notice: told what a person should know: connected, lost, refused,
                snapshot, silence, heard, hook_failed.
            rng: shakes the waits between attempts.
        """
        self.chain = Chain()
        self.n_events = 0
        self.n_connects = 0
        self.silent = False
        self._options = options
        self._url = stream_url(options.url)
        self._keeping = keeping
        self._clock = clock
        self._on_event = on_event
        self._notice = on_notice
        self._rng = rng or random.Random()
        self._heartbeat_s = DEFAULT_HEARTBEAT_S
        self._heard_s = clock.monotonic_s()
        self._owed = asyncio.Event()
        self._idle = asyncio.Event()
        self._head = 0
        self._refusal: str | None = None
        self._subscribed = ""

    async def run(self) -> None:
        """Receive until ``count`` or ``once`` is fulfilled, or until cancelled."""
        self._resume_unfinished()
        helpers = [asyncio.create_task(self._watch_silence())]
        if self._options.command is not None:
            helpers.append(asyncio.create_task(self._run_hooks()))
        else:
            self._idle.set()
        keeper = asyncio.create_task(self._stay_connected())
        try:
            await asyncio.wait([keeper, *helpers], return_when=asyncio.FIRST_COMPLETED)
            if keeper.done():
                keeper.result()
                await self._idle.wait()
            for helper in helpers:
                if helper.done():
                    helper.result()
        finally:
            for task in (keeper, *helpers):
                task.cancel()
            await asyncio.gather(keeper, *helpers, return_exceptions=True)

    def _resume_unfinished(self) -> None:
        """Do what a crash interrupted: print, and owe the hooks."""
        position = self._keeping.position()
        if position is not None:
            self.chain = Chain(*position)
        self._print(self._keeping.unprinted())
        if self._options.command is not None:
            self._keeping.retry_failed()
        self._owed.set()

    async def _stay_connected(self) -> None:
        attempt = 0
        while True:
            before = self.n_connects
            wait_s: float | None = None
            try:
                await self._connect_once()
            except Finished:
                return
            except ConnectionClosed as end:
                code = end.rcvd.code if end.rcvd else 1006
                reason = end.rcvd.reason if end.rcvd else "the line broke"
                self._notice("lost", {"code": code, "reason": reason})
                if code in (frames.CLOSE_UNAUTHENTICATED, frames.CLOSE_FORBIDDEN):
                    wait_s = REFUSED_BACKOFF_S
            except (
                OSError,
                TimeoutError,
                InvalidHandshake,
                InvalidURI,
                parsing.Malformed,
            ) as error:
                self._notice("lost", {"code": None, "reason": str(error) or "timeout"})
            attempt = 0 if self.n_connects > before else attempt + 1
            if wait_s is None:
                wait_s = BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)]
            await asyncio.sleep(wait_s * (0.5 + self._rng.random() / 2))

    async def _connect_once(self) -> None:
        async with connect(
            self._url,
            additional_headers={"Authorization": f"Bearer {self._options.token}"},
            subprotocols=[Subprotocol(frames.SUBPROTOCOL)],
            compression=None,
            max_size=MAX_FRAME_BYTES,
            open_timeout=10,
            close_timeout=2,
        ) as socket:
            async with asyncio.timeout(SILENCE_HEARTBEATS * DEFAULT_HEARTBEAT_S):
                hello = parsing.parse_server(_text(await socket.recv()))
            if not isinstance(hello, parsing.Hello):
                raise parsing.Malformed(f"{type(hello).__name__} instead of hello")
            self._heartbeat_s, self._head = hello.heartbeat_s, hello.head
            await socket.send(self._subscription(hello))
            speaking = asyncio.create_task(self._speak(socket))
            try:
                await self._take_frames(socket)
            finally:
                speaking.cancel()
                await asyncio.gather(speaking, return_exceptions=True)

    def _subscription(self, hello: parsing.Hello) -> str:
        """Ask to go on where we are, unless we ask for something else than before.

        A position is only worth something for the same filter and the same rights:
        with wider ones, what was left out before would be missing for ever.
        """
        wanted = orjson.dumps(
            [self._options.areas, self._options.min_rank, hello.principal, hello.areas]
        ).decode()
        known = self._keeping.subscription()
        position = self._keeping.position() if known == wanted else None
        if known is not None and known != wanted:
            self._notice("refused", {"reason": "other filter or rights than before"})
        self._subscribed = wanted
        self._refusal = None if position else "first"
        self.chain = Chain(*position) if position else Chain()
        return frames.subscribe(
            epoch=position[0] if position else None,
            seq=position[1] if position else None,
            areas=self._options.areas,
            min_rank=self._options.min_rank,
        )

    async def _speak(self, socket: ClientConnection) -> None:
        """Send heartbeats, so that the server knows that we live."""
        try:
            while True:
                await asyncio.sleep(self._heartbeat_s)
                await socket.send(frames.CLIENT_HEARTBEAT)
        except ConnectionClosed:
            pass  # whoever reads the socket is told as well

    async def _take_frames(self, socket: ClientConnection) -> None:
        """Take frames in batches: one transaction for all that has arrived."""
        arrived: asyncio.Queue[str] = asyncio.Queue(BATCH)

        async def read() -> None:
            while True:
                await arrived.put(_text(await socket.recv()))

        reading = asyncio.create_task(read())
        try:
            while True:
                batch = [await self._next(arrived, reading)]
                # One by one when somebody counts, so that the count is exact.
                most = BATCH if self._options.count is None else 1
                while not arrived.empty() and len(batch) < most:
                    batch.append(arrived.get_nowait())
                position = self.chain.position
                self._take([parsing.parse_server(text) for text in batch])
                if self.chain.position > position:
                    await socket.send(frames.ack(self.chain.position))
                self._finish_if_done()
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _next(
        self, arrived: asyncio.Queue[str], reading: asyncio.Task[None]
    ) -> str:
        """The next frame; raises what ended the reading, or a timeout on silence."""
        getting = asyncio.create_task(arrived.get())
        try:
            await asyncio.wait(
                [getting, reading],
                timeout=SILENCE_HEARTBEATS * self._heartbeat_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if getting.done():
                return getting.result()
            if reading.done():
                reading.result()
            raise TimeoutError(f"silent for {SILENCE_HEARTBEATS} heartbeats")
        finally:
            getting.cancel()

    def _take(self, batch: list[parsing.ServerFrame]) -> None:
        """Follow a batch of frames, keep its events, then tell them."""
        events: list[Arrived] = []
        problem: parsing.Malformed | None = None
        for frame in batch:
            try:
                self.chain.take(frame)
            except parsing.Malformed as error:
                # What came before the hole is good and is kept.
                problem = error
                break
            match frame:
                case parsing.Refused():
                    self._refusal = f"{frame.reason}: {frame.detail}"
                    self._notice("refused", {"reason": self._refusal})
                case parsing.Snapshot():
                    self._take_snapshot(frame)
                case parsing.Resumed():
                    self._answered("resumed")
                case parsing.Event():
                    events.append(_arrived(frame.epoch, frame.seq, frame.data))
                case _:
                    pass
        if events or self.chain.n_claims:
            self._keep(events)
            self._heard()
        if problem is not None:
            raise problem

    def _take_snapshot(self, frame: parsing.Snapshot) -> None:
        reason = self._refusal or "first"
        events = [_arrived(frame.epoch, None, alarm) for alarm in frame.alarms]
        self._keep(events, snapshot_reason=reason)
        self._notice(
            "snapshot", {"reason": reason, "open": len(events), "seq": frame.seq}
        )
        self._answered("snapshot")

    def _answered(self, how: str) -> None:
        self.n_connects += 1
        self._notice("connected", {"how": how, "seq": self.chain.position})
        self._heard()

    def _keep(self, events: list[Arrived], snapshot_reason: str | None = None) -> None:
        fresh = self._keeping.store(
            events,
            (self.chain.epoch, self.chain.position),
            subscription=self._subscribed,
            now_us=self._clock.now_us(),
            with_hook=self._options.command is not None,
            snapshot_reason=snapshot_reason,
        )
        self.n_events += len(fresh)
        self._print(fresh)
        if fresh and self._options.command is not None:
            self._idle.clear()
            self._owed.set()

    def _print(self, kept: list[Kept]) -> None:
        for event in kept:
            self._on_event(event.body)
        if kept:
            self._keeping.mark_printed(kept[-1].n)

    def _finish_if_done(self) -> None:
        options = self._options
        if options.count is not None and self.n_events >= options.count:
            raise Finished
        if options.once and self.chain.epoch and self.chain.position >= self._head:
            raise Finished

    async def _run_hooks(self) -> None:
        """Run the owed hooks one after the other, in order."""
        assert self._options.command is not None
        while True:
            await self._owed.wait()
            self._owed.clear()
            while (event := self._keeping.next_hook()) is not None:
                problem = await run_with_retries(self._options.command, event.body)
                self._keeping.mark_hook(event.n, "failed" if problem else "done")
                if problem is not None:
                    facts = {"id": event.id, "reason": problem}
                    self._notice("hook_failed", facts)
            self._idle.set()

    def _heard(self) -> None:
        self._heard_s = self._clock.monotonic_s()
        if self.silent:
            self.silent = False
            self._notice("heard", {"seq": self.chain.position})

    async def _watch_silence(self) -> None:
        """Say aloud, once per silence, that nothing is heard, connected or not."""
        while True:
            limit_s = SILENCE_HEARTBEATS * self._heartbeat_s
            left_s = self._heard_s + limit_s - self._clock.monotonic_s()
            if left_s > 0 or self.silent:
                # Short, because the first hello may shorten the interval.
                await asyncio.sleep(min(max(left_s, LOOK_S), 10 * LOOK_S))
                continue
            self.silent = True
            facts = {
                "name": self._options.name,
                "silent_s": round(limit_s, 1),
                "epoch": self.chain.epoch,
                "seq": self.chain.position,
            }
            self._notice("silence", facts)
            if self._options.silence_command is not None:
                problem = await run_with_retries(
                    self._options.silence_command,
                    orjson.dumps({"event": "silence", **facts}).decode(),
                    waits_s=(0.5, 1.0),
                )
                if problem is not None:
                    self._notice("hook_failed", {"id": "silence", "reason": problem})


def _text(message: str | bytes) -> str:
    if isinstance(message, bytes):
        raise parsing.Malformed("binary frame")
    return message


def _arrived(epoch: str, seq: int | None, data: dict[str, Any]) -> Arrived:
    return Arrived(data["id"], epoch, seq, orjson.dumps(data).decode())
