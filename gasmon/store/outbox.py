"""The outbox: what must be told, in an order in which nobody is skipped.

A sequence number is drawn before its transaction commits, so a reader polling for
``seq > last`` could see 8, remember it, and never see 7. Therefore every writer takes
one transaction-scoped advisory lock *before* it draws a number and holds it until it
has committed: numbers become visible in their order. A rolled-back writer leaves a
hole, which means nothing.

A notification carries the rows themselves, where they fit, and the number that they
follow. Who stands there has them without a statement; anybody else reads.

The newest row is never deleted, so that the head of the stream is known from what is
committed and not from the sequence, which runs ahead of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

import orjson
from psycopg.rows import class_row

from gasmon.store.db import AsyncConnection, Connection
from gasmon.store.recordset import recordset
from gasmon.units import to_datetime

LOCK_KEY = 0x6761_736D_0003
"""Advisory lock of whoever draws outbox numbers: "gasm", 3."""

CHANNEL = "gasmon_outbox"
"""NOTIFY channel; the payload is what ``news_of`` reads, or empty."""

_APPEND = b"""
SELECT record_alarms('[]', '[]', '[]', '[]', '[]', %s::json, %s, %s, %s)"""
"""The same function of the database that writes alarms (migration 0017), with nothing
but what is told: the lock, the rows and the notification have one home."""

_READ = """
SELECT seq, run, area_code AS area, mine, alarm_id, event, rank, body, mine_only
FROM outbox WHERE seq > %s ORDER BY seq LIMIT %s"""

_POSITION = """
SELECT epoch::text AS epoch,
       coalesce((SELECT min(seq) FROM outbox), 1) AS first_seq,
       coalesce((SELECT max(seq) FROM outbox), 0) AS last_seq
FROM platform"""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One thing to tell.

    Attributes:
        run: 0 for live, else the number of a drill.
        mine: 12 digits; None when it is about no single mine.
        event: what happened, as in the body.
        body: the event's JSON, encoded once.
        mine_only: for those who look at this one mine, and for nobody above it.
    """

    run: int
    area: str
    mine: str | None
    alarm_id: int | None
    event: str
    rank: int
    body: str
    mine_only: bool = False


_TOLD = tuple(OutboxRow.__slots__)
_of = attrgetter(*_TOLD)


@dataclass(frozen=True, slots=True)
class Told:
    """One row as it is read; ``seq`` is its place in the stream."""

    seq: int
    run: int
    area: str
    mine: str | None
    alarm_id: int | None
    event: str
    rank: int
    body: str
    mine_only: bool = False


@dataclass(frozen=True, slots=True)
class Position:
    """What can be resumed from.

    Attributes:
        epoch: changes when a database is restored; positions of another are void.
        first_seq: oldest number still kept; 1 when nothing was ever told.
        last_seq: newest committed number; 0 when nothing was ever told.
    """

    epoch: str
    first_seq: int
    last_seq: int


@dataclass(frozen=True, slots=True)
class News:
    """Rows as a notification carries them.

    Attributes:
        after: the newest number that was committed before them.
        rows: at least one, in order.
    """

    after: int
    rows: list[Told]


def news_of(payload: str) -> News | None:
    """What a notification says; None when its rows did not fit, or are unreadable."""
    try:
        after, rows = orjson.loads(payload)
        return News(after, [Told(*row) for row in rows])
    except (TypeError, ValueError):
        # Empty, or of another version: the rows are in the table.
        return None


def append(conn: Connection, rows: Sequence[OutboxRow], now_us: int) -> int:
    """Add rows at the end of the caller's transaction and wake the readers.

    Nothing but the commit may follow: the lock that is taken here stops every other
    writer until then.

    Args:
        now_us: when it is recorded [µs UTC].

    Returns:
        The last number drawn; 0 when there was nothing to add.
    """
    if not rows:
        return 0
    told = conn.execute(
        _APPEND,
        (
            recordset(("nr", *_TOLD), ((nr, *_of(r)) for nr, r in enumerate(rows))),
            LOCK_KEY,
            CHANNEL,
            to_datetime(now_us),
        ),
    )
    row = told.fetchone()
    assert row is not None
    assert isinstance(row[0], int)
    return row[0]


def read(conn: Connection, after_seq: int, limit: int) -> list[Told]:
    """The next rows after a number, in order, ``limit`` at most."""
    with conn.cursor(row_factory=class_row(Told)) as cursor:
        return cursor.execute(_READ, (after_seq, limit)).fetchall()


async def read_async(conn: AsyncConnection, after_seq: int, limit: int) -> list[Told]:
    """:func:`read` in the event loop."""
    async with conn.cursor(row_factory=class_row(Told)) as cursor:
        await cursor.execute(_READ, (after_seq, limit))
        return await cursor.fetchall()


def position(conn: Connection) -> Position:
    """Epoch, oldest and newest number; one snapshot."""
    with conn.cursor(row_factory=class_row(Position)) as cursor:
        found = cursor.execute(_POSITION).fetchone()
    assert found is not None, "the table platform has lost its row"
    return found


async def position_async(conn: AsyncConnection) -> Position:
    """:func:`position` in the event loop."""
    async with conn.cursor(row_factory=class_row(Position)) as cursor:
        await cursor.execute(_POSITION)
        found = await cursor.fetchone()
    assert found is not None, "the table platform has lost its row"
    return found
