"""What happens to alarms without anybody's doing: shelves end, rules close.

Both look at what is due and then at one alarm at a time, each in its own transaction
with its record and its message, so that a crash in between loses and doubles nothing.
"""

from functools import partial
from typing import Any, cast

from psycopg import sql

from gasmon.alarms.closing import ClosingRule, ClosingRules
from gasmon.store import alarms, shelves
from gasmon.store.alarm_records import (
    acted,
    closing_facts,
    last_us,
    mark_closed,
    marks_of,
    records_of,
    write_record,
)
from gasmon.store.alarms import Encode
from gasmon.store.db import Connection, retry_deadlock
from gasmon.units import to_datetime

BY = "gasmon"
"""Who acted, in journal and messages, when it was a rule."""

MOST = 1000
"""Rows of one look; what is left is due at the next."""


def tell_ended_shelves(conn: Connection, encode: Encode, now_us: int) -> int:
    """Tell of each shelf that ran out; returns how many there were.

    An alarm that is still open there is told once more, so that whoever it is for
    answers for it again; the shelf itself has ended by the time alone.
    """
    due = shelves.ran_out(conn, now_us, MOST)
    conn.commit()

    def once(quiet_id: int, alarm_id: int | None) -> None:
        with conn.transaction():
            alarm = None if alarm_id is None else alarms.lock(conn, alarm_id)
            if not shelves.mark_ended(conn, quiet_id, now_us) or alarm is None:
                return
            # Shelved anew before the end of the former shelf was told: still quiet.
            shelved, _ = shelves.cover_of(conn, alarm["alarm_id"], now_us)
            if alarm["cleared_at_us"] is None and not shelved:
                more = {"shelf": f"shelf:{quiet_id}"}
                _write(conn, alarm, "unshelved", more, encode, now_us)

    for quiet_id, alarm_id in due:
        retry_deadlock(partial(once, quiet_id, alarm_id))
    return len(due)


def close_what_may(
    conn: Connection, rules: ClosingRules, encode: Encode, now_us: int
) -> int:
    """Close the cleared alarms that the rules close by themselves; returns how many."""
    due = _candidates(conn, rules, now_us)
    conn.commit()
    return sum(
        retry_deadlock(partial(_close_one, conn, alarm_id, rules, encode, now_us))
        for alarm_id in due
    )


def _close_one(
    conn: Connection, alarm_id: int, rules: ClosingRules, encode: Encode, now_us: int
) -> bool:
    """Look again under the alarm's lock, then close it; False when it may not be."""
    with conn.transaction():
        alarm = alarms.lock(conn, alarm_id)
        if alarm["closed"]:
            return False
        records = records_of(conn, alarm_id)
        facts = closing_facts(alarm, marks_of(conn, alarm_id), records, now_us)
        rule = rules.closes_by_itself(facts)
        if rule is None:
            return False
        mark_closed(conn, alarm_id, None, rule.name, rule.asks_nobody, now_us)
        more = {"rule": rule.name, "asks_nobody": rule.asks_nobody}
        _write(conn, alarm, "closed", more, encode, now_us)
        return True


def _write(
    conn: Connection,
    alarm: dict[str, Any],
    event: str,
    more: dict[str, Any],
    encode: Encode,
    now_us: int,
) -> None:
    at_us = max(now_us, last_us(conn, alarm["alarm_id"]) + 1)
    stored = acted(
        alarm, event, at_us, by=BY, tier=None, note="", cause_code=None, more=more
    )
    write_record(conn, stored, now_us)
    alarms.tell(conn, [stored], encode, now_us)


def _candidates(conn: Connection, rules: ClosingRules, now_us: int) -> list[int]:
    """Alarms that may be due, found by the database; each is looked at again.

    What is judged at another node is closed there.
    """
    params: dict[str, Any] = {"now": to_datetime(now_us), "most": MOST}
    cases = [_case(rule, number, params) for number, rule in enumerate(rules.rows)]
    query = sql.SQL(
        "SELECT a.alarm_id FROM alarm a WHERE a.run = 0 AND a.closed_at IS NULL"
        " AND a.cleared_at IS NOT NULL AND a.upstream IS NULL"
        " AND CASE {cases} ELSE false END ORDER BY a.cleared_at LIMIT %(most)s"
    ).format(cases=sql.SQL(" ").join(cases))
    rows = conn.execute(query, params).fetchall()
    return [cast(int, row[0]) for row in rows]


def _case(rule: ClosingRule, number: int, params: dict[str, Any]) -> sql.SQL:
    """``WHEN the row fits THEN what it needs is there``."""
    params[f"ranks{number}"] = sorted(rule.ranks)
    params[f"kinds{number}"] = sorted(rule.kinds)
    params[f"after{number}"] = rule.after_us
    fits, needs = ["true"], [f"a.cleared_at <= %(now)s - %(after{number})s * {_US}"]
    if rule.ranks:
        fits.append(f"a.rank = ANY(%(ranks{number})s)")
    if rule.kinds:
        fits.append(f"a.kind = ANY(%(kinds{number})s)")
    if rule.planned:
        fits.append("a.planned AND a.quiet IS NOT NULL")
    if "confirmed" in rule.needs:
        needs.append(
            "EXISTS (SELECT FROM confirmation c WHERE c.alarm_id = a.alarm_id"
            " AND c.rank >= a.rank)"
        )
    if "cause" in rule.needs:
        needs.append(
            "EXISTS (SELECT FROM alarm_journal j WHERE j.alarm_id = a.alarm_id"
            " AND j.cause_code IS NOT NULL AND NOT EXISTS (SELECT FROM alarm_journal w"
            " WHERE w.refers_to = j.journal_id AND w.event = 'withdrawn'))"
        )
    text = f"WHEN {' AND '.join(fits)} THEN {' AND '.join(needs)}"
    return sql.SQL(text)


_US = "interval '1 microsecond'"
