"""What keeps alarms quiet: shelves, plans and calibration windows in the database.

A window quiets alarms up to a level (never red); what is worse breaks through. Shelves
are about one kind of alarm of one subject, made by people (``alarm_actions``) and ended
by time, whoever lives then: state and engine look at ``until_us``, the job only tells.
"""

from typing import Any, cast

from psycopg import sql
from psycopg.rows import dict_row

from gasmon.alarms.quiet import Quiet, QuietTable
from gasmon.store.db import Connection
from gasmon.units import from_datetime, to_datetime

ABOUT = (
    "(q.alarm_kind IS NULL OR q.alarm_kind = a.kind)"
    " AND ((q.subject_type = a.subject_type AND q.subject_id = a.subject_id)"
    "   OR (q.subject_type = 'unit'"
    "     AND q.subject_id = m.code || '/u/' || a.unit_slug)"
    "   OR (q.subject_type = 'mine' AND q.subject_id = m.code::text))"
)
"""Condition: a window ``q`` is about an alarm ``a`` of a mine ``m``."""

COVER = sql.SQL(
    " LEFT JOIN LATERAL (SELECT"
    "   max(q.until_us) FILTER (WHERE q.kind = 'shelf') AS shelved_until_us,"
    "   max(q.rank_ceiling) FILTER (WHERE q.kind = 'shelf') AS shelf_ceiling,"
    # What was loud before its plan, or broke through it, is not out of service.
    "   bool_or(q.kind <> 'shelf' AND a.quiet ="
    "     q.kind || ':' || coalesce(q.plan_id, q.quiet_id)) AS out_of_service"
    "   FROM quiet q WHERE q.withdrawn_at IS NULL AND a.run = 0"
    "   AND q.effective_from_us <= %(now_us)s AND q.until_us > %(now_us)s"
    "   AND a.rank <= q.rank_ceiling"
    "   AND (q.value_ceiling IS NULL OR a.value IS NULL OR a.value <= q.value_ceiling)"
    f"   AND {ABOUT}) s ON true"
)
"""Join: what covers an alarm ``a`` of a mine ``m`` now (parameter ``now_us``). The same
rule as ``alarms.quiet``, which a test holds beside it."""


def cover_of(conn: Connection, alarm_id: int, now_us: int) -> tuple[bool, bool]:
    """Whether an alarm is shelved, and whether planned work covers it."""
    row = conn.execute(
        sql.SQL(
            "SELECT s.shelved_until_us IS NOT NULL, coalesce(s.out_of_service, false)"
            " FROM alarm a LEFT JOIN mine m USING (mine_id){cover}"
            " WHERE a.alarm_id = %(alarm_id)s"
        ).format(cover=COVER),
        {"alarm_id": alarm_id, "now_us": now_us},
    ).fetchone()
    assert row is not None, f"alarm {alarm_id} was locked a moment ago"
    return bool(row[0]), bool(row[1])


def put_shelf(
    conn: Connection,
    alarm: dict[str, Any],
    *,
    until_us: int,
    reason: str,
    owner: str,
    now_us: int,
) -> str:
    """Shelve an alarm's kind at its subject, up to its present level.

    Args:
        alarm: its row, as ``alarms.lock`` gives it.
        until_us: end, not included [µs UTC].

    Returns:
        The shelf's name, as the engine's events carry it.
    """
    row = conn.execute(
        "INSERT INTO quiet (kind, subject_type, subject_id, alarm_kind, alarm_id,"
        " effective_from_us, until_us, rank_ceiling, reason, owner, recorded_at)"
        " VALUES ('shelf', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING quiet_id",
        (
            alarm["subject_type"],
            alarm["subject_id"],
            alarm["kind"],
            alarm["alarm_id"],
            now_us,
            until_us,
            alarm["rank"],
            reason,
            owner,
            to_datetime(now_us),
        ),
    ).fetchone()
    assert row is not None
    return f"shelf:{row[0]}"


def end_shelves(
    conn: Connection, alarm: dict[str, Any], *, by: str, now_us: int
) -> None:
    """Withdraw every shelf that covers an alarm now."""
    conn.execute(
        "UPDATE quiet SET withdrawn_at = %s, withdrawn_by = %s, ended_at = %s"
        " WHERE kind = 'shelf' AND withdrawn_at IS NULL AND until_us > %s"
        " AND subject_type = %s AND subject_id = %s AND alarm_kind = %s",
        (
            to_datetime(now_us),
            by,
            to_datetime(now_us),
            now_us,
            alarm["subject_type"],
            alarm["subject_id"],
            alarm["kind"],
        ),
    )


def ran_out(conn: Connection, now_us: int, limit: int) -> list[tuple[int, int | None]]:
    """Shelves whose end was not told yet, the oldest first.

    Returns:
        (quiet_id, alarm_id): the alarm that is open there now; None when there is none.
    """
    rows = conn.execute(
        "SELECT q.quiet_id, a.alarm_id FROM quiet q LEFT JOIN alarm a"
        " ON a.run = 0 AND a.subject_type = q.subject_type"
        " AND a.subject_id = q.subject_id AND a.kind = q.alarm_kind"
        " AND a.cleared_at IS NULL"
        " WHERE q.kind = 'shelf' AND q.withdrawn_at IS NULL AND q.ended_at IS NULL"
        " AND q.until_us <= %s ORDER BY q.until_us, q.quiet_id LIMIT %s",
        (now_us, limit),
    ).fetchall()
    return cast(list[tuple[int, int | None]], rows)


def mark_ended(conn: Connection, quiet_id: int, now_us: int) -> bool:
    """Take it on oneself to tell a shelf's end; False when somebody did."""
    done = conn.execute(
        "UPDATE quiet SET ended_at = %s WHERE quiet_id = %s AND ended_at IS NULL",
        (to_datetime(now_us), quiet_id),
    )
    return done.rowcount == 1


def windows(conn: Connection, from_us: int) -> QuietTable:
    """Every window that is not over at a time, for the engine.

    Args:
        from_us: readings may be judged in event time from here on [µs UTC].
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "SELECT * FROM quiet WHERE until_us > %s ORDER BY quiet_id", (from_us,)
        ).fetchall()
    return QuietTable.of(window for row in rows if (window := _window(row)) is not None)


def _window(row: dict[str, Any]) -> Quiet | None:
    until_us = row["until_us"]
    if row["withdrawn_at"] is not None:
        # It counted until it was withdrawn: a late reading from then is judged as then.
        withdrawn_us = from_datetime(row["withdrawn_at"])
        until_us = min(until_us, withdrawn_us)
    if until_us <= row["effective_from_us"]:
        return None
    value_ceiling = row["value_ceiling"]
    subject_id = row["subject_id"]
    if row["subject_type"] == "unit":
        # A unit is ``mine/u/slug`` in keys, and ``mine/slug`` where the engine looks.
        subject_id = subject_id.replace("/u/", "/", 1)
    return Quiet(
        # People know a plan by its own number; it has a window for each subject.
        name=f"{row['kind']}:{row['plan_id'] or row['quiet_id']}",
        subject=f"{row['subject_type']}:{subject_id}",
        from_us=row["effective_from_us"],
        until_us=until_us,
        rank_ceiling=row["rank_ceiling"],
        value_ceiling=float("inf") if value_ceiling is None else value_ceiling,
        planned=row["kind"] != "shelf",
        alarm_kind=row["alarm_kind"],
        test_gas=row["test_gas"],
    )
