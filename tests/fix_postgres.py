"""Databases for tests: a fresh one per test, on plain PostgreSQL and TimescaleDB.

One with the schema is a copy of a template that was migrated once per server, which
takes a fraction of the time; ``tests/integration/test_store_migrate.py`` upgrades
empty ones.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from gasmon.embedded.postgres import EmbeddedPostgres
from gasmon.settings import DatabaseSettings
from gasmon.store import db, migrate
from tests.fix_found import require, timescaledb_bin_dir

BACKENDS = ("postgres", "timescaledb")
# Durability is not what these tests are about; those that are start their own server.
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    "shared_buffers": "64MB",
}
TIMESCALE = {
    "shared_preload_libraries": "timescaledb",
    # Its workers connect to databases on their own and stand in the way of
    # CREATE and DROP DATABASE.
    "timescaledb.max_background_workers": "0",
    "timescaledb.telemetry_level": "off",
}


@pytest.fixture(scope="session")
def postgres_server(servers_dir: Path) -> Iterator[EmbeddedPostgres]:
    """Plain PostgreSQL from the wheel, one per run."""
    with EmbeddedPostgres(
        servers_dir / "postgres", extra_settings=FAST, state_dir=servers_dir / "state"
    ) as server:
        yield server


@pytest.fixture(scope="session")
def timescaledb_server(servers_dir: Path) -> Iterator[EmbeddedPostgres]:
    """Debian's PostgreSQL with TimescaleDB, one per run."""
    bin_dir = timescaledb_bin_dir()
    if bin_dir is None:
        require("PostgreSQL with TimescaleDB")
    with EmbeddedPostgres(
        servers_dir / "timescaledb",
        extra_settings={**FAST, **TIMESCALE},
        bin_dir=bin_dir,
        state_dir=servers_dir / "state",
    ) as server:
        yield server


@pytest.fixture(params=BACKENDS)
def database_backend(request: pytest.FixtureRequest) -> str:
    """Kind of database the test runs on: both, one after the other."""
    backend: str = request.param
    return backend


@pytest.fixture
def database_server(
    request: pytest.FixtureRequest, database_backend: str
) -> EmbeddedPostgres:
    """The server of this backend."""
    server = request.getfixturevalue(f"{database_backend}_server")
    assert isinstance(server, EmbeddedPostgres)
    return server


_numbers = itertools.count(1)


@pytest.fixture
def new_database() -> Iterator[Callable[[EmbeddedPostgres], str]]:
    """A function that makes a fresh database and returns its address."""
    made: list[tuple[EmbeddedPostgres, str]] = []

    def make(server: EmbeddedPostgres) -> str:
        name = f"test_{os.getpid()}_{next(_numbers)}"
        server.create_database(name)
        made.append((server, name))
        return server.dsn(name)

    yield make
    for server, name in made:
        server.drop_database(name)


@pytest.fixture(scope="session")
def templates() -> dict[str, str]:
    """Name of the migrated template of each server, by the server's address."""
    return {}


@pytest.fixture
def new_migrated(
    templates: dict[str, str],
) -> Iterator[Callable[[EmbeddedPostgres], str]]:
    """A function that makes a fresh database with the schema; returns its address."""
    made: list[tuple[EmbeddedPostgres, str]] = []

    def make(server: EmbeddedPostgres) -> str:
        name = migrated_copy(server, templates)
        made.append((server, name))
        return server.dsn(name)

    yield make
    for server, name in made:
        server.drop_database(name)


def migrated_copy(server: EmbeddedPostgres, templates: dict[str, str]) -> str:
    """Make a fresh database with the schema; returns its name."""
    template = templates.get(server.dsn()) or _template(server)
    templates[server.dsn()] = template
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as conn:
        conn.execute(
            # By files: nothing of it needs to be in the log, and it is quicker.
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
    with psycopg.connect(server.dsn(name)) as conn:
        # Each is a database of its own, not a restored copy of another one.
        conn.execute("UPDATE platform SET epoch = gen_random_uuid()")
    return name


def _template(server: EmbeddedPostgres) -> str:
    name = f"template_{os.getpid()}_{next(_numbers)}"
    server.create_database(name)
    with db.connect(DatabaseSettings(url=server.dsn(name))) as conn:
        migrate.upgrade(conn)
    return name


@pytest.fixture
def database_dsn(
    database_server: EmbeddedPostgres, new_database: Callable[[EmbeddedPostgres], str]
) -> str:
    """Address of a fresh, empty database; the test runs on both backends."""
    return new_database(database_server)


@pytest.fixture
def pg_dsn(database_dsn: str) -> str:
    """The same under its short name."""
    return database_dsn


@pytest.fixture
def plain_dsn(
    postgres_server: EmbeddedPostgres, new_database: Callable[[EmbeddedPostgres], str]
) -> str:
    """Address of a fresh, empty database on plain PostgreSQL alone."""
    return new_database(postgres_server)


@pytest.fixture
def plain_migrated_dsn(
    postgres_server: EmbeddedPostgres, new_migrated: Callable[[EmbeddedPostgres], str]
) -> str:
    """Address of a fresh, migrated database on plain PostgreSQL alone."""
    return new_migrated(postgres_server)


@pytest.fixture
def timescaledb_dsn(
    timescaledb_server: EmbeddedPostgres,
    new_database: Callable[[EmbeddedPostgres], str],
) -> str:
    """Address of a fresh, empty database on the server with TimescaleDB alone."""
    return new_database(timescaledb_server)


@pytest.fixture
def database_conn(database_dsn: str) -> Iterator[psycopg.Connection]:
    """A connection to the fresh database, closed without commit at the end."""
    with psycopg.connect(database_dsn) as conn:
        yield conn
        conn.rollback()
