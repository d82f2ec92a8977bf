"""The memory of jobs, and the lock of the one who runs them."""

from dataclasses import dataclass
from datetime import datetime
from typing import cast

from gasmon.store.db import Connection
from gasmon.units import from_datetime, to_datetime

LOCK_KEY = 0x6761_736D_0010
"""Session advisory lock of the duty process: "gasm", 16."""


@dataclass(frozen=True, slots=True)
class JobRow:
    """What is remembered of a job.

    Attributes:
        last_start_us: None when it never ran [µs UTC].
        last_error: text of the last failure; None when the last run was good.
    """

    name: str
    last_start_us: int | None
    last_result: str | None
    last_error: str | None


def take_lock(conn: Connection, key: int = LOCK_KEY) -> bool:
    """Become the one who runs jobs, as long as this connection lives.

    Args:
        key: of the lock; another one is for something else that one process does.
    """
    row = conn.execute("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone()
    conn.commit()
    return bool(row and row[0])


def load(conn: Connection) -> dict[str, JobRow]:
    """All jobs that ever ran, by name."""
    rows = conn.execute(
        "SELECT name, last_start, last_result, last_error FROM job"
    ).fetchall()
    conn.commit()
    return {
        name: JobRow(name, from_datetime(start) if start else None, result, error)
        for name, start, result, error in cast(
            list[tuple[str, datetime | None, str | None, str | None]], rows
        )
    }


def started(conn: Connection, name: str, every_s: int, now_us: int) -> None:
    """Remember that a job begins; committed, so that a crash does not repeat it."""
    conn.execute(
        "INSERT INTO job (name, every_s, last_start) VALUES (%s, %s, %s)"
        " ON CONFLICT (name) DO UPDATE SET every_s = excluded.every_s,"
        " last_start = excluded.last_start",
        (name, every_s, to_datetime(now_us)),
    )
    conn.commit()


def ended(
    conn: Connection, name: str, now_us: int, result: str | None, error: str | None
) -> None:
    """Remember how a job ended."""
    conn.execute(
        "UPDATE job SET last_end = %s, last_result = coalesce(%s, last_result),"
        " last_error = %s WHERE name = %s",
        (to_datetime(now_us), result, error, name),
    )
    conn.commit()
