"""Storing: the database's side of ingest, with its outages.

While the database is away, turns go to the spool on the local disk and the broker is
told that they are safe; when it is back they are written in order before anything
newer. Without a spool a turn is tried again and again, and the broker keeps what
follows. ``line.py`` keeps the connections.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence

import psycopg

from gasmon.clock import Clock
from gasmon.errors import DependencyError, StateConflict
from gasmon.pipeline import outage
from gasmon.pipeline.apart import write_all
from gasmon.pipeline.book import PointBook
from gasmon.pipeline.counts import IngestCounts
from gasmon.pipeline.evaluate import Judged, Snapshot
from gasmon.pipeline.kept import KeptSnapshot
from gasmon.pipeline.line import Line
from gasmon.pipeline.localcopy import LocalCopy
from gasmon.pipeline.outage import WARN_EVERY_S, Outage, measure
from gasmon.pipeline.ownership import OwnerRecord
from gasmon.pipeline.persist import Writer
from gasmon.pipeline.right_of_way import RightOfWay
from gasmon.pipeline.spool import RESERVE_BYTES, Spool, SpoolFull
from gasmon.settings import Settings
from gasmon.store import alarms, frames
from gasmon.store.alarms import StoredEvent
from gasmon.store.db import Connection, reason_of
from gasmon.store.frame_rows import REFUSALS
from gasmon.store.partitions import open_partitions
from gasmon.store.probe import NothingTaken
from gasmon.store.replay_log import scope_name

CONFIRMED_EVERY_S = 2.0
"""How often confirmations are read for the annunciator [s]."""

DRAIN_TURNS = 64
"""Spooled turns written together: about a second of a city in one commit."""

log = logging.getLogger(__name__)


class Storing:
    """Writes turns, in order, however long it takes.

    Attributes:
        line: the connections to the database.
        database_ok: the last try succeeded.
        stored_at_s: monotonic time of the last success [s].
        spool: turns that wait for the database; None when none is set up.
        snapshot_wanted: for the evaluating thread, which sets it back.
        outage: what waits for the database, for the evaluating thread to tell.
        copy: what a start without a database reads; None when it is not kept.
        since_start: the database was away when we began, and has not everything yet.
        confirmed: alarm key → rank; the evaluating thread sets it back to None.
        way: what goes before storing.
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
        self.line = Line(settings, owner, clock, stop)
        self.way = RightOfWay(clock)
        self.database_ok = False
        self.stored_at_s = clock.monotonic_s()
        self.confirmed: dict[str, int] | None = None
        self.spool: Spool | None = None
        self.outage: Outage | None = None
        self.kept: KeptSnapshot | None = None
        self.copy: LocalCopy | None = None
        self.since_start = self.snapshot_wanted = False
        self._settings = settings
        self._book = book
        self._encode = encode
        self._clock = clock
        self._counts = counts
        self._stop = stop
        self._owner = owner
        self._run = run
        self._writer: Writer | None = None
        self._hole_step = self._failed = 0
        self._together = DRAIN_TURNS
        self._looked_s = self._retry_at_s = self._warn_at_s = 0.0

    @property
    def areas(self) -> Sequence[str]:
        """Codes of the areas that are ours; none means all."""
        return self._settings.ingest.areas

    @property
    def scope(self) -> str:
        """What our engine's log is called."""
        return scope_name(list(self.areas))

    @property
    def n_spooled(self) -> int:
        """Turns that wait in the spool."""
        return 0 if self.spool is None else self.spool.n_turns

    def open_spool(self) -> None:
        """Open the spool's folder, when one is set up.

        Raises:
            ConfigError: it cannot be used.
            DependencyError: the disk cannot be read.
        """
        ingest = self._settings.ingest
        if ingest.spool_dir is not None:
            n_bytes = ingest.spool_limit_mb * 2**20
            self.spool = Spool(ingest.spool_dir, limit_bytes=n_bytes)
            self.kept = KeptSnapshot(ingest.spool_dir)
            self.line.record = OwnerRecord(ingest.spool_dir)
            if ingest.start_without_database:
                self.copy = LocalCopy(ingest.spool_dir, self.kept)

    def open(self, conn: Connection) -> None:
        """Write through ``conn`` from now on; the spool is ours from now on."""
        self.line.give(conn)
        self._writer = self.make_writer(conn, self._book)
        self.database_ok = True

    def open_without_database(self, fencing: Mapping[str, int]) -> None:
        """Spool from now on, until the areas with these numbers are ours again."""
        self.since_start = True
        self.line.resume(fencing)

    def disown(self) -> None:
        """Another process owns our areas: no start from our copy."""
        if self.copy is not None:
            self.copy.drop()

    def close(self) -> None:
        """Close connections and spool; our ownership ends."""
        self.line.close()
        if self.line.lost is not None:
            self.disown()
        if self.copy is not None:
            self.copy.close()
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
            # A spool that takes nothing more is in the way until it is written.
            n_before = self.n_spooled
            self.work()
            if self.n_spooled < n_before:
                continue
            self._stop.wait(outage.retry_s(attempt))
            attempt += 1
        if self.copy is not None:
            self.copy.note(judged, self._book.table)
        snapshot = judged.snapshot
        if snapshot is not None:
            is_kept = self._keep_snapshot(snapshot)
            if is_kept and snapshot.step >= self._hole_step:
                self._hole_step = 0
        # From a log with a hole another engine begins, but for a snapshot behind it.
        self.snapshot_wanted |= self._hole_step > 0
        return True

    def _keep(self, judged: Judged) -> bool:
        """One try: the database, and the spool when that fails."""
        spool = self.spool
        # What is newer waits behind what is spooled.
        if (spool is None or spool.n_turns == 0) and self._write([judged]):
            self._wrote([judged])
            return True
        if spool is None:
            return False
        try:
            appended = spool.append(judged, self._book.table, self._clock.now_us())
        except SpoolFull as error:
            log.critical("%s", error)
            return False
        if not appended.stored_readings and judged.steps:
            self._hole_step = judged.steps[-1].number
        return True

    def _keep_snapshot(self, snapshot: Snapshot) -> bool:
        """Beside the spool, or in the database; whether a restart will find it."""
        writer, spool = self._present_writer(), self.spool
        is_waiting = spool is not None and spool.n_turns > 0
        is_refused = spool is not None and spool.readings_refused
        leave_bytes = RESERVE_BYTES // 2 if is_refused else 0
        is_kept = False
        if self.copy is not None:
            is_kept = self.copy.keep(snapshot, leave_bytes)
        elif self.kept is not None and is_waiting:
            is_kept = self.kept.write(snapshot, leave_bytes)
        if writer is None or is_waiting:
            return is_kept
        try:
            with self.line.watched():
                writer.save(snapshot)
        except (psycopg.Error, StateConflict) as error:
            # The next one will do as well; the log is the longer until then. Whether
            # the areas are still ours, the next turn finds out.
            log.warning("a snapshot of the engine was not stored: %s", error)
            self._settle(writer)
            return is_kept
        return True

    def work(self) -> None:
        """What is to be done besides: drain the spool, read confirmations.

        Raises:
            StateConflict: another process owns an area of ours now.
        """
        now_s = self._clock.monotonic_s()
        self.outage = measure(self.spool, self._clock.now_us())
        writer = self._present_writer()
        if self.spool is not None and self.spool.n_turns:
            if now_s >= self._warn_at_s:
                self._warn_at_s = now_s + WARN_EVERY_S
                outage.warn(self.spool, self._clock.now_us())
            if now_s >= self._retry_at_s:
                if self._drain(self.spool):
                    self._failed = 0
                else:
                    self._retry_at_s = now_s + outage.retry_s(self._failed)
                    self._failed += 1
        elif self.database_ok and writer is not None:
            if self.since_start:
                self._rejoin(writer)
            self._look_for_confirmations(now_s, writer)
        if self.copy is not None and self.copy.work():
            self.snapshot_wanted = True

    def _rejoin(self, writer: Writer) -> None:
        """The database has everything that came without it: compare what is open.

        Raises:
            RecordDiffers: the record is not what we went on from.
        """
        assert self.copy is not None, "it was begun from"
        try:
            with self.line.watched():
                recorded = alarms.open_alarms(writer.conn, self._run)
                writer.conn.commit()
        except psycopg.Error:
            self._settle(writer)
            return
        self.since_start, self.snapshot_wanted = False, True
        self.copy.alarms.require_same(recorded, self.areas)

    def _drain(self, spool: Spool) -> bool:
        """Write the oldest spooled turns; False when the database is still away."""
        try:
            waiting = spool.oldest(self._book, self._together)
        except DependencyError as error:
            log.error("%s", error)
            return False
        if waiting:
            if not self._write([turn.judged for turn in waiting]):
                # Perhaps it was too much for the time that a write may take.
                self._together = max(1, len(waiting) // 2)
                return False
            self._together = DRAIN_TURNS
            self._wrote([turn.judged for turn in waiting])
            spool.done(waiting[-1].id, self._clock.now_us())
        if spool.n_turns == 0:
            log.warning("the spool is empty again, the database has everything")
        return True

    def _wrote(self, turns: Sequence[Judged]) -> None:
        """Let the copy hold what the database has."""
        if self.copy is not None:
            has_room = self.spool is None or not self.spool.readings_refused
            for judged in turns:
                self.copy.wrote(judged, self._book.table, has_room=has_room)

    def _write(self, turns: Sequence[Judged]) -> bool:
        """Write these together, or apart when the database refuses one."""
        return write_all(self._try, turns, self._run, self._clock.now_us())

    def problem(self) -> str | None:
        """What is wrong now; None when nothing is."""
        if self.line.lost is not None:
            return str(self.line.lost)
        if self.database_ok and not (self.n_spooled or self.since_start):
            return None
        return outage.problem(self.spool, self._clock.now_us(), self.since_start)

    def _try(self, judged: Judged) -> bool:
        """Write a turn; False while the database is away.

        Raises:
            StateConflict: another process owns an area of ours now.
            psycopg.Error: one of ``frame_rows.REFUSALS``; it is the turn's own fault.
        """
        writer = self._present_writer()
        if writer is None:
            self.database_ok = False
            return False
        try:
            with self.line.watched():
                written = writer.persist(judged, self._clock.now_us())
        except REFUSALS:
            raise
        except (psycopg.Error, NothingTaken) as error:
            self.database_ok = False
            self._counts.n_retries.inc()
            n, why = len(judged.packets), reason_of(error)
            log.error("cannot store a turn of %d packets: %s", n, why)
            self._settle(writer)
            return False
        except StateConflict as error:
            if not self.line.is_ours_again(writer.conn):
                raise
            log.warning("a turn is tried again: %s", error)
            self._settle(writer)
            return False
        self.database_ok = True
        self.stored_at_s = self._clock.monotonic_s()
        self._counts.stored(judged, written, self._clock.now_us())
        return True

    def _settle(self, writer: Writer) -> None:
        """After an error: a connection that is gone is given up."""
        if writer.conn.closed or writer.conn.broken:
            self.line.drop(writer.conn)

    def _present_writer(self) -> Writer | None:
        """What writes through the present connection; None while there is none.

        Raises:
            StateConflict: another process owns an area of ours now.
        """
        conn = self.line.writer()
        if conn is None:
            return None
        if self._writer is None or self._writer.conn is not conn:
            try:
                with self.line.watched():
                    self._writer = self.make_writer(conn, self._book)
            except psycopg.Error as error:
                log.error("%s", error)
                self.line.drop(conn)
                return None
        return self._writer

    def _look_for_confirmations(self, now_s: float, writer: Writer) -> None:
        """Read now and then what people confirmed."""
        if now_s - self._looked_s < CONFIRMED_EVERY_S:
            return
        self._looked_s = now_s
        conn = writer.conn
        try:
            with self.line.watched():
                self.confirmed = ranks = frames.confirmed_ranks(conn, self._run)
                conn.commit()
            if self.copy is not None:
                self.copy.confirm(ranks)
        except psycopg.Error as error:
            log.warning("confirmations were not read: %s", error)
            self._settle(writer)
            if not conn.closed:
                conn.rollback()

    def make_writer(self, conn: Connection, book: PointBook) -> Writer:
        """What writes turns whose rows are those of ``book``."""
        return Writer(
            conn,
            book,
            open_partitions(conn, self._settings.storage),
            self._encode,
            owner=self._owner,
            fencing=lambda: self.line.fencing,
            give_way=self.way.give_way,
            scope=self.scope,
            run=self._run,
        )
