"""What CAP messages are made of: events in the order of their telling, and before."""

from datetime import datetime
from typing import cast

from psycopg import sql
from psycopg.rows import class_row

from gasmon.store.db import AsyncConnection
from gasmon.store.outbox import Told
from gasmon.store.scope import Scope, scope_condition
from gasmon.units import from_datetime

MOST_EARLIER = 50
"""Messages that one refers to at most, the newest; an alarm has a handful. Ours."""

_TOLD = sql.SQL(
    "SELECT seq, run, area_code AS area, mine, alarm_id, event, rank, body, mine_only"
    " FROM outbox WHERE (run = 0 OR %(drills)s) AND rank >= %(min_rank)s"
    " AND (NOT mine_only OR %(is_mine)s) AND alarm_id IS NOT NULL"
    " AND {scope} AND {place} ORDER BY seq {direction} LIMIT %(limit)s"
)
_EARLIER = """
SELECT j.event_id, j.decided_at FROM alarm_journal j
WHERE j.alarm_id = %s AND j.journal_id <
    (SELECT k.journal_id FROM alarm_journal k WHERE k.event_id = %s)
ORDER BY j.journal_id DESC LIMIT %s"""


async def told(
    conn: AsyncConnection,
    scope: Scope,
    *,
    after: int | None,
    min_rank: int,
    drills: bool,
    limit: int,
) -> list[Told]:
    """Events after a place in the stream, or the newest; the oldest first.

    Args:
        after: None gives the newest ``limit``.
        drills: whether those of drills are among them.
    """
    place, direction = sql.SQL("seq > %(after)s"), sql.SQL("ASC")
    if after is None:
        place, direction = sql.SQL("true"), sql.SQL("DESC")
    rows = await _read(
        conn, scope, place, direction, after, min_rank=min_rank, drills=drills, n=limit
    )
    return rows if after is not None else rows[::-1]


async def one_told(conn: AsyncConnection, scope: Scope, seq: int) -> Told | None:
    """The event at a place of the stream, of any run; None when it is not ours."""
    rows = await _read(
        conn,
        scope,
        sql.SQL("seq = %(after)s"),
        sql.SQL("ASC"),
        seq,
        min_rank=0,
        drills=True,
        n=1,
    )
    return rows[0] if rows else None


async def earlier(
    conn: AsyncConnection, alarm_id: int, event_id: str
) -> list[tuple[str, int]]:
    """Id and time of decision [µs UTC] of an alarm's events before one, in order."""
    cursor = await conn.execute(_EARLIER, (alarm_id, event_id, MOST_EARLIER))
    rows = cast(list[tuple[str, datetime]], await cursor.fetchall())
    return [(name, from_datetime(at)) for name, at in reversed(rows)]


async def _read(
    conn: AsyncConnection,
    scope: Scope,
    place: sql.SQL,
    direction: sql.SQL,
    after: int | None,
    *,
    min_rank: int,
    drills: bool,
    n: int,
) -> list[Told]:
    query = _TOLD.format(
        scope=scope_condition(scope, "area_code", "mine"),
        place=place,
        direction=direction,
    )
    given = {
        "after": after,
        "min_rank": min_rank,
        "drills": drills,
        "is_mine": scope.is_mine,
        "limit": n,
    }
    async with conn.cursor(row_factory=class_row(Told)) as cursor:
        await cursor.execute(query, given)
        return await cursor.fetchall()
