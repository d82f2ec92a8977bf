"""One connection to the node above: keeps what it tells, says what was done here."""

import asyncio
import logging
import ssl
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from gasmon.remote import frames, parsing
from gasmon.remote.client_session import (
    DEFAULT_HEARTBEAT_S,
    ClientSession,
    Fail,
    Keep,
    Notice,
    Sealed,
    Send,
    State,
)
from gasmon.remote.listening import SILENCE_HEARTBEATS
from gasmon.remote.options import stream_url
from gasmon.remote.receiver import BATCH, MAX_FRAME_BYTES
from gasmon.settings import UpstreamSettings, read_secret
from gasmon.store.mirroring import Unfinished
from gasmon.store.upstream import Waiting
from gasmon.upstream.keeper import Keeper
from gasmon.upstream.told import Notes, wish_of

log = logging.getLogger("gasmon.upstream")

LOOK_S = 0.3
"""How often the queue of commands is looked at [s]."""

ANSWER_S = 30.0
"""How long a command waits for its result before the line counts as dead [s]."""

HELD_S = 10.0
"""Wait before a command that is not done yet (no database up there, no right of our
token) is sent again [s]; those after it wait with it, because order matters."""

HELD = (403, 503)
"""Results that are no last word."""

T = TypeVar("T")


@dataclass(slots=True)
class Line:
    """One connection, from dialling to its end.

    Attributes:
        notes: what the loop, health and metrics read.
    """

    settings: UpstreamSettings
    keeper: Keeper
    notes: Notes
    busy: asyncio.Lock

    async def run(self) -> None:
        """Follow until the line ends, which is always by an error.

        Raises:
            ConnectionClosed: the other side ended it.
            OSError: it cannot be reached, or broke.
            TimeoutError: it fell silent.
            Malformed: it broke the protocol.
            psycopg.Error: our own database is away.
        """
        assert self.settings.url is not None
        url = stream_url(self.settings.url)
        async with connect(
            url,
            additional_headers={"Authorization": f"Bearer {self._token()}"},
            subprotocols=[Subprotocol(frames.SUBPROTOCOL)],
            ssl=self._tls() if url.startswith("wss:") else None,
            compression=None,
            max_size=MAX_FRAME_BYTES,
            open_timeout=10,
            close_timeout=2,
        ) as socket:
            held = await self.database(self.keeper.held)
            seals = await self.database(self.keeper.newest_seal)
            session = ClientSession(wish_of(self.settings), held, seals)
            talk = Talk(self, socket, session)
            # First, because nothing may be said before it, and it says how often.
            async with asyncio.timeout(SILENCE_HEARTBEATS * DEFAULT_HEARTBEAT_S):
                await talk.perform([await socket.recv()])
            await run_until_one_ends(talk.read(), talk.take(), talk.beat(), talk.say())

    def _token(self) -> str:
        token = read_secret(self.settings.token_file)
        return token or ""

    def _tls(self) -> ssl.SSLContext | bool:
        if self.settings.tls_ca is None:
            return True
        return ssl.create_default_context(cafile=self.settings.tls_ca)

    async def database(self, ask: Callable[[], T]) -> T:
        """Ask the one connection something, in a thread, one after the other."""
        async with self.busy:
            asking = asyncio.create_task(asyncio.to_thread(ask))
            try:
                return await asyncio.shield(asking)
            except asyncio.CancelledError:
                # A thread cannot be stopped; nobody else may use the connection, nor
                # close it, before its transaction has ended.
                await asyncio.gather(asking, return_exceptions=True)
                raise


