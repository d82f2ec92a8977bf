"""Numbered SQL files, applied in strict order, each remembered by its checksum.

A database is of one kind for life, decided at its first upgrade: ``plain``
PostgreSQL, ``timescaledb`` (the extension, any edition), or ``tsl`` (its community
edition with compression and policies, which is ``timescaledb`` too). Blocks of a
file that are for another kind are left out; see migrations/README.md.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import psycopg
from psycopg.rows import class_row

from gasmon.errors import MigrationError
from gasmon.store.db import Connection

Progress = Callable[[str], None]

LOCK_KEY = 0x6761_736D_0001
"""Advisory lock of upgrades: "gasm", 1."""

_FILE_NAME = re.compile(r"([0-9]{4})_([a-z0-9_]+)\.sql", re.ASCII)
_MARKER = re.compile(r"--\s*gasmon:\s*(.*?)\s*")
_RUNS_ON = {
    "always": {"plain", "timescaledb", "tsl"},
    "when plain": {"plain"},
    "when timescaledb": {"timescaledb", "tsl"},
    "when tsl": {"tsl"},
}
_TABLE = """
CREATE TABLE IF NOT EXISTS migration (
    number      integer PRIMARY KEY,
    name        text NOT NULL,
    checksum    text NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('plain', 'timescaledb', 'tsl')),
    applied_at  timestamptz NOT NULL DEFAULT now()
)"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file on disk; ``checksum`` is the SHA-256 of its bytes, in hex."""

    number: int
    name: str
    sql: str
    checksum: str


@dataclass(frozen=True, slots=True)
class Applied:
    """One file that a database has had."""

    number: int
    name: str
    checksum: str
    kind: str


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """How a database stands to the files on disk.

    Attributes:
        kind: plain, timescaledb or tsl.
        applied: names in order.
        pending: names in order.
        problem: why it cannot be upgraded; None when it can.
    """

    kind: str
    applied: tuple[str, ...]
    pending: tuple[str, ...]
    problem: str | None

    @property
    def is_current(self) -> bool:
        """Nothing pending and nothing wrong."""
        return not self.pending and self.problem is None


def migrations_folder() -> Path:
    """Where the SQL files are: inside the wheel, or beside a checkout's package.

    Raises:
        MigrationError: in neither place; the installation is damaged.
    """
    package = Path(str(files("gasmon")))
    for folder in (package / "_migrations", package.parent / "migrations"):
        if any(folder.glob("[0-9]*.sql")):
            return folder
    raise MigrationError(f"no migrations in {package / '_migrations'}")


def list_migrations(folder: Path | None = None) -> list[Migration]:
    """Read all files of a folder, numbered from 1 without a hole.

    Raises:
        MigrationError: a file is misnamed, or a number is missing or taken twice.
    """
    found = []
    for path in sorted((folder or migrations_folder()).glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path}: not named like 0001_some_words.sql")
        content = path.read_bytes()
        checksum = hashlib.sha256(content).hexdigest()
        sql = content.decode("utf-8")
        found.append(Migration(int(match[1]), path.stem, sql, checksum))
    for expected, migration in enumerate(found, start=1):
        if migration.number != expected:
            raise MigrationError(f"{migration.name}: number {expected} was expected")
    return found


def sql_for(migration: Migration, kind: str) -> str:
    """The part of a file that is for one kind of database, line numbers kept.

    Raises:
        MigrationError: a marker that is not known; names file and line.
    """
    kept = []
    runs = True
    for number, line in enumerate(migration.sql.splitlines(), start=1):
        marker = _MARKER.fullmatch(line)
        if marker is not None:
            if marker[1] not in _RUNS_ON:
                raise MigrationError(f"{migration.name}:{number}: unknown {line!r}")
            runs = kind in _RUNS_ON[marker[1]]
        kept.append(line if runs else "")
    return "\n".join(kept) + "\n"


def detect_kind(conn: Connection) -> str:
    """What this database is or could be; changes nothing but its own session."""
    applied = _applied(conn)
    if applied:
        return applied[0].kind
    # The list of preloaded libraries is hidden from ordinary roles; a setting that
    # the preloaded library registers is not.
    row = conn.execute(
        """SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb'),
                  EXISTS (SELECT FROM pg_available_extensions
                          WHERE name = 'timescaledb')
                  AND EXISTS (SELECT FROM pg_settings
                              WHERE name = 'timescaledb.max_background_workers')"""
    ).fetchone()
    assert row is not None
    installed, possible = row
    if not (installed or possible):
        return "plain"
    row = conn.execute(
        "SELECT current_setting('timescaledb.license', true) = 'timescale'"
    ).fetchone()
    assert row is not None
    return "tsl" if row[0] else "timescaledb"


