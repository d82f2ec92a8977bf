"""Persist: one transaction for everything that a turn found out.

Order inside the transaction: definitions, points, latest values, what the engine was
given, readings, rejects, the arrival log, then alarms and journal, and last the outbox
under its lock (store/outbox.py says why). Either all of it is committed or none, and
only then is the broker told.

Nearly always nothing collides and nothing is refused. So a turn is written without
savepoints first, statements that need no answer sharing a round trip; only when a row
is refused is the transaction taken back and written again with a net under each step.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import psycopg
from numpy.typing import NDArray

from gasmon.alarms.steps import Step, encode_steps
from gasmon.batch import Frame, Int32, ReadingBatch
from gasmon.pipeline.beside import write_beside
from gasmon.pipeline.book import PointBook
from gasmon.pipeline.evaluate import Judged, Snapshot
from gasmon.pipeline.merge import join, unrecorded
from gasmon.pipeline.point_ids import PointIds
from gasmon.pipeline.sealed import ArrivalLog
from gasmon.pipeline.wires import plan_by_key
from gasmon.store import (
    alarms,
    points,
    readings,
    rejects,
    snapshots,
)
from gasmon.store.alarm_calls import two_writers
from gasmon.store.alarms import StoredEvent
from gasmon.store.db import Connection, retry_deadlock
from gasmon.store.definitions import save_definitions
from gasmon.store.frame_rows import REFUSALS, insert_frames
from gasmon.store.marks import append_marks
from gasmon.store.owners import require_ownership
from gasmon.store.partitions import Partitions
from gasmon.store.replay_log import append_steps
from gasmon.store.rules_taken import note_rules
from gasmon.store.snapshots import StoredSnapshot


@dataclass(slots=True)
class Persisted:
    """What one transaction wrote.

    Attributes:
        events: those that were not stored before.
        last_seq: the outbox position after it; 0 when nothing was told.
    """

    n_frames: int = 0
    n_readings: int = 0
    n_duplicates: int = 0
    n_rejects: int = 0
    last_seq: int = 0
    events: list[StoredEvent] = field(default_factory=list)


class _Known(Exception):
    """A frame is stored already: the careful way finds out which."""


class Writer:
    """Writes turns to one database connection."""

    def __init__(
        self,
        conn: Connection,
        book: PointBook,
        partitions: Partitions,
        encode: Callable[[StoredEvent], str],
        *,
        owner: str,
        fencing: Callable[[], Mapping[str, int]],
        scope: str,
        run: int = 0,
        give_way: Callable[[], object] = lambda: None,
    ) -> None:
        """Prepare to write.

        Args:
            encode: makes the body of an event.
            owner: who writes, beside the clock marks.
            fencing: our present number of each area; a newer owner's makes us stop.
            scope: what our engine's log is called (``replay_log.scope_name``).
            give_way: lets what is more urgent pass, between two parts of a turn.
        """
        self.conn = conn
        self._book = book
        self._partitions = partitions
        self._encode = encode
        self._owner = owner
        self._fencing = fencing
        self._scope = scope
        self._run = run
        self._give_way = give_way
        self._log = ArrivalLog(conn, scope)
        self._mines = set(points.load_mine_ids(conn))
        plan_by_key(conn)

    def persist(self, judged: Judged, now_us: int) -> Persisted:
        """Commit one turn; a deadlock is tried again as a whole.

        Args:
            now_us: when it is recorded [µs UTC].

        Raises:
            psycopg.Error: the database is away or refuses; nothing was written.
            StateConflict: another process owns our areas now; we must stop.
        """
        for batch in judged.batches:
            self._partitions.ensure(self.conn, batch.at_us, now_us)
            judged_us = np.asarray([f.judged_us for f in batch.frames], np.int64)
            self._partitions.ensure(self.conn, judged_us, now_us)
        ids = PointIds(self._book)

        def turn() -> Persisted:
            try:
                return self._transact(judged, now_us, ids, swiftly=True)
            except (*REFUSALS, _Known):
                return self._transact(judged, now_us, ids, swiftly=False)

        written = retry_deadlock(turn)
        # Only what is committed may be remembered as stored.
        self._book.set_ids(ids.given)
        self._mines |= {mine for mine, _, _ in ids.given}
        self._mines |= {d.mine.code for d, _ in judged.definitions}
        self._mines |= _tellers(judged)
        self._mines |= set(judged.online) | {e.mine for e in judged.events if e.mine}
        return written

    def _transact(
        self, judged: Judged, now_us: int, ids: PointIds, *, swiftly: bool
    ) -> Persisted:
        """One transaction, committed or taken back."""
        ids.given.clear()
        try:
            written = self._write(judged, now_us, ids, swiftly)
            self._log.committed()
            return written
        except BaseException:
            self._log.forget()
            try:
                self.conn.rollback()
            except psycopg.Error:
                # The connection is gone, and the transaction with it; what is told
                # is the first error.
                pass
            raise

    def _write(
        self, judged: Judged, now_us: int, ids: PointIds, swiftly: bool
    ) -> Persisted:
        out = Persisted()
        self._give_way()
        self._log.begin()
        self._save_definitions(judged)
        self._ensure_mines(judged, now_us)
        ids.ensure(self.conn, self._run, judged, now_us)
        refused = list(judged.rejects)
        batch = join(judged.batches) if judged.batches else ReadingBatch.empty()
        point_id = ids.of_rows(batch.row)
        is_small = swiftly and not refused and readings.are_few(point_id, batch)
        with self.conn.pipeline():
            write_beside(self.conn, self._run, judged, self._book, ids, now_us)
            self._log_judging(judged, ids, now_us)
            self._give_way()
            stored = None
            if swiftly and batch.frames:
                stored = insert_frames(self.conn, self._run, batch.frames)
            if is_small:
                readings.insert_few(self.conn, self._run, point_id, batch)
            self._give_way()
            asked = alarms.ask(self.conn, unrecorded(judged))
            # Asked last, because its answer is waited for.
            self._require_ownership()
            out.n_frames = stored.rowcount if stored is not None else 0
            if swiftly and out.n_frames < len(batch.frames):
                raise _Known
            if is_small:
                # The usual turn: what else there is to say ends this pipeline.
                out.n_readings = batch.n
                self._seal(batch.frames, point_id, batch, None, now_us)
                self._conclude(asked, now_us, out)
                return out
        result = self._store(batch, point_id, out, swiftly)
        refused += [*result.contradictions, *result.rejects]
        out.n_rejects = sum(reject.n for reject in refused)
        rejects.append(self.conn, refused)
        frames = batch.frames if swiftly else result.frames
        with self.conn.pipeline():
            self._seal(frames, point_id, batch, result.stored, now_us)
            self._conclude(asked, now_us, out)
        return out

    def _seal(
        self,
        frames: Sequence[Frame],
        point_id: Int32,
        batch: ReadingBatch,
        stored: NDArray[np.intp] | None,
        now_us: int,
    ) -> None:
        """Log what is stored; a drill's readings are nobody's evidence."""
        self._give_way()
        if self._run == 0:
            self._log.add(frames, point_id, batch, stored, now_us)

    def _save_definitions(self, judged: Judged) -> None:
        for definition, standing in judged.definitions:
            save_definitions(
                self.conn, definition.mine, standing, now_us=definition.arrived_us
            )

    def _require_ownership(self) -> None:
        require_ownership(self.conn, self._fencing())

    def _log_judging(self, judged: Judged, ids: PointIds, now_us: int) -> None:
        """What the engine was given, to be given again after a restart."""
        if judged.marks:
            append_marks(self.conn, self._run, self._owner, judged.marks)
        if judged.steps:
            self._append_steps(judged.steps, ids, now_us)

    def _conclude(
        self, asked: alarms.Asked | None, now_us: int, out: Persisted
    ) -> None:
        """Alarms, outbox and commit, in the caller's pipeline."""
        with two_writers():
            recorded = alarms.record_asked(self.conn, asked, self._encode, now_us)
            # Behind a statement that fails the server does not even look at it.
            self.conn.commit()
        out.events, out.last_seq = recorded.events, recorded.last_seq()

    def _append_steps(self, steps: Sequence[Step], ids: PointIds, now_us: int) -> None:
        """The engine's log: what was judged, with what came of it."""
        mines = [mine.code for mine in self._book.table.mines]
        body = encode_steps(steps, ids.of_rows, mines)
        first, last = steps[0].number, steps[-1].number
        append_steps(self.conn, self._run, self._scope, first, last, body)
        for step in steps:
            if step.rules is not None:
                note_rules(self.conn, step.rules, self._scope, now_us)

    def save(self, snapshot: Snapshot) -> None:
        """Commit what the engine remembered, once its log reaches so far.

        Raises:
            psycopg.Error: the database is away; the next snapshot will do as well.
            StateConflict: the log does not reach it.
        """
        stored = StoredSnapshot(
            snapshot.step,
            snapshot.taken_us,
            self._owner,
            snapshot.n_points,
            snapshot.body,
        )
        with self.conn.transaction():
            self._require_ownership()
            snapshots.save(self.conn, self._run, self._scope, stored)

    def _ensure_mines(self, judged: Judged, now_us: int) -> None:
        heard = set(judged.online) | {e.mine for e in judged.events if e.mine}
        heard |= _tellers(judged)
        for code in sorted(heard - self._mines):
            points.ensure_mine(self.conn, code, now_us)

    def _store(
        self,
        batch: ReadingBatch,
        point_id: Int32,
        out: Persisted,
        swiftly: bool,
    ) -> readings.StoreResult:
        conn, run = self.conn, self._run
        if swiftly:
            result = readings.copy_readings(conn, run, point_id, batch)
        else:
            result = readings.copy_frames_and_readings(
                conn, run, batch.frames, point_id, batch
            )
        out.n_frames += result.n_frames
        out.n_readings += result.n_readings
        out.n_duplicates += result.n_duplicates
        return result


def _tellers(judged: Judged) -> set[str]:
    """Mines whose own systems told something."""
    return {event.mine for event in judged.mine_events} | {
        statistic.mine for statistic in judged.statistics
    }
