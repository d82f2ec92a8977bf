"""Snapshots of engines: the newest few of each scope, and the log since the oldest."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from psycopg.rows import class_row

from gasmon.errors import StateConflict
from gasmon.store import replay_log
from gasmon.store.db import Connection
from gasmon.units import to_datetime

KEPT = 2
"""Snapshots kept of one scope: should the newest be damaged, the one before it and a
longer log do as well."""

ZLIB_LEVEL = 1
"""A million points are 93 MB and become 16 MB in 0.7 s; higher levels only take
longer. A city of 15,000 points is 1.5 MB, becomes 0.25 MB and takes 17 ms."""


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """One snapshot.

    Attributes:
        step: the last step of the log that is in it; go on with the one after.
        taken_us: when it was taken [µs UTC].
        owner: which process took it.
        n_points: points in it.
        body: as ``alarms.snapshot.dump`` made it.
    """

    step: int
    taken_us: int
    owner: str
    n_points: int
    body: bytes


def save(conn: Connection, run: int, scope: str, snapshot: StoredSnapshot) -> None:
    """Store a snapshot, and forget what is not needed beside it.

    In the caller's transaction, which may be that of the turn that ends with its step
    (after ``append_steps``) or a later one.

    Raises:
        StateConflict: the log does not reach the snapshot's step yet. What is in a
            snapshot must be stored already: a restart would take its alarms for told.
    """
    reached = replay_log.last_step(conn, run, scope)
    if snapshot.step > reached:
        raise StateConflict(
            f"a snapshot of step {snapshot.step} of {scope} cannot be stored: "
            f"its log ends at step {reached}"
        )
    conn.execute(
        "INSERT INTO engine_snapshot"
        " (run, scope, step, taken_at, owner, n_points, raw_bytes, body)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %b)"
        " ON CONFLICT (run, scope, step) DO NOTHING",
        (
            run,
            scope,
            snapshot.step,
            to_datetime(snapshot.taken_us),
            snapshot.owner,
            snapshot.n_points,
            len(snapshot.body),
            zlib.compress(snapshot.body, ZLIB_LEVEL),
        ),
    )
    conn.execute(
        "DELETE FROM engine_snapshot WHERE run = %(run)s AND scope = %(scope)s"
        " AND step NOT IN (SELECT step FROM engine_snapshot WHERE run = %(run)s"
        "  AND scope = %(scope)s ORDER BY step DESC LIMIT %(kept)s)",
        {"run": run, "scope": scope, "kept": KEPT},
    )
    row = conn.execute(
        "SELECT min(step) FROM engine_snapshot WHERE run = %s AND scope = %s",
        (run, scope),
    ).fetchone()
    assert row is not None
    assert isinstance(row[0], int)
    replay_log.forget_steps(conn, run, scope, row[0])


def load_newest_first(
    conn: Connection, run: int, scope: str
) -> Iterator[StoredSnapshot]:
    """The stored snapshots, one by one: the next is for when this one is damaged.

    A body that cannot be decompressed is given as it is; who reads it will refuse it.
    """
    steps = conn.execute(
        "SELECT step FROM engine_snapshot WHERE run = %s AND scope = %s"
        " ORDER BY step DESC",
        (run, scope),
    ).fetchall()
    for (step,) in steps:
        with conn.cursor(row_factory=class_row(StoredSnapshot), binary=True) as cursor:
            found = cursor.execute(
                "SELECT step, (extract(epoch FROM taken_at) * 1000000)::bigint"
                " AS taken_us, owner, n_points, body FROM engine_snapshot"
                " WHERE run = %s AND scope = %s AND step = %s",
                (run, scope, step),
            ).fetchone()
        if found is None:
            continue
        try:
            body = zlib.decompress(found.body)
        except zlib.error:
            body = bytes(found.body)
        yield replace(found, body=body)


def forget_run(conn: Connection, run: int) -> None:
    """Delete snapshots and logs of a drill that is over; the live run is refused."""
    assert run > 0, "the live run is never over"
    conn.execute("DELETE FROM engine_snapshot WHERE run = %s", (run,))
    conn.execute("DELETE FROM engine_log WHERE run = %s", (run,))
