"""What ``stream_conformance.py`` does to a client; see there."""

import asyncio
import json
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

PROTOCOL = "gasmon.alarms.v1"
TOKEN = "gm_" + "t" * 43
BEAT_S = 0.5
WAIT_S = 60.0
AT = "2026-11-23T10:46:21.123+08:00"


def body(name: str) -> dict[str, Any]:
    """An event as far as a client must understand it."""
    text = {"zh": f"报警 {name}", "en": f"alarm {name}"}
    known = {"id": name, "event": "raised", "level": "red", "rank": 4, "text": text}
    return {**known, "a_member_of_later": [1]}


class Line:
    """Our end of one connection of the client."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self.held = 0
        self.n_beats = 0

    async def say(self, **members: Any) -> None:
        """Send one frame."""
        await self.socket.send(json.dumps(members))

    async def hello(
        self, epoch: str, head: int, areas: list[str]
    ) -> dict[str, Any] | None:
        """Greet; gives the position that the client asks to resume."""
        await self.say(
            type="hello",
            protocol=PROTOCOL,
            server="conformance",
            epoch=epoch,
            head=head,
            now=AT,
            heartbeat_s=BEAT_S,
            principal="conformance",
            areas=areas,
            offers=[],
        )
        wish = json.loads(await self.hear())
        assert wish["type"] == "subscribe", f"{wish['type']} instead of subscribe"
        position: dict[str, Any] | None = wish.get("resume")
        return position

    async def hear(self) -> str:
        """The client's next frame."""
        async with asyncio.timeout(WAIT_S):
            text = await self.socket.recv()
        assert isinstance(text, str), "a binary frame"
        return text

    async def event(self, epoch: str, begin: int, end: int, name: str) -> None:
        """Tell one event."""
        claim = {"epoch": epoch, "seq": end, "from": begin, "to": end}
        await self.say(type="event", **claim, data=body(name))

    async def beat(self, epoch: str, begin: int, end: int) -> None:
        """Beat once."""
        claim = {"epoch": epoch, "from": begin, "to": end}
        await self.say(type="heartbeat", **claim, at=AT, complete_to=AT)

    def _take(self, text: str, most: int) -> None:
        frame = json.loads(text)
        assert frame["type"] in ("ack", "heartbeat"), f"{frame['type']} was not offered"
        self.n_beats += frame["type"] == "heartbeat"
        seq = frame.get("seq")
        if seq is not None:
            assert seq <= most, f"holds {seq}, told was {most}"
            self.held = max(self.held, seq)

    async def until_held(self, seq: int, epoch: str, beats: int = 0) -> None:
        """Beat until the client says that it holds this, and has beaten itself."""
        async with asyncio.timeout(WAIT_S):
            while self.held < seq or self.n_beats < beats:
                try:
                    async with asyncio.timeout(BEAT_S):
                        self._take(await self.hear(), seq)
                except TimeoutError:
                    await self.beat(epoch, seq, seq)

    async def until_gone(self, most: int) -> None:
        """Say nothing until the client leaves; it may not hold more than this."""
        async with asyncio.timeout(WAIT_S):
            while True:
                try:
                    self._take(await self.hear(), most)
                except ConnectionClosed:
                    return


class Stage:
    """Our server, and the client as a process."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.lines: asyncio.Queue[Line] = asyncio.Queue()
        self.printed: list[str] = []
        self._command = command
        self._folder = folder
        self._url = ""
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def serve(self, socket: ServerConnection) -> None:
        """One connection; kept until its end."""
        await self.lines.put(Line(socket))
        await socket.wait_closed()

    async def start(self, port: int) -> None:
        """Run the client."""
        self._url = f"ws://127.0.0.1:{port}/api/v1/stream/alarms"
        token = self._folder / "token"
        token.write_text(TOKEN + "\n", "utf-8")
        told = {"url": self._url, "token": token, "state": self._folder / "state"}
        self._process = await asyncio.create_subprocess_exec(
            *(part.format(**told) for part in self._command),
            stdout=asyncio.subprocess.PIPE,
        )
        self._reading = asyncio.create_task(self._read(self._process))

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            self.printed.append(json.loads(line)["id"])

    async def kill(self) -> None:
        """Kill -9."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()
        if self._reading is not None:
            await self._reading

    async def line(self) -> Line:
        """The client's next connection, greeted as the page asks."""
        async with asyncio.timeout(WAIT_S):
            line = await self.lines.get()
        request = line.socket.request
        assert request is not None
        assert request.path == "/api/v1/stream/alarms", request.path
        shown = request.headers.get("Authorization")
        assert shown == f"Bearer {TOKEN}", "no Authorization: Bearer TOKEN"
        assert line.socket.subprotocol == PROTOCOL, line.socket.subprotocol
        return line


