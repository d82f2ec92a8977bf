"""What a start reads, kept beside the spool, so that it can begin without a database.

    engine.snapshot   the engine's memory, frames, clocks, open alarms (kept.py)
    book.sqlite       every mine with all versions of its points (bookcopy.py)
    recent.sqlite     turns since that snapshot that the database has (recent.py)
    turns-*.sqlite    the spool: turns that it has not

Only the first three together are whole. ``recent.sqlite`` is made when the others are
there, and deleted as soon as anything is missing or another process owns our areas:
where it lies, a start may trust the folder.

Nothing here may stop judging or storing: what cannot be written is told, and there is
no copy until the next snapshot. The reserve of the spool is for alarms that nobody
else holds; the copy takes nothing of it.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from gasmon.batch import GatewayClock
from gasmon.pipeline.bookcopy import BookCopy
from gasmon.pipeline.evaluate import Judged, Snapshot
from gasmon.pipeline.kept import KeptSnapshot
from gasmon.pipeline.openalarms import OpenAlarms
from gasmon.pipeline.past import FromCopy
from gasmon.pipeline.recent import Recent, drop_recent
from gasmon.pipeline.record import RecordCorrupt
from gasmon.points import MineDef, PointDef, PointTable
from gasmon.store.alarms import OpenAlarm

FILL_MINES = 16
"""Mines written at once when it is filled: about 40 ms of a city's."""

_FAILURES = (sqlite3.Error, OSError, RecordCorrupt)

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Mine:
    """What is to be written of a mine.

    Attributes:
        mine: what it says of itself; None: as before.
    """

    mine: MineDef | None = None
    versions: list[PointDef] = field(default_factory=list)


