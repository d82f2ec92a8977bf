"""Which mines' data looks made: findings of ``alarms.suspicion`` over what is stored.

Only read, and only when somebody asks: a mine of 25 such points at 5 s is 430,000
readings a day, read point by point in about a second.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import Any, cast

import numpy as np
from psycopg import sql
from psycopg.rows import class_row, dict_row

from gasmon import domain
from gasmon.alarms.suspicion import FROM_JOURNAL, SIGNS, Finding, mine_score, score
from gasmon.alarms.suspicion_flow import flow_mismatch
from gasmon.alarms.suspicion_series import (
    USUAL_STEP,
    Series,
    bits_contradict,
    clipped,
    flat,
    replayed,
)
from gasmon.domain import states
from gasmon.store.db import Connection
from gasmon.store.scope import Scope, scope_condition
from gasmon.units import from_datetime, iso_us, to_datetime

JUDGED = tuple(USUAL_STEP)
"""Quantities whose readings are looked at; others are only needed beside them."""

BESIDE = ("PIPE_PRESSURE", "SUCTION", "PIPE_TEMP")


@dataclass(frozen=True, slots=True)
class Mine:
    """A mine that is looked at."""

    mine_id: int
    code: str
    name: str
    area: str
    atmosphere_kpa: float | None


@dataclass(frozen=True, slots=True)
class Point:
    """A point of it, with what counts at the end of the stretch."""

    point_id: int
    no: str
    place: str
    quantity: str
    place_class: str | None
    unit_slug: str | None
    alarm_high: float
    clear_high: float
    alarm_low: float


def mines_of(
    conn: Connection, scope: Scope, *, area: str | None = None, code: str | None = None
) -> list[Mine]:
    """The mines of a scope, by code.

    Args:
        area: only of this area (a prefecture's code means all of its counties).
        code: only this mine.
    """
    query = sql.SQL(
        "SELECT m.mine_id, m.code::text, m.name, m.area_code::text AS area,"
        " m.atmosphere_kpa FROM mine m WHERE m.retired_at IS NULL AND {scope}"
        " AND (%(area)s::text IS NULL OR m.area_code = %(area)s::text"
        "   OR left(m.area_code, 4) || '00' = %(area)s::text)"
        " AND (%(code)s::text IS NULL OR m.code = %(code)s::text) ORDER BY m.code"
    ).format(scope=scope_condition(scope))
    with conn.cursor(row_factory=class_row(Mine)) as cursor:
        return cursor.execute(query, {"area": area, "code": code}).fetchall()


def suspicion_of(
    conn: Connection, mine: Mine, from_us: int, to_us: int
) -> dict[str, Any]:
    """What looks made at one mine in [from, to), as people and programs see it."""
    points = _points(conn, mine.mine_id, to_us)
    series = {
        point.point_id: series_of(conn, point.point_id, from_us, to_us)
        for point in points
    }
    reads_bits = any(
        bool(((part.state & states.ALARM) != 0).any()) for part in series.values()
    )
    found: dict[int, list[Finding]] = {}
    for point in points:
        if point.quantity in JUDGED:
            own = series[point.point_id]
            found[point.point_id] = _of_readings(point, own, reads_bits)
    _add_flows(found, points, series, mine.atmosphere_kpa)
    of_mine = _add_journal(found, conn, mine.mine_id, from_us, to_us)
    known = {point.point_id: point for point in points}
    lines = [
        {
            "point_id": point_id,
            "no": known[point_id].no,
            "place": known[point_id].place,
            "quantity": known[point_id].quantity,
            "score": score(findings),
            "findings": [shown(finding) for finding in findings],
        }
        for point_id, findings in found.items()
        if findings and point_id in known
    ]
    lines.sort(key=lambda line: (-cast(int, line["score"]), line["no"]))
    return {
        "mine": mine.code,
        "mine_name": mine.name,
        "area": mine.area,
        "from": iso_us(from_us),
        "to": iso_us(to_us),
        "score": mine_score(of_mine, [score(each) for each in found.values()]),
        "findings": [shown(finding) for finding in of_mine],
        "points": lines,
    }


def shown(finding: Finding) -> dict[str, Any]:
    """A finding with its words."""
    words = SIGNS[finding.sign]
    return {
        "sign": finding.sign,
        "text": {"zh": words.zh, "en": words.en},
        "from": iso_us(finding.from_us),
        "to": iso_us(finding.to_us),
        "numbers": finding.numbers,
    }


def _of_readings(point: Point, own: Series, reads_bits: bool) -> list[Finding]:
    """What the readings of one point show by themselves."""
    found = [*flat(own, USUAL_STEP[point.quantity]), *replayed(own)]
    limits = [each for each in (point.alarm_high, *_law(point)) if not isnan(each)]
    for limit in sorted(limits):
        if cut := clipped(own, limit):
            found += cut
            break
    # The alarm bit of a sensor that alarms below a limit too does not say which.
    high = point.alarm_high if isnan(point.alarm_low) else nan
    return found + bits_contradict(own, high, point.clear_high, reads_bits)


def _law(point: Point) -> list[float]:
    """The law's alarm limits at its place."""
    return [
        row.alarm_high
        for row in domain.limits()
        if (row.quantity, row.place_class) == (point.quantity, point.place_class)
    ]


def _add_flows(
    found: dict[int, list[Finding]],
    points: Sequence[Point],
    series: dict[int, Series],
    air_kpa: float | None,
) -> None:
    """Of each station with one sensor of each quantity: its pure flow."""
    for unit in sorted({point.unit_slug for point in points if point.unit_slug}):
        own = [point for point in points if point.unit_slug == unit]
        by_quantity = {point.quantity: series[point.point_id] for point in own}
        if len(by_quantity) < len(own):
            # Several pipes in one unit: which belongs to which is not told.
            counted = [point.quantity for point in own]
            by_quantity = {
                q: s for q, s in by_quantity.items() if counted.count(q) == 1
            }
        flows = flow_mismatch(by_quantity, air_kpa)
        for point in own if flows else ():
            if point.quantity == "PIPE_FLOW_PURE":
                found[point.point_id] += flows


_JOURNAL = (
    "SELECT kind, point_id, unit_slug, raised_at, cleared_at, rank, explain->'causes'"
    " AS causes, explain->>'cause' AS cause FROM alarm"
    " WHERE run = 0 AND mine_id = %s AND kind = ANY(%s) AND raised_at < %s"
    " AND coalesce(cleared_at, 'infinity') >= %s ORDER BY raised_at, alarm_id"
)


def _add_journal(
    found: dict[int, list[Finding]],
    conn: Connection,
    mine_id: int,
    from_us: int,
    to_us: int,
) -> list[Finding]:
    """Alarms that are signs themselves; those of no point are given back."""
    given = (mine_id, list(FROM_JOURNAL), to_datetime(to_us), to_datetime(from_us))
    of_mine: list[Finding] = []
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_JOURNAL, given).fetchall()
    for row in rows:
        end = row["cleared_at"]
        numbers = {
            "kind": row["kind"],
            "unit": row["unit_slug"],
            "open": end is None,
            "causes": row["causes"] or ([row["cause"]] if row["cause"] else []),
        }
        begin_us = from_datetime(row["raised_at"])
        end_us = to_us if end is None else from_datetime(end)
        finding = Finding(FROM_JOURNAL[row["kind"]], begin_us, end_us, numbers)
        if row["point_id"] is None:
            of_mine.append(finding)
        else:
            found.setdefault(row["point_id"], []).append(finding)
    return of_mine


