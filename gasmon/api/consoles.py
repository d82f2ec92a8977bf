"""Keeps what pages say of themselves, beside the streams and on nobody's way.

Of each page only its last word counts; a task of its own writes what is new together.
"""

import asyncio
import logging

import psycopg
from psycopg_pool import PoolTimeout

from gasmon.alarms.lifecycle import TIER_OF_ROLE
from gasmon.api.ledger import Ledger
from gasmon.api.page_frames import ConsoleSaid, Leave, PageFrame, Shown
from gasmon.clock import Clock
from gasmon.store.access import Principal
from gasmon.store.consoles import PageNote, write_pages
from gasmon.store.db import AsyncPool
from gasmon.store.receipts import ShownNote
from gasmon.telemetry import Metrics
from gasmon.units import US_PER_MIN

log = logging.getLogger("gasmon.api.consoles")

FLUSH_S = 0.5
"""How long words are gathered [s]."""

RETRY_S = 2.0
"""Wait after the database refused [s]."""

CREDIBLE_US = 10 * US_PER_MIN
"""A page that says to have shown something further from now than this is not believed
about the time [µs]: the frame's arrival counts."""


class Consoles:
    """The pages of this process."""

    def __init__(self, pool: AsyncPool, metrics: Metrics) -> None:
        self._pool = pool
        self._waiting: dict[str, PageNote] = {}
        self._has_waiting = asyncio.Event()
        self.n_open = 0
        metrics.gauge(
            "gasmon_api_console_pages", "open pages of people who must act"
        ).follow(lambda: self.n_open)

    def note(self, note: PageNote) -> None:
        """Remember a page's last word until it is written."""
        self._waiting[note.page] = note
        self._has_waiting.set()

    async def run(self) -> None:
        """Write for ever."""
        while True:
            await self._has_waiting.wait()
            await asyncio.sleep(FLUSH_S)
            try:
                await self.flush()
            except (psycopg.OperationalError, PoolTimeout) as error:
                log.warning("consoles: %s; again in %g s", error, RETRY_S)
                await asyncio.sleep(RETRY_S)

    async def flush(self) -> None:
        """Write what waits."""
        notes = dict(self._waiting)
        if notes:
            async with self._pool.connection() as conn, conn.transaction():
                await write_pages(conn, list(notes.values()))
        for page, note in notes.items():
            # A newer word may have come meanwhile.
            if self._waiting.get(page) is note:
                del self._waiting[page]
        if not self._waiting:
            self._has_waiting.clear()


class ConsolePlace:
    """What one live stream says, if somebody who must act sits there."""

    def __init__(
        self, consoles: Consoles, ledger: Ledger, clock: Clock, who: Principal
    ) -> None:
        self._consoles = consoles
        self._ledger = ledger
        self._clock = clock
        self._who = who
        self._last: ConsoleSaid | None = None
        self._has_left = False

    def take(self, frame: PageFrame) -> None:
        """Note what the page says; nothing of those who have no duty."""
        if self._who.role not in TIER_OF_ROLE:
            return
        match frame:
            case ConsoleSaid():
                if self._last is None:
                    self._consoles.n_open += 1
                self._last = frame
                self._note()
            case Shown():
                self._note_shown(frame)
            case Leave():
                self._has_left = True

    def close(self) -> None:
        """The page's line ended."""
        if self._last is not None:
            self._consoles.n_open -= 1
            self._note(closed=True)
            self._last = None

    def _note(self, *, closed: bool = False) -> None:
        assert self._last is not None
        said = self._last
        self._consoles.note(
            PageNote(
                said.page,
                said.console,
                self._who.principal_id,
                said.visible,
                said.sound,
                said.tested_us,
                said.clock_off_ms,
                self._clock.now_us(),
                closed,
                closed and self._has_left,
            )
        )

    def _note_shown(self, shown: Shown) -> None:
        if self._last is None:
            return  # it has not said which workstation it is
        now_us = self._clock.now_us()
        at_us = shown.at_us
        self._ledger.note(
            ShownNote(
                shown.alarms,
                self._who.name,
                self._last.console,
                self._who.scope,
                shown.step,
                at_us if abs(at_us - now_us) <= CREDIBLE_US else now_us,
                now_us,
            )
        )
