"""Signatures of one alarm, from what is stored around it (``alarms.signatures``)."""

from typing import Any, cast

from psycopg.rows import dict_row

from gasmon.alarms.signatures import AFTER_US, BEFORE_US, SIGNATURES, Around, signatures
from gasmon.alarms.suspicion_series import Series
from gasmon.store.db import Connection
from gasmon.store.suspicion import series_of
from gasmon.units import US_PER_S, from_datetime

KINDS = ("over_limit", "cut_off")
"""Alarms that have signatures: high values of gas."""

FANS = ("FAN_LOCAL",)
POWER = ("FEED", "BREAKER", "POWER")


def signatures_of(conn: Connection, alarm_id: int) -> list[dict[str, Any]]:
    """What of an alarm looks like a false one; the caller has checked its scope.

    Nothing for alarms of another kind, of drills, and without a limit.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "SELECT point_id, mine_id, unit_slug, raised_at, limit_value, subject_id,"
            " coalesce((explain->>'on_delay_s')::float8, 0) AS on_delay_s FROM alarm"
            " WHERE alarm_id = %s AND run = 0 AND kind = ANY(%s)"
            " AND point_id IS NOT NULL AND limit_value IS NOT NULL",
            (alarm_id, list(KINDS)),
        ).fetchone()
    if row is None:
        return []
    # The value went beyond when its on-delay began.
    crossed_us = from_datetime(row["raised_at"]) - round(row["on_delay_s"] * US_PER_S)
    span_us = crossed_us - BEFORE_US, crossed_us + AFTER_US
    beside = _beside(conn, row["mine_id"], row["unit_slug"], span_us)
    around = Around(
        own=series_of(conn, row["point_id"], *span_us),
        limit=row["limit_value"],
        crossed_us=crossed_us,
        neighbours={
            no: series
            for point_id, no, quantity, series in beside
            if quantity == "CH4" and point_id != row["point_id"]
        },
        fans={no: series for _, no, quantity, series in beside if quantity in FANS},
        power={no: series for _, no, quantity, series in beside if quantity in POWER},
        blasting=_blasting(conn, row["mine_id"], row["unit_slug"], row["subject_id"]),
    )
    return [
        {
            "signature": name,
            "text": dict(zip(("zh", "en"), SIGNATURES[name], strict=True)),
            "numbers": numbers,
        }
        for name, numbers in signatures(around).items()
    ]


def _beside(
    conn: Connection, mine_id: int, unit: str | None, span_us: tuple[int, int]
) -> list[tuple[int, str, str, Series]]:
    """Points of the unit with their readings in a span [µs UTC]: id, number, quantity,
    series."""
    if unit is None:
        return []
    rows = cast(
        list[tuple[int, str, str]],
        conn.execute(
            "SELECT p.point_id, p.no, v.quantity FROM point p JOIN LATERAL ("
            " SELECT w.quantity, w.unit_slug FROM point_version w"
            "  WHERE w.point_id = p.point_id AND w.effective_from_us <= %s"
            "  ORDER BY w.effective_from_us DESC LIMIT 1) v ON true"
            " WHERE p.run = 0 AND p.mine_id = %s AND v.unit_slug = %s"
            " AND v.quantity = ANY(%s)"
            " ORDER BY p.no",
            (span_us[1], mine_id, unit, ["CH4", *FANS, *POWER]),
        ).fetchall(),
    )
    return [(*row, series_of(conn, row[0], *span_us)) for row in rows]


def _blasting(
    conn: Connection, mine_id: int, unit: str | None, point: str
) -> list[tuple[int, int]]:
    """Approved windows of blasting that cover the point, its unit or its mine."""
    mine = point[:12]
    subjects = [f"point:{point}", f"mine:{mine}"]
    if unit is not None:
        subjects.append(f"unit:{mine}/u/{unit}")
    return cast(
        list[tuple[int, int]],
        conn.execute(
            "SELECT p.from_us, p.until_us FROM plan p WHERE p.mine_id = %s"
            " AND p.work = 'blasting' AND p.subjects && %s"
            " AND EXISTS (SELECT FROM plan_record r WHERE r.plan_id = p.plan_id"
            "   AND r.event = 'approved')",
            (mine_id, subjects),
        ).fetchall(),
    )
