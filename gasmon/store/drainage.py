"""Drainage: which points make a station, what they read, and the volumes by day.

A station's measuring place is a point of flow with its companions in the same unit:
methane, pressure and temperature of the pipe. Where a unit has several of a kind, the
companion is that on the flow's own substation (the first three signs of a number, as
mines number their points), else the first one; ours.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast

import numpy as np
from psycopg import sql
from psycopg.rows import dict_row

from gasmon.domain import states
from gasmon.domain.drainage import (
    GAP_US,
    Floats,
    Times,
    Volume,
    as_of,
    pure_flow,
    standard_flow,
    volume,
)
from gasmon.store.db import Connection
from gasmon.store.scope import Scope, scope_condition
from gasmon.units import BEIJING, from_datetime, to_datetime

SUCTION = "SUCTION"
COMPANIONS = {
    "ch4": ("CH4_PIPE",),
    "gauge": ("PIPE_PRESSURE", SUCTION),
    "temperature": ("PIPE_TEMP",),
}
"""What a point of flow needs beside it, by quantity, the better one first."""

FLOW = "PIPE_FLOW"
_QUANTITIES = [FLOW, *(q for kinds in COMPANIONS.values() for q in kinds)]

BAD_STATES = states.NO_VALUE | states.CALIBRATION
"""A reading with one of these tells no flow."""

Row = dict[str, Any]

_POINTS = """
SELECT p.point_id, p.system::text AS system, p.no, m.code::text AS mine,
       m.name AS mine_name, m.area_code::text AS area, m.atmosphere_kpa,
       v.quantity, v.place, coalesce(v.unit_slug, '') AS unit,
       coalesce(u.name, '') AS unit_name
FROM point p JOIN mine m USING (mine_id)
JOIN LATERAL (SELECT quantity, place, unit_slug FROM point_version w
    WHERE w.point_id = p.point_id ORDER BY effective_from_us DESC LIMIT 1) v ON true
LEFT JOIN unit u ON u.mine_id = p.mine_id AND u.slug = v.unit_slug
WHERE p.run = 0 AND p.retired_at IS NULL AND v.quantity = ANY(%(quantities)s)
  AND {scope} AND {only}
ORDER BY m.code, p.system, p.no"""


@dataclass(frozen=True, slots=True)
class Station:
    """One measuring place of a drainage station.

    Attributes:
        point_id: of its flow; ``no`` is that point's number.
        atmosphere_kpa: at the mine; None when nobody told.
        companions: ``ch4``, ``gauge``, ``temperature`` → point, as far as there are.
        is_suction: ``gauge`` is told as a suction, which is positive.
    """

    point_id: int
    system: str
    no: str
    place: str
    mine: str
    mine_name: str
    area: str
    unit: str
    unit_name: str
    atmosphere_kpa: float | None
    companions: dict[str, int]
    is_suction: bool

    @property
    def missing(self) -> list[str]:
        """What is not known of it, without which nothing is computed."""
        told = [name for name in COMPANIONS if name not in self.companions]
        return told if self.atmosphere_kpa is not None else [*told, "atmosphere"]

    def flows(
        self, flow: Floats, ch4: Floats, gauge: Floats, temperature: Floats
    ) -> tuple[Floats, Floats]:
        """Mixed and pure flow in the standard state, NaN where something is missing."""
        if self.atmosphere_kpa is None:
            return np.full_like(flow, np.nan), np.full_like(flow, np.nan)
        if self.is_suction:
            gauge = -np.abs(gauge)
        mixed = standard_flow(flow, gauge, self.atmosphere_kpa, temperature)
        return mixed, pure_flow(mixed, ch4)


def query(scope: Scope, mine: str | None = None) -> tuple[sql.Composed, Row]:
    """What to ask for the rows that ``stations_of`` takes."""
    only = Scope(None, None if mine is None else (mine,))
    text = sql.SQL(_POINTS).format(
        scope=scope_condition(scope), only=scope_condition(only)
    )
    return text, {"quantities": _QUANTITIES}


def stations_of(rows: Iterable[Row]) -> list[Station]:
    """Measuring places, in the order of their mines and numbers."""
    places: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        places.setdefault((row["mine"], row["unit"]), []).append(row)
    return [
        _station(row, beside)
        for beside in places.values()
        for row in beside
        if row["quantity"] == FLOW
    ]


def _station(flow: Row, beside: Sequence[Row]) -> Station:
    found: dict[str, Row] = {}
    for name, quantities in COMPANIONS.items():
        fitting = [row for row in beside if row["quantity"] in quantities]
        if fitting:
            found[name] = min(
                fitting,
                key=lambda row: (
                    row["no"][:3] != flow["no"][:3],
                    quantities.index(row["quantity"]),
                    row["no"],
                ),
            )
    gauge = found.get("gauge")
    return Station(
        point_id=flow["point_id"],
        system=flow["system"],
        no=flow["no"],
        place=flow["place"],
        mine=flow["mine"],
        mine_name=flow["mine_name"],
        area=flow["area"],
        unit=flow["unit"],
        unit_name=flow["unit_name"],
        atmosphere_kpa=flow["atmosphere_kpa"],
        companions={name: row["point_id"] for name, row in found.items()},
        is_suction=gauge is not None and gauge["quantity"] == SUCTION,
    )


def load_stations(conn: Connection) -> list[Station]:
    """Every measuring place of every mine."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return stations_of(cursor.execute(*query(Scope(None, None))).fetchall())


