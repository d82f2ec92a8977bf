"""Records that were made at another node: written here as what they are, facts.

Somebody saw an alarm, or did something about it, while this database was out of reach;
the alarm's present state cannot undo that, so it is not asked. What conflicts is
resolved by the records' own times (docs/decisions/0037-node-below-a-node.md). Where the
alarm is judged further above, what was merged is queued to be told there in turn.
"""

from dataclasses import dataclass, replace
from typing import Any, cast

from gasmon.alarms.lifecycle import ACTIONS
from gasmon.errors import BadRequest, Forbidden, NotFound
from gasmon.store import alarms, audit
from gasmon.store.access import Principal
from gasmon.store.alarm_actions import US_APART, Done, keep_key
from gasmon.store.alarm_effects import Wish, check_members
from gasmon.store.alarm_records import acted, event_id_of, put_mark, write_record
from gasmon.store.alarms import Encode
from gasmon.store.db import Connection
from gasmon.store.upstream import HERE, put_command, signed


@dataclass(frozen=True, slots=True)
class Made:
    """Where and when a record was made.

    Attributes:
        alarm: ``run/subject/kind/raised_us``, as every event's id begins.
        at_us: by the node's clock [µs UTC].
        rank: the level that its writer saw.
        tier: the writer's; None for an administrator's comment.
        by: the writer's name there.
        refers_to: the record that it is about: its key or its event's id.
    """

    alarm: str
    at_us: int
    rank: int
    tier: str | None
    by: str
    refers_to: str | None = None


def merge(
    conn: Connection,
    who: Principal,
    wish: Wish,
    made: Made,
    key: str,
    *,
    encode: Encode,
    now_us: int,
) -> Done:
    """Write one record of another node, as the caller's whole transaction.

    Args:
        who: the node.
        key: the same key is merged once.

    Raises:
        Forbidden: the node does not speak for this tier.
        NotFound: no such alarm or record, or not for this node.
        BadRequest: an action that is decided here, or a member without a place in it.
    """
    if wish.action not in HERE:
        raise BadRequest(f"action {wish.action}: it is decided here")
    comments = made.tier is None and wish.action == "comment"
    if made.tier not in who.speaks_for and not (comments and who.speaks_for):
        raise Forbidden(f"{who.name} does not speak for tier {made.tier or 'none'}")
    check_members(wish)
    alarm_id = alarm_of(conn, made.alarm)
    alarm = None if alarm_id is None else alarms.lock(conn, alarm_id)
    if alarm is None or not who.scope.allows(alarm["area"], alarm["mine"] or None):
        raise NotFound(f"no alarm {made.alarm}")
    done = _merged_before(conn, alarm["alarm_id"], who, key)
    if done is not None:
        return done
    rank = min(made.rank, alarm["rank"])
    event = ACTIONS[wish.action].event
    at_us = _free_time(conn, {**alarm, "rank": rank}, event, min(made.at_us, now_us))
    more: dict[str, Any] = {"key": key}
    if wish.to is not None:
        more["to"] = wish.to
    about = _about(conn, alarm["alarm_id"], who, made)
    if about is not None:
        more |= {"refers_to": about, "refers_to_id": event_id_of(conn, about)}
    by = f"{made.by}@{who.name}"
    stored = acted(
        {**alarm, "rank": rank},
        event,
        at_us,
        by=signed(conn, alarm, by),
        tier=made.tier,
        note=wish.text.replace("\x00", ""),
        cause_code=wish.cause_code,
        more=more,
    )
    if wish.action == "confirm":
        put_mark(conn, stored)
    record_id = write_record(conn, stored, now_us, about)
    keep_key(conn, alarm["alarm_id"], who, key, {"made_at": at_us}, record_id)
    told = replace(wish, refers_to=about)
    put_command(conn, alarm, told, stored, record_id, by, now_us)
    detail = {"record_id": record_id, "by": made.by}
    audit.write(
        conn, who.name, f"alarm.{wish.action}", str(alarm["alarm_id"]), detail=detail
    )
    alarms.tell(conn, [stored], encode, now_us)
    return Done(record_id)


def alarm_of(conn: Connection, key: str) -> int | None:
    """The alarm that events of a key were put on; None when there were none."""
    row = conn.execute(
        # "0" follows "/" in ASCII, and the column is compared byte by byte.
        "SELECT alarm_id FROM alarm_journal WHERE event_id >= %s AND event_id < %s"
        " ORDER BY journal_id DESC LIMIT 1",
        (f"{key}/", f"{key}0"),
    ).fetchone()
    return None if row is None else cast(int, row[0])


def _merged_before(
    conn: Connection, alarm_id: int, who: Principal, key: str
) -> Done | None:
    row = conn.execute(
        "SELECT journal_id FROM alarm_action"
        " WHERE principal = %s AND action_key = %s AND alarm_id = %s",
        (who.name, key, alarm_id),
    ).fetchone()
    return None if row is None else Done(cast(int, row[0]), repeated=True)


def _free_time(conn: Connection, alarm: dict[str, Any], event: str, at_us: int) -> int:
    """A record's own time, or just after it where another has the same identity."""
    while True:
        stored = acted(
            alarm, event, at_us, by="", tier=None, note="", cause_code=None, more={}
        )
        taken = conn.execute(
            "SELECT FROM alarm_journal WHERE event_id = %s", (stored.event.event_id,)
        ).fetchone()
        if taken is None:
            return at_us
        at_us += US_APART


def _about(conn: Connection, alarm_id: int, who: Principal, made: Made) -> int | None:
    """The record of this alarm that a record of the node is about.

    Raises:
        NotFound: there is none.
    """
    if made.refers_to is None:
        return None
    row = conn.execute(
        "SELECT j.journal_id FROM alarm_journal j WHERE j.alarm_id = %s AND"
        " (j.event_id = %s OR j.journal_id = (SELECT a.journal_id FROM alarm_action a"
        "  WHERE a.principal = %s AND a.action_key = %s AND a.alarm_id = j.alarm_id))",
        (alarm_id, made.refers_to, who.name, made.refers_to),
    ).fetchone()
    if row is None:
        raise NotFound(f"alarm {alarm_id} has no record {made.refers_to}")
    return cast(int, row[0])
