"""Many subscribers in one process, told when the first and the last one heard.

``python -m benchmarks.fanout_clients KIND PORT N [TOKEN]``: N clients of gasmon's
stream (``gasmon``) or of the bare broadcast (``bare``). Prints ``ready``, then for each
event its number and the monotonic times at which the first and the last client had it
[ns]; that clock is the machine's, so other processes' times compare with it.
"""

import asyncio
import sys
import time
from dataclasses import dataclass, field

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from gasmon.embedded.process import LOOPBACK
from gasmon.remote.frames import CLIENT_HEARTBEAT, SUBPROTOCOL, ack, subscribe

AT_ONCE = 20
OPEN_S = 120.0


@dataclass(slots=True)
class Heard:
    """Who has which event.

    Attributes:
        times: number of an event → how many have it, and when the first had it [ns].
    """

    n_clients: int
    n_ready: int = 0
    times: dict[int, tuple[int, int]] = field(default_factory=dict)

    def ready(self) -> None:
        """One more client has what was there before."""
        self.n_ready += 1
        if self.n_ready == self.n_clients:
            print("ready", flush=True)

    def take(self, number: int, at_ns: int) -> None:
        """One client has an event."""
        n, first_ns = self.times.pop(number, (0, at_ns))
        if n + 1 == self.n_clients:
            print(number, first_ns, at_ns, flush=True)
        else:
            self.times[number] = n + 1, first_ns


async def _listen(socket: ClientConnection, heard: Heard) -> None:
    async for text in socket:
        at_ns = time.monotonic_ns()
        frame = orjson.loads(text)
        if frame["type"] == "event":
            heard.take(frame["seq"], at_ns)
            await socket.send(ack(frame["seq"]))
        elif frame["type"] == "heartbeat":
            await socket.send(CLIENT_HEARTBEAT)
        elif frame["type"] == "hello":
            wish = subscribe(epoch=None, seq=None, areas=None, min_rank=0)
            await socket.send(wish)
        elif frame["type"] == "snapshot":
            heard.ready()


async def _client(
    kind: str, port: int, token: str, gate: asyncio.Semaphore, heard: Heard
) -> None:
    path = "/api/v1/stream/alarms" if kind == "gasmon" else "/"
    async with gate:
        socket = await connect(
            f"ws://{LOOPBACK}:{port}{path}",
            compression=None,
            open_timeout=OPEN_S,
            subprotocols=[Subprotocol(SUBPROTOCOL)] if kind == "gasmon" else None,
            additional_headers={"Authorization": f"Bearer {token}"} if token else None,
            ping_interval=None,
        )
    if kind == "bare":
        heard.ready()
    try:
        await _listen(socket, heard)
    except ConnectionClosed as error:
        print(f"a client was closed: {error}", file=sys.stderr, flush=True)


async def _run(kind: str, port: int, n: int, token: str) -> None:
    gate, heard = asyncio.Semaphore(AT_ONCE), Heard(n)
    await asyncio.gather(*(_client(kind, port, token, gate, heard) for _ in range(n)))


def main() -> None:
    """Listen until the process is ended."""
    kind, port, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    asyncio.run(_run(kind, port, n, sys.argv[4] if len(sys.argv) > 4 else ""))


if __name__ == "__main__":
    main()
