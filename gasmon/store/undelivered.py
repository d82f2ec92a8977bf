"""Where events of alarms did not get in time, for escalation."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from psycopg.rows import dict_row

from gasmon.alarms.receipts import ASKING, Gap
from gasmon.store.db import Connection
from gasmon.store.expected import Expecting, load_expected
from gasmon.units import US_PER_DAY, from_datetime, to_datetime

LOOK_BACK_US = 7 * US_PER_DAY
"""Events older than this call nobody any more [µs]; the ledger is kept for longer."""

_EVENTS = (
    "SELECT j.alarm_id, j.event_id, j.event, j.rank, j.recorded_at,"
    " a.area_code::text AS area, m.code::text AS mine, a.kind,"
    " a.planned AND a.quiet IS NOT NULL AS planned"
    " FROM alarm_journal j JOIN alarm a USING (alarm_id)"
    " LEFT JOIN mine m USING (mine_id)"
    " WHERE j.alarm_id = ANY(%(ids)s) AND j.actor IS NULL AND j.event = ANY(%(asking)s)"
    " AND j.recorded_at > %(since)s AND a.run = 0 ORDER BY j.journal_id"
)
_RECEIPTS = (
    "SELECT event_id, recipient, console, step, happened_at, recorded_at FROM receipt"
    " WHERE alarm_id = ANY(%(ids)s) AND event_id = ANY(%(events)s)"
)


def gaps_of(
    conn: Connection, alarm_ids: Sequence[int], expecting: Expecting, now_us: int
) -> dict[int, tuple[Gap, ...]]:
    """Gaps of alarms, past and to come if nothing arrives.

    Args:
        now_us: wall time [µs UTC].
    """
    asked: dict[str, Any] = {
        "ids": list(alarm_ids),
        "asking": list(ASKING),
        "since": to_datetime(now_us - LOOK_BACK_US),
    }
    with conn.cursor(row_factory=dict_row) as cursor:
        events = cursor.execute(_EVENTS, asked).fetchall()
        if not events:
            return {}
        asked["events"] = [event["event_id"] for event in events]
        receipts = cursor.execute(_RECEIPTS, asked).fetchall()
    first_us = min(from_datetime(event["recorded_at"]) for event in events)
    expected = load_expected(conn, expecting, first_us)
    of_event = defaultdict(list)
    for receipt in receipts:
        of_event[receipt["event_id"]].append(receipt)
    found: dict[int, tuple[Gap, ...]] = {}
    for event in events:
        gaps = expected.gaps(event, event, of_event[event["event_id"]])
        found[event["alarm_id"]] = (*found.get(event["alarm_id"], ()), *gaps)
    return found
