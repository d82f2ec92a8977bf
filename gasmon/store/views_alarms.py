"""Read queries for the api: alarms, their history, incidents, what is open now.

The same rules as in :mod:`gasmon.store.views`: the scope is part of every query.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import sql

from gasmon.alarms.events import RANK_NAMES
from gasmon.alarms.lifecycle import TIERS, state_of
from gasmon.errors import BadRequest, NotFound
from gasmon.store.scope import Scope, scope_condition
from gasmon.store.shelves import COVER
from gasmon.store.views import (
    Conn,
    Row,
    fetch,
    finite,
    is_alarm,
    iso,
    like,
    unconfirmed,
)
from gasmon.store.views_escalation import WATCH, overdue, waits
from gasmon.store.views_work import WORK
from gasmon.units import from_datetime, iso_us, to_datetime

# The attributes of the point at the time the alarm began: a later definition must not
# rewrite what an old alarm was about. A unit's name stands for its place.
PLACE = sql.SQL(
    " LEFT JOIN point p ON p.point_id = a.point_id"
    " LEFT JOIN LATERAL ((SELECT w.place, w.quantity, w.uom FROM point_version w"
    "   WHERE w.point_id = a.point_id AND w.effective_from_us"
    "     <= (extract(epoch FROM a.raised_at) * 1000000)::bigint"
    "   ORDER BY w.effective_from_us DESC LIMIT 1)"
    "  UNION ALL SELECT u.name, '', '' FROM unit u WHERE a.subject_type = 'unit'"
    "   AND u.mine_id = a.mine_id AND u.slug = a.unit_slug"
    "  UNION ALL SELECT '分站 ' || split_part(a.subject_id, '-', 3), '', ''"
    "   WHERE a.subject_type = 'substation') v ON true"
)

# The page's alarms first, along an index: what a row shows is looked up for them alone.
_ALARMS = sql.SQL(
    "WITH page AS (SELECT a.alarm_id FROM alarm a LEFT JOIN mine m USING (mine_id)"
    "{asked} WHERE {scope} AND {filter}"
    " ORDER BY {order} LIMIT %(limit)s)"
    " SELECT a.*, m.code AS mine, m.name AS mine_name, p.system, p.no, v.place,"
    " v.quantity, v.uom, {owed} AS owed, k.marks, s.*, w.overdue, w.next_tier,"
    " w.next_at"
    " FROM page JOIN alarm a ON a.alarm_id = page.alarm_id"
    " LEFT JOIN mine m USING (mine_id){place}{cover}{watch}"
    " LEFT JOIN LATERAL (SELECT jsonb_object_agg(c.tier, jsonb_build_object("
    "   'by', c.principal, 'note', c.note, 'cause_code', c.cause_code, 'rank', c.rank,"
    "   'at_us', (extract(epoch FROM c.confirmed_at) * 1000000)::bigint)"
    "   ORDER BY c.rank) AS marks"
    "   FROM confirmation c WHERE c.alarm_id = a.alarm_id AND c.rank >= a.rank) k"
    " ON true ORDER BY {order}"
)

ORDERS = {
    "new": "a.raised_at DESC, a.alarm_id DESC",
    "worst": "a.rank DESC, a.raised_at DESC, a.alarm_id DESC",
}
"""What a list begins with: the newest, or the worst and of these the newest."""

_FURTHER = {
    "new": " AND (a.raised_at, a.alarm_id) < (%(c_at)s, %(c_id)s)",
    "worst": " AND (a.rank, a.raised_at, a.alarm_id)"
    " < (%(c_rank)s, %(c_at)s, %(c_id)s)",
}


@dataclass(frozen=True, slots=True)
class AlarmFilter:
    """What of the alarms is asked for; None leaves a member out.

    Attributes:
        state: open, cleared, standing (open, or cleared and not yet confirmed) or all.
        areas: codes; a prefecture's code means all of its counties.
        point: a point's id, or its key ``mine-system-number``.
        confirmed: whether the asker's tier (any tier for those without one) confirmed
            at the present level.
        overdue: the tier that must act now by escalation; ``any`` for some tier.
        work: one of ``views_work.WORK``.
        from_us: raised at or after [µs UTC].
        to_us: raised before [µs UTC].
        q: words in the place, the mine, the point's number or the unit.
        run: 0 for live alarms, else the number of a drill.
    """

    state: str = "open"
    areas: tuple[str, ...] | None = None
    mine: str | None = None
    point: str | None = None
    kinds: tuple[str, ...] | None = None
    min_rank: int = 0
    confirmed: bool | None = None
    overdue: str | None = None
    work: str | None = None
    from_us: int | None = None
    to_us: int | None = None
    q: str | None = None
    run: int = 0
    alarm_id: int | None = None


def _filter(wanted: AlarmFilter, scope: Scope) -> tuple[sql.Composed, dict[str, Any]]:
    """The condition of a filter and its parameters.

    Pre-warnings are found by who asks for one mine, one point or their kind.
    """
    parts: list[sql.Composable] = []
    params: dict[str, Any] = {}
    if wanted.alarm_id is None:
        # Runs are never mixed; one alarm is looked at whatever it belongs to.
        parts.append(sql.SQL("a.run = {}").format(wanted.run))
    asked = (wanted.mine, wanted.point, wanted.kinds, wanted.alarm_id)
    if not scope.is_mine and asked == (None, None, None, None):
        parts.append(is_alarm())

    def add(condition: str, **values: Any) -> None:
        parts.append(sql.SQL(condition))
        params.update(values)

    if wanted.state == "standing":
        parts.append(sql.SQL("(a.cleared_at IS NULL OR {})").format(unconfirmed()))
    elif wanted.state != "all":
        add(f"a.cleared_at IS {'NULL' if wanted.state == 'open' else 'NOT NULL'}")
    if wanted.areas is not None:
        add(
            "(a.area_code::text = ANY(%(areas)s)"
            " OR left(a.area_code, 4) || '00' = ANY(%(areas)s))",
            areas=list(wanted.areas),
        )
    if wanted.mine is not None:
        add("m.code = %(mine)s", mine=wanted.mine)
    if wanted.point is not None and wanted.point.isdigit():
        add("a.point_id = %(point)s", point=int(wanted.point))
    elif wanted.point is not None:
        add("a.subject_type = 'point' AND a.subject_id = %(point)s", point=wanted.point)
    if wanted.kinds is not None:
        add("a.kind = ANY(%(kinds)s)", kinds=list(wanted.kinds))
    if wanted.min_rank:
        add("a.rank >= %(min_rank)s", min_rank=wanted.min_rank)
    if wanted.confirmed is not None:
        parts.append(sql.SQL("" if not wanted.confirmed else "NOT ") + unconfirmed())
    if wanted.overdue is not None:
        parts.append(overdue())
        params["overdue"] = wanted.overdue
    if wanted.work is not None:
        parts.append(WORK[wanted.work])
    if wanted.from_us is not None:
        add("a.raised_at >= %(from)s", **{"from": to_datetime(wanted.from_us)})
    if wanted.to_us is not None:
        add("a.raised_at < %(to)s", to=to_datetime(wanted.to_us))
    if wanted.q is not None:
        add(
            "concat_ws(' ', m.name, v.place, p.no, a.unit_slug) ILIKE %(q)s",
            q=like(wanted.q),
        )
    if wanted.alarm_id is not None:
        add("a.alarm_id = %(alarm_id)s", alarm_id=wanted.alarm_id)
    return sql.SQL(" AND ").join(parts), params


def _asked(wanted: AlarmFilter) -> sql.Composable:
    """The joins that a filter itself needs."""
    parts: list[sql.Composable] = [sql.SQL("")]
    if wanted.q is not None:
        parts.append(PLACE)
    if wanted.work == "quiet":
        parts.append(COVER)
    if wanted.overdue is not None:
        parts.append(WATCH)
    return sql.Composed(parts)


def _after(cursor: str) -> tuple[int, datetime, int]:
    """Level, time and number of the alarm with which the page before ended."""
    try:
        rank, raised_us, alarm_id = cursor.split("-")
        return int(rank), to_datetime(int(raised_us)), int(alarm_id)
    except (ValueError, OverflowError):
        raise BadRequest(f"cursor {cursor[:40]!r} is not one of ours") from None


async def alarms(
    conn: Conn,
    scope: Scope,
    tier: str | None,
    wanted: AlarmFilter,
    *,
    now_us: int,
    order: str = "new",
    cursor: str | None = None,
    limit: int = 50,
) -> tuple[list[Row], str | None, int]:
    """One page of alarms.

    Args:
        now_us: decides what is shelved [µs UTC].
        order: one of ``ORDERS``.

    Returns:
        The alarms, the cursor of the next page (None on the last), and how many the
        filter finds altogether.
    """
    condition, params = _filter(wanted, scope)
    params |= {"tier": tier, "now_us": now_us, "now": to_datetime(now_us)}
    parts = {
        "owed": unconfirmed(),
        "place": PLACE,
        "cover": COVER,
        "watch": WATCH,
        "scope": scope_condition(scope, "a.area_code"),
        "asked": _asked(wanted),
    }
    counting = sql.SQL(
        "SELECT count(*) AS n FROM alarm a LEFT JOIN mine m USING (mine_id){asked}"
        " WHERE {scope} AND {filter}"
    ).format(asked=parts["asked"], scope=parts["scope"], filter=condition)
    total = int((await fetch(conn, counting, params))[0]["n"])
    if cursor is not None:
        condition += sql.SQL(_FURTHER[order])
        at = zip(("c_rank", "c_at", "c_id"), _after(cursor), strict=True)
        params |= dict(at)
    ordered = sql.SQL(ORDERS[order])
    query = _ALARMS.format(filter=condition, order=ordered, **parts)
    rows = await fetch(conn, query, {**params, "limit": limit + 1})
    more = None
    if len(rows) > limit:
        last = rows[limit - 1]
        at_us = from_datetime(last["raised_at"])
        more = f"{last['rank']}-{at_us}-{last['alarm_id']}"
    return [_alarm(row) for row in rows[:limit]], more, total


async def alarm(
    conn: Conn, scope: Scope, tier: str | None, alarm_id: int, now_us: int
) -> Row:
    """One alarm.

    Raises:
        NotFound: there is none, or not for this scope.
    """
    wanted = AlarmFilter(state="all", alarm_id=alarm_id)
    rows, _, _ = await alarms(conn, scope, tier, wanted, now_us=now_us, limit=1)
    if not rows:
        raise NotFound(f"no alarm {alarm_id}")
    return rows[0]


def _alarm(row: Row) -> Row:
    marks = row["marks"] or {}
    return {
        "alarm_id": row["alarm_id"],
        "incident_id": row["incident_id"],
        "run": row["run"],
        "drill": row["run"] != 0,
        "subject": f"{row['subject_type']}:{row['subject_id']}",
        "kind": row["kind"],
        "area": row["area_code"],
        "mine": row["mine"],
        "mine_name": row["mine_name"] or "",
        "system": row["system"],
        "point": row["no"],
        "point_id": row["point_id"],
        "unit": row["unit_slug"],
        "place": row["place"] or "",
        "quantity": row["quantity"] or "",
        "uom": row["uom"] or "",
        "level": RANK_NAMES[row["rank"]],
        "rank": row["rank"],
        # A level is latched while the alarm lives: the present is the highest one.
        "peak_rank": row["rank"],
        "value": finite(row["value"]),
        "limit": finite(row["limit_value"]),
        "peak": finite(row["peak"]),
        "peak_at": iso(row["peak_at"]),
        "raised_at": iso(row["raised_at"]),
        "arrived_at": iso(row["arrived_at"]),
        "decided_at": iso(row["decided_at"]),
        "cleared_at": iso(row["cleared_at"]),
        "unknown": row["unknown"],
        "late": row["late"],
        "planned": row["planned"],
        "quiet": row["quiet"],
        "rule": row["rule"],
        "explain": row["explain"],
        "confirmations": {tier: _mark(marks.get(tier)) for tier in TIERS},
        "shelved_until": _until(row["shelved_until_us"]),
        "closed_at": iso(row["closed_at"]),
        "state": state_of(
            cleared=row["cleared_at"] is not None,
            owed=row["owed"],
            shelved=row["shelved_until_us"] is not None,
            out_of_service=bool(row["out_of_service"]),
            closed=row["closed_at"] is not None,
        ),
        **waits(row),
    }


def _until(time_us: int | None) -> str | None:
    return None if time_us is None else iso_us(time_us)


def _mark(mark: Row | None) -> Row | None:
    if mark is None:
        return None
    return {
        "by": mark["by"],
        "at": iso_us(mark["at_us"]),
        "note": mark["note"],
        "cause_code": mark["cause_code"],
    }


_INCIDENTS = sql.SQL(
    "SELECT i.*, m.code AS mine, m.name AS mine_name, x.kinds, x.alarms, x.unit"
    " FROM incident i LEFT JOIN mine m USING (mine_id)"
    " CROSS JOIN LATERAL (SELECT array_agg(DISTINCT a.kind) AS kinds,"
    "   array_agg(a.alarm_id ORDER BY a.alarm_id) AS alarms, max(a.unit_slug) AS unit"
    "   FROM alarm a WHERE a.incident_id = i.incident_id AND {real}) x"
    " WHERE i.run = %(run)s AND x.alarms IS NOT NULL AND {scope}"
    " AND (%(id)s::bigint IS NULL OR i.incident_id = %(id)s)"
    " AND (%(state)s = 'all' OR (i.closed_at IS NULL) = (%(state)s = 'open'))"
    " AND (%(area)s::text IS NULL OR i.area_code = %(area)s::text"
    "   OR left(i.area_code, 4) || '00' = %(area)s::text)"
    " AND (%(mine)s::text IS NULL OR m.code = %(mine)s::text)"
    " ORDER BY i.opened_at DESC, i.incident_id DESC LIMIT %(limit)s"
)


async def incidents(
    conn: Conn,
    scope: Scope,
    *,
    state: str = "open",
    area: str | None = None,
    mine: str | None = None,
    incident_id: int | None = None,
    run: int = 0,
    limit: int = 100,
) -> list[Row]:
    """Incidents of a run, the newest first; ``state`` is open, closed or all."""
    rows = await fetch(
        conn,
        _INCIDENTS.format(real=is_alarm(), scope=scope_condition(scope, "i.area_code")),
        {
            "state": state,
            "area": area,
            "mine": mine,
            "id": incident_id,
            "run": run,
            "limit": limit,
        },
    )
    return [
        {
            "incident_id": row["incident_id"],
            "area": row["area_code"],
            "mine": row["mine"],
            "mine_name": row["mine_name"] or "",
            "unit": row["unit"],
            "subject": f"{row['scope_type']}:{row['scope_id']}",
            "opened_at": iso(row["opened_at"]),
            "closed_at": iso(row["closed_at"]),
            "worst_rank": row["worst_rank"],
            "kinds": row["kinds"] or [],
            "alarms": row["alarms"] or [],
        }
        for row in rows
    ]
