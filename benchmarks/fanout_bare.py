"""A broadcast with nothing around it: each line of standard input, to every client.

``python -m benchmarks.fanout_bare``: prints the port of its websocket. Nothing is
stored, ordered, filtered or acknowledged; the ``websockets`` library's own broadcast.
"""

import asyncio
import sys

from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed

from gasmon.embedded.process import LOOPBACK


async def _run() -> None:
    clients: set[ServerConnection] = set()

    async def take(client: ServerConnection) -> None:
        clients.add(client)
        try:
            async for _ in client:
                pass
        except ConnectionClosed:
            pass  # the other process was ended
        finally:
            clients.discard(client)

    reader = asyncio.StreamReader(limit=2**20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    async with serve(
        take, LOOPBACK, 0, compression=None, ping_interval=None, backlog=1024
    ) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        while line := await reader.readline():
            broadcast(clients, line.decode().rstrip("\n"))


if __name__ == "__main__":
    asyncio.run(_run())
