"""What a start reads of the time before: from the database, or from the copy.

The copy holds what the database held when it was last written there (``localcopy.py``);
the turns that it has besides the spool's are what the database's log would tell.
"""

import logging
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from gasmon.alarms.steps import Step, decode_steps
from gasmon.batch import FrameKey, GatewayClock, Int32
from gasmon.errors import DependencyError
from gasmon.ingest.dedupe import SeenFrames
from gasmon.pipeline.book import PointBook
from gasmon.pipeline.bookcopy import BookCopy
from gasmon.pipeline.evaluate import Judged, Snapshot
from gasmon.pipeline.kept import KeptSnapshot
from gasmon.pipeline.openalarms import alarms_of
from gasmon.pipeline.ownership import OwnerRecord
from gasmon.pipeline.recent import Recent
from gasmon.pipeline.record import RecordCorrupt
from gasmon.pipeline.restore import know_frames
from gasmon.pipeline.spool import Spool
from gasmon.points import MineDef, PointDef
from gasmon.store import alarms, clocks, latest, points, replay_log, snapshots
from gasmon.store.alarm_ends import EndedAlarm, ended_since
from gasmon.store.alarms import OpenAlarm
from gasmon.store.db import Connection
from gasmon.store.retired import load_history

log = logging.getLogger(__name__)


class Past(Protocol):
    """Where a start reads."""

    def clocks(self) -> Sequence[GatewayClock]:
        """Corrections of gateways' clocks."""

    def points(self) -> tuple[Sequence[MineDef], Sequence[PointDef]]:
        """All mines of ours, and every version of every point."""

    def know_frames(self, seen: SeenFrames, now_us: int) -> None:
        """Let the frames that came lately be known as seen."""

    def open_alarms(self) -> list[OpenAlarm]:
        """What is open now."""

    def ended(self, since_us: int) -> Sequence[EndedAlarm]:
        """Alarms of points that ended after an event time [µs UTC].

        As far as their ends may be recorded and not in the log.
        """

    def boots(self) -> dict[str, str]:
        """What each mine's gateway calls its present start."""

    def newest_frames(self) -> dict[str, FrameKey]:
        """The newest frame of each mine, as far as it may not be among those seen."""

    def judged_us(self) -> dict[str, int] | None:
        """When the newest frame of each mine was judged [µs]; None: not recorded."""

    def snapshots(self) -> Iterator[Snapshot]:
        """What the engine remembered, the newest first."""

    def logged(self, book: PointBook, after: int) -> Iterator[Step]:
        """What it was given after a step, as far as there is a log of it."""

    def turns(self, book: PointBook) -> Iterator[Judged]:
        """Turns behind that log, which ``book`` takes over."""


@dataclass(frozen=True, slots=True)
class FromDatabase:
    """The database, and the spool's turns that it has not seen, of one history.

    Attributes:
        areas: codes of the areas that are ours; none means all.
        scope: what our engine's log is called.
    """

    conn: Connection
    run: int
    areas: Collection[str]
    scope: str
    spool: Spool | None
    kept: KeptSnapshot | None

    def clocks(self) -> list[GatewayClock]:
        return clocks.load(self.conn, self.run)

    def points(self) -> tuple[list[MineDef], list[PointDef]]:
        mines = points.load_mines(self.conn)
        versions = load_history(self.conn)
        self.conn.commit()
        if not self.areas:
            return mines, versions
        # Another process speaks to the relays of the others.
        return (
            [mine for mine in mines if mine.code[:6] in self.areas],
            [point for point in versions if point.key.mine[:6] in self.areas],
        )

    def know_frames(self, seen: SeenFrames, now_us: int) -> None:
        know_frames(self.conn, seen, self.run, now_us)

    def open_alarms(self) -> list[OpenAlarm]:
        open_now = alarms.open_alarms(self.conn, self.run)
        self.conn.commit()
        return open_now

    def ended(self, since_us: int) -> list[EndedAlarm]:
        ended = ended_since(self.conn, self.run, since_us)
        self.conn.commit()
        return ended

    def boots(self) -> dict[str, str]:
        return {mine: key.boot for mine, key in self.newest_frames().items()}

    def newest_frames(self) -> dict[str, FrameKey]:
        newest = latest.load_frames(self.conn, self.run)
        self.conn.commit()
        return newest

    def judged_us(self) -> dict[str, int]:
        judged_us = latest.load_judged(self.conn, self.run)
        self.conn.commit()
        return judged_us

    def snapshots(self) -> Iterator[Snapshot]:
        own = self.kept.read() if self.kept is not None else None
        stored_first = snapshots.load_newest_first(self.conn, self.run, self.scope)
        for stored in stored_first:
            if own is not None and own.step > stored.step:
                yield own
                own = None
            yield Snapshot(stored.step, stored.taken_us, stored.n_points, stored.body)
        if own is not None:
            yield own

    def logged(self, book: PointBook, after: int) -> Iterator[Step]:
        row_of = np.full(int(book.point_id.max(initial=0)) + 1, -1, np.int32)
        row_of[book.point_id] = np.arange(len(book.point_id), dtype=np.int32)
        row_of[0] = -1  # points that the database has no number for
        rows: Int32 = row_of
        for body in replay_log.bodies_since(self.conn, self.run, self.scope, after):
            yield from decode_steps(body, rows, book.table.mine_index)

    def turns(self, book: PointBook) -> Iterator[Judged]:
        if self.spool is not None:
            yield from self.spool.replay(book)


