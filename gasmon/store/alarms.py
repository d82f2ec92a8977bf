"""What was decided: alarms, their journal, and what is told of them.

The engine's events are applied idempotently: an event whose id is in the journal is
skipped as a whole, so redelivery and replay change nothing and tell nothing twice. Two
writers with the same events meet in a unique index; the second is told to run again
(``db.retry_deadlock``) and then finds everything done.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import psycopg
from psycopg.rows import dict_row

from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.kinds import MINE_ONLY_KINDS
from gasmon.errors import NotFound
from gasmon.store import outbox
from gasmon.store.alarm_book import AlarmBook, as_json, moment
from gasmon.store.db import Connection, pipelined
from gasmon.store.facts import (
    Facts,
    FactsKey,
    ask_facts,
    ensure_parents,
    facts_key,
)
from gasmon.store.outbox import OutboxRow
from gasmon.units import to_datetime


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event with its place in the database, as its body needs it.

    Attributes:
        event: what happened; ``event.event`` is ``confirmed`` for a confirmation.
        cleared_at_us: when the alarm was cleared; None while it is open.
        continued: the alarm was open already under another key.
        by: who acted; ``tier``, ``note``, ``cause_code`` and ``more`` belong to it.
    """

    event: AlarmEvent
    alarm_id: int
    incident_id: int
    point_id: int | None
    mine_name: str
    place: str
    quantity: str
    uom: str
    cleared_at_us: int | None = None
    continued: bool = False
    by: str | None = None
    tier: str | None = None
    note: str | None = None
    cause_code: str | None = None
    more: dict[str, Any] = field(default_factory=dict)


Encode = Callable[[StoredEvent], str]
"""Makes the body of an event; ``remote.frames.encode_body`` is meant."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What ``record`` wrote.

    Attributes:
        events: those that were new, in order.
        last_seq: gives the last outbox number; 0 when nothing was new. In a pipeline
            it waits for the answer, which may as well come with the commit's.
    """

    events: list[StoredEvent]
    last_seq: Callable[[], int]


@dataclass(frozen=True, slots=True)
class OpenAlarm:
    """An alarm that is not cleared, as a restart and the annunciator need it.

    Attributes:
        confirmed_by: tiers that confirmed it at its present level or above.
    """

    alarm_id: int
    incident_id: int
    run: int
    subject_type: str
    subject_id: str
    kind: str
    rule: str
    area: str
    mine: str
    system: str | None
    no: str | None
    unit: str | None
    raised_at_us: int
    arrived_at_us: int
    decided_at_us: int
    rank: int
    value: float | None
    limit: float | None
    peak: float | None
    peak_at_us: int | None
    unknown: bool
    late: bool
    planned: bool
    quiet: str | None
    explain: dict[str, Any]
    confirmed_by: tuple[str, ...]


