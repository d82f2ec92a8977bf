"""Who ingests which area: one owner each, and a number that rises with each owner.

A lock of the database session says who owns; it is gone with its connection. The
server ends that session when nothing is heard over it for IDLE_S, so an owner that
hangs, or whose line is dead, loses its areas. An owner that did not notice is caught
by its fencing number: a write that carries an old one is refused.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from gasmon.errors import StateConflict
from gasmon.store.db import Connection
from gasmon.units import from_datetime, to_datetime

LOCK_SPACE = 0x6761_736D
"""First half of our two-part advisory locks: "gasm"; the second is the area's code."""

ALL = "*"

IDLE_S = 3.0
"""The server ends an owner's session after this silence [s]; the owner speaks each
second (``pipeline/line.py``)."""

NAME_BYTES = 63
"""PostgreSQL cuts ``application_name`` to this."""


def session_name(owner: str) -> str:
    """``application_name`` of an owner's connections; a successor ends them by it."""
    return f"gasmon-ingest {owner}"[:NAME_BYTES]


def keep_short(conn: Connection) -> None:
    """Let the server end this session soon after its client is gone or hangs."""
    conn.execute(f"SET idle_session_timeout = {round(IDLE_S * 1000)}".encode())
    # Where the client's host is gone without a word; over TCP only.
    for name, value in (("idle", 2), ("interval", 1), ("count", 2)):
        conn.execute(f"SET tcp_keepalives_{name} = {value}".encode())
    conn.commit()


def be_quick(conn: Connection) -> None:
    """Let nothing on this connection wait for long: another try is a second away."""
    conn.execute(f"SET statement_timeout = {round(IDLE_S * 1000)}".encode())
    conn.execute(f"SET lock_timeout = {round(IDLE_S * 500)}".encode())
    conn.commit()


def is_free(conn: Connection, scopes: Sequence[str]) -> bool:
    """Whether nobody owns any of these scopes now; takes nothing."""
    wanted = sorted(set(scopes))
    areas = [int(scope) for scope in wanted if scope != ALL]
    row = conn.execute(
        "SELECT count(*) = 0 FROM pg_locks WHERE locktype = 'advisory'"
        " AND database = (SELECT oid FROM pg_database"
        "  WHERE datname = current_database())"
        " AND classid = %s::bigint::oid AND objsubid = 2 AND granted"
        " AND (objid = ANY(%s::bigint[]::oid[])"
        "  OR objid = 0 AND (%s OR mode = 'ExclusiveLock'))",
        (LOCK_SPACE, areas, not areas),
    ).fetchone()
    conn.commit()
    assert row is not None
    return bool(row[0])


def present_owner(conn: Connection, scopes: Sequence[str]) -> str:
    """Who took these scopes last, for messages."""
    row = conn.execute(
        "SELECT string_agg(format('%%s by %%s since %%s', scope, owner, taken_at), '; '"
        " ORDER BY taken_at DESC) FROM ingest_owner"
        " WHERE scope = ANY(%s) OR scope = '*' OR '*' = ANY(%s)",
        (list(scopes), list(scopes)),
    ).fetchone()
    conn.commit()
    return str(row[0]) if row is not None and row[0] else "unknown"


@dataclass(frozen=True, slots=True)
class Held:
    """What the database says of a scope.

    Attributes:
        fencing: its newest number.
        owner: who took it last.
        taken_us: when, by that one's clock [µs UTC].
    """

    fencing: int
    owner: str
    taken_us: int


def held(conn: Connection, scopes: Sequence[str]) -> dict[str, Held]:
    """Who took each of these scopes last, as far as they ever had an owner."""
    rows = conn.execute(
        "SELECT scope, fencing, owner, taken_at FROM ingest_owner"
        " WHERE scope = ANY(%s)",
        (sorted(scopes),),
    ).fetchall()
    conn.commit()
    told = cast(list[tuple[str, int, str, datetime]], rows)
    return {scope: Held(n, who, from_datetime(at)) for scope, n, who, at in told}


def fencing_of(conn: Connection, scopes: Sequence[str]) -> dict[str, int]:
    """The newest number of each scope that ever had an owner."""
    return {scope: one.fencing for scope, one in held(conn, scopes).items()}


