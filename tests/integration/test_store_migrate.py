"""Connections and migrations on real databases of both kinds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from gasmon.embedded.process import free_port
from gasmon.errors import ConfigError, DependencyError, MigrationError
from gasmon.settings import DatabaseSettings
from gasmon.store import db, migrate

Connect = Callable[[], db.Connection]


def settings(dsn: str) -> DatabaseSettings:
    """Settings of a database."""
    return DatabaseSettings(url=dsn)


@pytest.fixture
def empty(database_dsn: str) -> str:
    """A database without any table."""
    return database_dsn


def test_upgrade_from_nothing(empty: str, database_backend: str) -> None:
    """All files are applied once; a second upgrade finds nothing to do."""
    lines: list[str] = []
    names = [m.name for m in migrate.list_migrations()]
    with db.connect(settings(empty)) as conn:
        before = migrate.status(conn)
        conn.commit()
        assert before.pending == tuple(names)
        assert migrate.upgrade(conn, progress=lines.append) == names
        assert migrate.upgrade(conn) == []
        status = migrate.status(conn)
    assert status.is_current
    assert status.kind == {"postgres": "plain"}.get(database_backend, "timescaledb")
    assert len(lines) == len(names)


def test_readings_are_hypertables_or_partitioned(
    store_conn: db.Connection, database_backend: str
) -> None:
    """The table of readings is cut by time on either kind."""
    query = (
        "SELECT relkind::text FROM pg_class WHERE oid = 'reading'::regclass"
        if database_backend == "postgres"
        else "SELECT hypertable_name FROM timescaledb_information.hypertables"
        " WHERE hypertable_name = 'reading'"
    )
    row = store_conn.execute(query).fetchone()
    assert row == ("p" if database_backend == "postgres" else "reading",)


def copy_of(folder: Path) -> Path:
    """The shipped migrations in a folder that a test may change."""
    for migration in migrate.list_migrations():
        path = folder / f"{migration.name}.sql"
        path.write_text(migration.sql, encoding="utf-8")
    return folder


def test_a_changed_file_is_named(store_conn: db.Connection, tmp_path: Path) -> None:
    """A file that was applied and then edited stops every upgrade."""
    folder = copy_of(tmp_path)
    changed = folder / "0002_readings.sql"
    changed.write_text(changed.read_text("utf-8") + "-- more\n", "utf-8")
    with pytest.raises(MigrationError, match="0002_readings: the file differs"):
        migrate.upgrade(store_conn, folder=folder)
    assert "0002_readings" in (migrate.status(store_conn, folder=folder).problem or "")


def test_a_newer_database_is_refused(store_conn: db.Connection, tmp_path: Path) -> None:
    """An older gasmon does not touch a database that a newer one upgraded."""
    folder = copy_of(tmp_path)
    number = len(migrate.list_migrations()) + 1
    (folder / f"{number:04}_more.sql").write_text("CREATE TABLE more (a int);", "utf-8")
    assert migrate.upgrade(store_conn, folder=folder) == [f"{number:04}_more"]
    with pytest.raises(MigrationError, match="the database is newer"):
        migrate.upgrade(store_conn)


def test_a_failing_file_leaves_nothing(
    store_conn: db.Connection, tmp_path: Path
) -> None:
    """A file that fails half-way is rolled back whole, and named."""
    folder = copy_of(tmp_path)
    number = len(migrate.list_migrations()) + 1
    bad = "CREATE TABLE half (a int);\nSELECT nonsense();"
    (folder / f"{number:04}_bad.sql").write_text(bad, "utf-8")
    with pytest.raises(MigrationError, match=r"_bad failed: .*nonsense"):
        migrate.upgrade(store_conn, folder=folder)
    assert store_conn.execute("SELECT to_regclass('half')").fetchone() == (None,)


def test_a_missing_number_in_the_database(store_conn: db.Connection) -> None:
    """A hole in the history is found."""
    store_conn.execute("DELETE FROM migration WHERE number = 2")
    store_conn.commit()
    with pytest.raises(MigrationError, match="migration 2 was never applied"):
        migrate.upgrade(store_conn)


def test_two_upgrades_at_once(empty: str) -> None:
    """Both end well and each file was applied once."""
    done: list[list[str]] = []

    def run() -> None:
        with db.connect(settings(empty)) as conn:
            done.append(migrate.upgrade(conn))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    names = [m.name for m in migrate.list_migrations()]
    assert sorted(done) == [[], [], names]


def test_a_role_without_rights(timescaledb_dsn: str) -> None:
    """The one line says what a superuser has to run."""
    with psycopg.connect(timescaledb_dsn, autocommit=True) as conn:
        name = f"poor_{conn.info.dbname}"
        conn.execute(f"CREATE ROLE {name}".encode())
        try:
            conn.execute(f"SET ROLE {name}".encode())
            with pytest.raises(MigrationError, match="CREATE EXTENSION timescaledb"):
                migrate.upgrade(conn)
            conn.execute("RESET ROLE")
            conn.execute("CREATE EXTENSION timescaledb")
            conn.execute(f"SET ROLE {name}".encode())
            with pytest.raises(MigrationError, match="may not create tables"):
                migrate.upgrade(conn)
        finally:
            conn.execute("RESET ROLE")
            conn.execute(f"DROP ROLE {name}".encode())


def test_connections_see_utc(store_conn: db.Connection) -> None:
    """Whatever the server's zone, ours is UTC."""
    assert store_conn.execute("SHOW TimeZone").fetchone() == ("UTC",)


def test_unreachable_database() -> None:
    """The error names the place and never the password."""
    port = free_port()
    url = f"postgresql://gasmon:secret@127.0.0.1:{port}/gasmon"
    with pytest.raises(DependencyError, match=f"127.0.0.1:{port}/gasmon") as caught:
        db.connect(settings(url))
    assert "secret" not in str(caught.value)


def test_nonsense_address() -> None:
    """A connection string that is none is the operator's error."""
    with pytest.raises(ConfigError, match=r"database\.url"):
        db.connect(settings("postgresql://[/x"))


def test_password_file(migrated_dsn: str, tmp_path: Path) -> None:
    """The password of a file goes before the one in the address."""
    secret = tmp_path / "password"
    secret.write_text("wrong\n")
    with pytest.raises(DependencyError, match="password"):
        db.connect(DatabaseSettings(url=migrated_dsn, password_file=secret))
    info = db.conninfo(DatabaseSettings(url=migrated_dsn, password_file=secret))
    assert "password=wrong" in info


async def test_connect_async(migrated_dsn: str) -> None:
    """The connection of LISTEN is autocommit; an unreachable one is named."""
    conn = await db.connect_async(settings(migrated_dsn))
    assert conn.autocommit
    await conn.close()
    with pytest.raises(DependencyError, match="cannot be reached"):
        await db.connect_async(settings(f"postgresql://x@127.0.0.1:{free_port()}/x"))


async def test_pool(migrated_dsn: str) -> None:
    """The api's pool answers, in autocommit and with its time limit."""
    pool = await db.open_pool(DatabaseSettings(url=migrated_dsn), 2, "pool")
    try:
        async with pool.connection() as conn:
            assert conn.autocommit
            cursor = await conn.execute("SHOW statement_timeout")
            assert await cursor.fetchone() == ("15s",)
    finally:
        await pool.close()
