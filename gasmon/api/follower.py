"""Follows the outbox: woken by NOTIFY, backed by a slow poll, reading by number.

One connection of its own, autocommit: it listens and reads, without waiting for a pool.
A notification brings the rows themselves; where one was missed, or was too long, they
are read. Anything that goes wrong ends in a new connection that
reads on from the last number it published; nothing is skipped and nothing told twice.
"""

import asyncio
import logging
from collections.abc import Callable

import psycopg

from gasmon.api.hub import Hub
from gasmon.clock import Clock
from gasmon.errors import DependencyError
from gasmon.settings import DatabaseSettings
from gasmon.store.db import AsyncConnection, connect_async, reason_of
from gasmon.store.outbox import CHANNEL, news_of, position_async, read_async
from gasmon.store.upstream import complete_to
from gasmon.telemetry import Metrics

log = logging.getLogger("gasmon.api.follower")

POLL_S = 1.0
"""Longest time without a look at the outbox [s]: a lost notification costs this."""

PAGE = 500
"""Entries read at once; a longer backlog is read page by page."""

RETRY_S = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Waits before connecting again [s]; the last one is repeated."""

TOLD_EVERY = 30
"""The log has every so many failures in a row: about one a minute, so that an outage of
hours does not hide in it what else happens. ``/readyz`` and the metrics have all."""


class Ear:
    """Hears notifications the moment they come, without a task in between.

    A connection that is read through its library wakes a task, which begins to listen
    anew each time; an alarm waits for that.
    """

    def __init__(self, conn: AsyncConnection, take: Callable[[str], bool]) -> None:
        """Hear what comes on a connection that listens.

        Args:
            take: takes what a notification says; False when something must be read.
        """
        self._conn = conn
        self._take = take
        self._wake = asyncio.Event()
        self._error: Exception | None = None
        # Whose reader the loop has; None while we do not listen.
        self._fd: int | None = None
        # What comes with the answer to a statement is read after it: published amid
        # it, it would be newer than what the statement found.
        conn.add_notify_handler(lambda notify: self._wake.set())

    async def missed_one(self, wait_s: float) -> bool:
        """Listen; True as soon as something must be read, False when the time is over.

        Args:
            wait_s: how long at most [s].

        Raises:
            psycopg.Error: the connection is lost.
        """
        self._fd = self._conn.fileno()
        asyncio.get_running_loop().add_reader(self._fd, self._look)
        # What came behind the last answer may be in the library's buffer already.
        self._look()
        try:
            async with asyncio.timeout(wait_s):
                await self._wake.wait()
        except TimeoutError:
            return False
        finally:
            self._turn_away()
            self._wake.clear()
        if self._error is not None:
            raise self._error
        return True

    def _look(self) -> None:
        """Something can be read."""
        pg = self._conn.pgconn
        try:
            pg.consume_input()
            while (notify := pg.notifies()) is not None:
                if not self._take(notify.extra.decode()):
                    self._wake.set()
        except Exception as error:
            # A lost connection's socket is closed by now: what is opened before the
            # task runs may get its number.
            self._turn_away()
            # For the task that listens; the loop would only log it.
            self._error = error
            self._wake.set()

    def _turn_away(self) -> None:
        """Be called no more; once, for the number may be another's later."""
        fd, self._fd = self._fd, None
        if fd is not None:
            asyncio.get_running_loop().remove_reader(fd)


class Follower:
    """Hands every outbox entry to the hub, once and in order.

    Attributes:
        looked_s: when the outbox was last read with success (monotonic) [s].
    """

    def __init__(
        self,
        database: DatabaseSettings,
        hub: Hub,
        metrics: Metrics,
        clock: Clock,
        *,
        is_below: bool = False,
    ) -> None:
        """Describe it; nothing happens before :meth:`run`.

        Args:
            is_below: this node follows another one and knows no more than that.
        """
        self.looked_s = float("-inf")
        self._database = database
        self._hub = hub
        self._clock = clock
        self._is_below = is_below
        self._reconnects = metrics.counter(
            "gasmon_api_follower_reconnects_total", "lost connections of the follower"
        )

    async def run(self) -> None:
        """Follow for ever; returns only by cancellation."""
        failures = 0
        while True:
            try:
                conn = await connect_async(self._database)
                try:
                    failures = 0
                    await self._follow(conn)
                finally:
                    await conn.close()
            except (psycopg.Error, DependencyError, OSError) as error:
                self._reconnects.inc()
                wait_s = RETRY_S[min(failures, len(RETRY_S) - 1)]
                if failures % TOLD_EVERY == 0:
                    log.warning("outbox: %s; tried again and again", reason_of(error))
                failures += 1
                await asyncio.sleep(wait_s)

    async def _follow(self, conn: AsyncConnection) -> None:
        # LISTEN first: what is committed after this wakes us, what was before is read.
        await conn.execute(f"LISTEN {CHANNEL}".encode())
        ear = Ear(conn, self._publish)
        while True:
            now_us = await self._known_to(conn)
            here = await position_async(conn)
            self._hub.start_at(here.epoch, here.last_seq, now_us)
            await self._read(conn)
            # The position is asked again once a poll: a restored database shows
            # itself by its epoch even if this connection survived it.
            deadline_s = self._clock.monotonic_s() + POLL_S
            while (left_s := deadline_s - self._clock.monotonic_s()) > 0:
                # Silence ends the poll, which looks for itself.
                if await ear.missed_one(left_s):
                    await self._read(conn)

    def _publish(self, payload: str) -> bool:
        """Publish what a notification brings; False where it must be read."""
        news = news_of(payload)
        if news is None or news.after > self._hub.position:
            return False
        # Some may have been read before the notification was looked at.
        self._hub.publish(row for row in news.rows if row.seq > self._hub.position)
        return True

    async def _read(self, conn: AsyncConnection) -> None:
        """Publish everything that is new."""
        while True:
            began_us = await self._known_to(conn)
            entries = await read_async(conn, self._hub.position, PAGE)
            self._hub.publish(entries)
            if len(entries) < PAGE:
                self._hub.complete_to_us = began_us
                self.looked_s = self._clock.monotonic_s()
                return

    async def _known_to(self, conn: AsyncConnection) -> int:
        """Up to when what an outbox read after this holds is complete [µs UTC]."""
        now_us = self._clock.now_us()
        if not self._is_below:
            return now_us
        # What was complete up there was stored here before it was noted as such.
        return min(now_us, await complete_to(conn))

    def problem(self) -> str | None:
        """Why the streams may be behind; None when all is well."""
        age_s = self._clock.monotonic_s() - self.looked_s
        if age_s > 5 * POLL_S:
            return f"the outbox was last read {age_s:.1f} s ago"
        return None
