"""The outbox as one resuming client sees it: its scope, areas, levels and kinds."""

from collections.abc import Collection

from psycopg import sql
from psycopg.rows import class_row

from gasmon.store.db import AsyncConnection
from gasmon.store.outbox import Told
from gasmon.store.scope import Scope, scope_condition

_BETWEEN = sql.SQL(
    "SELECT seq, run, area_code AS area, mine, alarm_id, event, rank, body, mine_only"
    " FROM outbox WHERE seq > %(after)s AND seq <= %(up_to)s"
    " AND (run = 0 OR %(drills)s) AND rank >= %(min_rank)s"
    " AND (NOT mine_only OR %(is_mine)s)"
    " AND {scope} AND {areas}"
    # Of ours and encoded once, so its member is as good as a column.
    " AND (%(kinds)s::text[] IS NULL OR body::json ->> 'kind' = ANY(%(kinds)s::text[]))"
    " ORDER BY seq LIMIT %(limit)s"
)

_OF_OPEN = sql.SQL(
    "SELECT o.seq, o.run, o.area_code AS area, o.mine, o.alarm_id, o.event, o.rank,"
    " o.body, o.mine_only FROM outbox o JOIN alarm a USING (alarm_id)"
    " WHERE o.seq <= %(up_to)s AND (o.run = 0 OR %(drills)s) AND a.closed_at IS NULL"
    " AND (NOT o.mine_only OR %(is_mine)s) AND {scope}"
    # Nothing was told of an alarm before it was recorded; the index is by time.
    " AND o.recorded_at >= (SELECT min(n.recorded_at) - interval '1 min'"
    "   FROM alarm n WHERE (n.run = 0 OR %(drills)s) AND n.closed_at IS NULL)"
    " ORDER BY o.seq"
)


async def told_of_open(
    conn: AsyncConnection, scope: Scope, up_to: int, *, drills: bool = False
) -> list[Told]:
    """What was told, up to a number, of alarms that are not closed, in order.

    Of an alarm that is older than the outbox's retention the beginning is gone.

    Args:
        drills: those of drills too, beside the live ones.
    """
    query = _OF_OPEN.format(scope=scope_condition(scope, "o.area_code", "o.mine"))
    cursor = conn.cursor(row_factory=class_row(Told))
    asked = {"up_to": up_to, "is_mine": scope.is_mine, "drills": drills}
    await cursor.execute(query, asked)
    return await cursor.fetchall()


async def told_between(
    conn: AsyncConnection,
    scope: Scope,
    *,
    after: int,
    up_to: int,
    areas: tuple[str, ...] | None,
    min_rank: int,
    kinds: Collection[str] | None = None,
    limit: int,
    drills: bool = False,
) -> list[Told]:
    """Rows of one subscription in (after, up_to], in order.

    Args:
        areas: further restriction of the scope; None = none.
        min_rank: least level.
        kinds: of alarms; None = all.
        limit: rows at most; fewer mean that there are no more.
        drills: those of drills too, beside the live ones.
    """
    query = _BETWEEN.format(
        scope=scope_condition(scope, "area_code", "mine"),
        areas=scope_condition(Scope(areas, None), "area_code", "mine"),
    )
    cursor = conn.cursor(row_factory=class_row(Told))
    await cursor.execute(
        query,
        {
            "after": after,
            "up_to": up_to,
            "min_rank": min_rank,
            "kinds": None if kinds is None else sorted(kinds),
            "is_mine": scope.is_mine,
            "limit": limit,
            "drills": drills,
        },
    )
    return await cursor.fetchall()
