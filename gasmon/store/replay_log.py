"""The engines' logs: what each was given, in order, since its oldest snapshot.

A row holds the steps of one turn and is written in the transaction that stores the
turn's readings and alarms. So the log says exactly what was decided and stored: given
to an engine again it decides the same, and nothing of it needs to be told again.
"""

from collections.abc import Iterator
from typing import cast

from gasmon.store.db import Connection

READ_ROWS = 200
"""Rows fetched at once when reading: 200 turns of 500 frames with 58 readings of 13
bytes are 75 MB at the worst; a usual turn has one frame."""


def scope_name(scopes: list[str]) -> str:
    """The name of what one ingest process owns: areas joined by commas, or ``*``."""
    return ",".join(sorted(set(scopes))) or "*"


def append_steps(
    conn: Connection, run: int, scope: str, first: int, last: int, body: bytes
) -> None:
    """Store the steps of one turn in the caller's transaction.

    A turn that is there already stays: it is written again when the connection broke
    before its commit was answered.

    Args:
        first: number of its first step; ``last``: of its last one.
        body: made by ``alarms.steps.encode_steps``.
    """
    conn.execute(
        "INSERT INTO engine_log (run, scope, first_step, last_step, body)"
        " VALUES (%s, %s, %s, %s, %b) ON CONFLICT DO NOTHING",
        (run, scope, first, last, body),
    )


def last_step(conn: Connection, run: int, scope: str) -> int:
    """Number of the last step that is stored; 0 when there is none yet."""
    row = conn.execute(
        "SELECT greatest("
        " (SELECT max(last_step) FROM engine_log WHERE run = %(run)s"
        "  AND scope = %(scope)s),"
        " (SELECT max(step) FROM engine_snapshot WHERE run = %(run)s"
        "  AND scope = %(scope)s))",
        {"run": run, "scope": scope},
    ).fetchone()
    assert row is not None
    return cast(int | None, row[0]) or 0


def bodies_since(
    conn: Connection, run: int, scope: str, after_step: int
) -> Iterator[bytes]:
    """The stored turns that hold steps after a position, in order.

    The first one may begin with steps that are not after it: its reader skips them by
    their numbers. Read them in one transaction, before anything is appended.
    """
    while True:
        rows = conn.execute(
            "SELECT last_step, body FROM engine_log"
            " WHERE run = %s AND scope = %s AND last_step > %s"
            " ORDER BY last_step LIMIT %s",
            (run, scope, after_step, READ_ROWS),
            binary=True,
        ).fetchall()
        for _, body in cast(list[tuple[int, bytes]], rows):
            yield bytes(body)
        if len(rows) < READ_ROWS:
            return
        after_step = cast(int, rows[-1][0])


def forget_steps(conn: Connection, run: int, scope: str, until_step: int) -> int:
    """Delete what no snapshot needs any more; returns how many turns."""
    return conn.execute(
        "DELETE FROM engine_log WHERE run = %s AND scope = %s AND last_step <= %s",
        (run, scope, until_step),
    ).rowcount
