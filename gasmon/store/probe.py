"""Whether the database takes anything at all, when it refuses what we give it.

A row that is refused is kept as a reject and acknowledged, so that one nonsensical
reading does not stop a county. If the mistake is the database's (a broken trigger, a
constraint that somebody added) or ours, every row is refused, and the broker would
forget all of them one by one. So before a refusal counts, a row that nothing is wrong
with is tried at the same place, and taken back.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import psycopg

from gasmon.batch import Frame, FrameKey
from gasmon.errors import DependencyError
from gasmon.store.db import Connection
from gasmon.store.refused import Source

# What a single row can be guilty of. Everything else (a missing table, a full disk, a
# lost connection) is no fault of the data and is passed on.
POISON = (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.RaiseException)


class NothingTaken(DependencyError):
    """The database refuses even what nothing is wrong with; nothing may be refused."""


class _TakenBack(Exception):
    pass


def require_taken(conn: Connection, what: str, write: Callable[[], object]) -> None:
    """Write what must be taken, and take it back.

    Args:
        what: is written, for the message.
        write: writes it; in a savepoint of the caller's transaction.

    Raises:
        NothingTaken: it was refused; names the reason.
    """
    try:
        with conn.transaction():
            write()
            raise _TakenBack
    except (_TakenBack, psycopg.errors.UniqueViolation):
        # A row that is there already was taken once.
        return
    except POISON as e:
        raise NothingTaken(f"the database takes no {what} at all: {e}") from e


def plain_reading(source: Source) -> Source:
    """A reading of these's first point that nothing is wrong with."""
    now_us = source.arrived_us[:1]
    return Source(
        run=source.run,
        point_id=source.point_id[:1],
        value=np.zeros(1),
        at_us=now_us,
        arrived_us=now_us,
        state=np.zeros(1, np.int32),
    )


def plain_frames(conn: Connection, refused: Frame) -> Sequence[Frame]:
    """A frame that nothing is wrong with, of a mine that is there; none without one."""
    row = conn.execute("SELECT code FROM mine ORDER BY mine_id LIMIT 1").fetchone()
    if row is None:
        return []
    key = FrameKey(refused.key.run, cast(str, row[0]), "probe", 0)
    arrived_us = refused.arrived_us
    return [
        replace(
            refused,
            key=key,
            channel="data",
            device_ms=arrived_us // 1000,
            judged_us=arrived_us,
            n_readings=0,
        )
    ]
