"""Who ingests which area: one owner each, and a number that rises with each owner.

A lock of the database session says who owns; it is gone with its connection. An owner
that lost its connection without noticing is caught by its fencing number: a write
that carries an old one is refused.
"""

from collections.abc import Mapping, Sequence
from typing import cast

from gasmon.errors import StateConflict
from gasmon.store.db import Connection
from gasmon.units import to_datetime

LOCK_SPACE = 0x6761_736D
"""First half of our two-part advisory locks: "gasm"; the second is the area's code."""

ALL = "*"


def take_ownership(
    conn: Connection,
    scopes: Sequence[str],
    owner: str,
    now_us: int,
    *,
    wait: bool = False,
) -> dict[str, int]:
    """Become the owner of areas for as long as this connection lives.

    Args:
        conn: a connection kept for this alone, with no open transaction.
        scopes: area codes, or ``*`` alone for all of them.
        owner: who asks, for messages: host, process.
        now_us: wall time [µs UTC].
        wait: a standby waits until the present owner is gone.

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
            _lock(conn, scope, shared, wait)
            taken.append((scope, shared))
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
    for scope, owner, number in cast(list[tuple[str, str, int]], rows):
        if number != fencing[scope]:
            raise StateConflict(
                f"area {scope} belongs to {owner} now (fencing number {number}, "
                f"ours is {fencing[scope]})"
            )


def _lock(conn: Connection, scope: str, shared: bool, wait: bool) -> None:
    suffix = "_shared" if shared else ""
    if wait:
        conn.execute(f"SELECT pg_advisory_lock{suffix}(%s, %s)".encode(), _key(scope))
        return
    row = conn.execute(
        f"SELECT pg_try_advisory_lock{suffix}(%s, %s)".encode(), _key(scope)
    ).fetchone()
    assert row is not None
    if row[0]:
        return
    present = conn.execute(
        "SELECT string_agg(format('%%s by %%s since %%s', scope, owner, taken_at), '; '"
        " ORDER BY taken_at DESC) FROM ingest_owner WHERE %s IN (scope, '*')",
        (scope,),
    ).fetchone()
    who = present[0] if present is not None else None
    raise StateConflict(f"area {scope} has an owner already: {who or 'unknown'}")


def _unlock(conn: Connection, scope: str, shared: bool) -> None:
    suffix = "_shared" if shared else ""
    conn.execute(f"SELECT pg_advisory_unlock{suffix}(%s, %s)".encode(), _key(scope))
    conn.commit()


def _key(scope: str) -> tuple[int, int]:
    return LOCK_SPACE, 0 if scope == ALL else int(scope)
