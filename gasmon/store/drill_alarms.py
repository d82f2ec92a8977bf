"""Alarms of drills at their end, and real alarms during them."""

from dataclasses import replace
from typing import cast

from gasmon.alarms.kinds import FORECAST_KINDS
from gasmon.store import alarms
from gasmon.store.alarm_records import acted, last_us, mark_closed, write_record
from gasmon.store.alarms import Encode
from gasmon.store.db import Connection
from gasmon.units import US_PER_DAY, to_datetime

CAUSE = "drill_over"
"""Why an alarm of a drill was cleared, in its explanation, and by which rule closed."""

BY = "gasmon"
"""Who closed it, in journal and messages."""


def settle(
    conn: Connection, run: int, why: tuple[str, str], encode: Encode, now_us: int
) -> int:
    """Clear and close what a run left, as the last of the caller's transaction.

    Args:
        why: the end of the drill in both languages.

    Returns:
        How many alarms were closed.
    """
    rows = conn.execute(
        "SELECT alarm_id FROM alarm WHERE run = %s AND closed_at IS NULL"
        " ORDER BY alarm_id FOR NO KEY UPDATE",
        (run,),
    ).fetchall()
    ids = [cast(int, row[0]) for row in rows]
    if not ids:
        return 0
    events = []
    for row in (alarms.lock(conn, alarm_id) for alarm_id in ids):
        if row["cleared_at_us"] is not None:
            continue
        at_us = max(now_us, row["raised_at_us"])
        told = acted(
            row, "cleared", at_us, by=BY, tier=None, note="", cause_code=None, more={}
        )
        explain = {**told.event.explain, "cause": CAUSE}
        events.append(replace(told.event, explain=explain))
    stored = alarms.apply_events(conn, events, now_us)
    for alarm_id in ids:
        row = alarms.lock(conn, alarm_id)
        at_us = max(now_us, row["cleared_at_us"], last_us(conn, alarm_id) + 1)
        closed = acted(
            row,
            "closed",
            at_us,
            by=BY,
            tier=None,
            note=" · ".join(why),
            cause_code=None,
            more={"rule": CAUSE, "asks_nobody": True},
        )
        mark_closed(conn, alarm_id, None, CAUSE, True, at_us)
        write_record(conn, closed, now_us)
        stored.append(closed)
    alarms.tell(conn, stored, encode, now_us)
    return len(ids)


def note_real(conn: Connection, now_us: int) -> list[tuple[int, int]]:
    """Write down the real alarms in the areas of running drills; commits nothing.

    A real alarm here is one that is told aloud: not a pre-warning, not late, not kept
    quiet by planned work or a shelf.

    Returns:
        (run, alarm) of each that is new.
    """
    rows = conn.execute(
        "INSERT INTO drill_real_alarm (run, alarm_id, noted_at)"
        " SELECT d.run, a.alarm_id, %(now)s FROM drill d JOIN alarm a ON a.run = 0"
        # By the index; a reading may be a day older than its alarm's row.
        "  AND a.raised_at >= d.starts_at - %(day)s * interval '1 microsecond'"
        "  AND a.recorded_at >= d.starts_at AND a.kind <> ALL(%(forecasts)s)"
        "  AND a.rank > 0 AND a.quiet IS NULL AND NOT a.late"
        "  AND (a.area_code::text = ANY(d.areas)"
        "   OR left(a.area_code, 4) || '00' = ANY(d.areas))"
        " WHERE d.ended_at IS NULL AND d.starts_at <= %(now)s"
        " ON CONFLICT DO NOTHING RETURNING run, alarm_id",
        {
            "now": to_datetime(now_us),
            "day": US_PER_DAY,
            "forecasts": list(FORECAST_KINDS),
        },
    ).fetchall()
    return sorted(cast(list[tuple[int, int]], rows))


def stopped(conn: Connection) -> list[tuple[int, int]]:
    """(run, first real alarm) of each running drill that such an alarm stops."""
    rows = conn.execute(
        "SELECT run, min(alarm_id) FROM drill_real_alarm JOIN drill USING (run)"
        " WHERE ended_at IS NULL AND stop_on_real_alarm GROUP BY run ORDER BY run"
    ).fetchall()
    return cast(list[tuple[int, int]], rows)
