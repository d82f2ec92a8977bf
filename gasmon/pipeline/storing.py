"""Storing: the database's side of ingest, with its outages.

One connection writes, another holds the ownership of our areas. While the database is
away, turns go to the spool on the local disk and the broker is told that they are safe;
when it is back they are written in order before anything newer. Without a spool a turn
is tried again and again, and the broker keeps what follows.
"""

import logging
import threading
from collections.abc import Callable

import psycopg

from gasmon.clock import Clock
from gasmon.errors import DependencyError, StateConflict
from gasmon.pipeline.book import PointBook
from gasmon.pipeline.counts import IngestCounts
from gasmon.pipeline.evaluate import Judged
from gasmon.pipeline.merge import merge
from gasmon.pipeline.persist import Writer
from gasmon.pipeline.spool import Spool, SpoolFull
from gasmon.settings import Settings
from gasmon.store import frames, points
from gasmon.store.alarms import StoredEvent
from gasmon.store.db import Connection, connect
from gasmon.store.owners import ALL, take_ownership
from gasmon.store.partitions import open_partitions

RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Waits between tries while the database is away [s]; the last one repeats."""

CONFIRMED_EVERY_S = 2.0
"""How often confirmations are read for the annunciator [s]."""

DRAIN_TURNS = 64
"""Spooled turns written together: about a second of a city in one commit."""

WARN_EVERY_S = 60.0
LOUD_BELOW_MIN = 60.0
"""The spool's remaining time is said every minute, as critical below an hour."""

log = logging.getLogger(__name__)


