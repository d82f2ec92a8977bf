"""Records of what one person asks for and another decides: plans, changes.

Each sort has a table of its own with the same columns, named by a ``Ledger``. Records
are only added; the state is derived from them (``alarms.deciding``). The same key from
the same principal is done once.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import sql
from psycopg.errors import SerializationFailure, UniqueViolation

from gasmon.alarms.deciding import No, Step
from gasmon.errors import BadRequest, Forbidden, StateConflict
from gasmon.store import audit
from gasmon.store.access import Principal
from gasmon.store.alarm_calls import as_json
from gasmon.store.db import Connection
from gasmon.units import to_datetime

NEED_REASON = ("refuse", "withdraw")
"""Actions that must say why."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Where the records of one sort are.

    Attributes:
        table: of the records.
        number: the column that names what a record is about.
        word: what people call one of them.
        about: the first part of its names in the audit.
    """

    table: str
    number: str
    word: str
    about: str

    def sql(self, text: str) -> sql.Composed:
        """A query with ``{table}`` and ``{number}`` in it."""
        return sql.SQL(text).format(
            table=sql.Identifier(self.table), number=sql.Identifier(self.number)
        )


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody wants to do with one of them.

    Attributes:
        number: its own.
        action: one of the sort's table of actions.
        key: the same key from the same principal is done once.
    """

    number: int
    action: str
    reason: str = ""
    key: str | None = None

    def asked(self) -> str:
        """As it is kept and compared under its key."""
        return as_json(
            {"action": self.action, "number": self.number, "reason": self.reason}
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One record to write.

    Attributes:
        asked: JSON of what was asked; beside the record and in the audit.
        more: columns that only this sort of record has.
    """

    number: int
    event: str
    reason: str
    asked: str
    key: str | None = None
    more: Mapping[str, Any] | None = None


def steps_of(conn: Connection, ledger: Ledger, number: int) -> tuple[Step, ...]:
    """What happened to it, in order."""
    rows = conn.execute(
        ledger.sql(
            "SELECT event, principal,"
            " (extract(epoch FROM recorded_at) * 1000000)::bigint FROM {table}"
            " WHERE {number} = %s ORDER BY record_id"
        ),
        (number,),
    ).fetchall()
    return tuple(Step(str(e), str(by), int(str(at))) for e, by, at in rows)


def next_event(
    conn: Connection,
    ledger: Ledger,
    who: Principal,
    act: Act,
    decide: Callable[[tuple[Step, ...]], str | No],
) -> str | None:
    """What an action records, asked of its table; the row must be locked.

    Args:
        decide: asks the table about the records so far.

    Returns:
        None when it was done before under the same key.

    Raises:
        BadRequest: a reason is missing.
        Forbidden: this role never may.
        StateConflict: the state, who asked for it, or a key that was used for
            something else forbids it; says why.
    """
    if act.action in NEED_REASON and not act.reason.strip():
        raise BadRequest(f"reason: {act.action} needs one")
    if done_before(conn, ledger, who, act.key, act.asked()) is not None:
        return None
    found = decide(steps_of(conn, ledger, act.number))
    if not isinstance(found, No):
        return found
    if found.by_role:
        raise Forbidden(str(found.why))
    raise StateConflict(f"{ledger.word} {act.number}: {found.why}")


def record(
    conn: Connection, ledger: Ledger, who: Principal, entry: Entry, now_us: int
) -> None:
    """Write one record and its row in the audit."""
    row = {
        ledger.number: entry.number,
        "event": entry.event,
        "principal": who.name,
        "role": who.role,
        "reason": entry.reason,
        "recorded_at": to_datetime(now_us),
        "action_key": entry.key,
        "asked": entry.asked,
        **(entry.more or {}),
    }
    query = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(ledger.table),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(sql.Placeholder() * len(row)),
    )
    try:
        conn.execute(query, tuple(row.values()))
    except UniqueViolation as error:
        # The same request twice at once: the second finds it done when run again.
        raise SerializationFailure(str(error)) from error
    detail = {"reason": entry.reason} | json.loads(entry.asked)
    action = f"{ledger.about}.{entry.event}"
    audit.write(conn, who.name, action, str(entry.number), detail=detail)


def done_before(
    conn: Connection, ledger: Ledger, who: Principal, key: str | None, asked: str
) -> int | None:
    """What was asked for or acted on under this key; None when nothing was.

    Raises:
        StateConflict: the key was used for something else.
    """
    if key is None:
        return None
    row = conn.execute(
        ledger.sql(
            "SELECT {number}, asked = %s::jsonb FROM {table}"
            " WHERE principal = %s AND action_key = %s"
        ),
        (asked, who.name, key),
    ).fetchone()
    if row is None:
        return None
    number, same = int(str(row[0])), bool(row[1])
    if not same:
        raise StateConflict(
            f"key {key!r} was used by {who.name} for something else"
            f" ({ledger.word} {number})"
        )
    return number