def record(
    conn: Connection, events: Sequence[AlarmEvent], encode: Encode, now_us: int
) -> Recorded:
    """Alarms, journal and outbox, as the last thing before the caller's commit.

    Args:
        encode: makes the body of each event.
        now_us: when it is recorded [µs UTC].

    Raises:
        psycopg.errors.SerializationFailure: another writer applied the same events
            meanwhile; run the whole transaction again.
    """
    # A pipeline: what needs no answer travels with what does.
    with two_writers(), pipelined(conn):
        return record_asked(conn, ask(conn, events), encode, now_us)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked about events, and is on the way.

    Attributes:
        by_id: the events, the first of each identity, the last first.
        known: which of them are in the journal.
        facts: gives what is known of their subjects.
        book: the rows that they may touch.
    """

    by_id: dict[str, AlarmEvent]
    known: psycopg.Cursor[tuple[object, ...]]
    facts: Callable[[], dict[FactsKey, Facts]]
    book: AlarmBook


def ask(conn: Connection, events: Sequence[AlarmEvent]) -> Asked | None:
    """Ask for all that :func:`record_asked` must know, and lock what it may change.

    In a pipeline the questions travel with what comes before them.
    """
    if not events:
        return None
    by_id = {event.event_id: event for event in reversed(events)}
    known = conn.execute(
        "SELECT event_id FROM alarm_journal WHERE event_id = ANY(%s)", (list(by_id),)
    )
    return Asked(by_id, known, ask_facts(conn, events), AlarmBook(conn, events))


def record_asked(
    conn: Connection, asked: Asked | None, encode: Encode, now_us: int
) -> Recorded:
    """:func:`record` with what was asked before, in the caller's pipeline.

    Raises:
        psycopg.errors.UniqueViolation: with a later answer; :func:`two_writers` around
            all of it makes of it what :func:`record` raises.
    """
    stored = [] if asked is None else _apply(conn, asked, now_us)
    last_seq = outbox.append_ahead(conn, _told(stored, encode), now_us)
    return Recorded(stored, last_seq)


@contextmanager
def two_writers() -> Iterator[None]:
    """Around a pipeline in which events are recorded, as its end tells of collisions.

    Raises:
        psycopg.errors.SerializationFailure: as :func:`record`.
    """
    try:
        yield
    except psycopg.errors.UniqueViolation as error:
        if error.diag.table_name not in ("alarm", "alarm_journal", "incident"):
            raise
        raise psycopg.errors.SerializationFailure(
            f"another writer applied the same alarm events: {error}"
        ) from error


def open_alarms(conn: Connection, run: int) -> list[OpenAlarm]:
    """All alarms of a run that are not cleared, in the order they were raised."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"{_ALARM} WHERE a.run = %s AND a.cleared_at IS NULL"
            " ORDER BY a.raised_at, a.alarm_id".encode(),
            (run,),
        ).fetchall()
    return [
        OpenAlarm(
            **{name: row[name] for name in _OPEN_FIELDS},
            confirmed_by=tuple(row["confirmed_by"]),
        )
        for row in rows
    ]


def lock(conn: Connection, alarm_id: int) -> dict[str, Any]:
    """One alarm's row with its names, locked until the caller's transaction ends.

    The lock makes two people who act on one alarm wait for one another.

    Raises:
        NotFound: no such alarm.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            f"{_ALARM} WHERE a.alarm_id = %s FOR NO KEY UPDATE OF a".encode(),
            (alarm_id,),
        ).fetchone()
    if row is None:
        raise NotFound(f"no alarm {alarm_id}")
    return row


def tell(
    conn: Connection, stored: Sequence[StoredEvent], encode: Encode, now_us: int
) -> int:
    """Put events into the outbox, as the last thing before the caller's commit.

    Returns:
        The last outbox number; 0 when there was nothing to tell.
    """
    return outbox.append(conn, _told(stored, encode), now_us)


_ALARM = """
SELECT a.alarm_id, a.incident_id, a.run, a.subject_type, a.subject_id, a.kind, a.rule,
       a.area_code AS area, coalesce(m.code, '') AS mine, m.name AS mine_name,
       p.system, p.no, a.point_id, a.unit_slug AS unit, a.rank, a.value,
       a.limit_value AS limit, a.peak, a.unknown, a.late, a.planned, a.quiet, a.explain,
       a.closed_at IS NOT NULL AS closed, a.self_closed,
       (extract(epoch FROM a.raised_at) * 1000000)::bigint AS raised_at_us,
       (extract(epoch FROM a.arrived_at) * 1000000)::bigint AS arrived_at_us,
       (extract(epoch FROM a.decided_at) * 1000000)::bigint AS decided_at_us,
       (extract(epoch FROM a.peak_at) * 1000000)::bigint AS peak_at_us,
       (extract(epoch FROM a.cleared_at) * 1000000)::bigint AS cleared_at_us,
       coalesce(v.place, u.name) AS place, v.quantity, v.uom,
       ARRAY(SELECT DISTINCT c.tier FROM confirmation c
             WHERE c.alarm_id = a.alarm_id AND c.rank >= a.rank
             ORDER BY c.tier) AS confirmed_by
