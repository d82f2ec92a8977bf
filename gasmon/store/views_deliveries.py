"""Read query for the api: whom the alarms of the last hours reached, and whom not."""

from collections import defaultdict
from typing import Any

from psycopg import sql
from psycopg.rows import dict_row

from gasmon.alarms.receipts import ASKING, STEPS, missing
from gasmon.store.db import Connection
from gasmon.store.expected import Expecting, Row, Way, load_expected
from gasmon.store.scope import Scope, scope_condition
from gasmon.store.views import iso
from gasmon.units import from_datetime, to_datetime

MOST_EVENTS = 500
"""Newest events that are looked at: a county's day with a hundred alarms and room."""

MOST_ALARMS = 10
"""Alarms that a recipient's line names."""

_EVENTS = sql.SQL(
    "SELECT j.alarm_id, j.event_id, j.event, j.rank, j.recorded_at,"
    " a.area_code::text AS area, m.code::text AS mine, a.kind,"
    " a.planned AND a.quiet IS NOT NULL AS planned"
    " FROM alarm a JOIN alarm_journal j USING (alarm_id)"
    " LEFT JOIN mine m USING (mine_id)"
    " WHERE a.run = 0 AND j.actor IS NULL AND j.event = ANY(%(asking)s)"
    " AND (a.raised_at > %(since)s OR a.cleared_at IS NULL)"
    " AND (%(area)s::text IS NULL OR a.area_code::text = %(area)s"
    "  OR left(a.area_code, 4) || '00' = %(area)s) AND {scope}"
    " ORDER BY j.journal_id DESC LIMIT %(most)s"
)
_RECEIPTS = (
    "SELECT event_id, recipient, console, step, happened_at, recorded_at FROM receipt"
    " WHERE alarm_id = ANY(%(ids)s) AND event_id = ANY(%(events)s)"
)


def deliveries(
    conn: Connection,
    scope: Scope,
    area: str | None,
    expecting: Expecting,
    *,
    since_us: int,
    now_us: int,
) -> list[Row]:
    """A line for each platform, node and room: how much it should have, and has not.

    Of alarms that were raised since a time or are open, the events that ask somebody.
    Whom a county or city tells is not told to a mine.

    Args:
        area: a code; a prefecture's means all of its counties. None: all of the scope.
        since_us: [µs UTC].
        now_us: wall time [µs UTC].
    """
    if scope.is_mine:
        return []
    query = _EVENTS.format(scope=scope_condition(scope, "a.area_code"))
    asked: dict[str, Any] = {
        "asking": list(ASKING),
        "since": to_datetime(since_us),
        "area": area,
        "most": MOST_EVENTS,
    }
    with conn.cursor(row_factory=dict_row) as cursor:
        events = cursor.execute(query, asked).fetchall()
        if not events:
            return []
        asked = {
            "ids": [event["alarm_id"] for event in events],
            "events": [event["event_id"] for event in events],
        }
        receipts = cursor.execute(_RECEIPTS, asked).fetchall()
    first_us = min(from_datetime(event["recorded_at"]) for event in events)
    expected = load_expected(conn, expecting, first_us)
    of_event = defaultdict(list)
    for receipt in receipts:
        of_event[receipt["event_id"]].append(receipt)
    lines: dict[tuple[str, str], Row] = {}
    for event in events:
        age_us = now_us - from_datetime(event["recorded_at"])
        for way in expected.ways(event, event, of_event[event["event_id"]]):
            if way.wanted:
                line = lines.setdefault((way.role, way.recipient), _line(way))
                line["n_events"] += 1
                steps = missing(way.known(), way.wanted, age_us, expecting.allowed)
                if steps:
                    _lacks(line, event, steps)
    return sorted(
        lines.values(), key=lambda line: (-line["n_missing"], line["recipient"])
    )


def _line(way: Way) -> Row:
    return {
        "recipient": way.recipient,
        "role": way.role,
        "tier": way.tier,
        "subscribed_at": iso(way.subscribed_at),
        "n_events": 0,
        "n_missing": 0,
        "missing": [],
        "oldest_at": None,
        "alarms": [],
    }


def _lacks(line: Row, event: Row, steps: tuple[str, ...]) -> None:
    line["n_missing"] += 1
    line["missing"] = [s for s in STEPS if s in steps or s in line["missing"]]
    line["oldest_at"] = iso(event["recorded_at"])  # events come the newest first
    known = line["alarms"]
    if event["alarm_id"] not in known and len(known) < MOST_ALARMS:
        known.append(event["alarm_id"])