def _points(conn: Connection, mine_id: int, at_us: int) -> list[Point]:
    with conn.cursor(row_factory=class_row(Point)) as cursor:
        return cursor.execute(
            "SELECT p.point_id, p.no, v.place, v.quantity, v.place_class, v.unit_slug,"
            " coalesce(v.alarm_high, 'NaN') AS alarm_high,"
            " coalesce(v.clear_high, 'NaN') AS clear_high,"
            " coalesce(v.alarm_low, 'NaN') AS alarm_low"
            " FROM point p JOIN LATERAL (SELECT * FROM point_version w"
            "   WHERE w.point_id = p.point_id AND w.effective_from_us <= %(at)s"
            "   ORDER BY w.effective_from_us DESC LIMIT 1) v ON true"
            " WHERE p.run = 0 AND p.mine_id = %(mine)s"
            " AND v.quantity = ANY(%(quantities)s)"
            " ORDER BY p.system, p.no",
            {"mine": mine_id, "at": at_us, "quantities": [*JUDGED, *BESIDE]},
        ).fetchall()


def series_of(conn: Connection, point_id: int, from_us: int, to_us: int) -> Series:
    """Live readings of a point in [from, to), rising, as the signs want them."""
    rows = conn.execute(
        "SELECT (extract(epoch FROM at) * 1000000)::bigint,"
        " coalesce(value, 'NaN'), state FROM reading"
        " WHERE run = 0 AND point_id = %s AND at >= %s AND at < %s ORDER BY at",
        (point_id, to_datetime(from_us), to_datetime(to_us)),
        binary=True,
    ).fetchall()
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    return Series(
        np.asarray(columns[0], np.int64),
        np.asarray(columns[1], np.float64),
        np.asarray(columns[2], np.int32),
    )