@asynccontextmanager
async def stage(command: list[str]) -> AsyncIterator[Stage]:
    """A server with the client on it; both are gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        ours = Stage(command, Path(folder))
        async with serve(
            ours.serve, "127.0.0.1", 0, subprotocols=[PROTOCOL], compression=None
        ) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            await ours.start(port)
            try:
                yield ours
            finally:
                await ours.kill()


async def first(ours: Stage, *names: str) -> Line:
    """A first connection: a snapshot at 10 of these alarms, held by the client."""
    line = await ours.line()
    assert await line.hello("e1", 10, ["530627"]) is None, "a position from nowhere"
    alarms = [body(name) for name in names]
    await line.say(type="snapshot", epoch="e1", seq=10, alarms=alarms)
    return line


async def resumed(ours: Stage, seq: int) -> Line:
    """A later connection, which resumes from here."""
    line = await ours.line()
    asked = await line.hello("e1", 100, ["530627"])
    assert asked == {"epoch": "e1", "seq": seq}, f"asked {asked}, held is {seq}"
    await line.say(type="resumed", epoch="e1", seq=seq)
    return line


async def each_event_is_handed_on_once(command: list[str]) -> None:
    """Through cuts and kill -9: every event once, in order, kept before the ack."""
    async with stage(command) as ours:
        line = await first(ours, "a")
        await line.say(type="of_later", x=1)
        await line.event("e1", 10, 12, "b")
        await line.beat("e1", 12, 20)
        await line.until_held(20, "e1", beats=2)
        line.socket.transport.abort()
        line = await resumed(ours, 20)
        await line.event("e1", 20, 25, "c")
        await line.until_held(25, "e1")
        await ours.kill()
        await ours.start(line.socket.local_address[1])
        line = await resumed(ours, 25)
        # Known already, from a snapshot that overlapped: dropped by its id.
        await line.event("e1", 25, 26, "c")
        await line.event("e1", 26, 30, "d")
        await line.until_held(30, "e1")
    once = list(dict.fromkeys(ours.printed))
    assert once == ["a", "b", "c", "d"], once


async def holes_and_repetitions_are_noticed(command: list[str]) -> None:
    """A claim that does not begin at the position: close, resume from what is held."""
    async with stage(command) as ours:
        line = await first(ours)
        await line.event("e1", 10, 12, "a")
        await line.event("e1", 14, 16, "beyond a hole")
        await line.until_gone(12)
        line = await resumed(ours, 12)
        await line.event("e1", 12, 14, "b")
        await line.event("e1", 12, 14, "b")
        await line.until_gone(14)
        line = await resumed(ours, 14)
        await line.event("e2", 14, 16, "of another epoch")
        await line.until_gone(14)
        line = await resumed(ours, 14)
        await line.until_held(14, "e1", beats=1)
    assert ours.printed == ["a", "b"], ours.printed


async def silence_is_noticed(command: list[str]) -> None:
    """A line that is dead for three heartbeats is left, and the next one resumes."""
    async with stage(command) as ours:
        line = await first(ours)
        await line.event("e1", 10, 12, "a")
        await line.until_gone(12)
        await resumed(ours, 12)


async def a_refusal_begins_anew(command: list[str]) -> None:
    """Refused: the snapshot is taken, and its position is the new one."""
    async with stage(command) as ours:
        line = await first(ours, "a")
        await line.until_held(10, "e1")
        await line.socket.close(1012, "the database began another life")
        line = await ours.line()
        assert await line.hello("e2", 5, ["530627"]) == {"epoch": "e1", "seq": 10}
        await line.say(type="refused", reason="epoch_changed", detail="")
        alarms = [body("a"), body("b")]
        await line.say(type="snapshot", epoch="e2", seq=5, alarms=alarms)
        await line.event("e2", 5, 6, "c")
        await line.until_held(6, "e2")
    assert ours.printed == ["a", "b", "c"], ours.printed


async def other_rights_begin_anew(command: list[str]) -> None:
    """A position of narrower rights is not used for wider ones."""
    async with stage(command) as ours:
        line = await first(ours)
        await line.until_held(10, "e1")
        await line.socket.close(1012, "rights changed; resume")
        line = await ours.line()
        asked = await line.hello("e1", 100, ["530626", "530627"])
        assert asked is None, f"asked {asked} with other areas than before"


CLIENT_CHECKS = [
    each_event_is_handed_on_once,
    holes_and_repetitions_are_noticed,
    silence_is_noticed,
    a_refusal_begins_anew,
    other_rights_begin_anew,
]