FROM alarm a
LEFT JOIN mine m USING (mine_id)
LEFT JOIN point p ON p.point_id = a.point_id
LEFT JOIN unit u ON u.mine_id = a.mine_id AND u.slug = a.unit_slug
  AND a.subject_type = 'unit'
LEFT JOIN LATERAL (
    SELECT w.place, w.quantity, w.uom FROM point_version w
    WHERE w.point_id = a.point_id
      AND w.effective_from_us <= (extract(epoch FROM a.raised_at) * 1000000)::bigint
    ORDER BY w.effective_from_us DESC LIMIT 1) v ON true"""

_OPEN_FIELDS = [name for name in OpenAlarm.__slots__ if name != "confirmed_by"]


def _apply(conn: Connection, asked: Asked, now_us: int) -> list[StoredEvent]:
    """Apply events to alarms, incidents and journal; see ``alarm_book`` for how.

    Returns:
        The events that were not in the journal yet, in order.
    """
    # Waits for an answer, and so for those of all that was asked.
    in_journal = {cast(str, found[0]) for found in asked.known.fetchall()}
    # Those that are not in the journal, each once, in order.
    events = [
        event
        for event_id, event in reversed(asked.by_id.items())
        if event_id not in in_journal
    ]
    if not events:
        return []
    facts, book = asked.facts(), asked.book
    ensure_parents(conn, [e for e in events if not facts[facts_key(e)].has_parents])
    book.begin(events)
    applied = []
    for event in events:
        known = facts[facts_key(event)]
        # A row is an object that later events change; what this one left is kept.
        row, continued = book.apply(event, known)
        applied.append((event, known, row, continued, row.cleared_us))
    book.write()
    stored = [
        StoredEvent(
            event=event,
            alarm_id=row.alarm_id,
            incident_id=row.incident.incident_id,
            point_id=row.point_id,
            mine_name=known.mine_name,
            place=known.place,
            quantity=known.quantity,
            uom=known.uom,
            cleared_at_us=cleared_us,
            continued=continued,
        )
        for event, known, row, continued, cleared_us in applied
    ]
    _append_journal(conn, stored, now_us)
    return stored


def _append_journal(
    conn: Connection, stored: Sequence[StoredEvent], now_us: int
) -> None:
    recorded = to_datetime(now_us)
    conn.cursor().executemany(
        "INSERT INTO alarm_journal (alarm_id, event_id, event, happened_at, arrived_at,"
        " decided_at, recorded_at, rank, value, limit_value, actor, tier, cause_code,"
        " note, detail) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,"
        " %s, %s::jsonb)",
        [
            (
                s.alarm_id,
                s.event.event_id,
                s.event.event,
                moment(s.event.happened_at_us),
                moment(s.event.arrived_at_us),
                moment(s.event.decided_at_us),
                recorded,
                s.event.rank,
                s.event.value,
                s.event.limit,
                s.by,
                s.tier,
                s.cause_code,
                s.note,
                as_json(_detail(s)),
            )
            for s in stored
        ],
    )


def _detail(stored: StoredEvent) -> dict[str, Any]:
    event = stored.event
    detail: dict[str, Any] = {"rule": event.rule, "explain": event.explain}
    if stored.continued:
        # The fact that this event came under another key than its alarm's own.
        detail["continues"] = event.key
    return detail


def _told(stored: Sequence[StoredEvent], encode: Encode) -> list[OutboxRow]:
    return [
        OutboxRow(
            run=s.event.run,
            area=s.event.area,
            mine=s.event.mine or None,
            alarm_id=s.alarm_id,
            event=s.event.event,
            rank=s.event.rank,
            body=encode(s),
            mine_only=s.event.kind in MINE_ONLY_KINDS,
        )
        for s in stored
    ]
