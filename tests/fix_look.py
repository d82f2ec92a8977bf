"""Looks into a database while something is waited for."""

from __future__ import annotations

import threading
from typing import Any

import psycopg


class Look:
    """Asks one database by one connection, opened at the first question.

    Tests look fifty times a second while they wait. A connection for each look would
    cost the machine a hundred times what the question does, and slow down what is
    waited for.
    """

    def __init__(self, dsn: str) -> None:
        """Nothing is opened yet.

        Args:
            dsn: the database's address.
        """
        self._dsn = dsn
        self._lock = threading.Lock()
        self._conn: psycopg.Connection[tuple[Any, ...]] | None = None

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the database says now; committed, like everything behind its back.

        A connection that was lost since the last question is opened anew.

        Raises:
            psycopg.Error: the query is wrong, or the database is away.
        """
        with self._lock:
            if self._conn is not None:
                try:
                    return self._ask(self._conn, query)
                except psycopg.OperationalError:
                    self._close()
            self._conn = psycopg.connect(
                self._dsn, autocommit=True, prepare_threshold=None
            )
            return self._ask(self._conn, query)

    def _ask(
        self, conn: psycopg.Connection[tuple[Any, ...]], query: str
    ) -> list[tuple[Any, ...]]:
        return conn.execute(query.encode()).fetchall()

    def _close(self) -> None:
        if self._conn is not None:
            self._conn.close()
            self._conn = None

    def close(self) -> None:
        """Leave the database; harmless when nothing was asked."""
        with self._lock:
            self._close()
