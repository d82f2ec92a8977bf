"""The point book on the local disk: every mine with all versions of its points.

A start without a database reads it. One row a mine, packed, in SQLite: a definition
costs the writing of one mine, and a nation's million points are 4,000 rows. It is
filled after each start that read the database, some mines at a time, because writing
all of them at once would hold up what has to be stored.
"""

import os
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from gasmon.pipeline.record import seal, unseal
from gasmon.pipeline.turn_facts import mine_of, point_fields, point_of
from gasmon.points import MineDef, PointDef

MINE = b"M"
"""Kind of the record, beside those of the spool."""

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS mine (code TEXT PRIMARY KEY, body BLOB NOT NULL)"
    " WITHOUT ROWID"
)


class BookCopy:
    """A file of its own; used by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        """Open the file, or make it.

        Raises:
            sqlite3.Error: it cannot be used.
        """
        self._db = open_file(folder / "book.sqlite")
        try:
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute(_SCHEMA)
        except BaseException:
            self._db.close()
            raise

    def begin(self) -> None:
        """Forget everything: it is filled anew.

        Raises:
            sqlite3.Error: it is as it was.
        """
        self._db.execute("DELETE FROM mine")

    def write(self, mines: Iterable[tuple[MineDef, Sequence[PointDef]]]) -> None:
        """Write mines with all their versions, durably and together.

        Raises:
            sqlite3.Error: nothing was written.
        """
        rows = [
            (
                mine.code,
                seal(
                    MINE,
                    {
                        "mine": asdict(mine),
                        "points": [point_fields(point) for point in points],
                    },
                    {},
                ),
            )
            for mine, points in mines
        ]
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany("INSERT OR REPLACE INTO mine VALUES (?, ?)", rows)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def mine(self, code: str) -> tuple[MineDef | None, list[PointDef]]:
        """A mine with all its versions; None without any when it is not there.

        Raises:
            sqlite3.Error: the file cannot be read.
            RecordCorrupt: the row is damaged.
        """
        row = self._db.execute(
            "SELECT body FROM mine WHERE code = ?", (code,)
        ).fetchone()
        return (None, []) if row is None else _opened(row[0])

    def read(self) -> tuple[list[MineDef], list[PointDef]]:
        """All of it: mines in order of their codes, and every version.

        Raises:
            sqlite3.Error: the file cannot be read.
            RecordCorrupt: a row is damaged.
        """
        mines, versions = [], []
        for (body,) in self._db.execute("SELECT body FROM mine ORDER BY code"):
            mine, points = _opened(body)
            mines.append(mine)
            versions += points
        return mines, versions

    def close(self) -> None:
        """Close the file; what is written stays."""
        self._db.close()


def open_file(path: Path) -> sqlite3.Connection:
    """Open a SQLite file for one connection, as the spool does.

    Raises:
        sqlite3.Error: it is no such file, or cannot be opened.
    """
    # Made by one thread and used by another, never by two at once.
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = WAL")
    except BaseException:
        db.close()
        raise
    return db


def remove_file(path: Path) -> None:
    """Delete a SQLite file with its log.

    Raises:
        OSError: it is still there.
    """
    # The file first: its log alone would be read into the next file of that name.
    for name in (path, path.with_name(f"{path.name}-wal")):
        if os.path.lexists(name):
            name.unlink()


def _opened(body: bytes) -> tuple[MineDef, list[PointDef]]:
    header, _ = unseal(MINE, body)
    return mine_of(header["mine"]), [point_of(told) for told in header["points"]]
