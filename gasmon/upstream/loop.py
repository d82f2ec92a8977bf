"""Following for ever: the lock, the database, the line, and each of them again."""

import asyncio
import logging
import random
from collections.abc import Callable

import psycopg
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from gasmon.clock import Clock
from gasmon.errors import ConfigError, DependencyError
from gasmon.remote import frames, parsing
from gasmon.remote.options import stream_url
from gasmon.remote.receiver import BACKOFF_S, REFUSED_BACKOFF_S
from gasmon.settings import Settings
from gasmon.store.db import SILENT_S, Connection, connect
from gasmon.telemetry import Metrics
from gasmon.upstream.keeper import Keeper
from gasmon.upstream.line import Line
from gasmon.upstream.told import Notes

log = logging.getLogger("gasmon.upstream")

LOCK_WAIT_S = 1.0
"""How often it is tried to become the one who follows [s]."""


class Following:
    """Follows the node above until it is cancelled.

    Attributes:
        notes: how it stands.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        metrics: Metrics,
        rng: random.Random | None = None,
    ) -> None:
        """Describe it; nothing happens before :meth:`run`.

        Args:
            rng: shakes the waits between attempts.

        Raises:
            ConfigError: the address or the token's file is missing or wrong.
        """
        self._above = settings.upstream
        if self._above.url is None:
            raise ConfigError("upstream.url is not set: there is no node to follow")
        stream_url(self._above.url)
        if self._above.token_file is None:
            raise ConfigError("upstream.token_file is not set")
        self.notes = Notes(self._above.name, clock, metrics)
        self._settings = settings
        self._clock = clock
        self._rng = rng or random.Random()

    def checks(self) -> dict[str, Callable[[], str | None]]:
        """Readiness: name → what is wrong, None when nothing is."""
        return {"upstream": lambda: self.notes.problem}

    async def run(self) -> None:
        """Follow for ever; returns only by cancellation."""
        while True:
            try:
                conn = await asyncio.to_thread(self._connect)
                try:
                    await self._with(conn)
                finally:
                    conn.close()
            except (psycopg.Error, DependencyError) as error:
                self.notes.lost(f"database: {error}".splitlines()[0])
            await asyncio.sleep(LOCK_WAIT_S)

    def _connect(self) -> Connection:
        database = self._settings.database
        return connect(
            database,
            name="gasmon-follow",
            line_timeout_s=database.write_timeout_s,
            silent_s=SILENT_S,
        )

    async def _with(self, conn: Connection) -> None:
        """Follow by one connection, if nobody else does."""
        keeper = Keeper(conn, self._above.name, self._clock.now_us)
        if not await asyncio.to_thread(keeper.begin):
            self.notes.lost("another process follows; waiting for it to end")
            return
        line = Line(self._above, keeper, self.notes, asyncio.Lock())
        attempt = 0
        while True:
            before = self.notes.n_answers
            wait_s = await self._once(line)
            self.notes.queued(await line.database(keeper.queue))
            attempt = 0 if self.notes.n_answers > before else attempt + 1
            if wait_s is None:
                wait_s = BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)]
            await asyncio.sleep(wait_s * (0.5 + self._rng.random() / 2))

    async def _once(self, line: Line) -> float | None:
        """One connection; gives how long to wait at least [s], None for as usual."""
        try:
            await line.run()
        except ConnectionClosed as end:
            code = end.rcvd.code if end.rcvd else 1006
            reason = end.rcvd.reason if end.rcvd else "the line broke"
            self.notes.lost(f"{code} {reason}")
            if code in (frames.CLOSE_UNAUTHENTICATED, frames.CLOSE_FORBIDDEN):
                return REFUSED_BACKOFF_S
        except (
            *(OSError, TimeoutError, InvalidHandshake, InvalidURI),
            *(parsing.Malformed, ConfigError),
        ) as error:
            self.notes.lost(str(error) or "silent")
        return None
