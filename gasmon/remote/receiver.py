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
from gasmon.remote.client_session import (
    DEFAULT_HEARTBEAT_S,
    Action,
    Answered,
    ClientSession,
    Fail,
    Keep,
    Notice,
    Sealed,
    Send,
    State,
)
from gasmon.remote.hooks import run_with_retries
from gasmon.remote.keeping import Keeping, Kept
from gasmon.remote.listening import SILENCE_HEARTBEATS, STOOD_S, Listening
from gasmon.remote.options import Options, stream_url
from gasmon.remote.replying import Replier

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
        position: (epoch, seq) up to which everything is kept; None before the first.
        n_events: new events since the start.
        n_connects: subscriptions that were answered.
        silent: whether the line is silent now, or what the server knows stands still.
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
                snapshot, unfiltered, unreported, answered, silence, stands_still,
                heard, hook_failed, seal_differs.
            rng: shakes the waits between attempts.
        """
        self.position = keeping.position()
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
        self._listening = Listening(clock.monotonic_s())
        self._replier = Replier(keeping.replies, clock, on_notice)
        self._streaming = asyncio.Event()
        self._owed = asyncio.Event()
        self._idle = asyncio.Event()

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
            session = ClientSession(
                self._options.wish, self._keeping.held(), self._keeping.seals.newest()
            )
            self._streaming.clear()
            async with asyncio.timeout(SILENCE_HEARTBEATS * DEFAULT_HEARTBEAT_S):
                await self._perform(socket, session.take([await socket.recv()]))
            self._listening.heartbeat_s = session.heartbeat_s
            parts = [
                asyncio.create_task(self._speak(socket, session)),
                asyncio.create_task(self._reply(socket, session)),
            ]
            try:
                await self._take_frames(socket, session)
            finally:
                for part in parts:
                    part.cancel()
                await asyncio.gather(*parts, return_exceptions=True)

    async def _speak(self, socket: ClientConnection, session: ClientSession) -> None:
        """Send heartbeats, so that the server knows that we live."""
        try:
            while True:
                await asyncio.sleep(session.heartbeat_s)
                await socket.send(session.heartbeat())
        except ConnectionClosed:
            pass  # whoever reads the socket is told as well

    async def _reply(self, socket: ClientConnection, session: ClientSession) -> None:
        """Say back what the file owes, as soon as the subscription is answered."""
        try:
            await self._streaming.wait()
            await self._replier.run(socket.send, session.offers)
        except ConnectionClosed:
            pass  # whoever reads the socket is told as well
        except TimeoutError:
            await socket.close(1000, "no answer")

    async def _take_frames(
        self, socket: ClientConnection, session: ClientSession
    ) -> None:
        """Take frames in batches: one transaction for all that has arrived."""
        arrived: asyncio.Queue[str | bytes] = asyncio.Queue(BATCH)

        async def read() -> None:
            while True:
                await arrived.put(await socket.recv())

        reading = asyncio.create_task(read())
        try:
            while True:
                batch = [await self._next(arrived, reading)]
                # One by one when somebody counts, so that the count is exact.
                most = BATCH if self._options.count is None else 1
                while not arrived.empty() and len(batch) < most:
                    batch.append(arrived.get_nowait())
                await self._perform(socket, session.take(batch))
                if session.state is State.STREAMING:
                    self._heard(session.complete_to)
                self._finish_if_done(session)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _next(
        self, arrived: asyncio.Queue[str | bytes], reading: asyncio.Task[None]
    ) -> str | bytes:
        """The next frame; raises what ended the reading, or a timeout on silence."""
        getting = asyncio.create_task(arrived.get())
        try:
            await asyncio.wait(
                [getting, reading],
                timeout=SILENCE_HEARTBEATS * self._listening.heartbeat_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if getting.done():
                return getting.result()
            if reading.done():
                reading.result()
            raise TimeoutError(f"silent for {SILENCE_HEARTBEATS} heartbeats")
        finally:
            getting.cancel()

    async def _perform(self, socket: ClientConnection, actions: list[Action]) -> None:
        """Do what the session says, in its order.

        Raises:
            Malformed: the server broke the protocol.
        """
        for action in actions:
            match action:
                case Send(text):
                    await socket.send(text)
                case Keep():
                    self._keep(action)
                case Notice(kind, facts):
                    if kind == "connected":
                        self.n_connects += 1
                        self._streaming.set()
                    self._notice(kind, facts)
                case Answered(result):
                    self._replier.take(result)
                case Sealed(seal):
                    wrong = self._keeping.seals.keep(seal, self._clock.now_us())
                    if wrong is not None:
                        self._notice("seal_differs", wrong)
                case Fail(reason):
                    raise parsing.Malformed(reason)

    def _keep(self, keep: Keep) -> None:
        fresh = self._keeping.store(
            keep.events,
            keep.position,
            subscription=keep.subscription,
            now_us=self._clock.now_us(),
            with_hook=self._options.command is not None,
            snapshot_reason=keep.snapshot_reason,
        )
        self.position = keep.position
        self.n_events += len(fresh)
        self._print(fresh)
        if fresh:
            self._replier.owed.set()
        if fresh and self._options.command is not None:
            self._idle.clear()
            self._owed.set()

    def _print(self, kept: list[Kept]) -> None:
        for event in kept:
            self._on_event(event.body)
        if kept:
            self._keeping.mark_printed(kept[-1].n)

    def _finish_if_done(self, session: ClientSession) -> None:
        options = self._options
        if options.count is not None and self.n_events >= options.count:
            raise Finished
        if not options.once or session.state is not State.STREAMING:
            return
        if session.chain.position < session.head:
            return
        if self._keeping.replies.next_said(session.offers) is None:
            raise Finished

    async def _run_hooks(self) -> None:
        """Run the owed hooks one after the other, in order."""
        assert self._options.command is not None
        while True:
            await self._owed.wait()
            self._owed.clear()
            while (event := self._keeping.next_hook()) is not None:
                problem = await run_with_retries(self._options.command, event.body)
                now_us = self._clock.now_us()
                if problem is None:
                    proves = self._options.proves
                    self._keeping.mark_hook(event, "done", now_us, proves)
                    self._replier.owed.set()
                else:
                    self._keeping.mark_hook(event, "failed", now_us)
                if problem is not None:
                    facts = {"id": event.id, "reason": problem}
                    self._notice("hook_failed", facts)
            self._idle.set()

    def _heard(self, complete_to: str) -> None:
        now_s = self._clock.monotonic_s()
        self._listening.heard(complete_to, now_s)
        if self.silent and self._listening.problem(now_s) is None:
            self.silent = False
            self._notice("heard", self._where())

    def _where(self) -> dict[str, Any]:
        epoch, seq = self.position or ("", 0)
        return {"epoch": epoch, "seq": seq}

    async def _watch_silence(self) -> None:
        """Say aloud, once per silence, that nothing is heard, connected or not, or
        that what is heard does not move on."""
        listening = self._listening
        while True:
            now_s = self._clock.monotonic_s()
            left_s = listening.due_s() - now_s
            kind = listening.problem(now_s)
            if kind is None or self.silent:
                # Short, because the first hello may shorten the interval.
                wait_s = min(max(left_s, LOOK_S), 10 * LOOK_S)
                await asyncio.sleep(wait_s)
                late_s = self._clock.monotonic_s() - now_s - wait_s
                if late_s > STOOD_S:
                    listening.stood(late_s)
                continue
            self.silent = True
            facts = {
                "name": self._options.name,
                "silent_s": round(listening.silent_s(now_s), 1),
                "complete_to": listening.complete_to,
                **self._where(),
            }
            self._notice(kind, facts)
            if self._options.silence_command is not None:
                problem = await run_with_retries(
                    self._options.silence_command,
                    orjson.dumps({"event": kind, **facts}).decode(),
                    waits_s=(0.5, 1.0),
                )
                if problem is not None:
                    self._notice("hook_failed", {"id": kind, "reason": problem})
