"""Storing: the database's side of ingest, with its outages.

One connection writes, another holds the ownership of our areas. While the database is
away a turn is tried again and again; the broker, which was not told of it, keeps what
follows.
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
from gasmon.pipeline.persist import Writer
from gasmon.settings import Settings
from gasmon.store import frames
from gasmon.store.alarms import StoredEvent
from gasmon.store.db import Connection, connect
from gasmon.store.owners import ALL, take_ownership
from gasmon.store.partitions import open_partitions

RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Waits between tries while the database is away [s]; the last one repeats."""

CONFIRMED_EVERY_S = 2.0
"""How often confirmations are read for the annunciator [s]."""

log = logging.getLogger(__name__)


class Storing:
    """Writes turns, in order, however long it takes.

    Attributes:
        database_ok: the last try succeeded.
        stored_at_s: monotonic time of the last success [s].
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

    def open(self, conn: Connection) -> None:
        """Own our areas and write through ``conn`` from now on.

        Raises:
            DependencyError: the database cannot be reached.
            StateConflict: another process ingests one of our areas.
        """
        self._take_ownership()
        self._writer = self._make_writer(conn)
        self.database_ok = True

    def close(self) -> None:
        """Close both connections; with the second our ownership ends."""
        if self._writer is not None:
            self._writer.conn.close()
        if self._ownership is not None:
            self._ownership.close()

    def store(self, judged: Judged) -> bool:
        """Commit one turn.

        Returns:
            False when told to stop before it was committed.

        Raises:
            StateConflict: a newer owner writes now; nothing of ours may be left in
                its way.
        """
        attempt = 0
        while not self._try(judged):
            if self._stop.is_set():
                return False
            self._stop.wait(RETRY_S[min(attempt, len(RETRY_S) - 1)])
            attempt += 1
            self._reconnect()
        return True

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

    def look_for_confirmations(self) -> None:
        """Read now and then what people confirmed."""
        now_s = self._clock.monotonic_s()
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

    def _make_writer(self, conn: Connection) -> Writer:
        return Writer(
            conn,
            self._book,
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
            self._writer = self._make_writer(connect(self._settings.database))
        except (DependencyError, psycopg.Error) as error:
            log.error("%s", error)
