"""What people do with an alarm: one transaction with its record and its message.

``act`` locks the alarm, asks the table of ``alarms.lifecycle`` whether the action is
possible for this role in this state, and then writes: the row that the action changes,
its record in the append-only journal, and the outbox row that tells it. Nothing is ever
taken back by changing a record; a correction is a record too.
"""

from dataclasses import asdict, dataclass
from typing import Any

from psycopg.rows import dict_row

from gasmon.alarms.events import RANK_NAMES
from gasmon.alarms.kinds import MINE_ONLY_KINDS
from gasmon.alarms.lifecycle import (
    ACTIONS,
    TIER_OF_ROLE,
    Refusal,
    Words,
    decide,
    state_of,
)
from gasmon.errors import Forbidden, NotFound, StateConflict
from gasmon.store import alarms, audit, shelves, upstream
from gasmon.store.access import Principal
from gasmon.store.alarm_calls import as_json
from gasmon.store.alarm_effects import EFFECTS, Deed, LifeRules, Wish, check_members
from gasmon.store.alarm_records import (
    acted,
    last_us,
    marks_of,
    records_of,
    write_record,
)
from gasmon.store.alarms import Encode
from gasmon.store.db import Connection
from gasmon.units import iso_us

US_APART = 1
"""Two actions on one alarm are this far apart at least [µs]: time is part of an event's
identity, and two people may act within one microsecond."""


SHELVING = ("shelve", "unshelve")
"""Actions on what keeps alarms of a subject quiet, whatever run they belong to."""

_DRILL = Words(
    "演练报警不能搁置", "a drill shelves nothing: real alarms would be quiet"
)


@dataclass(frozen=True, slots=True)
class Done:
    """What became of it.

    Attributes:
        record_id: the record's number in the journal.
        repeated: it was done before, under the same key; nothing was written now.
    """

    record_id: int
    repeated: bool = False


def act(
    conn: Connection,
    alarm_id: int,
    who: Principal,
    wish: Wish,
    *,
    rules: LifeRules,
    encode: Encode,
    now_us: int,
    key: str | None = None,
) -> Done:
    """Do one thing with one alarm, as the caller's whole transaction.

    An alarm of a drill is handled within its run, and told as its run's.

    Args:
        encode: makes the body of the event that tells it.
        now_us: wall time [µs UTC].
        key: the same key from the same principal is done once for this alarm.

    Raises:
        BadRequest: the wish is incomplete, names what does not exist, or the role's
            tier does not fit; names the member.
        NotFound: no such alarm, or not for this principal.
        Forbidden: this role never may.
        StateConflict: the alarm's state, a missing cause, its level or a key that was
            used for something else forbids it; says why.
    """
    assert wish.action in ACTIONS, f"unknown action {wish.action!r}"
    alarm = alarms.lock(conn, alarm_id)
    if not who.scope.allows(alarm["area"], alarm["mine"] or None):
        raise NotFound(f"no alarm {alarm_id}")
    if key is not None:
        known = _done_before(conn, alarm_id, who, wish, key)
        if known is not None:
            return known
    upstream.require_here(alarm, wish.action)
    marks = marks_of(conn, alarm_id)
    _permit(conn, alarm, who, wish, marks, now_us)
    check_members(wish)
    records = records_of(conn, alarm_id)
    at_us = max(now_us, last_us(conn, alarm_id) + US_APART)
    tier, by = TIER_OF_ROLE.get(who.role), upstream.signed(conn, alarm, who.name)
    deed = Deed(conn, alarm, who, tier, wish, records, rules, marks, at_us, by)
    more = EFFECTS[wish.action](deed)
    stored = acted(
        alarm,
        ACTIONS[wish.action].event,
        at_us,
        by=by,
        tier=tier,
        note=wish.text.replace("\x00", ""),
        cause_code=wish.cause_code,
        more=more,
    )
    record_id = write_record(conn, stored, now_us, wish.refers_to)
    upstream.put_command(conn, alarm, wish, stored, record_id, who.name, now_us)
    if key is not None:
        keep_key(conn, alarm_id, who, key, asdict(wish), record_id)
    audit.write(
        conn,
        who.name,
        f"alarm.{wish.action}",
        str(alarm_id),
        detail={"record_id": record_id},
    )
    alarms.tell(conn, [stored], encode, now_us)
    return Done(record_id)


def keep_key(
    conn: Connection,
    alarm_id: int,
    who: Principal,
    key: str,
    asked: dict[str, Any],
    record_id: int,
) -> None:
    """Remember that a key was used, for what, and for which record."""
    conn.execute(
        "INSERT INTO alarm_action (principal, action_key, alarm_id, asked, journal_id)"
        " VALUES (%s, %s, %s, %s::jsonb, %s)",
        (who.name, key, alarm_id, as_json(asked), record_id),
    )


def _permit(
    conn: Connection,
    alarm: dict[str, Any],
    who: Principal,
    wish: Wish,
    marks: list[dict[str, Any]],
    now_us: int,
) -> None:
    """Ask the table, which a drill knows too, but for shelves."""
    if alarm["run"] != 0 and wish.action in SHELVING:
        raise StateConflict(f"alarm {alarm['alarm_id']}: {_DRILL}")
    tier = TIER_OF_ROLE.get(who.role)
    own = [m for m in marks if m["rank"] >= alarm["rank"] and tier in (None, m["tier"])]
    shelved, out_of_service = shelves.cover_of(conn, alarm["alarm_id"], now_us)
    state = state_of(
        cleared=alarm["cleared_at_us"] is not None,
        # Nobody owes a confirmation of a pre-warning.
        owed=not (own or alarm["self_closed"] or alarm["kind"] in MINE_ONLY_KINDS),
        shelved=shelved,
        out_of_service=out_of_service,
        closed=alarm["closed"],
    )
    found = decide(state, wish.action, who.role, rank=alarm["rank"])
    if not isinstance(found, Refusal):
        return
    if found.by_role:
        raise Forbidden(str(found.why))
    detail = f"alarm {alarm['alarm_id']}: {found.why}"
    if wish.action == "confirm" and own:
        mark = own[-1]
        detail += (
            f" ({RANK_NAMES[mark['rank']]} by {mark['principal']} ({mark['tier']})"
            f" at {iso_us(mark['at_us'])})"
        )
    raise StateConflict(detail)


def _done_before(
    conn: Connection, alarm_id: int, who: Principal, wish: Wish, key: str
) -> Done | None:
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "SELECT journal_id, asked = %s::jsonb AS same FROM alarm_action"
            " WHERE principal = %s AND action_key = %s AND alarm_id = %s",
            (as_json(asdict(wish)), who.name, key, alarm_id),
        ).fetchone()
    if row is None:
        return None
    if not row["same"]:
        raise StateConflict(
            f"key {key!r} was used by {who.name} for something else"
            f" (record {row['journal_id']})"
        )
    return Done(row["journal_id"], repeated=True)
