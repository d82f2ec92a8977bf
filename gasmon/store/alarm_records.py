"""The records of what people did with an alarm: rows of the journal with an actor."""

from typing import Any, cast

from psycopg.rows import dict_row

from gasmon.alarms.closing import ClosingFacts
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.lifecycle_record import Record, cause_of
from gasmon.store.alarm_calls import as_json
from gasmon.store.alarms import StoredEvent
from gasmon.store.db import Connection
from gasmon.units import to_datetime

_EVENT_FIELDS = (
    *("kind", "rule", "subject_type", "subject_id", "area", "mine", "raised_at_us"),
    *("rank", "run", "system", "no", "unit", "value", "limit", "peak", "peak_at_us"),
    *("late", "planned", "quiet", "explain"),
)


def acted(
    row: dict[str, Any],
    event: str,
    at_us: int,
    *,
    by: str,
    tier: str | None,
    note: str,
    cause_code: str | None,
    more: dict[str, Any],
) -> StoredEvent:
    """The event of an action on a row that ``lock`` gave.

    Args:
        at_us: when it was done; part of the event's identity [µs UTC].
        more: what else belongs to it, as JSON.
    """
    told = AlarmEvent(
        event=event,
        happened_at_us=at_us,
        arrived_at_us=at_us,
        decided_at_us=at_us,
        **{name: row[name] for name in _EVENT_FIELDS},
    )
    return StoredEvent(
        event=told,
        alarm_id=row["alarm_id"],
        incident_id=row["incident_id"],
        point_id=row["point_id"],
        mine_name=row["mine_name"] or "",
        place=row["place"] or "",
        quantity=row["quantity"] or "",
        uom=row["uom"] or "",
        cleared_at_us=row["cleared_at_us"],
        by=by,
        tier=tier,
        note=note,
        cause_code=cause_code,
        more=more,
    )


def write_record(
    conn: Connection, stored: StoredEvent, now_us: int, refers_to: int | None = None
) -> int:
    """Add one action to the journal; returns the record's number."""
    event = stored.event
    row = conn.execute(
        "INSERT INTO alarm_journal (alarm_id, event_id, event, happened_at, arrived_at,"
        " decided_at, recorded_at, rank, value, limit_value, actor, tier, cause_code,"
        " note, detail, refers_to) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,"
        " %s, %s, %s, %s::jsonb, %s) RETURNING journal_id",
        (
            stored.alarm_id,
            event.event_id,
            event.event,
            to_datetime(event.happened_at_us),
            to_datetime(event.arrived_at_us),
            to_datetime(event.decided_at_us),
            to_datetime(now_us),
            event.rank,
            event.value,
            event.limit,
            stored.by,
            stored.tier,
            stored.cause_code,
            stored.note,
            as_json(stored.more),
            refers_to,
        ),
    ).fetchone()
    assert row is not None
    return cast(int, row[0])


def put_mark(conn: Connection, stored: StoredEvent) -> None:
    """Mark a tier's confirmation at its level; of two the earlier one stands.

    One of the same microsecond stands by its name, so that all nodes choose alike.
    """
    event = stored.event
    conn.execute(
        "INSERT INTO confirmation AS c (alarm_id, tier, rank, principal, confirmed_at,"
        " cause_code, note) VALUES (%s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (alarm_id, tier, rank) DO UPDATE SET"
        " principal = excluded.principal, confirmed_at = excluded.confirmed_at,"
        " cause_code = excluded.cause_code, note = excluded.note"
        " WHERE (excluded.confirmed_at, excluded.principal)"
        " < (c.confirmed_at, c.principal)",
        (
            *(stored.alarm_id, stored.tier, event.rank, stored.by),
            *(to_datetime(event.happened_at_us), stored.cause_code, stored.note or ""),
        ),
    )


def event_id_of(conn: Connection, record_id: int) -> str:
    """What a record is called at every node: its event's id."""
    row = conn.execute(
        "SELECT event_id FROM alarm_journal WHERE journal_id = %s", (record_id,)
    ).fetchone()
    assert row is not None, f"record {record_id} was found a moment ago"
    return cast(str, row[0])


def records_of(conn: Connection, alarm_id: int) -> list[Record]:
    """What people wrote about an alarm, by its own times: some may have come late."""
    rows = conn.execute(
        "SELECT journal_id, event, tier, cause_code, refers_to, detail->>'to'"
        " FROM alarm_journal WHERE alarm_id = %s AND actor IS NOT NULL"
        " ORDER BY happened_at, journal_id",
        (alarm_id,),
    ).fetchall()
    return [Record(*cast(tuple[Any, ...], row)) for row in rows]


def closing_facts(
    alarm: dict[str, Any],
    marks: list[dict[str, Any]],
    records: list[Record],
    now_us: int,
) -> ClosingFacts:
    """What the closing rules ask of an alarm that ``alarms.lock`` gave."""
    cleared_us = alarm["cleared_at_us"]
    return ClosingFacts(
        kind=alarm["kind"],
        rank=alarm["rank"],
        # What broke through its plan is closed like any other.
        planned=alarm["planned"] and alarm["quiet"] is not None,
        cleared_for_us=None if cleared_us is None else max(0, now_us - cleared_us),
        confirmed=any(mark["rank"] >= alarm["rank"] for mark in marks),
        cause=cause_of(records) is not None,
    )


def marks_of(conn: Connection, alarm_id: int) -> list[dict[str, Any]]:
    """Confirmations of an alarm, the oldest first."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "SELECT tier, rank, principal,"
            " (extract(epoch FROM confirmed_at) * 1000000)::bigint AS at_us"
            " FROM confirmation WHERE alarm_id = %s ORDER BY confirmed_at",
            (alarm_id,),
        ).fetchall()


def last_us(conn: Connection, alarm_id: int) -> int:
    """When the last thing was done with it [µs UTC]; 0 when nothing was."""
    row = conn.execute(
        "SELECT coalesce((extract(epoch FROM max(happened_at)) * 1000000)::bigint, 0)"
        " FROM alarm_journal WHERE alarm_id = %s AND actor IS NOT NULL",
        (alarm_id,),
    ).fetchone()
    assert row is not None
    return cast(int, row[0])


def mark_closed(
    conn: Connection,
    alarm_id: int,
    by: str | None,
    rule: str,
    self_closed: bool,
    at_us: int,
) -> None:
    """Close a cleared alarm for good."""
    conn.execute(
        "UPDATE alarm SET closed_at = %s, closed_by = %s, close_rule = %s,"
        " self_closed = %s WHERE alarm_id = %s",
        (to_datetime(at_us), by, rule, self_closed, alarm_id),
    )
