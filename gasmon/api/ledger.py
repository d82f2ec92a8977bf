"""Writes the ledger of deliveries beside the streams, and never on an event's way.

Streams note what they send and what is acknowledged; a task of its own writes the notes
together. Without a database they wait, up to a limit, and make nothing late; what a
crash of this process loses shows as missing, never as done.
"""

import asyncio
import logging
from collections import deque
from itertools import islice

import psycopg
from psycopg_pool import PoolTimeout

from gasmon.alarms.receipts import SENT, STORED
from gasmon.clock import Clock
from gasmon.store.db import AsyncPool
from gasmon.store.receipts import (
    IdNote,
    SeqNote,
    ShownNote,
    write_ids,
    write_seqs,
    write_shown,
)
from gasmon.store.scope import Scope
from gasmon.telemetry import Metrics

log = logging.getLogger("gasmon.api.ledger")

FLUSH_S = 0.5
"""How long notes are gathered [s]: a step is missing after 30 s at the earliest."""

RETRY_S = 2.0
"""Wait after the database refused [s]."""

AT_ONCE = 2000
"""Notes of one statement: the steps of 250 alarms at four platforms."""

MAX_NOTES = 100_000
"""Notes that may wait for a database; at 200 bytes each 20 MB."""

MAX_UNACKED = 10_000
"""Events sent and not acknowledged that one stream remembers."""


class Ledger:
    """Notes of all streams of this process."""

    def __init__(self, pool: AsyncPool, metrics: Metrics) -> None:
        self._pool = pool
        self._notes: deque[SeqNote | IdNote | ShownNote] = deque(maxlen=MAX_NOTES)
        self._has_notes = asyncio.Event()
        self._lost = metrics.counter(
            "gasmon_api_receipts_lost_total", "steps of deliveries that nobody wrote"
        )
        self._written = metrics.counter(
            "gasmon_api_receipts_written_total", "steps of deliveries that were written"
        )
        metrics.gauge(
            "gasmon_api_receipts_waiting",
            "steps of deliveries that wait for a database",
        ).follow(lambda: len(self._notes))

    def note(self, note: SeqNote | IdNote | ShownNote) -> None:
        """Remember a step until it is written."""
        if len(self._notes) == MAX_NOTES:
            self._lost.inc()
        self._notes.append(note)
        self._has_notes.set()

    async def write(self, note: IdNote) -> None:
        """Write one step now."""
        async with self._pool.connection() as conn:
            await write_ids(conn, note)

    async def run(self) -> None:
        """Write for ever."""
        while True:
            await self._has_notes.wait()
            await asyncio.sleep(FLUSH_S)
            try:
                await self.flush()
            except (psycopg.OperationalError, PoolTimeout) as error:
                log.warning("ledger: %s; again in %g s", error, RETRY_S)
                await asyncio.sleep(RETRY_S)

    async def flush(self) -> None:
        """Write what waits."""
        while self._notes:
            batch = list(islice(self._notes, AT_ONCE))
            async with self._pool.connection() as conn, conn.transaction():
                seqs = [note for note in batch if isinstance(note, SeqNote)]
                if seqs:
                    await write_seqs(conn, seqs)
                for note in batch:
                    if isinstance(note, IdNote):
                        await write_ids(conn, note)
                    elif isinstance(note, ShownNote):
                        await write_shown(conn, note)
            self._written.inc(len(batch))
            # What came meanwhile stands at the other end.
            for note in batch:
                if self._notes and self._notes[0] is note:
                    self._notes.popleft()
        self._has_notes.clear()

    async def close(self) -> None:
        """Write what waits, if the database lets us."""
        try:
            await self.flush()
        except (psycopg.Error, PoolTimeout) as error:
            log.warning("ledger: %d steps not written: %s", len(self._notes), error)


class StreamNotes:
    """What one stream sends and has acknowledged."""

    def __init__(
        self, ledger: Ledger, clock: Clock, recipient: str, scope: Scope
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._recipient = recipient
        self._scope = scope
        self._snapshot: tuple[int, tuple[str, ...]] = (0, ())
        self._unacked: deque[int] = deque(maxlen=MAX_UNACKED)

    def sent(self, seq: int) -> None:
        """An event went out."""
        self._unacked.append(seq)
        self._note(seq, SENT)

    def sent_snapshot(self, seq: int, ids: tuple[str, ...]) -> None:
        """All that is open went out, at this position."""
        self._snapshot = (seq, ids)
        self.reported(SENT, ids)

    def reported(
        self, step: str, ids: tuple[str, ...], at_us: int | None = None
    ) -> None:
        """The recipient says so, at a time of its own clock if it says one."""
        if ids:
            self._ledger.note(self._by_id(step, ids, at_us))

    async def write(
        self, step: str, ids: tuple[str, ...], at_us: int | None = None
    ) -> None:
        """As :meth:`reported`, and written when this returns."""
        await self._ledger.write(self._by_id(step, ids, at_us))

    def _by_id(self, step: str, ids: tuple[str, ...], at_us: int | None) -> IdNote:
        now_us = self._clock.now_us()
        at_us = now_us if at_us is None else at_us
        return IdNote(ids, self._recipient, self._scope, step, at_us, now_us)

    def acked(self, seq: int) -> None:
        """Everything up to here is held."""
        at, ids = self._snapshot
        if ids and seq >= at:
            self.reported(STORED, ids)
            self._snapshot = (0, ())
        while self._unacked and self._unacked[0] <= seq:
            self._note(self._unacked.popleft(), STORED)

    def _note(self, seq: int, step: str) -> None:
        self._ledger.note(SeqNote(seq, self._recipient, step, self._clock.now_us()))
