"""Hand-overs of shifts: opened, noted, signed, accepted or refused; only added to.

A hand-over is a row of its shift; everything that people do with it is a record. The
state is folded from the records (``gasmon.shifts.handover``). Each action is one
transaction with its row in the audit.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from gasmon.errors import BadRequest, NotFound, StateConflict
from gasmon.shifts.calendar import ONE_DAY, Shift, day_of
from gasmon.shifts.handover import (
    EVENTS,
    INCOMING,
    OUTGOING,
    TABLE,
    Refusal,
    decide,
    fingerprint,
    is_reminder_due,
    state_of,
)
from gasmon.shifts.posts import Post
from gasmon.store.access import Principal
from gasmon.store.audit import Actor, write, write_by
from gasmon.store.handover_summary import load_shown, summary_of
from gasmon.store.scope import Scope
from gasmon.store.shift_calendars import (
    Conn,
    calendar_of,
    load_calendars,
    lock_post,
    sees,
)
from gasmon.store.shift_presence import (
    check_may,
    presences_at,
    signed_on,
)
from gasmon.store.views import iso
from gasmon.units import US_PER_DAY, from_datetime, to_datetime

WITH_TEXT = ("note", "refuse")
"""Actions that say nothing without a text."""

REMIND_DAYS = 7
"""How long a shift without two signatures is reminded of [d]. Ours: after a week
nobody remembers it, and it stays shown as unsigned."""


@dataclass(frozen=True, slots=True)
class Handover:
    """One hand-over with its records, in their order."""

    handover_id: int
    post: Post
    shift: Shift
    records: list[dict[str, Any]]

    @property
    def state(self) -> str:
        """One of ``STATES``."""
        return state_of(record["event"] for record in self.records)

    @property
    def signature(self) -> dict[str, Any] | None:
        """The last outgoing signature."""
        return self._last("signed")

    @property
    def reminded_us(self) -> int | None:
        """When it was last reminded of [µs UTC]."""
        last = self._last("reminded")
        return None if last is None else from_datetime(last["at"])

    def notes(self) -> list[dict[str, Any]]:
        """The notes that a signature is about."""
        return [
            {"by": one["principal"], "at": iso(one["at"]), "text": one["note"]}
            for one in self.records
            if one["event"] == "noted"
        ]

    def _last(self, event: str) -> dict[str, Any] | None:
        found = [record for record in self.records if record["event"] == event]
        return found[-1] if found else None


def open_handover(
    conn: Conn, post: Post, which: str, who: Principal, now_us: int
) -> int:
    """Open the hand-over of a shift, or find it; commits. Gives its number.

    Args:
        which: ``now`` or ``before``: the shift that has duty, or the one before it.

    Raises:
        NotFound: the post is not for him.
        Forbidden: the role has no duty there.
        StateConflict: there is no such shift.
    """
    check_may(who, post)
    with conn.transaction():
        lock_post(conn, post)
        calendar = calendar_of(conn, post)
        is_now = which == "now"
        shift = calendar.at(now_us) if is_now else calendar.before(now_us)
        if shift is None:
            raise StateConflict(f"{post} has no shift {which}")
        return _ensure(conn, post, shift, now_us)


def act(
    conn: Conn,
    handover_id: int,
    action: str,
    text: str,
    who: Principal,
    now_us: int,
) -> None:
    """Note, sign, accept or refuse; commits.

    Raises:
        NotFound: no such hand-over, or not for him; no such action.
        Forbidden: the role has no duty there.
        BadRequest: a note or a refusal without a text.
        StateConflict: state, side or person forbid it; says why.
    """
    if action not in TABLE:
        raise NotFound(f"no action {action!r}; {', '.join(TABLE)}")
    found = find(conn, handover_id, who.scope)
    check_may(who, found.post)
    if action in WITH_TEXT and not text.strip():
        raise BadRequest(f"{action}: a text is wanted")
    with conn.transaction():
        lock_post(conn, found.post)
        found = find(conn, handover_id, who.scope)
        signature = found.signature
        then = decide(
            found.state,
            action,
            sides=_sides(conn, found, who, now_us),
            by=who.name,
            signed_by=None if signature is None else signature["principal"],
            until_end_us=found.shift.until_us - now_us,
        )
        if isinstance(then, Refusal):
            raise StateConflict(str(then.why))
        content: dict[str, Any] | None = None
        mark = None if signature is None else signature["fingerprint"]
        if action == "sign":
            content = content_of(conn, found, now_us)
            mark = fingerprint({**content, "notes": found.notes(), "text": text})
        _record(
            conn,
            handover_id,
            EVENTS[action],
            now_us,
            who=who.name,
            note=text,
            content=content,
            mark=mark if action in ("sign", "accept") else None,
        )
        write_by(
            conn,
            Actor(who.name, who.scope),
            f"handover.{action}",
            str(found.post),
            handover=handover_id,
            shift=str(found.shift),
            fingerprint=mark,
            note=text,
        )


def content_of(conn: Conn, found: Handover, now_us: int) -> dict[str, Any]:
    """What a hand-over tells now, and what its signature keeps."""
    post, shift = found.post, found.shift
    load = load_shown(conn, post, shift.from_us, shift.until_us, now_us)
    return {"summary": summary_of(conn, post, now_us), "load": load}


def find(conn: Conn, handover_id: int, scope: Scope) -> Handover:
    """One hand-over with its records.

    Raises:
        NotFound: no such one, or not for this scope.
    """
    query = sql.SQL("SELECT * FROM handover WHERE handover_id = %(id)s")
    found = with_records(conn, query, {"id": handover_id})
    if not found or not sees(scope, found[0].post):
        raise NotFound(f"no hand-over {handover_id}")
    return found[0]


def remind(conn: Conn, now_us: int) -> list[str]:
    """Open what ended without a hand-over, and remind of what has no two signatures.

    One transaction per post, on a connection without an open one.

    Returns:
        What was reminded of, as people read it.
    """
    said: list[str] = []
    calendars = load_calendars(conn, now_us)
    begun = _set_since(conn)
    conn.commit()
    for post, calendar in sorted(calendars.items(), key=lambda item: item[0]):
        with conn.transaction():
            lock_post(conn, post)
            for shift in calendar.between(day_of(now_us) - 2 * ONE_DAY, 3):
                if begun[post] < shift.until_us <= now_us:
                    _ensure(conn, post, shift, now_us)
            for found in _unsigned(conn, post, now_us):
                until_us = found.shift.until_us
                if is_reminder_due(until_us, found.reminded_us, now_us):
                    _record(conn, found.handover_id, "reminded", now_us)
                    words = f"{post} {found.shift}: {found.state}"
                    write(
                        conn,
                        "gasmon",
                        "handover.remind",
                        str(post),
                        detail={
                            "handover": found.handover_id,
                            "shift": str(found.shift),
                            "state": found.state,
                        },
                    )
                    said.append(words)
    return said


def _set_since(conn: Conn) -> dict[Post, int]:
    """When each post first had a calendar [µs UTC]: nothing before is handed over."""
    rows = conn.execute(
        "SELECT tier, place, min(recorded_at) FROM shift_calendar GROUP BY 1, 2"
    ).fetchall()
    return {Post(tier, place): from_datetime(at) for tier, place, at in rows}


def _unsigned(conn: Conn, post: Post, now_us: int) -> list[Handover]:
    query = sql.SQL(
        "SELECT * FROM handover h WHERE (tier, place) = (%(tier)s, %(place)s)"
        " AND until_us <= %(now)s AND until_us > %(since)s"
        " AND NOT EXISTS (SELECT FROM handover_record r"
        "   WHERE r.handover_id = h.handover_id AND r.event = 'accepted')"
        " ORDER BY from_us"
    )
    params = {
        "tier": post.tier,
        "place": post.place,
        "now": now_us,
        "since": now_us - REMIND_DAYS * US_PER_DAY,
    }
    return with_records(conn, query, params)


def _sides(conn: Conn, found: Handover, who: Principal, now_us: int) -> frozenset[str]:
    """On which sides of a hand-over somebody has duty."""
    sides = set()
    was_there = presences_at(conn, found.post, found.shift.from_us)
    if any(one.name == who.name for one in was_there):
        sides.add(OUTGOING)
    for one in signed_on(conn, now_us, who.scope, found.post):
        if one.name == who.name and one.from_us >= found.shift.until_us:
            sides.add(INCOMING)
    return frozenset(sides)


def _ensure(conn: Conn, post: Post, shift: Shift, now_us: int) -> int:
    """The number of a shift's hand-over, made where there is none; under the lock."""
    key = (post.tier, post.place, shift.from_us)
    row = conn.execute(
        "SELECT handover_id FROM handover WHERE tier = %s AND place = %s"
        " AND from_us = %s",
        key,
    ).fetchone()
    if row is None:
        row = conn.execute(
            "INSERT INTO handover (tier, place, from_us, until_us, day, shift,"
            " opened_at) VALUES (%s,%s,%s,%s,%s,%s,%s) RETURNING handover_id",
            (*key, shift.until_us, shift.day, shift.name, to_datetime(now_us)),
        ).fetchone()
    assert row is not None
    return int(row[0])


