"""Read queries for the api: who must act, how many alarms wait for whom, what came."""

from typing import Any

from psycopg import sql

from gasmon.alarms.lifecycle import TIERS
from gasmon.store.scope import Scope, scope_condition
from gasmon.store.views import Conn, Row, fetch, iso
from gasmon.units import to_datetime

WATCH = sql.SQL(" LEFT JOIN alarm_watch w ON w.alarm_id = a.alarm_id")
"""Join: what an alarm ``a`` waits for."""


def overdue(alarm: str = "w") -> sql.Composed:
    """SQL: a tier (parameter ``overdue``; ``any``: some tier) must act now.

    A step whose time has come counts before duty has recorded it: where duty is away,
    alarms are overdue all the same.
    """
    return sql.SQL(
        "(CASE WHEN %(overdue)s = 'any' THEN {w}.overdue <> '{{}}'"
        " ELSE %(overdue)s = ANY({w}.overdue) END"
        " OR ({w}.next_at <= %(now)s AND %(overdue)s IN ('any', {w}.next_tier)))"
    ).format(w=sql.Identifier(alarm))


_COUNTERS = sql.SQL(
    "SELECT t.tier, count(*) FILTER (WHERE t.tier = ANY(w.overdue)"
    "   OR (w.next_at <= %(now)s AND w.next_tier = t.tier)) AS overdue,"
    " count(*) FILTER (WHERE w.next_at > %(now)s AND w.next_at <= %(soon)s"
    "   AND w.next_tier = t.tier) AS nearly_due"
    " FROM unnest(%(tiers)s::text[]) AS t (tier)"
    " LEFT JOIN (SELECT w.* FROM alarm_watch w JOIN alarm a USING (alarm_id)"
    "   LEFT JOIN mine m USING (mine_id)"
    "   WHERE (w.overdue <> '{{}}' OR w.next_at IS NOT NULL)"
    "   AND a.run = 0 AND {scope}) w ON true"
    " GROUP BY t.tier"
)


async def counters(
    conn: Conn, scope: Scope, *, now_us: int, nearly_us: int
) -> dict[str, dict[str, int]]:
    """Live alarms that each tier must act on now, and will have to soon.

    Args:
        nearly_us: how soon [µs].
    """
    rows = await fetch(
        conn,
        _COUNTERS.format(scope=scope_condition(scope, "a.area_code")),
        {
            "now": to_datetime(now_us),
            "soon": to_datetime(now_us + nearly_us),
            "tiers": list(TIERS),
        },
    )
    found = {row["tier"]: row for row in rows}
    return {
        tier: {name: found[tier][name] for name in ("nearly_due", "overdue")}
        for tier in TIERS
    }


_STEPS = sql.SQL(
    "SELECT escalation_id, step, rank, rule, tier, of_tier, due_at, recorded_at,"
    " outcome, folded_into, journal_id AS record_id"
    " FROM escalation WHERE alarm_id = %(id)s ORDER BY escalation_id"
)


_DELIVERIES = sql.SQL(
    "SELECT d.escalation_id, d.channel, d.kind, d.recipient, d.state, d.attempts,"
    " d.created_at, d.next_at, d.sent_at, d.last_error"
    " FROM delivery d JOIN escalation e USING (escalation_id)"
    " WHERE e.alarm_id = %(id)s ORDER BY d.delivery_id"
)

_CHANNELS = sql.SQL(
    "SELECT s.channel, s.kind, s.ok_at, s.failing_since, s.n_failed, s.last_error,"
    " (SELECT count(*) FROM delivery d WHERE d.channel = s.channel"
    "   AND d.state = 'waiting') AS n_waiting"
    " FROM channel_state s ORDER BY s.channel"
)


async def steps(conn: Conn, scope: Scope, alarm_id: int) -> list[Row]:
    """The steps that came for an alarm whose scope was checked, in their order.

    Whom a county or city called is not told to a mine.
    """
    rows = await fetch(conn, _STEPS, {"id": alarm_id})
    sent: list[Row] = []
    if not scope.is_mine:
        sent = await fetch(conn, _DELIVERIES, {"id": alarm_id})
    for row in sent:
        row["recipient"] = masked(row["recipient"])
        for name in ("created_at", "next_at", "sent_at"):
            row[name] = iso(row[name])
    for row in rows:
        row["due_at"], row["recorded_at"] = iso(row["due_at"]), iso(row["recorded_at"])
        row["deliveries"] = [
            {name: value for name, value in one.items() if name != "escalation_id"}
            for one in sent
            if one["escalation_id"] == row["escalation_id"]
        ]
    return rows


async def channels(conn: Conn, scope: Scope) -> list[Row]:
    """How each channel that was ever used fares; a mine is not told."""
    if scope.is_mine:
        return []
    rows = await fetch(conn, _CHANNELS)
    for row in rows:
        row["ok_at"], row["failing_since"] = (
            iso(row["ok_at"]),
            iso(row["failing_since"]),
        )
    return rows


def masked(recipient: str) -> str:
    """A telephone number or address that can be recognised and not used."""
    name, at, host = recipient.partition("@")
    if at:
        return f"{name[:2]}***@{host}"
    digits = recipient.lstrip("+").isdigit()
    return f"{recipient[:3]}****{recipient[-4:]}" if digits else recipient


def waits(row: Row) -> dict[str, Any]:
    """What a row that was joined with ``WATCH`` says of who must act."""
    following = row["next_at"]
    return {
        "overdue": [tier for tier in TIERS if tier in (row["overdue"] or ())],
        "next_step": None
        if following is None
        else {"tier": row["next_tier"], "at": iso(following)},
    }