class Storing:
    """Writes turns, in order, however long it takes.

    Attributes:
        database_ok: the last try succeeded.
        stored_at_s: monotonic time of the last success [s].
        spool: turns that wait for the database; None when none is set up.
        confirmed: what was confirmed, alarm key to rank; taken by the evaluating
            thread, which sets it back to None.
    """

    def __init__(
        self,
        settings: Settings,
        book: PointBook,
        encode: Callable[[StoredEvent], str],
        clock: Clock,
        counts: IngestCounts,
        stop: threading.Event,
        *,
        owner: str,
        run: int,
    ) -> None:
        self.database_ok = False
        self.stored_at_s = clock.monotonic_s()
        self.confirmed: dict[str, int] | None = None
        self.spool: Spool | None = None
        self._settings = settings
        self._book = book
        self._encode = encode
        self._clock = clock
        self._counts = counts
        self._stop = stop
        self._owner = owner
        self._run = run
        self._ownership: Connection | None = None
        self._fencing: dict[str, int] = {}
        self._writer: Writer | None = None
        self._looked_s = 0.0
        self._failed = 0
        self._retry_at_s = 0.0
        self._warn_at_s = 0.0

    def own(self, conn: Connection) -> None:
        """Own our areas, and write what a former process left in the spool.

        Before anything is restored: the database must know all that was judged.

        Raises:
            ConfigError: the spool's folder cannot be used.
            DependencyError: the database cannot be reached.
            StateConflict: another process ingests one of our areas.
        """
        self._take_ownership()
        ingest = self._settings.ingest
        if ingest.spool_dir is None:
            return
        self.spool = Spool(ingest.spool_dir, limit_bytes=ingest.spool_limit_mb * 2**20)
        if self.spool.n_turns:
            self._write_leftovers(conn, self.spool)

    def _write_leftovers(self, conn: Connection, spool: Spool) -> None:
        book = PointBook(self._settings.ingest.areas)
        versions = points.load_point_versions(conn, retired=True)
        book.load(points.load_mines(conn), versions)
        conn.commit()
        writer = self._make_writer(conn, book)
        while waiting := spool.oldest(book, DRAIN_TURNS):
            log.warning("writing spooled turns, %d wait", spool.n_turns)
            now_us = self._clock.now_us()
            writer.persist(merge([turn.judged for turn in waiting]), now_us)
            spool.done(waiting[-1].id, now_us)

    def open(self, conn: Connection) -> None:
        """Write through ``conn`` from now on; ``own`` comes first."""
        self._writer = self._make_writer(conn, self._book)
        self.database_ok = True

    def close(self) -> None:
        """Close both connections; with the second our ownership ends."""
        if self._writer is not None:
            self._writer.conn.close()
        if self._ownership is not None:
            self._ownership.close()
        if self.spool is not None:
            self.spool.close()
            self.spool = None

    def store(self, judged: Judged) -> bool:
        """Make one turn durable: in the database, else in the spool.

        Returns:
            False when told to stop before it was.

        Raises:
            StateConflict: a newer owner writes now; nothing of ours may be left in
                its way.
        """
        attempt = 0
        while not self._keep(judged):
            if self._stop.is_set():
                return False
            self._stop.wait(RETRY_S[min(attempt, len(RETRY_S) - 1)])
            attempt += 1
            self._reconnect()
            self._drain()
        return True

    def _keep(self, judged: Judged) -> bool:
        """Write a turn, or spool it behind those that wait already."""
        spool = self.spool
        if (spool is None or spool.n_turns == 0) and self._try(judged):
            return True
        if spool is None:
            return False
        try:
            spool.append(judged, self._book.table.keys, self._clock.now_us())
        except SpoolFull as error:
            log.critical("%s", error)
            return False
        return True

    def work(self) -> None:
        """What is to be done besides: drain the spool, read confirmations."""
        now_s = self._clock.monotonic_s()
        if self.spool is not None and self.spool.n_turns:
            self._warn(now_s, self.spool)
            if now_s >= self._retry_at_s:
                self._reconnect()
                if self._drain():
                    self._failed = 0
                else:
                    wait_s = RETRY_S[min(self._failed, len(RETRY_S) - 1)]
                    self._failed += 1
                    self._retry_at_s = now_s + wait_s
        elif self.database_ok:
            self._look_for_confirmations(now_s)

    def _drain(self) -> bool:
        """Write the oldest spooled turns; False when the database is still away."""
        if self.spool is None or self.spool.n_turns == 0:
            return True
        try:
            waiting = self.spool.oldest(self._book, DRAIN_TURNS)
        except DependencyError as error:
            log.error("%s", error)
            return False
        if waiting and not self._try(merge([turn.judged for turn in waiting])):
            return False
        if waiting:
            self.spool.done(waiting[-1].id, self._clock.now_us())
        if self.spool.n_turns == 0:
            log.warning("the spool is empty again, the database has everything")
        return True

    def _warn(self, now_s: float, spool: Spool) -> None:
        """Say loudly how long readings can still be kept."""
        if now_s < self._warn_at_s:
            return
        self._warn_at_s = now_s + WARN_EVERY_S
        left_min = spool.minutes_left(self._clock.now_us())
        if left_min is not None:
            say = log.critical if left_min < LOUD_BELOW_MIN else log.warning
            say(
                "the database is away: %d turns are spooled, readings fit for %.0f"
                " more minutes",
                spool.n_turns,
                left_min,
            )

    def problem(self) -> str | None:
        """What is wrong now; None when nothing is."""
        waiting = self.spool.n_turns if self.spool is not None else 0
        if self.database_ok and not waiting:
            return None
        if self.spool is None:
            return "the database is away"
        left_min = self.spool.minutes_left(self._clock.now_us())
        room = "" if left_min is None else f", room for {left_min:.0f} more minutes"
        return f"the database is away or behind: {waiting} turns are spooled{room}"

    def _try(self, judged: Judged) -> bool:
        assert self._writer is not None, "open() comes first"
        try:
            written = self._writer.persist(judged, self._clock.now_us())
        except psycopg.Error as error:
            self.database_ok = False
            self._counts.n_retries.inc()
            log.error(
                "cannot store a turn of %d packets: %s", len(judged.packets), error
            )
            return False
        except StateConflict:
            self.close()
            raise
        self.database_ok = True
        self.stored_at_s = self._clock.monotonic_s()
        self._counts.stored(judged, written, self._clock.now_us())
        return True

    def _look_for_confirmations(self, now_s: float) -> None:
        """Read now and then what people confirmed."""
        if now_s - self._looked_s < CONFIRMED_EVERY_S:
            return
        self._looked_s = now_s
        assert self._writer is not None, "open() comes first"
        conn = self._writer.conn
        try:
            self.confirmed = frames.confirmed_ranks(conn, self._run)
            conn.commit()
        except psycopg.Error as error:
            log.warning("confirmations were not read: %s", error)
            if not conn.closed:
                conn.rollback()

    def _take_ownership(self) -> None:
        """Own our areas with a connection of its own, unless it still holds them."""
        held = self._ownership
        if held is not None and not held.closed:
            try:
                held.execute("SELECT 1")
                held.commit()
                return
            except psycopg.Error:
                held.close()
        scopes = self._settings.ingest.areas or [ALL]
        conn = connect(self._settings.database)
        try:
            self._fencing = take_ownership(
                conn, scopes, self._owner, self._clock.now_us()
            )
        except BaseException:
            conn.close()
            raise
        self._ownership = conn

    def _make_writer(self, conn: Connection, book: PointBook) -> Writer:
        return Writer(
            conn,
            book,
            open_partitions(conn, self._settings.storage),
            self._encode,
            owner=self._owner,
            fencing=self._fencing,
            run=self._run,
        )

    def _reconnect(self) -> None:
        """Write through a new connection when the old one is gone."""
        assert self._writer is not None, "open() comes first"
        old = self._writer.conn
        if not old.closed and not old.broken:
            return
        old.close()
        try:
            self._take_ownership()
            self._writer = self._make_writer(
                connect(self._settings.database), self._book
            )
        except (DependencyError, psycopg.Error) as error:
            log.error("%s", error)
