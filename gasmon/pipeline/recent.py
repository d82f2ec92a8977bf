"""The turns since the kept snapshot that the database has, once more on the local disk.

The database's log cannot be read while it is away. So what is committed there is kept
here as well until the next snapshot is. A start without a database judges these turns
again, then those of the spool.

A turn with alarms, definitions or clocks is synced to the disk. Others are only handed
to the system: they survive kill -9, and what a power cut takes of them are readings
whose verdict was that nothing happened.
"""

import json
import logging
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

from gasmon.pipeline.book import PointBook
from gasmon.pipeline.bookcopy import open_file, remove_file
from gasmon.pipeline.evaluate import Judged
from gasmon.pipeline.record import RecordCorrupt
from gasmon.pipeline.turns import EncodedTurn, decode_turn, encode_turn
from gasmon.points import PointTable

_SCHEMA = """
BEGIN;
CREATE TABLE turn (
    id         INTEGER PRIMARY KEY,
    last_step  INTEGER NOT NULL,
    facts      BLOB NOT NULL,
    readings   BLOB NOT NULL
);
CREATE TABLE confirmed (ranks TEXT NOT NULL);
COMMIT;
"""

log = logging.getLogger(__name__)


class Recent:
    """A file of its own; used by one thread at a time."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        """By ``begin`` or ``found``."""
        self._path = path
        self._db = db
        self._is_synced: bool | None = None

    @classmethod
    def begin(cls, folder: Path) -> "Recent":
        """Make the file anew: from here on nothing is missing in it.

        Raises:
            sqlite3.Error, OSError: it cannot be made.
        """
        path = _path(folder)
        remove_file(path)
        db = open_file(path)
        try:
            db.executescript(_SCHEMA)
        except BaseException:
            db.close()
            raise
        return cls(path, db)

    @classmethod
    def found(cls, folder: Path) -> "Recent | None":
        """The file of a former process; None when there is none that is whole.

        Raises:
            sqlite3.Error: it cannot be read.
        """
        path = _path(folder)
        if not path.exists():
            return None
        db = open_file(path)
        try:
            names = {row[0] for row in db.execute("SELECT name FROM sqlite_schema")}
        except BaseException:
            db.close()
            raise
        if "confirmed" in names:
            return cls(path, db)
        db.close()
        return None

    def append(self, judged: Judged, table: PointTable) -> None:
        """Keep a turn that the database has committed.

        Args:
            table: the one that its rows belong to, or a later one.

        Raises:
            sqlite3.Error: it is not kept; the file is of no use any more.
        """
        turn = encode_turn(judged, table)
        self._sync(bool(judged.events or judged.definitions or judged.clocks))
        last = judged.steps[-1].number if judged.steps else 0
        self._db.execute(
            "INSERT INTO turn (last_step, facts, readings) VALUES (?, ?, ?)",
            (last, turn.facts, turn.readings),
        )

    def forget(self, until_step: int) -> None:
        """Drop what a snapshot holds now.

        Turns without a step go with those before them.

        Raises:
            sqlite3.Error: it is still there, which is harmless.
        """
        self._db.execute(
            "DELETE FROM turn WHERE id < coalesce("
            "(SELECT min(id) FROM turn WHERE last_step > ?),"
            " (SELECT max(id) + 1 FROM turn))",
            (until_step,),
        )

    def confirm(self, ranks: Mapping[str, int]) -> None:
        """Keep which alarms were confirmed, and at which rank.

        Raises:
            sqlite3.Error: they are not kept.
        """
        self._sync(True)
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.execute("DELETE FROM confirmed")
            told = json.dumps(dict(ranks))
            self._db.execute("INSERT INTO confirmed VALUES (?)", (told,))
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def confirmed(self) -> dict[str, int]:
        """What was confirmed: alarm key → rank.

        Raises:
            sqlite3.Error: it cannot be read.
        """
        row = self._db.execute("SELECT ranks FROM confirmed").fetchone()
        return {} if row is None else dict(json.loads(row[0]))

    def replay(self, book: PointBook) -> Iterator[Judged]:
        """All turns in order.

        Args:
            book: takes the turns' definitions, as it did when they were judged.

        Raises:
            sqlite3.Error: the file cannot be read.
        """
        rows = self._db.execute("SELECT id, facts, readings FROM turn ORDER BY id")
        for id, facts, readings in rows:
            try:
                yield decode_turn(EncodedTurn(facts, readings), book, adopt=True)
            except RecordCorrupt as error:
                log.error("turn %d in %s is passed over: %s", id, self._path, error)

    def _sync(self, wanted: bool) -> None:
        """Whether the next commit waits for the disk; those before it wait along."""
        if self._is_synced is not wanted:
            level = "FULL" if wanted else "NORMAL"
            self._db.execute(f"PRAGMA synchronous = {level}")
            self._is_synced = wanted

    def close(self) -> None:
        """Close the file; what is in it stays."""
        self._db.close()


def has_recent(folder: Path) -> bool:
    """Whether a start may trust what lies in a spool's folder."""
    return _path(folder).exists()


def drop_recent(folder: Path) -> None:
    """Delete the file, so that nobody starts from it.

    Raises:
        OSError: it is still there.
    """
    remove_file(_path(folder))


def _path(folder: Path) -> Path:
    return folder / "recent.sqlite"
