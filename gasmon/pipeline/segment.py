"""One file of the spool: turns with consecutive numbers in SQLite, and how far they
are drained.

Draining moves a mark instead of deleting rows, which would rewrite the free list on
every commit; the space comes back when the whole file goes. The file is used by one
connection in exclusive mode, so SQLite keeps the index of its log in memory: the
usual shared one is a mapped file, and touching that on a full disk kills the process.
"""

import os
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gasmon.pipeline.turns import EncodedTurn

PREFIX, SUFFIX = "turns-", ".sqlite"
LOGS = ("-wal", "-journal")
"""What SQLite lays beside a file; the second only while the file is being made."""

_SCHEMA = """
BEGIN;
CREATE TABLE turn (
    id        INTEGER PRIMARY KEY,
    at_us     INTEGER NOT NULL,
    facts     BLOB NOT NULL,
    readings  BLOB             -- NULL: refused or none
);
CREATE TABLE point (            -- every point that the turns above speak of
    mine TEXT NOT NULL, system TEXT NOT NULL, no TEXT NOT NULL,
    PRIMARY KEY (mine, system, no)
) WITHOUT ROWID;
CREATE TABLE progress (drained INTEGER NOT NULL);
INSERT INTO progress VALUES (0);
COMMIT;
"""

_LOG_PAGES = 256
"""Pages of 4 KiB in the log before they move to the file: 1 MiB beside each file
instead of the usual four."""

PointRow = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """A turn as it lies in the file."""

    id: int
    at_us: int
    encoded: EncodedTurn


class Segment:
    """One file, open only while it is used.

    Attributes:
        first, last: numbers of its turns; ``last`` is below ``first`` while it has
            none.
        drained: the last number that is done.
        n_bytes: what it takes on the disk.
        damaged: something in it cannot be read.
    """

    def __init__(self, path: Path, first: int) -> None:
        """A file that is there already, or an empty one to be made by ``open``."""
        self.path = path
        self.first = first
        self.last = first - 1
        self.drained = first - 1
        self._db: sqlite3.Connection | None = None
        self.n_bytes = 0
        self.damaged = False

    @classmethod
    def path_of(cls, folder: Path, first: int) -> Path:
        """Where the file whose first turn has this number lies."""
        return folder / f"{PREFIX}{first:012d}{SUFFIX}"

    def look(self) -> None:
        """Learn what is in a file that is there already.

        Raises:
            sqlite3.Error: it is not what was written.
        """
        row = (
            self._open()
            .execute("SELECT (SELECT max(id) FROM turn), drained FROM progress")
            .fetchone()
        )
        if row is None:
            raise sqlite3.DatabaseError("how far it is drained is not told")
        last, drained = row
        if last is not None:
            self.last = last
        self.drained = max(self.drained, drained)
        self._measure()

    @property
    def n_turns(self) -> int:
        """Turns that wait here."""
        return self.last - self.drained

    def append(
        self, at_us: int, turn: EncodedTurn, points: Iterable[PointRow], *, whole: bool
    ) -> int:
        """Write a turn durably; returns its number.

        Args:
            points: those that were not written to this file before.
            whole: with its readings; else the facts alone.

        Raises:
            sqlite3.Error: nothing was written.
        """
        db = self._open()
        readings = turn.readings if whole and turn.readings else None
        db.execute("BEGIN IMMEDIATE")
        try:
            db.executemany("INSERT OR IGNORE INTO point VALUES (?, ?, ?)", points)
            db.execute(
                "INSERT INTO turn (id, at_us, facts, readings) VALUES (?, ?, ?, ?)",
                (self.last + 1, at_us, turn.facts, readings),
            )
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        self.last += 1
        self._measure()
        return self.last

    def read(self, id: int) -> StoredTurn | None:
        """A turn; None when the file has no such row (any more).

        Raises:
            sqlite3.Error: the file is damaged there.
        """
        row = (
            self._open()
            .execute("SELECT at_us, facts, readings FROM turn WHERE id = ?", (id,))
            .fetchone()
        )
        if row is None:
            return None
        return StoredTurn(id, row[0], EncodedTurn(row[1], row[2] or b""))

    def at_us(self, id: int) -> int | None:
        """When a turn was written [µs UTC]."""
        row = (
            self._open()
            .execute("SELECT at_us FROM turn WHERE id = ?", (id,))
            .fetchone()
        )
        return None if row is None else int(row[0])

    def points(self) -> list[PointRow]:
        """Every point that its turns speak of."""
        rows: list[PointRow] = (
            self._open().execute("SELECT mine, system, no FROM point").fetchall()
        )
        return rows

    def drain_to(self, id: int) -> None:
        """Everything up to this number is done; durably, unless the disk refuses.

        Raises:
            sqlite3.Error: it is remembered in this process only.
        """
        self.drained = max(self.drained, min(id, self.last))
        self._open().execute("UPDATE progress SET drained = ?", (self.drained,))
        self._measure()

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        if self._db is not None:
            self._db.close()  # which moves the log into the file
            self._db = None
            self._measure()

    def remove(self) -> None:
        """Delete the file and its log; its turns are drained."""
        self.close()
        self.path.unlink(missing_ok=True)
        for log in self._logs:
            log.unlink(missing_ok=True)
        self.n_bytes = 0

    def set_aside(self) -> Path:
        """Rename what cannot be read, keeping every byte for a person."""
        self.close()
        aside = self.path.with_name(f"{self.path.name}.corrupt")
        for log, suffix in zip(self._logs, LOGS, strict=True):
            if log.exists():
                log.replace(f"{aside}{suffix}")
        if self.path.exists():
            self.path.replace(aside)
        return aside

    @property
    def _logs(self) -> list[Path]:
        return [self.path.with_name(self.path.name + suffix) for suffix in LOGS]

    def _measure(self) -> None:
        self.n_bytes = sum(
            path.stat().st_size for path in (self.path, *self._logs) if path.exists()
        )

    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            self._db = self._connect()
        return self._db

    def _connect(self) -> sqlite3.Connection:
        # The spool is made by one thread and used by another, never by two at once.
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
            if not db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                db.executescript(_SCHEMA)
                sync_folder(self.path.parent)
        except BaseException:
            db.close()
            raise
        return db


def sync_folder(folder: Path) -> None:
    """Make a new file's name as durable as its content."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_full(error: Exception) -> bool:
    """Whether there is no space, on the disk or within our own limit."""
    return isinstance(error, OSError) or _code(error) == sqlite3.SQLITE_FULL


def is_transient(error: sqlite3.Error) -> bool:
    """Whether it is the machine's trouble (I/O, handles, space) and not the file's."""
    return _code(error) in (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    )


def _code(error: Exception) -> int:
    """SQLite's primary result code; 0 for anything else."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
