"""The ledger of deliveries: which event went how far to which recipient.

Written by the api beside its streams and never on the way of an event; each row is
written once, however often it is told.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from psycopg import sql

from gasmon.alarms.receipts import ASKING
from gasmon.store.db import AsyncConnection
from gasmon.store.scope import Scope, scope_condition
from gasmon.units import to_datetime

_BY_SEQ = """
INSERT INTO receipt (alarm_id, event_id, recipient, step, happened_at, recorded_at)
SELECT o.alarm_id, o.body::json ->> 'id', n.recipient, n.step, n.at, n.at
FROM unnest(%(seq)s::bigint[], %(recipient)s::text[], %(step)s::text[],
            %(at)s::timestamptz[]) AS n (seq, recipient, step, at)
JOIN outbox o USING (seq) WHERE o.alarm_id IS NOT NULL
ON CONFLICT DO NOTHING"""

_BY_ID = sql.SQL(
    "INSERT INTO receipt (alarm_id, event_id, recipient, step, happened_at,"
    " recorded_at)"
    " SELECT a.alarm_id, j.event_id, %(recipient)s, %(step)s, %(at)s, %(known)s"
    " FROM alarm_journal j JOIN alarm a USING (alarm_id)"
    " LEFT JOIN mine m USING (mine_id)"
    " WHERE j.event_id = ANY(%(ids)s::text[]) AND {scope}"
    " ON CONFLICT DO NOTHING"
)

_SHOWN = sql.SQL(
    "INSERT INTO receipt (alarm_id, event_id, recipient, console, step, happened_at,"
    " recorded_at)"
    " SELECT a.alarm_id, j.event_id, %(recipient)s, %(console)s, %(step)s, %(at)s,"
    " %(known)s"
    " FROM unnest(%(ids)s::bigint[], %(ranks)s::int[]) AS n (alarm_id, rank)"
    " JOIN alarm a USING (alarm_id) LEFT JOIN mine m USING (mine_id)"
    " JOIN alarm_journal j USING (alarm_id)"
    " WHERE j.actor IS NULL AND j.event = ANY(%(asking)s) AND j.rank <= n.rank"
    " AND {scope}"
    " ON CONFLICT DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class SeqNote:
    """An event was sent to a recipient, or acknowledged by it; ``at_us`` [µs UTC] by
    our clock, as whatever is noted of recipients is known from then on: an outage
    between a note and its row makes nothing late."""

    seq: int
    recipient: str
    step: str
    at_us: int


@dataclass(frozen=True, slots=True)
class IdNote:
    """A recipient reports a step of events; ``at_us`` [µs UTC] by its own clock,
    ``known_us`` when we heard of it."""

    ids: tuple[str, ...]
    recipient: str
    scope: Scope
    step: str
    at_us: int
    known_us: int


@dataclass(frozen=True, slots=True)
class ShownNote:
    """What a page drew or sounded.

    Attributes:
        alarms: (alarm, level at which it was shown).
        recipient: name of the person who is signed in.
        console: the workstation.
        at_us: by our clock [µs UTC].
        known_us: when we heard of it [µs UTC].
    """

    alarms: tuple[tuple[int, int], ...]
    recipient: str
    console: str
    scope: Scope
    step: str
    at_us: int
    known_us: int


async def write_seqs(conn: AsyncConnection, notes: Sequence[SeqNote]) -> None:
    """Write what was sent and acknowledged."""
    await conn.execute(
        _BY_SEQ.encode(),
        {
            "seq": [note.seq for note in notes],
            "recipient": [note.recipient for note in notes],
            "step": [note.step for note in notes],
            "at": [to_datetime(note.at_us) for note in notes],
        },
    )


async def write_ids(conn: AsyncConnection, note: IdNote) -> None:
    """Write what a recipient reports of events that it may see; others are ignored."""
    await conn.execute(
        _BY_ID.format(scope=scope_condition(note.scope, "a.area_code")),
        {
            "ids": list(note.ids),
            "recipient": note.recipient,
            "step": note.step,
            "at": to_datetime(note.at_us),
            "known": to_datetime(note.known_us),
        },
    )


async def write_shown(conn: AsyncConnection, note: ShownNote) -> None:
    """Write what a page showed of alarms that its person may see.

    An alarm that is shown at a level tells of all its events up to that level.
    """
    await conn.execute(
        _SHOWN.format(scope=scope_condition(note.scope, "a.area_code")),
        {
            "ids": [alarm_id for alarm_id, _ in note.alarms],
            "ranks": [rank for _, rank in note.alarms],
            "asking": list(ASKING),
            "recipient": note.recipient,
            "console": note.console,
            "step": note.step,
            "at": to_datetime(note.at_us),
            "known": to_datetime(note.known_us),
        },
    )


async def subscribed(
    conn: AsyncConnection,
    recipient: str,
    *,
    areas: Collection[str] | None,
    kinds: Collection[str] | None,
    min_rank: int,
    reports: Collection[str],
    now_us: int,
) -> None:
    """Remember what a recipient wants from now on."""
    await conn.execute(
        "INSERT INTO stream_recipient (recipient, areas, kinds, min_rank, reports,"
        " subscribed_at, first_at) VALUES (%(recipient)s, %(areas)s, %(kinds)s,"
        " %(min_rank)s, %(reports)s, %(now)s, %(now)s)"
        " ON CONFLICT (recipient) DO UPDATE SET areas = excluded.areas,"
        " kinds = excluded.kinds, min_rank = excluded.min_rank,"
        " reports = excluded.reports, subscribed_at = excluded.subscribed_at",
        {
            "recipient": recipient,
            "areas": None if areas is None else sorted(areas),
            "kinds": None if kinds is None else sorted(kinds),
            "min_rank": min_rank,
            "reports": sorted(reports),
            "now": to_datetime(now_us),
        },
    )