class LocalCopy:
    """Kept up to date by the persisting thread, which alone uses it after the start.

    Attributes:
        alarms: what is open, as far as it is safe.
        ranks: what was confirmed: alarm key → rank.
    """

    def __init__(self, folder: Path, kept: KeptSnapshot) -> None:
        """Nothing is read or written yet."""
        self.alarms = OpenAlarms()
        self.ranks: dict[str, int] = {}
        self._folder = folder
        self._kept = kept
        self._clocks: dict[tuple[int, str], GatewayClock] = {}
        self._book: BookCopy | None = None
        self._recent: Recent | None = None
        self._to_fill: dict[str, _Mine] = {}
        self._is_begun = False
        self._is_filled = False
        self._changed: dict[str, _Mine] = {}
        self._n_points = 0
        self._kept_step = 0
        self._written: tuple[Judged, PointTable] | None = None
        # Not tried again before the next snapshot.
        self._is_failing = False

    @property
    def is_whole(self) -> bool:
        """A start could begin from it now."""
        return self._recent is not None

    # The beginning; what was told since is noted then, as one turn

    def begin(
        self, recorded: Iterable[OpenAlarm], clocks: Iterable[GatewayClock]
    ) -> None:
        """Follow what was open, and the clocks of gateways, from here on."""
        self.alarms.begin(recorded)
        self._clocks = {(clock.run, clock.mine): clock for clock in clocks}

    def fill(self, mines: Iterable[MineDef], versions: Sequence[PointDef]) -> None:
        """What a start read is to be written, unless it was the copy: ``go_on``."""
        self._is_filled = self._is_begun = False
        self._to_fill = {mine.code: _Mine(mine) for mine in mines}
        for point in versions:
            self._to_fill.setdefault(point.key.mine, _Mine()).versions.append(point)
        self._n_points = len({point.key for point in versions})

    def go_on(self, past: FromCopy) -> None:
        """The copy was read: it is what it was, and goes on."""
        self.ranks = dict(past.ranks)
        self._is_filled = True
        self._to_fill = {}
        self._n_points = past.n_points
        self._kept_step = past.snapshot.step
        self._try("does not go on", self._reopen)

    def _reopen(self) -> None:
        self._book = BookCopy(self._folder)
        self._recent = Recent.found(self._folder)

    # From turn to turn

    def note(self, judged: Judged, table: PointTable) -> None:
        """A turn is safe, in the database or in the spool."""
        self.alarms.follow(judged.events)
        for clock in judged.clocks:
            self._clocks[clock.run, clock.mine] = clock
        for definition, standing in judged.definitions:
            changed = self._changed.setdefault(definition.mine.code, _Mine())
            changed.mine = definition.mine
            changed.versions += standing
        for point in table.current[self._n_points :]:
            self._changed.setdefault(point.key.mine, _Mine()).versions.append(point)
        self._n_points = max(self._n_points, table.n)

    def wrote(self, judged: Judged, table: PointTable, *, has_room: bool) -> None:
        """A turn is in the database.

        Args:
            has_room: the disk is not full; else there is no copy.
        """
        self._written = (judged, table)
        recent = self._recent
        if recent is None:
            return
        if judged.steps and judged.steps[-1].number <= self._kept_step:
            return  # drained behind a snapshot that holds it
        if has_room:
            self._try("takes no turn", lambda: recent.append(judged, table))
        else:
            log.error("there is no room for the copy beside the spool")
            self.drop()

    def confirm(self, ranks: Mapping[str, int]) -> None:
        """What is confirmed now."""
        if ranks == self.ranks:
            return
        self.ranks = dict(ranks)
        recent = self._recent
        if recent is not None:
            self._try("takes no confirmation", lambda: recent.confirm(ranks))

    def keep(self, snapshot: Snapshot, leave_bytes: int = 0) -> bool:
        """Keep a snapshot whose turn is safe, and what was known after it.

        Args:
            leave_bytes: of a disk that is full; then the one before stays.

        Returns:
            Whether it is kept.
        """
        self._is_failing = False
        if self._is_filled:
            self._try("takes no definitions", self._write_changed)
        known = {
            "open": self.alarms.told(self.ranks),
            "clocks": [asdict(clock) for clock in self._clocks.values()],
        }
        if not self._kept.write(snapshot, leave_bytes, known=known):
            return False
        self._kept_step = snapshot.step
        if self._is_filled and not self._changed:
            self._try(
                "does not begin",
                lambda: self._go_on_behind(snapshot, has_room=not leave_bytes),
            )
        return True

    def _go_on_behind(self, snapshot: Snapshot, has_room: bool) -> None:
        """Let the turns since a snapshot be those that it does not hold."""
        if self._recent is not None:
            self._recent.forget(snapshot.step)
            return
        if not has_room:
            return
        self._recent = recent = Recent.begin(self._folder)
        recent.confirm(self.ranks)
        if self._written is not None:
            judged, table = self._written
            if judged.steps and judged.steps[-1].number > snapshot.step:
                recent.append(judged, table)

    def _write_changed(self) -> None:
        if self._changed:
            book = self._opened_book()
            book.write([_joined(book, c, more) for c, more in self._changed.items()])
        self._changed = {}

    # Filling

    def work(self) -> bool:
        """Write some more mines; True when those were the last."""
        if self._is_filled or self._is_failing:
            return False
        self._try("is not filled", self._fill_some)
        return self._is_filled

    def _fill_some(self) -> None:
        book = self._opened_book()
        if not self._is_begun:
            book.begin()
            self._is_begun = True
        codes = list(self._to_fill)[:FILL_MINES]
        book.write([_joined(book, code, self._to_fill[code]) for code in codes])
        for code in codes:
            del self._to_fill[code]
        self._is_filled = not self._to_fill

    def _opened_book(self) -> BookCopy:
        if self._book is None:
            self._book = BookCopy(self._folder)
        return self._book

    def _try(self, what: str, attempt: Callable[[], object]) -> None:
        """Do something with the files; whatever fails, there is no copy then."""
        try:
            attempt()
        except _FAILURES as error:
            log.error("the copy beside the spool %s: %s", what, error)
            self._is_failing = True
            self.drop()

    # The end

    def drop(self) -> None:
        """Let nobody start from it, until the next snapshot."""
        if self._recent is not None:
            try:
                self._recent.close()
            except sqlite3.Error as error:
                log.error("the copy beside the spool: %s", error)
            self._recent = None
        try:
            drop_recent(self._folder)
        except OSError as error:
            log.critical("the copy beside the spool is old and stays: %s", error)

    def close(self) -> None:
        """Close the files; what is written stays."""
        for file in (self._book, self._recent):
            if file is not None:
                try:
                    file.close()
                except sqlite3.Error as error:
                    log.error("the copy beside the spool: %s", error)
        self._book = self._recent = None


def _joined(
    book: BookCopy, code: str, more: _Mine
) -> tuple[MineDef, Sequence[PointDef]]:
    """A mine with the versions that are written and some more."""
    before, known = book.mine(code)
    versions = {(p.key, p.effective_from_us): p for p in (*known, *more.versions)}
    mine = more.mine or before or MineDef(code, code[:6])
    return mine, list(versions.values())
