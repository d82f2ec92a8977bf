"""Read queries for the api: what was told of late, and where, and who is behind."""

from dataclasses import dataclass
from typing import Any

from psycopg import sql

from gasmon.store.scope import Scope, scope_condition
from gasmon.store.views import Conn, Row, fetch, is_alarm
from gasmon.units import US_PER_DAY, from_datetime, to_datetime

LAST_ENTRIES = 20_000
"""How far back in the journal an hour is looked for: its numbers ascend with time, so
that the cost has a bound and needs no further index; ours."""

_TOLD = sql.SQL(
    "SELECT j.recorded_at, trim(a.area_code) AS area, a.kind,"
    " a.subject_type || ':' || a.subject_id AS subject, a.point_id,"
    " trim(m.code) AS mine, m.name AS mine_name"
    " FROM (SELECT * FROM alarm_journal ORDER BY journal_id DESC LIMIT {last}) j"
    " JOIN alarm a USING (alarm_id) LEFT JOIN mine m USING (mine_id)"
    " WHERE j.event IN ('raised', 'level') AND j.actor IS NULL"
    " AND j.recorded_at >= %(from)s AND j.recorded_at < %(until)s"
    " AND a.run = 0 AND a.quiet IS NULL AND NOT a.late AND {real} AND {scope}"
)
_REACHES = sql.SQL(
    "SELECT count(*) = {last} AND min(recorded_at) >= %(from)s AS short"
    " FROM (SELECT recorded_at FROM alarm_journal ORDER BY journal_id DESC"
    "   LIMIT {last}) j"
).format(last=sql.Literal(LAST_ENTRIES))


@dataclass(frozen=True, slots=True)
class Told:
    """An alarm that was raised, or rose, aloud.

    Attributes:
        at_us: when it was written down [µs UTC].
        subject: ``type:id``.
    """

    at_us: int
    area: str
    kind: str
    subject: str
    point_id: int | None
    mine: str | None
    mine_name: str | None


async def told(
    conn: Conn, scope: Scope, from_us: int, until_us: int
) -> tuple[list[Told], bool]:
    """What was told aloud in [from, until), in any order.

    Returns:
        The alarms, and whether the journal holds more than was looked through.
    """
    params = {"from": to_datetime(from_us), "until": to_datetime(until_us)}
    query = _TOLD.format(
        last=sql.Literal(LAST_ENTRIES),
        real=is_alarm(),
        scope=scope_condition(scope, "a.area_code"),
    )
    rows = await fetch(conn, query, params)
    short = await fetch(conn, _REACHES, params)
    return [_told(row) for row in rows], bool(short[0]["short"])


def _told(row: Row) -> Told:
    return Told(at_us=from_datetime(row.pop("recorded_at")), **row)


_STANDING = sql.SQL(
    "SELECT trim(a.area_code) AS area,"
    " count(*) FILTER (WHERE w.overdue <> '{{}}' OR w.next_at <= %(now)s) AS overdue,"
    " count(*) FILTER (WHERE a.cleared_at IS NULL AND a.raised_at < %(day)s) AS stale"
    " FROM alarm a LEFT JOIN mine m USING (mine_id)"
    " LEFT JOIN alarm_watch w ON w.alarm_id = a.alarm_id"
    " WHERE a.run = 0 AND {real} AND {scope}"
    " AND (a.cleared_at IS NULL OR w.overdue <> '{{}}' OR w.next_at IS NOT NULL)"
    " GROUP BY 1"
)


async def standing(conn: Conn, scope: Scope, now_us: int) -> dict[str, dict[str, Any]]:
    """By area: ``overdue`` alarms that some tier must act on now, and ``stale`` ones
    that are open for over 24 h (ISA-18.2)."""
    query = _STANDING.format(
        real=is_alarm(), scope=scope_condition(scope, "a.area_code")
    )
    params = {"now": to_datetime(now_us), "day": to_datetime(now_us - US_PER_DAY)}
    return {row.pop("area"): row for row in await fetch(conn, query, params)}
