"""Read query for the api: how far each event of an alarm came at each recipient."""

from psycopg import sql

from gasmon.alarms.receipts import STEPS, missing
from gasmon.store.scope import Scope, covers
from gasmon.store.views import Conn, Row, fetch, iso
from gasmon.units import from_datetime

PLATFORM = "platform"
"""Whom every event is expected at; other roles are shown where they took part."""

_EVENTS = sql.SQL(
    "SELECT event_id, event, happened_at, arrived_at, decided_at, recorded_at, rank"
    " FROM alarm_journal WHERE alarm_id = %(id)s ORDER BY journal_id"
)
_RECEIPTS = sql.SQL(
    "SELECT event_id, recipient, step, happened_at, recorded_at"
    " FROM receipt WHERE alarm_id = %(id)s"
)
# A platform's token that was never used is a recipient too: nobody would notice else.
_RECIPIENTS = sql.SQL(
    "SELECT p.name AS recipient, p.role, p.areas, p.mines, p.created_at,"
    " s.areas AS asked, s.kinds, s.min_rank, coalesce(s.reports, '{}') AS reports,"
    " s.subscribed_at"
    " FROM principal p LEFT JOIN stream_recipient s ON s.recipient = p.name"
    " WHERE p.retired_at IS NULL AND (s.recipient IS NOT NULL OR p.role = 'platform')"
    " ORDER BY p.name"
)


async def ledger(conn: Conn, scope: Scope, alarm: Row, now_us: int) -> list[Row]:
    """Every event of an alarm whose scope was checked, with its recipients.

    Whom a county or city tells is not told to a mine.
    """
    events = await fetch(conn, _EVENTS, {"id": alarm["alarm_id"]})
    recipients: list[Row] = []
    receipts: list[Row] = []
    if not scope.is_mine:
        recipients = [
            one for one in await fetch(conn, _RECIPIENTS) if _sees(one, alarm)
        ]
        receipts = await fetch(conn, _RECEIPTS, {"id": alarm["alarm_id"]})
    done: dict[tuple[str, str], dict[str, str | None]] = {}
    for row in receipts:
        steps = done.setdefault((row["event_id"], row["recipient"]), {})
        steps[row["step"]] = iso(row["happened_at"])
    return [
        {
            "event_id": event["event_id"],
            "event": event["event"],
            "happened_at": iso(event["happened_at"]),
            "arrived_at": iso(event["arrived_at"]),
            "decided_at": iso(event["decided_at"]),
            "committed_at": iso(event["recorded_at"]),
            "recipients": _at(event, recipients, done, now_us),
        }
        for event in events
    ]


def _at(
    event: Row,
    recipients: list[Row],
    done: dict[tuple[str, str], dict[str, str | None]],
    now_us: int,
) -> list[Row]:
    """How far one event came at each recipient."""
    rows = []
    for one in recipients:
        steps = done.get((event["event_id"], one["recipient"]), {})
        if _wants(one, event) and (steps or one["role"] == PLATFORM):
            rows.append(_told(one, event, steps, now_us))
    return rows


def _sees(recipient: Row, alarm: Row) -> bool:
    """Whether an alarm is in a recipient's scope and of what it asked for."""
    scope = Scope(
        None if recipient["areas"] is None else tuple(recipient["areas"]),
        None if recipient["mines"] is None else tuple(recipient["mines"]),
    )
    asked, kinds = recipient["asked"], recipient["kinds"]
    return (
        scope.allows(alarm["area"], alarm["mine"])
        and (asked is None or covers(asked, alarm["area"]))
        and (kinds is None or alarm["kind"] in kinds)
    )


def _wants(recipient: Row, event: Row) -> bool:
    """Whether an event is loud enough, and not from before the recipient was made."""
    if event["recorded_at"] < recipient["created_at"]:
        return False
    return bool(event["rank"] >= (recipient["min_rank"] or 0))


def _told(recipient: Row, event: Row, done: dict[str, str | None], now_us: int) -> Row:
    age_us = now_us - from_datetime(event["recorded_at"])
    return {
        "recipient": recipient["recipient"],
        "role": recipient["role"],
        "subscribed_at": iso(recipient["subscribed_at"]),
        "steps": {step: done.get(step) for step in STEPS},
        "missing": list(missing(done, recipient["reports"], age_us)),
    }
