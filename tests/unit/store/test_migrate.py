"""Reading migration files; no database."""

from pathlib import Path

import psycopg
import pytest

from gasmon.errors import MigrationError
from gasmon.store import db, migrate


def write(folder: Path, name: str, text: str = "SELECT 1;") -> None:
    """Put one file."""
    (folder / name).write_text(text, encoding="utf-8")


def test_files_are_numbered_without_holes(tmp_path: Path) -> None:
    """A missing number is named."""
    write(tmp_path, "0001_a.sql")
    write(tmp_path, "0003_c.sql")
    with pytest.raises(MigrationError, match="0003_c: number 2 was expected"):
        migrate.list_migrations(tmp_path)


def test_a_misnamed_file_is_refused(tmp_path: Path) -> None:
    """A file that would silently be left out is an error."""
    write(tmp_path, "1_a.sql")
    with pytest.raises(MigrationError, match="not named like"):
        migrate.list_migrations(tmp_path)


def test_blocks(tmp_path: Path) -> None:
    """Each kind gets its own blocks and everything outside of them."""
    blocks = ("when timescaledb", "when tsl", "when plain", "always")
    text = "all;\n" + "".join(f"-- gasmon: {b}\n{b};\n" for b in blocks)
    write(tmp_path, "0001_a.sql", text)
    (migration,) = migrate.list_migrations(tmp_path)

    def kept(kind: str) -> list[str]:
        lines = migrate.sql_for(migration, kind).splitlines()
        return [line for line in lines if line.endswith(";")]

    assert kept("plain") == ["all;", "when plain;", "always;"]
    assert kept("timescaledb") == ["all;", "when timescaledb;", "always;"]
    assert kept("tsl") == ["all;", "when timescaledb;", "when tsl;", "always;"]


def test_an_unknown_marker_is_named(tmp_path: Path) -> None:
    """A mistyped marker would run the wrong block."""
    write(tmp_path, "0001_a.sql", "x;\n-- gasmon: when plane\n")
    (migration,) = migrate.list_migrations(tmp_path)
    with pytest.raises(MigrationError, match=r"0001_a:2: unknown '-- gasmon: when pl"):
        migrate.sql_for(migration, "plain")


def test_the_shipped_files_parse_for_every_kind() -> None:
    """What is shipped has no unknown marker."""
    for migration in migrate.list_migrations():
        for kind in ("plain", "timescaledb", "tsl"):
            assert migrate.sql_for(migration, kind)


def test_retry_deadlock() -> None:
    """A victim runs again; one that is a victim for ever is passed on."""
    tries: list[int] = []

    def twice() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise psycopg.errors.DeadlockDetected
        return "done"

    assert db.retry_deadlock(twice) == "done"

    def always() -> None:
        raise psycopg.errors.SerializationFailure

    with pytest.raises(psycopg.errors.SerializationFailure):
        db.retry_deadlock(always, attempts=2)
