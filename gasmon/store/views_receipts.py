"""Read query for the api: how far each event of an alarm came at each recipient."""

from typing import Any

from psycopg.rows import dict_row

from gasmon.alarms.receipts import BLOCKED, STEPS, missing
from gasmon.store.db import Connection
from gasmon.store.expected import Expecting, Row, Way, load_expected
from gasmon.store.scope import Scope
from gasmon.store.views import iso
from gasmon.units import from_datetime

_EVENTS = (
    "SELECT event_id, event, happened_at, arrived_at, decided_at, recorded_at, rank"
    " FROM alarm_journal WHERE alarm_id = %s ORDER BY journal_id"
)
_RECEIPTS = (
    "SELECT event_id, recipient, console, step, happened_at, recorded_at"
    " FROM receipt WHERE alarm_id = %s ORDER BY happened_at"
)


def ledger(
    conn: Connection, scope: Scope, alarm: Row, expecting: Expecting, now_us: int
) -> list[Row]:
    """Every event of an alarm whose scope was checked, with its recipients.

    Whom a county or city tells is not told to a mine.

    Args:
        now_us: wall time [µs UTC].
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        events = cursor.execute(_EVENTS, (alarm["alarm_id"],)).fetchall()
        receipts = cursor.execute(_RECEIPTS, (alarm["alarm_id"],)).fetchall()
    first_us = min(from_datetime(event["recorded_at"]) for event in events)
    expected = load_expected(conn, expecting, first_us)
    seen = {**alarm, "planned": alarm["planned"] and alarm["quiet"] is not None}
    shown = []
    for event in events:
        rows = [row for row in receipts if row["event_id"] == event["event_id"]]
        age_us = now_us - from_datetime(event["recorded_at"])
        shown.append(
            {
                "event_id": event["event_id"],
                "event": event["event"],
                "happened_at": iso(event["happened_at"]),
                "arrived_at": iso(event["arrived_at"]),
                "decided_at": iso(event["decided_at"]),
                "committed_at": iso(event["recorded_at"]),
                "recipients": []
                if scope.is_mine
                else [
                    _told(way, expecting, age_us)
                    for way in expected.ways(seen, event, rows)
                ],
            }
        )
    return shown


def _told(way: Way, expecting: Expecting, age_us: int) -> Row:
    steps: dict[str, Any] = dict.fromkeys(STEPS)
    consoles: dict[tuple[str, str], dict[str, Any]] = {}
    for row in way.rows:
        at = iso(row["happened_at"])
        if row["step"] != BLOCKED and steps[row["step"]] is None:
            steps[row["step"]] = at
        if row["console"]:
            one = consoles.setdefault((row["recipient"], row["console"]), {})
            one.setdefault(row["step"], at)
    return {
        "recipient": way.recipient,
        "role": way.role,
        "subscribed_at": iso(way.subscribed_at),
        "steps": steps,
        "missing": list(missing(way.known(), way.wanted, age_us, expecting.allowed)),
        "consoles": [
            {"person": person, "console": console, "steps": done}
            for (person, console), done in consoles.items()
        ],
    }
