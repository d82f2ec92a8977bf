"""The node above: up to where it is followed, and what waits to be told to it.

What people do here with an alarm that is judged above is recorded at once, and queued
in the same transaction as a command. Its key is made of this database's epoch and the
record's number, so it is the same however often it is sent, and never another's.
"""

from dataclasses import dataclass
from typing import Any, cast

from psycopg.rows import class_row

from gasmon.errors import StateConflict
from gasmon.store.alarm_calls import as_json
from gasmon.store.alarm_effects import Wish
from gasmon.store.alarms import StoredEvent
from gasmon.store.db import Connection
from gasmon.store.views import Conn
from gasmon.units import US_PER_S, to_datetime

LOCK_KEY = 0x6761_736D_0018
"""Session advisory lock of whoever follows the node above: "gasm", 24."""

HERE = (
    *("confirm", "comment", "assign", "verify", "handle", "request_status"),
    *("feed_back", "withdraw", "correct"),
)
"""Actions that a node does by itself: each says what somebody saw or did. What changes
when an alarm is loud (shelves, closing) is decided where it is judged."""


@dataclass(frozen=True, slots=True)
class Followed:
    """Where we are in the stream of the node above.

    Attributes:
        principal: whom our token is for up there.
        subscription: filter and rights that the position belongs to.
        heartbeat_s: the interval of its heartbeats [s].
        heard_us: its last frame, by our clock [µs UTC].
        complete_to_us: everything up to then is here [µs UTC]; None before the first
            heartbeat.
        advanced_us: when that last moved, by our clock [µs UTC].
    """

    name: str
    principal: str
    epoch: str
    seq: int
    subscription: str
    heartbeat_s: float
    heard_us: int
    complete_to_us: int | None
    advanced_us: int | None = None

    def stands_still(self, now_us: int, n_heartbeats: int) -> bool:
        """Whether what the node above knows completely has not moved for so long.

        It is heard all the same: its database is away, or it follows another node and
        is itself cut off from that one.
        """
        if self.advanced_us is None:
            return self.complete_to_us is None
        limit_us = n_heartbeats * self.heartbeat_s * US_PER_S
        return now_us - self.advanced_us > limit_us


@dataclass(frozen=True, slots=True)
class Waiting:
    """A command that has no answer yet."""

    key: str
    asked: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Queue:
    """How it stands with the commands.

    Attributes:
        n_waiting: without an answer.
        oldest_us: when the first of these was made [µs UTC].
        n_refused: the node above did not take them; they stand here alone.
        refusal: of the newest of these, why.
    """

    n_waiting: int
    oldest_us: int | None
    n_refused: int
    refusal: str


_FOLLOWED = """
SELECT name, principal, epoch, seq, subscription, heartbeat_s,
       (extract(epoch FROM heard_at) * 1000000)::bigint AS heard_us,
       (extract(epoch FROM complete_to) * 1000000)::bigint AS complete_to_us,
       (extract(epoch FROM advanced_at) * 1000000)::bigint AS advanced_us
FROM upstream"""

_QUEUE = """
SELECT count(*) FILTER (WHERE answered_at IS NULL) AS n_waiting,
       (extract(epoch FROM min(recorded_at) FILTER (WHERE answered_at IS NULL))
        * 1000000)::bigint AS oldest_us,
       count(*) FILTER (WHERE status >= 400) AS n_refused,
       coalesce((array_agg(detail ORDER BY command_id DESC)
                 FILTER (WHERE status >= 400))[1], '') AS refusal
FROM upstream_command WHERE answered_at IS NULL OR status >= 400"""


def followed(conn: Connection) -> Followed | None:
    """Where we are; None before anything was heard."""
    with conn.cursor(row_factory=class_row(Followed)) as cursor:
        return cursor.execute(_FOLLOWED).fetchone()


def queue(conn: Connection) -> Queue:
    """How it stands with the commands."""
    with conn.cursor(row_factory=class_row(Queue)) as cursor:
        found = cursor.execute(_QUEUE).fetchone()
    assert found is not None
    return found


async def status(conn: Conn) -> tuple[Followed | None, Queue]:
    """Both, in the event loop."""
    async with conn.cursor(row_factory=class_row(Followed)) as cursor:
        await cursor.execute(_FOLLOWED)
        here = await cursor.fetchone()
    async with conn.cursor(row_factory=class_row(Queue)) as other:
        await other.execute(_QUEUE)
        waiting = await other.fetchone()
    assert waiting is not None
    return here, waiting


def keep_position(conn: Connection, here: Followed) -> None:
    """Remember where we are, in the transaction that stores what brought us there."""
    conn.execute(
        "INSERT INTO upstream (name, principal, epoch, seq, subscription, heartbeat_s,"
        " heard_at) VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (one) DO UPDATE SET"
        " name = excluded.name, principal = excluded.principal,"
        " epoch = excluded.epoch, seq = excluded.seq,"
        " subscription = excluded.subscription, heartbeat_s = excluded.heartbeat_s,"
        " heard_at = excluded.heard_at",
        (
            *(here.name, here.principal, here.epoch, here.seq, here.subscription),
            *(here.heartbeat_s, to_datetime(here.heard_us)),
        ),
    )


