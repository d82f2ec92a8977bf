"""What was decided: alarms, their journal, and what is told of them.

The engine's events are applied idempotently: an event whose id is in the journal is
skipped as a whole, so redelivery and replay change nothing and tell nothing twice. Two
writers with the same events meet in a unique index; the second is told to run again
(``db.retry_deadlock``) and then finds everything done.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from psycopg.rows import dict_row

from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.kinds import MINE_ONLY_KINDS
from gasmon.errors import NotFound
from gasmon.store import alarm_calls, outbox
from gasmon.store.alarm_book import AlarmBook
from gasmon.store.alarm_calls import Answer, Writing, as_json, two_writers
from gasmon.store.db import Connection, pipelined
from gasmon.store.facts import Facts, ensure_parents
from gasmon.store.numbers import Draw, Numbers, drawn_by
from gasmon.store.outbox import OutboxRow


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


def apply_events(
    conn: Connection, events: Sequence[AlarmEvent], now_us: int
) -> list[StoredEvent]:
    """Alarms and journal alone; the caller tells what is new before its commit.

    Raises:
        psycopg.errors.SerializationFailure: as :func:`record`.
    """
    with two_writers(), pipelined(conn):
        return record_asked(conn, ask(conn, events), None, now_us).events


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked about events, and is on the way.

    Attributes:
        events: each identity once, in order.
        answer: waits for what the database says; asked again it says the same.
    """

    events: Sequence[AlarmEvent]
    answer: Callable[[], Answer]

    def without_rows(self) -> list[AlarmEvent]:
        """The events that are about something that has no row yet."""
        pairs = zip(self.events, self.answer().facts, strict=True)
        return [event for event, facts in pairs if not facts.are_of(event)]


def ask(conn: Connection, events: Sequence[AlarmEvent]) -> Asked | None:
    """Ask for all that :func:`record_asked` must know, and lock what it may change.

    In a pipeline the question travels with what comes before it.
    """
    if not events:
        return None
    asked = once(events)
    return Asked(asked, cache(alarm_calls.ask(conn, asked)))


def once(events: Sequence[AlarmEvent]) -> list[AlarmEvent]:
    """Each identity once, as it was said first, in order."""
    return list({event.event_id: event for event in reversed(events)}.values())[::-1]


def record_asked(
    conn: Connection, asked: Asked | None, encode: Encode | None, now_us: int
) -> Recorded:
    """:func:`record` with what was asked before, in the caller's pipeline.

    Args:
        encode: None leaves the telling to the caller.

    Raises:
        psycopg.errors.UniqueViolation: with a later answer; :func:`two_writers` around
            all of it makes of it what :func:`record` raises.
    """
    if asked is None:
        return _NOTHING
    answer = asked.answer()
    pairs = zip(asked.events, answer.facts, strict=True)
    orphans = [
        event
        for event, facts in pairs
        if event.event_id not in answer.known and not facts.has_parents
    ]
    ensure_parents(conn, orphans)
    decided = decide(asked, drawn_by(conn), encode)
    if not decided.events:
        return _NOTHING
    last_seq = alarm_calls.write(conn, decided.rows, decided.told, now_us)
    return Recorded(decided.events, last_seq)


@dataclass(frozen=True, slots=True)
class Decided:
    """What becomes of events, to be written.

    Attributes:
        events: those that were new, in order.
    """

    rows: Writing
    events: list[StoredEvent]
    told: list[OutboxRow]


def decide(asked: Asked, draw: Draw, encode: Encode | None) -> Decided:
    """What becomes of events, by what is known of them.

    Args:
        draw: numbers for rows that were not foreseen.
        encode: None leaves the telling to the caller.
    """
    answer = asked.answer()
    pairs = zip(asked.events, answer.facts, strict=True)
    new = [(e, facts) for e, facts in pairs if e.event_id not in answer.known]
    if not new:
        return Decided(Writing(), [], [])
    rows, stored = _apply(draw, answer, new)
    return Decided(rows, stored, [] if encode is None else _told(stored, encode))


_NOTHING = Recorded([], lambda: 0)


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
       a.closed_at IS NOT NULL AS closed, a.self_closed, a.upstream,
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


def _apply(
    draw: Draw, answer: Answer, events: Sequence[tuple[AlarmEvent, Facts]]
) -> tuple[Writing, list[StoredEvent]]:
    """Apply events to alarms and incidents; see ``alarm_book`` for how."""
    book = AlarmBook(answer, [event for event, _ in events])
    applied = []
    for event, known in events:
        # A row is an object that later events change; what this one left is kept.
        row, continued = book.apply(event, known)
        applied.append((event, known, row, continued, row.cleared_us))
    rows = book.written(
        Numbers(draw, "alarm", "alarm_id", answer.alarm_ids),
        Numbers(draw, "incident", "incident_id", answer.incident_ids),
    )
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
    rows.journal = [_entry(each) for each in stored]
    return rows, stored


def _entry(stored: StoredEvent) -> dict[str, Any]:
    """A row of the journal."""
    event = stored.event
    return {
        "alarm_id": stored.alarm_id,
        "event_id": event.event_id,
        "event": event.event,
        "happened_us": event.happened_at_us,
        "arrived_us": event.arrived_at_us,
        "decided_us": event.decided_at_us,
        "rank": event.rank,
        "value": event.value,
        "limit_value": event.limit,
        "actor": stored.by,
        "tier": stored.tier,
        "cause_code": stored.cause_code,
        "note": stored.note,
        "detail": as_json(_detail(stored)),
    }


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
