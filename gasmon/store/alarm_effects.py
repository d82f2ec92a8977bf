"""What each action on an alarm changes beside its record in the journal."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.rows import dict_row

from gasmon.alarms.causes import CAUSES
from gasmon.alarms.closing import ClosingRules
from gasmon.alarms.lifecycle import TIER_OF_ROLE, TIERS
from gasmon.alarms.lifecycle_record import (
    CAUSE_EVENTS,
    CORRECTABLE,
    WITHDRAWABLE,
    Record,
    withdrawn_ids,
)
from gasmon.errors import BadRequest, StateConflict
from gasmon.store import shelves
from gasmon.store.access import Principal
from gasmon.store.alarm_records import closing_facts, event_id_of, mark_closed
from gasmon.store.db import Connection
from gasmon.store.scope import Scope
from gasmon.units import US_PER_MIN, iso_us, to_datetime

MEMBERS: Mapping[str, tuple[str, ...]] = {
    "confirm": ("cause_code",),
    "assign": ("to",),
    "verify": ("cause_code",),
    "handle": ("cause_code",),
    "request_status": ("to",),
    "shelve": ("minutes",),
    "withdraw": ("refers_to",),
    "correct": ("refers_to", "cause_code"),
}
"""What an action may name beside its text."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks for.

    Attributes:
        action: one of ``lifecycle.ACTIONS``.
        text: note, reason or report.
        cause_code: one of ``causes.CAUSES``.
        to: who is assigned, or the tier that is asked for its status.
        refers_to: the record that is corrected or withdrawn.
        minutes: how long it is shelved [min].
    """

    action: str
    text: str = ""
    cause_code: str | None = None
    to: str | None = None
    refers_to: int | None = None
    minutes: int | None = None


@dataclass(frozen=True, slots=True)
class LifeRules:
    """What a site sets about the life of its alarms.

    Attributes:
        closing: when an alarm is over for good.
        longest_shelf_min: longest time that an alarm may be shelved [min].
    """

    closing: ClosingRules
    longest_shelf_min: int


@dataclass(frozen=True, slots=True)
class Deed:
    """One permitted action, with what its effect looks at.

    Attributes:
        by: how its records are signed.
    """

    conn: Connection
    alarm: dict[str, Any]
    who: Principal
    tier: str | None
    wish: Wish
    records: list[Record]
    rules: LifeRules
    marks: list[dict[str, Any]]
    at_us: int
    by: str


def check_members(wish: Wish) -> None:
    """Refuse what has no place in an action: it would be silently lost.

    Raises:
        BadRequest: names the member; also an unknown cause.
    """
    for name in ("cause_code", "to", "refers_to", "minutes"):
        is_given = getattr(wish, name) is not None
        if is_given and name not in MEMBERS.get(wish.action, ()):
            raise BadRequest(f"{name}: has no place in {wish.action}")
    if wish.cause_code is not None and wish.cause_code not in CAUSES:
        raise BadRequest(
            f"cause_code {wish.cause_code!r} is not known; {', '.join(CAUSES)} are"
        )


def _confirm(at: Deed) -> dict[str, Any]:
    at.conn.execute(
        "INSERT INTO confirmation (alarm_id, tier, rank, principal, confirmed_at,"
        " cause_code, note) VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (
            at.alarm["alarm_id"],
            at.tier,
            at.alarm["rank"],
            at.by,
            to_datetime(at.at_us),
            at.wish.cause_code,
            at.wish.text.replace("\x00", ""),
        ),
    )
    return {}


def _need_text(at: Deed) -> dict[str, Any]:
    if not at.wish.text.strip():
        raise BadRequest(f"text: {at.wish.action} needs one")
    return {}


def _assign(at: Deed) -> dict[str, Any]:
    with at.conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "SELECT role, areas, mines FROM principal"
            " WHERE name = %s AND retired_at IS NULL",
            (at.wish.to or "",),
        ).fetchone()
    if row is None or row["role"] not in TIER_OF_ROLE:
        raise BadRequest(f"to: {at.wish.to!r} is nobody with duty")
    scope = Scope(
        None if row["areas"] is None else tuple(row["areas"]),
        None if row["mines"] is None else tuple(row["mines"]),
    )
    if not scope.allows(at.alarm["area"], at.alarm["mine"] or None):
        raise BadRequest(f"to: {at.wish.to!r} does not see this alarm")
    return {"to": at.wish.to}


def _request_status(at: Deed) -> dict[str, Any]:
    assert at.tier is not None
    below = TIERS[: TIERS.index(at.tier)]
    if at.wish.to not in below:
        raise BadRequest(
            f"to: {at.wish.to!r} is no tier below {at.tier}; {', '.join(below)}"
        )
    return {"to": at.wish.to}


def _shelve(at: Deed) -> dict[str, Any]:
    _need_text(at)
    longest = at.rules.longest_shelf_min
    minutes = at.wish.minutes
    if minutes is None or not 1 <= minutes <= longest:
        raise BadRequest(
            f"minutes: {minutes} is not from 1 to {longest} (life.longest_shelf_min)"
        )
    until_us = at.at_us + minutes * US_PER_MIN
    name = shelves.put_shelf(
        at.conn,
        at.alarm,
        until_us=until_us,
        reason=at.wish.text.replace("\x00", ""),
        owner=at.who.name,
        now_us=at.at_us,
    )
    return {"shelf": name, "until": iso_us(until_us), "ceiling": at.alarm["rank"]}


def _unshelve(at: Deed) -> dict[str, Any]:
    shelves.end_shelves(at.conn, at.alarm, by=at.who.name, now_us=at.at_us)
    return {}


def _refer(at: Deed, possible: tuple[str, ...]) -> Record:
    """The record that an action is about: of the same tier, and still standing."""
    _need_text(at)
    wanted, name = at.wish.refers_to, at.wish.action
    found = next((r for r in at.records if r.record_id == wanted), None)
    if found is None:
        raise BadRequest(
            f"refers_to: alarm {at.alarm['alarm_id']} has no record {wanted}"
        )
    if found.event not in possible:
        raise StateConflict(
            f"record {wanted} is {found.event}: {name} is for {', '.join(possible)}"
        )
    if found.tier != at.tier:
        raise StateConflict(
            f"record {wanted} is of {found.tier or 'no tier'}, not of {at.tier}"
        )
    if wanted in withdrawn_ids(at.records):
        raise StateConflict(f"record {wanted} was withdrawn")
    return found


def _named(at: Deed, found: Record) -> dict[str, Any]:
    """A record by our number, and by the name that it has at every node."""
    name = event_id_of(at.conn, found.record_id)
    return {"refers_to": found.record_id, "refers_to_id": name}


def _correct(at: Deed) -> dict[str, Any]:
    found = _refer(at, CORRECTABLE)
    if at.wish.cause_code is not None and found.event not in CAUSE_EVENTS:
        raise BadRequest(f"cause_code: a record {found.event} names no cause")
    return _named(at, found)


def _withdraw(at: Deed) -> dict[str, Any]:
    return _named(at, _refer(at, WITHDRAWABLE))


def _close(at: Deed) -> dict[str, Any]:
    facts = closing_facts(at.alarm, at.marks, at.records, at.at_us)
    row = at.rules.closing.row_for(facts)
    lacks = row.lacks(facts)
    if lacks is not None:
        raise StateConflict(f"alarm {at.alarm['alarm_id']}: {lacks}")
    mark_closed(at.conn, at.alarm["alarm_id"], at.who.name, row.name, False, at.at_us)
    return {"rule": row.name}


EFFECTS: Mapping[str, Callable[[Deed], dict[str, Any]]] = {
    "confirm": _confirm,
    "comment": _need_text,
    "assign": _assign,
    "verify": _need_text,
    "handle": _need_text,
    "request_status": _request_status,
    "feed_back": _need_text,
    "shelve": _shelve,
    "unshelve": _unshelve,
    "withdraw": _withdraw,
    "correct": _correct,
    "close": _close,
}
"""Changes what the action is about; returns what else its event says."""
