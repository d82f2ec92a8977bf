"""``gasmon db`` on real databases."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gasmon import cli
from gasmon.embedded.postgres import EmbeddedPostgres


def run(
    capsys: pytest.CaptureFixture[str], dsn: str, *arguments: str
) -> tuple[int, dict[str, Any]]:
    """Run ``gasmon db … --json``; returns exit code and the object on stdout."""
    code = cli.main(["db", *arguments, "--json", "--set", f"database.url={dsn}"])
    out = capsys.readouterr().out
    return code, json.loads(out) if out else {}


def test_check_fails_until_upgraded(
    database_dsn: str, database_backend: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Check names what is missing; upgrade applies it once; check is content."""
    code, told = run(capsys, database_dsn, "check")
    assert code == 1
    assert "0001_identity" in told["reason"]
    assert "gasmon db upgrade" in told["reason"]
    code, told = run(capsys, database_dsn, "upgrade")
    assert code == 0
    assert told["applied"][0] == "0001_identity"
    assert told["pending"] == []
    assert (told["kind"] == "plain") == (database_backend == "postgres")
    assert run(capsys, database_dsn, "check") == (0, {"current": True, "reason": None})
    code, told = run(capsys, database_dsn, "upgrade")
    assert (code, told["applied"]) == (0, [])


def test_a_changed_migration_is_named(
    migrated_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A schema that is not ours is refused, by the number of the file."""
    with psycopg.connect(migrated_dsn) as conn:
        conn.execute("UPDATE migration SET checksum = 'x' WHERE number = 1")
    code, told = run(capsys, migrated_dsn, "check")
    assert code == 1
    assert "0001" in told["reason"]
    code, _ = run(capsys, migrated_dsn, "upgrade")
    assert code == 1


def test_status_says_what_it_is(
    migrated_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Place, kind, version and size, for programs and for people."""
    code, told = run(capsys, migrated_dsn, "status")
    assert code == 0
    assert told["size_bytes"] > 1_000_000
    assert int(told["server_version"].split(".")[0]) >= 14
    assert cli.main(["db", "status", "--set", f"database.url={migrated_dsn}"]) == 0
    out = capsys.readouterr().out
    assert f"kind        {told['kind']}" in out
    assert "0 待用 pending" in out


def test_a_backup_is_restored_into_an_empty_database(
    migrated_dsn: str,
    database_server: EmbeddedPostgres,
    new_database: Callable[[EmbeddedPostgres], str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What was saved comes back under a new epoch; nothing is overwritten."""
    with psycopg.connect(migrated_dsn) as conn:
        conn.execute(
            "INSERT INTO area (code, slug, name_zh, name_en)"
            " VALUES ('530627', 'zhenxiong', '镇雄', 'Zhenxiong')"
        )
        row = conn.execute("SELECT epoch::text FROM platform").fetchone()
        assert row is not None
    file = tmp_path / "backup.dump"
    code, told = run(capsys, migrated_dsn, "backup", str(file))
    assert (code, told["size_bytes"]) == (0, file.stat().st_size)
    with psycopg.connect(migrated_dsn) as conn:
        written = conn.execute("SELECT principal, action, subject FROM audit")
        assert written.fetchall() == [("operator", "db.backup", "backup.dump")]
    assert run(capsys, migrated_dsn, "backup", str(file))[0] == 2
    assert run(capsys, migrated_dsn, "restore", str(file))[0] == 1
    empty = new_database(database_server)
    code, told = run(capsys, empty, "restore", str(file))
    assert code == 0
    assert told["epoch"] != row[0]
    with psycopg.connect(empty) as conn:
        names = conn.execute("SELECT name_zh FROM area").fetchall()
    assert names == [("镇雄",)]


def test_a_missing_backup_is_usage(
    plain_dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is not there is the operator's mistake."""
    assert run(capsys, plain_dsn, "restore", str(tmp_path / "none"))[0] == 2
