"""Hand-overs as people see them: what was signed, or what is so now."""

from dataclasses import dataclass
from typing import Any

from psycopg import sql

from gasmon.shifts.handover import ACCEPTED, SIGNED
from gasmon.store.handovers import Handover, content_of, find, with_records
from gasmon.store.scope import Scope, scope_condition
from gasmon.store.shift_calendars import POST_AREA, POST_MINE, Conn
from gasmon.store.shift_presence import presences_at, shift_shown
from gasmon.store.views import iso
from gasmon.units import iso_us


def shown(conn: Conn, handover_id: int, scope: Scope, now_us: int) -> dict[str, Any]:
    """One hand-over as people see it: what was signed, or what is so now.

    Raises:
        NotFound: no such one, or not for this scope.
    """
    found = find(conn, handover_id, scope)
    signature = found.signature
    if signature is None or found.state not in (SIGNED, ACCEPTED):
        content = content_of(conn, found, now_us)
    else:
        content = signature["summary"]
    there = presences_at(conn, found.post, found.shift.from_us)
    return {
        **_head(found, now_us),
        **content,
        "on_duty": sorted({one.name for one in there}),
        "notes": found.notes(),
        "records": [_record_shown(record) for record in found.records],
    }


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which hand-overs; None does not filter.

    Attributes:
        place: a code; with ``tier``.
        unsigned: only those whose shift is over and that have no two signatures.
        limit: rows at most.
    """

    tier: str | None = None
    place: str | None = None
    unsigned: bool = False
    limit: int = 20


def listed(
    conn: Conn, scope: Scope, wanted: Wanted, now_us: int
) -> list[dict[str, Any]]:
    """The newest hand-overs, each with state and signatures but without content."""
    query = sql.SQL(
        "SELECT * FROM handover h WHERE {scope}"
        " AND (%(tier)s::text IS NULL OR tier = %(tier)s)"
        " AND (%(place)s::text IS NULL OR place = %(place)s)"
        " AND (NOT %(unsigned)s OR (until_us <= %(now)s AND NOT EXISTS ("
        "   SELECT FROM handover_record r WHERE r.handover_id = h.handover_id"
        "   AND r.event = 'accepted')))"
        " ORDER BY from_us DESC, handover_id DESC LIMIT %(limit)s"
    ).format(scope=scope_condition(scope, POST_AREA, POST_MINE))
    params = {
        "tier": wanted.tier,
        "place": wanted.place,
        "unsigned": wanted.unsigned,
        "limit": wanted.limit,
        "now": now_us,
    }
    return [_head(found, now_us) for found in with_records(conn, query, params)]


def _head(found: Handover, now_us: int) -> dict[str, Any]:
    accepted = [one for one in found.records if one["event"] == "accepted"]
    signature = found.signature
    return {
        "handover_id": found.handover_id,
        "tier": found.post.tier,
        "place": found.post.place,
        "shift": shift_shown(found.shift),
        "state": found.state,
        "unsigned": found.state != ACCEPTED and now_us >= found.shift.until_us,
        "reminded_at": None if found.reminded_us is None else iso_us(found.reminded_us),
        "outgoing": None if signature is None else _signature(signature),
        "incoming": _signature(accepted[-1]) if accepted else None,
    }


def _signature(record: dict[str, Any]) -> dict[str, Any]:
    return {
        "by": record["principal"],
        "at": iso(record["at"]),
        "fingerprint": record["fingerprint"],
    }


def _record_shown(record: dict[str, Any]) -> dict[str, Any]:
    return {
        "event": record["event"],
        "by": record["principal"],
        "at": iso(record["at"]),
        "note": record["note"],
        "fingerprint": record["fingerprint"],
    }