def upgrade(
    conn: Connection,
    *,
    progress: Progress | None = None,
    folder: Path | None = None,
) -> list[str]:
    """Apply what is missing; a database that is current is left alone.

    Two upgrades at once wait for one another. Each file is one transaction, so an
    interrupted upgrade goes on at the file it stopped at.

    Args:
        conn: connection with no open transaction.
        progress: told one line per step.
        folder: other migrations than the shipped ones.

    Returns:
        Names of the files applied now.

    Raises:
        MigrationError: disk and database do not fit, a right is missing, or a file
            failed (it is rolled back; those before it stay).
    """
    tell = progress or (lambda line: None)
    migrations = list_migrations(folder)
    done = []
    with _alone(conn, tell):
        kind = _prepare(conn)
        applied = _applied(conn)
        problem = _misfit(migrations, applied)
        if problem is not None:
            raise MigrationError(problem)
        for migration in migrations[len(applied) :]:
            tell(f"applying {migration.name} ({kind})")
            _apply(conn, migration, kind)
            done.append(migration.name)
    return done


def status(conn: Connection, *, folder: Path | None = None) -> MigrationStatus:
    """Compare a database with the files on disk; changes nothing."""
    migrations = list_migrations(folder)
    applied = _applied(conn)
    return MigrationStatus(
        kind=detect_kind(conn),
        applied=tuple(a.name for a in applied),
        pending=tuple(m.name for m in migrations[len(applied) :]),
        problem=_misfit(migrations, applied),
    )


@contextmanager
def _alone(conn: Connection, tell: Progress) -> Iterator[None]:
    """Autocommit and the upgrade lock, for as long as the block lasts."""
    before = conn.autocommit
    conn.autocommit = True
    try:
        row = conn.execute("SELECT pg_try_advisory_lock(%s)", (LOCK_KEY,)).fetchone()
        assert row is not None
        if not row[0]:
            tell("waiting for another upgrade to end")
            conn.execute("SELECT pg_advisory_lock(%s)", (LOCK_KEY,))
        try:
            yield
        finally:
            if not conn.closed:
                conn.execute("SELECT pg_advisory_unlock(%s)", (LOCK_KEY,))
    finally:
        if not conn.closed:
            conn.autocommit = before


def _prepare(conn: Connection) -> str:
    """Make the extension and our own table, and say the kind."""
    kind = detect_kind(conn)
    if kind != "plain":
        try:
            conn.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
        except psycopg.errors.InsufficientPrivilege:
            raise MigrationError(
                f"role {conn.info.user} may not create the extension timescaledb; "
                f"let a superuser run: psql -d {conn.info.dbname} "
                '-c "CREATE EXTENSION timescaledb"'
            ) from None
        # Only now is the extension's own library, with its licence, loaded.
        kind = detect_kind(conn)
    try:
        conn.execute(_TABLE)
    except psycopg.errors.InsufficientPrivilege as error:
        raise MigrationError(
            f"role {conn.info.user} may not create tables in {conn.info.dbname}: "
            f"{error.diag.message_primary}"
        ) from None
    return kind


def _apply(conn: Connection, migration: Migration, kind: str) -> None:
    try:
        with conn.transaction():
            # Without parameters a whole script may be sent at once. It comes from
            # our own files, never from outside.
            conn.execute(sql_for(migration, kind).encode())
            conn.execute(
                "INSERT INTO migration (number, name, checksum, kind)"
                " VALUES (%s, %s, %s, %s)",
                (migration.number, migration.name, migration.checksum, kind),
            )
    except psycopg.Error as error:
        first_line = str(error).splitlines()[0] if str(error) else repr(error)
        raise MigrationError(f"{migration.name} failed: {first_line}") from error


def _applied(conn: Connection) -> list[Applied]:
    row = conn.execute("SELECT to_regclass('migration') IS NOT NULL").fetchone()
    assert row is not None
    if not row[0]:
        return []
    with conn.cursor(row_factory=class_row(Applied)) as cursor:
        cursor.execute(
            "SELECT number, name, checksum, kind FROM migration ORDER BY number"
        )
        return cursor.fetchall()


def _misfit(migrations: list[Migration], applied: list[Applied]) -> str | None:
    """Why these files are not the history of this database; None when they are."""
    on_disk = {m.number: m for m in migrations}
    for expected, had in enumerate(applied, start=1):
        if had.number != expected:
            return f"migration {expected} was never applied, but {had.name} was"
        file = on_disk.get(had.number)
        if file is None:
            return (
                f"the database is newer: it has had {had.name}, this gasmon ends at "
                f"{len(migrations):04}; install the newer gasmon"
            )
        if file.checksum != had.checksum:
            return (
                f"{file.name}: the file differs from the one that was applied "
                f"(SHA-256 {file.checksum[:12]}… instead of {had.checksum[:12]}…)"
            )
    return None
