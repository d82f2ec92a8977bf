"""What a node writes of what the node above tells: alarms, records, marks, outbox.

Events of the engine go the way of our own (``alarms.apply_events``). Records of people
and rules are written with the identity that they have above, so that each is here
once, however often it comes; one that was made here comes back under its key and is
not written again. What is told onwards is what was told to us, with our own numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, cast

import psycopg

from gasmon.alarms.events import AlarmEvent
from gasmon.store import alarms, shelves, upstream
from gasmon.store.alarm_calls import as_json
from gasmon.store.alarm_records import (
    acted,
    event_id_of,
    mark_closed,
    put_mark,
    write_record,
)
from gasmon.store.alarms import StoredEvent
from gasmon.store.db import Connection
from gasmon.store.facts import ensure_parents
from gasmon.store.life_jobs import BY
from gasmon.store.merging import alarm_of
from gasmon.store.mirroring import Unfinished, apply_numbered
from gasmon.store.registry import ensure_subjects
from gasmon.units import parse_iso_us, to_datetime


@dataclass(frozen=True, slots=True)
class Heard:
    """One event of the node above.

    Attributes:
        number: of its alarm, above.
        body: its JSON, as it was told.
        by: who acted; None for an event of the engine.
        key: of the command that it tells of; None when nobody commanded it.
        refers_to: the record that it is about, by its event's id.
        more: what else the record says.
    """

    event: AlarmEvent
    number: int
    body: dict[str, Any]
    mine_name: str
    place: str
    quantity: str
    uom: str
    by: str | None = None
    tier: str | None = None
    note: str = ""
    cause_code: str | None = None
    key: str | None = None
    refers_to: str | None = None
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Taken:
    """What became of events.

    Attributes:
        n_new: written now.
        n_unknown: records of alarms that were over before we began to follow.
        refused: events that the database does not take, and why.
    """

    n_new: int = 0
    n_unknown: int = 0
    refused: list[str] = field(default_factory=list)

    def add(self, other: "Taken") -> None:
        """Count what became of others."""
        self.n_new += other.n_new
        self.n_unknown += other.n_unknown
        self.refused += other.refused


def take(conn: Connection, heard: Sequence[Heard], name: str, now_us: int) -> Taken:
    """Write events in their order, within the caller's transaction.

    An event that the database refuses for what it says is left out by itself: those
    after it must not wait for ever.

    Args:
        name: of the node above.
        now_us: wall time [µs UTC].

    Raises:
        Unfinished: more must come before these can be written; nothing was.
    """
    try:
        with conn.transaction():
            return _take(conn, heard, name, now_us)
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        if isinstance(error, psycopg.errors.UniqueViolation):
            raise  # another writer; the whole is tried again
        if len(heard) == 1:
            return Taken(refused=[f"{heard[0].event.event_id}: {error}".strip()])
    of_alarm: dict[int, list[Heard]] = {}
    for one in heard:
        of_alarm.setdefault(one.number, []).append(one)
    total = Taken()
    for alone in of_alarm.values() if len(of_alarm) > 1 else ([one] for one in heard):
        try:
            total.add(take(conn, alone, name, now_us))
        except Unfinished as error:
            if len(of_alarm) > 1:
                raise
            total.refused.append(f"{alone[0].event.event_id}: {error!r}")
    return total


def _take(conn: Connection, heard: Sequence[Heard], name: str, now_us: int) -> Taken:
    ensure_parents(conn, [one.event for one in heard])
    ensure_subjects(conn, [_subject(one) for one in heard], now_us)
    taken = Taken()
    stored: list[StoredEvent] = []
    bodies: dict[str, str] = {}
    for is_record, group in groupby(heard, key=lambda one: one.by is not None):
        if not is_record:
            stored += _judged(conn, list(group), name, now_us, bodies)
            continue
        for one in group:
            written = _record(conn, one, now_us, bodies)
            if written is None:
                taken.n_unknown += 1
            else:
                stored += written
    taken.n_new = len(stored)
    alarms.tell(conn, stored, lambda event: bodies[event.event.event_id], now_us)
    return taken


def _subject(one: Heard) -> dict[str, Any]:
    event = one.event
    return {
        "mine": event.mine,
        "mine_name": one.mine_name,
        "system": event.system,
        "no": event.no,
        "unit": event.unit,
        "is_unit": event.subject_type == "unit",
        "place": one.place,
        "quantity": one.quantity,
        "uom": one.uom,
        "at_us": event.raised_at_us,
    }


def _judged(
    conn: Connection,
    heard: list[Heard],
    name: str,
    now_us: int,
    bodies: dict[str, str],
) -> list[StoredEvent]:
    """Events of the engine above."""
    numbered = [(one.number, one.event) for one in heard]
    stored = apply_numbered(conn, numbered, name, now_us)
    told = {one.event.event_id: one for one in heard}
    for event in stored:
        one = told[event.event.event_id]
        bodies[event.event.event_id] = _body(one, event)
    return stored


def _record(
    conn: Connection, one: Heard, now_us: int, bodies: dict[str, str]
) -> list[StoredEvent] | None:
    """A record of somebody above; None when its alarm is not known here."""
    event = one.event
    known = conn.execute(
        "SELECT FROM alarm_journal WHERE event_id = %s", (event.event_id,)
    ).fetchone()
    if known is not None:
        return []
    if one.key is not None and upstream.came_back(
        conn, one.key, event.event_id, now_us
    ):
        return []
    alarm_id = alarm_of(conn, event.key)
    if alarm_id is None:
        return None
    row = alarms.lock(conn, alarm_id)
    about = None if not one.refers_to else upstream.record_named(conn, one.refers_to)
    more = dict(one.more)
    if "refers_to" in more:
        more["refers_to"] = about
    stored = StoredEvent(
        event=event,
        alarm_id=alarm_id,
        incident_id=row["incident_id"],
        point_id=row["point_id"],
        mine_name=one.mine_name,
        place=one.place,
        quantity=one.quantity,
        uom=one.uom,
        cleared_at_us=row["cleared_at_us"],
        by=one.by,
        tier=one.tier,
        note=one.note,
        cause_code=one.cause_code,
        more=more,
    )
    write_record(conn, stored, now_us, about)
    _effect(conn, row, stored)
    # A record that was made here or below may bear another time above, so another id.
    about_id = None if about is None else event_id_of(conn, about)
    bodies[event.event_id] = _body(one, stored, about, about_id)
    return [stored]


def _effect(conn: Connection, row: dict[str, Any], stored: StoredEvent) -> None:
    """What a record changes besides the journal."""
    at_us, more = stored.event.happened_at_us, stored.more
    match stored.event.event:
        case "confirmed" if stored.tier is not None:
            put_mark(conn, stored)
        case "closed" if row["cleared_at_us"] is not None and not row["closed"]:
            by = stored.by if stored.tier is not None else None
            rule = str(more.get("rule") or "upstream")
            asks_nobody = more.get("asks_nobody") is True
            mark_closed(conn, stored.alarm_id, by, rule, asks_nobody, at_us)
        case "shelved" if isinstance(more.get("until"), str):
            number = shelves.put_shelf(
                conn,
                {**row, "rank": min(int(more.get("ceiling") or 0), 3)},
                until_us=max(parse_iso_us(more["until"]), at_us + 1),
                reason=stored.note or "",
                owner=stored.by or "",
                now_us=at_us,
            )
            # Its end is told by the node above.
            conn.execute(
                "UPDATE quiet SET ended_at = %s WHERE 'shelf:' || quiet_id = %s",
                (to_datetime(at_us), number),
            )
        case "unshelved" if stored.tier is not None:
            shelves.end_shelves(conn, row, by=stored.by or "", now_us=at_us)


def _body(
    one: Heard,
    stored: StoredEvent,
    about: int | None = None,
    about_id: str | None = None,
) -> str:
    """What is told onwards: the same, with our own numbers and names of records."""
    body = {
        **one.body,
        "alarm_id": stored.alarm_id,
        "incident_id": stored.incident_id,
    }
    if "refers_to" in body:
        body["refers_to"] = about
    if about_id is not None:
        body["refers_to_id"] = about_id
    return as_json(body)


def missing(
    conn: Connection,
    present: Sequence[AlarmEvent],
    name: str,
    now_us: int,
    *,
    has_cleared: bool,
) -> list[tuple[int, StoredEvent]]:
    """Events that end what stands here and is not in a snapshot.

    When exactly each was over is not known here: it bears the snapshot's time, or that
    of the alarm that began in its place, and says whence it is.

    Args:
        present: the snapshot's events.
        has_cleared: the snapshot has what is cleared and not closed, too; what is not
            in it was closed.

    Returns:
        Each with the number of its alarm above.
    """
    began = {event.key.rpartition("/")[0]: event.raised_at_us for event in present}
    here = {alarm_of(conn, event.key) for event in present}
    rows = conn.execute(
        "SELECT alarm_id, coalesce(upstream_alarm_id, 0) FROM alarm"
        " WHERE run = 0 AND upstream = %s"
        " AND (cleared_at IS NULL OR (%s AND closed_at IS NULL))"
        " AND alarm_id <> ALL(%s) ORDER BY alarm_id",
        (name, has_cleared, [alarm_id for alarm_id in here if alarm_id is not None]),
    ).fetchall()
    found = []
    for alarm_id, number in cast(list[tuple[int, int]], rows):
        row = alarms.lock(conn, alarm_id)
        row["explain"] = {"by": "snapshot", "upstream": name}
        slot = f"{row['run']}/{row['subject_type']}:{row['subject_id']}/{row['kind']}"
        over_us = max(began.get(slot, now_us), row["raised_at_us"])
        if row["cleared_at_us"] is None:
            found.append((number, _ended(row, "cleared", over_us, "", {})))
        if has_cleared:
            more = {"rule": "snapshot"}
            found.append((number, _ended(row, "closed", over_us, BY, more)))
    return found


def _ended(
    row: dict[str, Any], event: str, at_us: int, by: str, more: dict[str, Any]
) -> StoredEvent:
    return acted(
        row, event, at_us, by=by, tier=None, note="", cause_code=None, more=more
    )