def take_ownership(
    conn: Connection,
    scopes: Sequence[str],
    owner: str,
    now_us: int,
    *,
    spared: Sequence[int] = (),
) -> dict[str, int]:
    """Become the owner of areas for as long as this connection lives.

    Sessions that the former owner left behind are ended: one that hangs amid a
    transaction would keep its rows locked.

    Args:
        conn: a connection kept for this alone, with no open transaction.
        scopes: area codes, or ``*`` alone for all of them.
        owner: who asks: host, start and process; nobody else's.
        now_us: wall time [µs UTC]; later than the last time that this one asked.
        spared: processes of the server that serve us and go on, when we take again
            what was ours.

    Returns:
        The fencing number of each scope, for :func:`require_ownership`.

    Raises:
        StateConflict: somebody owns one of them; says who and since when.
    """
    wanted = sorted(set(scopes))
    assert wanted == [ALL] or ALL not in wanted, "* is not asked for beside areas"
    fencing = {}
    # A shared lock on "all" beside the area's own: areas exclude "*" and go together.
    locks = [(ALL, wanted != [ALL]), *((s, False) for s in wanted if s != ALL)]
    taken: list[tuple[str, bool]] = []
    try:
        for scope, shared in locks:
            _lock(conn, scope, shared)
            taken.append((scope, shared))
        _end_sessions(conn, wanted, spared)
        for scope in wanted:
            row = conn.execute(
                "INSERT INTO ingest_owner AS o (scope, owner, fencing, taken_at)"
                " VALUES (%s, %s, 1, %s) ON CONFLICT (scope) DO UPDATE"
                " SET owner = excluded.owner, fencing = o.fencing + 1,"
                " taken_at = excluded.taken_at RETURNING fencing",
                (scope, owner, to_datetime(now_us)),
            ).fetchone()
            assert row is not None
            fencing[scope] = cast(int, row[0])
        # Who owned all of them, or one of all, is fenced off by this too.
        others = "scope <> '*'" if wanted == [ALL] else "scope = '*'"
        conn.execute(
            f"UPDATE ingest_owner SET fencing = fencing + 1 WHERE {others}".encode()
        )
        conn.commit()
    except BaseException:
        conn.rollback()
        for scope, shared in taken:
            _unlock(conn, scope, shared)
        raise
    return fencing


def require_ownership(conn: Connection, fencing: Mapping[str, int]) -> None:
    """Refuse the caller's transaction when a newer owner has taken a scope.

    Raises:
        StateConflict: names the newer owner.
    """
    rows = conn.execute(
        "SELECT scope, owner, fencing FROM ingest_owner WHERE scope = ANY(%s)"
        " ORDER BY scope FOR SHARE",
        (sorted(fencing),),
    ).fetchall()
    require_same(cast(list[tuple[str, str, int]], rows), fencing)


def require_same(
    rows: Iterable[tuple[str, str, int]], fencing: Mapping[str, int]
) -> None:
    """Compare what is in the table, as (scope, owner, number), with our numbers.

    Raises:
        StateConflict: names the newer owner.
    """
    for scope, owner, number in rows:
        if number != fencing[scope]:
            raise StateConflict(
                f"area {scope} belongs to {owner} now (fencing number {number}, "
                f"ours is {fencing[scope]})"
            )


def _lock(conn: Connection, scope: str, shared: bool) -> None:
    suffix = "_shared" if shared else ""
    row = conn.execute(
        f"SELECT pg_try_advisory_lock{suffix}(%s, %s)".encode(), _key(scope)
    ).fetchone()
    assert row is not None
    if not row[0]:
        who = present_owner(conn, [scope])
        raise StateConflict(f"area {scope} has an owner already: {who}")


def _end_sessions(
    conn: Connection, scopes: Sequence[str], spared: Sequence[int]
) -> None:
    """End what is left of former owners of these scopes."""
    conn.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND pid <> ALL(%s)"
        " AND datname = current_database() AND usename = current_user"
        " AND application_name IN ("
        "  SELECT left('gasmon-ingest ' || owner, %s) FROM ingest_owner"
        "  WHERE scope = ANY(%s) OR scope = '*' OR '*' = ANY(%s))",
        (list(spared), NAME_BYTES, list(scopes), list(scopes)),
    )


def _unlock(conn: Connection, scope: str, shared: bool) -> None:
    suffix = "_shared" if shared else ""
    conn.execute(f"SELECT pg_advisory_unlock{suffix}(%s, %s)".encode(), _key(scope))
    conn.commit()


def _key(scope: str) -> tuple[int, int]:
    return LOCK_SPACE, 0 if scope == ALL else int(scope)