@dataclass(frozen=True, slots=True)
class FromCopy:
    """The copy beside the spool, and the spool.

    Attributes:
        fencing: our number of each scope when we owned them last.
        ranks: what was confirmed: alarm key → rank.
    """

    fencing: dict[str, int]
    snapshot: Snapshot
    ranks: dict[str, int]
    _mines: list[MineDef]
    _versions: list[PointDef]
    _open: list[OpenAlarm]
    _clocks: list[GatewayClock]
    _recent: Recent
    _spool: Spool
    _run: int

    @property
    def n_points(self) -> int:
        """Points in it."""
        return len({point.key for point in self._versions})

    def clocks(self) -> list[GatewayClock]:
        return self._clocks

    def points(self) -> tuple[list[MineDef], list[PointDef]]:
        return self._mines, self._versions

    def know_frames(self, seen: SeenFrames, now_us: int) -> None:
        seen.restore(self._run, self.snapshot.beside["seen"])

    def open_alarms(self) -> list[OpenAlarm]:
        return self._open

    def ended(self, since_us: int) -> tuple[()]:
        return ()  # no end is in the copy before its turn is

    def boots(self) -> dict[str, str]:
        return dict(self.snapshot.beside["boots"])

    def newest_frames(self) -> dict[str, FrameKey]:
        return {}  # the memory of a process holds what it gave up as seen

    def judged_us(self) -> None:
        return None  # no alarm is in the copy before its turn is

    def snapshots(self) -> Iterator[Snapshot]:
        yield self.snapshot

    def logged(self, book: PointBook, after: int) -> Iterator[Step]:
        return iter(())

    def turns(self, book: PointBook) -> Iterator[Judged]:
        try:
            yield from self._recent.replay(book)
        except sqlite3.Error as error:
            raise DependencyError(f"the copy beside the spool: {error}") from error
        yield from self._spool.replay(book)

    def close(self) -> None:
        """Close what it read."""
        self._recent.close()


def read_copy(
    folder: Path, kept: KeptSnapshot, spool: Spool, scopes: Sequence[str], run: int
) -> FromCopy:
    """Open the copy of a former process.

    Args:
        scopes: what we own, when it is ours.

    Raises:
        DependencyError: there is none that a start may trust; says why.
    """
    fencing = OwnerRecord(folder).read()
    if sorted(fencing) != sorted(scopes):
        was = ", ".join(sorted(fencing)) or "nobody"
        raise DependencyError(f"no copy of {', '.join(scopes)} in {folder}: of {was}")
    try:
        recent = Recent.found(folder)
        if recent is None:
            raise DependencyError(f"no copy in {folder} that is whole and ours")
        try:
            found = kept.read_with_known()
            if found is None or found[1] is None:
                raise DependencyError(f"no snapshot of the engine in {folder}")
            snapshot, known = found[0], found[1]
            book = BookCopy(folder)
            try:
                mines, versions = book.read()
            finally:
                book.close()
            ranks = recent.confirmed()
            return FromCopy(
                fencing,
                snapshot,
                ranks,
                mines,
                versions,
                alarms_of(known["open"], ranks),
                [GatewayClock.from_told(told) for told in known["clocks"]],
                recent,
                spool,
                run,
            )
        except BaseException:
            recent.close()
            raise
    except (sqlite3.Error, OSError, RecordCorrupt, KeyError, TypeError) as error:
        why = f"{type(error).__name__}: {error}"
        raise DependencyError(f"the copy in {folder} cannot be read: {why}") from error