def _record(
    conn: Conn,
    handover_id: int,
    event: str,
    now_us: int,
    *,
    who: str | None = None,
    note: str = "",
    content: dict[str, Any] | None = None,
    mark: str | None = None,
) -> None:
    conn.execute(
        "INSERT INTO handover_record (handover_id, event, principal, at, note, summary,"
        " fingerprint) VALUES (%s,%s,%s,%s,%s,%s,%s)",
        (
            handover_id,
            event,
            who,
            to_datetime(now_us),
            note.replace("\x00", ""),
            None if content is None else Jsonb(content),
            mark,
        ),
    )


def with_records(
    conn: Conn, query: sql.Composed | sql.SQL, params: dict[str, Any]
) -> list[Handover]:
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query, params).fetchall()
        ids = [row["handover_id"] for row in rows]
        records = cursor.execute(
            "SELECT * FROM handover_record WHERE handover_id = ANY(%s)"
            " ORDER BY record_id",
            (ids,),
        ).fetchall()
    return [
        Handover(
            row["handover_id"],
            Post(row["tier"], row["place"]),
            _shift(row["day"], row),
            [one for one in records if one["handover_id"] == row["handover_id"]],
        )
        for row in rows
    ]


def _shift(day: date, row: dict[str, Any]) -> Shift:
    return Shift(day, row["shift"], row["from_us"], row["until_us"])
