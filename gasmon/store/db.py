"""Connections to PostgreSQL: how they are opened, and what is retried.

Ingest, duty and commands speak from threads and use plain connections; the api
lives in an event loop and uses a pool. Both see UTC only, both carry a name that an
operator finds in ``pg_stat_activity``.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool

from gasmon.errors import ConfigError, DependencyError
from gasmon.settings import DatabaseSettings, read_secret
from gasmon.store import pgarray

CONNECT_TIMEOUT_S = 10
"""Longest wait for a server that does not answer at all [s]."""

# JIT is planned from estimated cost; a table of many day partitions looks expensive,
# and compiling then takes far longer than the few rows of one partition.
_OPTIONS = "-c TimeZone=UTC -c jit=off -c client_encoding=UTF8"

SILENT_S = 4.0
"""The server ends a session that may hold what alarms need and says nothing amid a
transaction for so long [s]: its process is stopped or its machine gone, and what it
locked would stay locked, in the worst case for every alarm there is. Ours: shorter than
``database.write_timeout_s``, after which ingest takes the database for lost."""

Connection = psycopg.Connection[tuple[object, ...]]
AsyncConnection = psycopg.AsyncConnection[tuple[object, ...]]
AsyncPool = AsyncConnectionPool[AsyncConnection]

RECONNECT_S = 2.0
"""How long a pool tries by itself to replace a connection [s]. It waits twice as long
after each failure, so with more it would sleep on for minutes behind an outage of
minutes. When it gives up, each request for a connection is a new try at once."""

T = TypeVar("T")


def conninfo(
    database: DatabaseSettings,
    *,
    statement_timeout_s: float = 0,
    silent_s: float = 0,
) -> str:
    """The connection string with password, name and time zone filled in.

    Args:
        statement_timeout_s: longest statement [s]; 0 means no limit, for the write
            path, whose batches and migrations may not be cut short.
        silent_s: how long it may say nothing amid a transaction [s]; 0 means no limit,
            for those who only read, through a slow pipe perhaps.

    Raises:
        ConfigError: ``database.url`` is no connection string, or the password file
            cannot be read.
    """
    try:
        given = conninfo_to_dict(database.url)
    except psycopg.ProgrammingError as error:
        raise ConfigError(f"database.url: {str(error).strip()}") from None
    password = read_secret(database.password_file)
    if password is not None:
        given["password"] = password
    given.setdefault("application_name", "gasmon")
    given.setdefault("connect_timeout", CONNECT_TIMEOUT_S)
    timeout = f" -c statement_timeout={round(statement_timeout_s * 1000)}"
    if silent_s:
        silent_ms = round(silent_s * 1000)
        timeout += f" -c idle_in_transaction_session_timeout={silent_ms}"
    given["options"] = f"{given.get('options') or ''} {_OPTIONS}{timeout}".strip()
    return make_conninfo("", **given)


def place_of(database: DatabaseSettings) -> str:
    """``host:port/name`` of the database, for messages; never the password."""
    given = conninfo_to_dict(database.url)
    host = given.get("host") or given.get("hostaddr") or "local socket"
    return f"{host}:{given.get('port') or 5432}/{given.get('dbname') or ''}"


def connect(
    database: DatabaseSettings,
    *,
    autocommit: bool = False,
    statement_timeout_s: float = 0,
    silent_s: float = 0,
    name: str | None = None,
    line_timeout_s: float | None = None,
) -> Connection:
    """Open one connection.

    Args:
        statement_timeout_s, silent_s: as in :func:`conninfo`.
        name: how an operator finds it in ``pg_stat_activity``; None: as configured.
        line_timeout_s: how long nothing may get through before it counts as dead [s];
            None leaves that to the system.

    Raises:
        DependencyError: the server cannot be reached or refuses us; names where it
            was sought and the server's reason.
        ConfigError: the connection string or the password file is wrong.
    """
    info = conninfo(
        database, statement_timeout_s=statement_timeout_s, silent_s=silent_s
    )
    if name is not None:
        info = make_conninfo(info, application_name=name)
    if line_timeout_s is not None:
        info = make_conninfo(
            info,
            tcp_user_timeout=round(line_timeout_s * 1000),
            keepalives_idle=max(1, round(line_timeout_s / 2)),
            keepalives_interval=1,
            keepalives_count=max(1, round(line_timeout_s / 2)),
        )
    try:
        conn = psycopg.connect(info, autocommit=autocommit)
    except psycopg.OperationalError as error:
        raise DependencyError(_unreachable(database, error)) from None
    pgarray.register(conn)
    return conn


async def connect_async(
    database: DatabaseSettings, *, autocommit: bool = True
) -> AsyncConnection:
    """Open one connection in the event loop, as LISTEN needs one of its own.

    Raises:
        DependencyError: as :func:`connect`.
    """
    info = conninfo(database)
    try:
        return await psycopg.AsyncConnection.connect(info, autocommit=autocommit)
    except psycopg.OperationalError as error:
        raise DependencyError(_unreachable(database, error)) from None


async def open_pool(database: DatabaseSettings, size: int, name: str) -> AsyncPool:
    """Open a pool of autocommit connections for the api.

    Does not wait for the server: the api starts without its database, says so at
    ``/readyz``, and goes on when the database is back. The caller closes the pool.

    Args:
        size: connections at most; ``name`` tells the pool apart in the log.
    """
    info = conninfo(database, statement_timeout_s=database.statement_timeout_s)
    pool: AsyncPool = AsyncConnectionPool(
        info,
        min_size=1,
        max_size=size,
        kwargs={"autocommit": True},
        name=name,
        timeout=5.0,
        reconnect_timeout=RECONNECT_S,
        check=AsyncConnectionPool.check_connection,
        open=False,
    )
    await pool.open(wait=False)
    return pool


def pipelined(conn: Connection) -> AbstractContextManager[object]:
    """A pipeline, unless the caller has begun one.

    One within another costs two round trips: it waits for all that is under way when
    it begins, and again when it ends.
    """
    if conn.pgconn.pipeline_status == psycopg.pq.PipelineStatus.OFF:
        return conn.pipeline()
    return nullcontext()


def retry_deadlock(fn: Callable[[], T], attempts: int = 5) -> T:
    """Run a whole transaction again when PostgreSQL made it the victim.

    Args:
        fn: begins, fills and commits one transaction; must be safe to repeat, as
            everything in it was rolled back.
        attempts: runs at most; the last error is passed on.
    """
    for attempt in range(1, attempts + 1):
        try:
            return fn()
        except (
            psycopg.errors.DeadlockDetected,
            psycopg.errors.SerializationFailure,
        ):
            if attempt == attempts:
                raise
    raise AssertionError(f"attempts must be at least 1, not {attempts}")


def reason_of(error: Exception) -> str:
    """What the server or its library says went wrong, in one line for a log.

    libpq adds lines that ask or guess ("Is the server running …?", "This probably means
    …"), and names before "failed:" what was tried; the reason stands between them.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if not line.endswith("?")] or lines
    if not told:
        return type(error).__name__
    if told[0].startswith("connection failed:"):
        return told[-1].rpartition(" failed: ")[2]
    return told[0]


def _unreachable(database: DatabaseSettings, error: psycopg.Error) -> str:
    return f"database {place_of(database)} cannot be reached: {reason_of(error)}"