def keep_heard(conn: Connection, complete_to_us: int, now_us: int) -> None:
    """The node above lives, and everything up to a time is here.

    Args:
        complete_to_us: 0: it does not know itself.
    """
    conn.execute(
        "UPDATE upstream SET complete_to = %(to)s, heard_at = %(now)s, advanced_at ="
        " CASE WHEN complete_to IS DISTINCT FROM %(to)s THEN %(now)s"
        " ELSE advanced_at END",
        {
            "to": to_datetime(complete_to_us) if complete_to_us > 0 else None,
            "now": to_datetime(now_us),
        },
    )


async def complete_to(conn: Conn) -> int:
    """Up to when all alarms of the node above are here [µs UTC]; 0: not known."""
    found = await conn.execute(
        "SELECT (extract(epoch FROM complete_to) * 1000000)::bigint FROM upstream"
    )
    row = await found.fetchone()
    return 0 if row is None else cast(int, row[0] or 0)


def require_here(alarm: dict[str, Any], action: str) -> None:
    """Refuse what is decided where an alarm is judged.

    Raises:
        StateConflict: names that node.
    """
    if alarm["upstream"] is not None and action not in HERE:
        raise StateConflict(
            f"alarm {alarm['alarm_id']}: 由上级平台 {alarm['upstream']} 判定，"
            f"请在该平台操作 · it is judged at {alarm['upstream']}: {action} it there"
        )


def signed(conn: Connection, alarm: dict[str, Any], name: str) -> str:
    """How somebody's record is signed: with the node, where others read it too."""
    if alarm["upstream"] is None:
        return name
    row = conn.execute("SELECT principal FROM upstream").fetchone()
    assert row is not None, "what is followed came with a position"
    return f"{name}@{row[0]}"


def put_command(
    conn: Connection,
    alarm: dict[str, Any],
    wish: Wish,
    stored: StoredEvent,
    journal_id: int,
    by: str,
    now_us: int,
) -> None:
    """Queue what was done with an alarm, if it is judged above.

    Args:
        alarm: its row, as ``alarms.lock`` gives it.
        by: who did it, without the node.
    """
    if alarm["upstream"] is None:
        return
    run, kind = alarm["run"], alarm["kind"]
    subject = f"{alarm['subject_type']}:{alarm['subject_id']}"
    asked = {
        "action": wish.action,
        "text": stored.note or "",
        "made": {
            "alarm": f"{run}/{subject}/{kind}/{alarm['raised_at_us']}",
            "at_us": stored.event.happened_at_us,
            "rank": stored.event.rank,
            "tier": stored.tier,
            "by": by,
            "refers_to": _name_of(conn, wish.refers_to),
        },
    }
    if stored.cause_code is not None:
        asked["cause_code"] = stored.cause_code
    if stored.more.get("to") is not None:
        asked["to"] = stored.more["to"]
    conn.execute(
        "INSERT INTO upstream_command (key, alarm_id, journal_id, asked, recorded_at)"
        " SELECT epoch::text || ':' || %s, %s, %s, %s::jsonb, %s FROM platform",
        (
            *(str(journal_id), alarm["alarm_id"], journal_id),
            *(as_json(asked), to_datetime(now_us)),
        ),
    )


def _name_of(conn: Connection, journal_id: int | None) -> str | None:
    """What a record is called above: the key of ours, the event's id of others'."""
    if journal_id is None:
        return None
    row = conn.execute(
        "SELECT coalesce(c.key, j.event_id) FROM alarm_journal j"
        " LEFT JOIN upstream_command c USING (journal_id) WHERE journal_id = %s",
        (journal_id,),
    ).fetchone()
    assert row is not None
    return str(row[0])


def next_command(conn: Connection) -> Waiting | None:
    """The oldest command without an answer."""
    with conn.cursor(row_factory=class_row(Waiting)) as cursor:
        return cursor.execute(
            "SELECT key, asked FROM upstream_command WHERE answered_at IS NULL"
            " ORDER BY command_id LIMIT 1"
        ).fetchone()


def answered(conn: Connection, key: str, code: int, detail: str, now_us: int) -> None:
    """Remember what the node above said to a command; the first word counts."""
    conn.execute(
        "UPDATE upstream_command SET answered_at = %s, status = %s, detail = %s"
        " WHERE key = %s AND answered_at IS NULL",
        (to_datetime(now_us), code, detail.replace("\x00", ""), key),
    )


def came_back(conn: Connection, key: str, event_id: str, now_us: int) -> bool:
    """Whether an event tells of something that was done here; it is merged then."""
    done = conn.execute(
        "UPDATE upstream_command SET event_id = %s,"
        " answered_at = coalesce(answered_at, %s), status = coalesce(status, 200)"
        " WHERE key = %s",
        (event_id, to_datetime(now_us), key),
    )
    return done.rowcount == 1


def record_named(conn: Connection, name: str) -> int | None:
    """The journal's number of a record that the node above names by its event's id."""
    row = conn.execute(
        "SELECT journal_id FROM alarm_journal WHERE event_id = %s"
        " UNION ALL SELECT journal_id FROM upstream_command WHERE event_id = %s"
        " LIMIT 1",
        (name, name),
    ).fetchone()
    return None if row is None else cast(int, row[0])
