"""A migrated database with an area, mines and points, for tests of what is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from gasmon.embedded.postgres import EmbeddedPostgres
from gasmon.settings import DatabaseSettings
from gasmon.store import db


@pytest.fixture
def migrated_dsn(
    database_server: EmbeddedPostgres, new_migrated: Callable[[EmbeddedPostgres], str]
) -> str:
    """Address of a fresh, migrated database; the test runs on both backends."""
    return new_migrated(database_server)


@pytest.fixture
def store_connect(migrated_dsn: str) -> Iterator[Callable[[], db.Connection]]:
    """A function that opens further connections to the migrated database."""
    opened: list[db.Connection] = []

    def connect() -> db.Connection:
        conn = db.connect(DatabaseSettings(url=migrated_dsn))
        opened.append(conn)
        return conn

    yield connect
    for conn in opened:
        conn.close()


@pytest.fixture
def store_conn(store_connect: Callable[[], db.Connection]) -> db.Connection:
    """A connection to the migrated database, closed at the end."""
    return store_connect()