def measure(
    conn: Connection, run: int, station: Station, window: tuple[int, int]
) -> Volume:
    """What a station moved in a window, from its stored readings.

    Args:
        station: nothing of it is missing.
        window: from, to [µs UTC].
    """
    at_us, flow = _readings(conn, run, station.point_id, window)
    beside = {
        name: as_of(at_us, *_readings(conn, run, point_id, window))
        for name, point_id in station.companions.items()
    }
    mixed, pure = station.flows(flow, **beside)
    return volume(at_us, mixed, pure, window)


def _readings(
    conn: Connection, run: int, point_id: int, window: tuple[int, int]
) -> tuple[Times, Floats]:
    """Times [µs UTC] and values of a point, NaN for bad ones; a gap beyond the ends."""
    rows = conn.execute(
        "SELECT (extract(epoch FROM at) * 1000000)::bigint,"
        " CASE WHEN state & %s = 0 THEN value END FROM reading"
        " WHERE run = %s AND point_id = %s AND at >= %s AND at < %s ORDER BY at",
        (
            BAD_STATES,
            run,
            point_id,
            to_datetime(window[0] - GAP_US),
            to_datetime(window[1] + GAP_US),
        ),
    ).fetchall()
    times = np.array([at_us for at_us, _ in rows], np.int64)
    return times, np.array([value for _, value in rows], np.float64)


def save_day(
    conn: Connection,
    run: int,
    station: Station,
    window: tuple[int, int],
    told: Volume,
    now_us: int,
) -> None:
    """Keep the volume of a day, in place of what was computed of it before.

    Args:
        window: from midnight in Beijing to what is counted of the day [µs UTC].
        now_us: when it was computed [µs UTC].
    """
    conn.execute(
        "INSERT INTO drainage_day AS d (run, point_id, day, until, mixed_m3, pure_m3,"
        " covered_s, gap_s, n_gaps, n_samples, atmosphere_kpa, computed_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (run, point_id, day) DO UPDATE SET"
        " until = excluded.until, mixed_m3 = excluded.mixed_m3,"
        " pure_m3 = excluded.pure_m3, covered_s = excluded.covered_s,"
        " gap_s = excluded.gap_s, n_gaps = excluded.n_gaps,"
        " n_samples = excluded.n_samples, atmosphere_kpa = excluded.atmosphere_kpa,"
        " computed_at = excluded.computed_at",
        (
            *(run, station.point_id, day_of(window[0]), to_datetime(window[1])),
            *(told.mixed_m3, told.pure_m3, told.covered_s, told.gap_s),
            *(told.n_gaps, told.n_samples, station.atmosphere_kpa),
            to_datetime(now_us),
        ),
    )


def days_of(
    conn: Connection, run: int, point_id: int, since_us: int
) -> dict[date, int]:
    """Days of a station that are counted, and up to when [µs UTC]."""
    rows = conn.execute(
        "SELECT day, until FROM drainage_day"
        " WHERE run = %s AND point_id = %s AND day >= %s",
        (run, point_id, day_of(since_us)),
    ).fetchall()
    found = cast(list[tuple[date, datetime]], rows)
    return {day: from_datetime(until) for day, until in found}


def day_of(at_us: int) -> date:
    """The day in Beijing that a moment lies in."""
    return to_datetime(at_us).astimezone(BEIJING).date()
