"""Says back what a receiver's file owes, on one connection after the other.

One frame at a time: the next is sent when the one before was answered, so an answer is
never mistaken, and a slow server is asked nothing twice on the same line.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from gasmon.clock import Clock
from gasmon.remote.parsing import Result
from gasmon.remote.replies import Replies, Said

LOOK_S = 0.25
"""How soon what another process queued is seen [s]."""

GAP_S = 0.1
"""Least time between two frames [s]: a server takes 20 a second in the long run, and
the heartbeats are among them."""

AGAIN_S = 5.0
"""Wait after a server without a database [s]."""

ANSWER_S = 60.0
"""An answer that does not come in this time ends the connection [s]; a server gives
up its own statements after 15."""


class Replier:
    """Sends the queue of one file.

    Attributes:
        owed: set it when something was queued by this process.
    """

    def __init__(
        self,
        replies: Replies,
        clock: Clock,
        notice: Callable[[str, dict[str, Any]], None],
    ) -> None:
        self.owed = asyncio.Event()
        self._replies = replies
        self._clock = clock
        self._notice = notice
        self._said: Said | None = None
        self._answered = asyncio.Event()
        self._is_final = True

    def take(self, result: Result) -> None:
        """Keep an answer; one to what an earlier connection sent is passed over."""
        said = self._said
        if said is None or result.key != said.key:
            return
        self._said = None
        self._is_final = self._replies.answered(said, result, self._clock.now_us())
        if self._is_final and not said.receipts:
            facts = {"key": said.key, "status": result.status}
            self._notice("answered", {**facts, "detail": result.detail})
        self._answered.set()

    async def run(
        self, send: Callable[[str], Awaitable[None]], offers: Collection[str]
    ) -> None:
        """Send what is owed, for ever, on a connection that is streaming.

        Args:
            offers: of the server's hello.

        Raises:
            TimeoutError: the server does not answer.
        """
        self._said = None
        while True:
            self.owed.clear()
            said = self._replies.next_said(offers)
            if said is None:
                await self._until_owed()
                continue
            self._replies.sending(said)
            self._said = said
            self._answered.clear()
            await send(said.text)
            async with asyncio.timeout(ANSWER_S):
                await self._answered.wait()
            await asyncio.sleep(GAP_S if self._is_final else AGAIN_S)

    async def _until_owed(self) -> None:
        try:
            async with asyncio.timeout(LOOK_S):
                await self.owed.wait()
        except TimeoutError:
            pass