class Talk:
    """The tasks of one open line."""

    def __init__(
        self, line: Line, socket: ClientConnection, session: ClientSession
    ) -> None:
        self._line = line
        self._socket = socket
        self._session = session
        self._arrived: asyncio.Queue[str | bytes] = asyncio.Queue(BATCH)
        self._hello: parsing.Hello | None = None
        self._answer: asyncio.Future[parsing.Result] | None = None
        self._unfinished: Keep | None = None

    async def read(self) -> None:
        """Take frames from the socket; a full queue makes the other side wait."""
        while True:
            await self._arrived.put(await self._socket.recv())

    async def take(self) -> None:
        """Keep what arrived together in one transaction, then acknowledge it."""
        while True:
            limit_s = SILENCE_HEARTBEATS * self._session.heartbeat_s
            async with asyncio.timeout(limit_s):
                texts = [await self._arrived.get()]
            while not self._arrived.empty() and len(texts) < BATCH:
                texts.append(self._arrived.get_nowait())
            await self.perform(texts)

    async def beat(self) -> None:
        """Say that we live."""
        while True:
            await asyncio.sleep(self._session.heartbeat_s)
            # What waits for more is not kept yet, though the session thinks so.
            is_behind = self._unfinished is not None
            told = frames.CLIENT_HEARTBEAT if is_behind else self._session.heartbeat()
            await self._socket.send(told)

    async def say(self) -> None:
        """Send commands, each after the one before was answered."""
        line = self._line
        while True:
            waiting: Waiting | None = None
            if self._session.state is State.STREAMING and self._takes_records():
                waiting = await line.database(line.keeper.next_command)
            if waiting is None:
                await asyncio.sleep(LOOK_S)
                continue
            self._answer = asyncio.get_running_loop().create_future()
            told = frames.command(waiting.key, 0, **waiting.asked)
            await self._socket.send(told)
            async with asyncio.timeout(ANSWER_S):
                result = await self._answer
            line.notes.answered(result)
            if result.status in HELD:
                await asyncio.sleep(HELD_S)
                continue
            await line.database(partial(line.keeper.answered, result))

    def _takes_records(self) -> bool:
        return self._hello is not None and "made" in self._hello.offers

    async def perform(self, texts: Sequence[str | bytes]) -> None:
        """Do what the session says, in its order.

        Raises:
            Malformed: the node above broke the protocol.
        """
        complete_to, results = self._look(texts)
        line = self._line
        for action in self._session.take(texts):
            match action:
                case Send(text):
                    # An acknowledgement; the next one says it too.
                    if self._unfinished is None:
                        await self._socket.send(text)
                case Keep():
                    await self._keep(action)
                case Notice(kind, facts):
                    line.notes.noticed(kind, facts)
                case Sealed(seal):
                    wrong = await line.database(partial(line.keeper.keep_seal, seal))
                    if wrong is not None:
                        line.notes.noticed("seal_differs", wrong)
                case Fail(reason):
                    raise parsing.Malformed(reason)
        is_streaming = self._session.state is State.STREAMING
        if complete_to and is_streaming and self._unfinished is None:
            await line.database(lambda: line.keeper.heard(complete_to))
            line.notes.heard(complete_to)
            line.notes.queued(await line.database(line.keeper.queue))
        for result in results:
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(result)

    async def _keep(self, action: Keep) -> None:
        line, hello = self._line, self._hello
        assert hello is not None, "nothing is kept before the hello"
        if self._unfinished is not None:
            whole = self._unfinished.events + action.events
            action = replace(self._unfinished, events=whole, position=action.position)
        try:
            taken = await line.database(lambda: line.keeper.keep(action, hello))
        except Unfinished:
            self._unfinished = action
            return
        self._unfinished = None
        line.notes.kept(len(action.events), taken)

    def _look(self, texts: Sequence[str | bytes]) -> tuple[str, list[parsing.Result]]:
        """What the session does not tell: the watermark, and results of commands."""
        complete_to, results = "", []
        for text in texts:
            if isinstance(text, bytes):
                continue
            match parsing.parse_server(text):
                case parsing.Hello() as hello:
                    self._hello = hello
                case parsing.Heartbeat(complete_to=at):
                    complete_to = at
                case parsing.Result() as result:
                    results.append(result)
        return complete_to, results


async def run_until_one_ends(*parts: Coroutine[Any, Any, None]) -> None:
    """Run tasks until the first ends, end the others, and pass its error on."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    errors = [e for e in ended if isinstance(e, Exception)]
    # What the database or the protocol says is told before the closing it led to.
    for error in sorted(errors, key=lambda e: isinstance(e, ConnectionClosed)):
        raise error
    assert not done, "a task of the line ended without an error"
