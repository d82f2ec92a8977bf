"""Single connections to the database: prepared, asked whether they live, cut."""

import os
import select
import socket

import psycopg
from psycopg.pq import ExecStatus

from gasmon.errors import DependencyError
from gasmon.store import migrate
from gasmon.store.db import SILENT_S, Connection


def require_schema(conn: Connection) -> None:
    """Leave a database alone whose schema is not ours.

    Raises:
        DependencyError: it is not; says why.
    """
    status = migrate.status(conn)
    conn.commit()
    if status.problem or status.pending:
        missing = f"migrations {', '.join(status.pending)} are not applied"
        raise DependencyError(f"the database is back: {status.problem or missing}")


def prepare_writer(conn: Connection) -> None:
    """Let the server end it when it falls silent amid a transaction."""
    limit_ms = round(SILENT_S * 1000)
    conn.execute(f"SET idle_in_transaction_session_timeout = {limit_ms}".encode())
    conn.commit()


_UNKEYED = (
    *("seqscan", "hashjoin", "mergejoin"),
    # Or every open alarm of the city is read, for each event.
    *("material", "bitmapscan", "memoize"),
)
"""Plans that read more than what was asked for."""


def plan_by_key(conn: Connection) -> None:
    """Let plans be made once, and look everything up by its key.

    They are made when the tables are young and small, and kept as long as the
    connection; planning anew for each set of arrays takes longer than most statements.
    """
    for name in _UNKEYED:
        conn.execute(f"SET enable_{name} = off".encode())
    conn.execute("SET plan_cache_mode = force_generic_plan")
    conn.commit()


def ping(conn: Connection, timeout_s: float) -> bool:
    """Whether the server answers on an idle connection in time.

    By libpq itself, because a blocking query cannot be given up.
    """
    try:
        pg = conn.pgconn
        pg.send_query(b"SELECT 1")
        while pg.flush():
            if not select.select([], [pg.socket], [], timeout_s)[1]:
                return False
        ok = False
        while True:
            while pg.is_busy():
                if not select.select([pg.socket], [], [], timeout_s)[0]:
                    return False
                pg.consume_input()
            result = pg.get_result()
            if result is None:
                return ok
            ok = result.status == ExecStatus.TUPLES_OK
    except (psycopg.Error, OSError, ValueError):
        return False


def cut(conn: Connection) -> None:
    """End a connection under the thread that waits for it."""
    try:
        # A copy of the handle: closing it must not close the connection's own.
        with socket.socket(fileno=os.dup(conn.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)
    except (psycopg.Error, OSError):
        # Already gone, which is what was wanted.
        pass
