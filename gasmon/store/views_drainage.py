"""Drainage as people see it: what flows now, volumes, the rate and what it must be."""

from collections.abc import Sequence
from datetime import date
from math import isnan

import numpy as np
from psycopg import sql

from gasmon.domain.drainage import GAP_US, MINE_STEPS, rate_pct, required_pct
from gasmon.store.drainage import BAD_STATES, Row, Station, day_of, query, stations_of
from gasmon.store.latest import LATEST_DTYPE
from gasmon.store.scope import Scope
from gasmon.store.views import Conn, fetch
from gasmon.units import BEIJING, iso_us

_VOLUMES = sql.SQL(
    "SELECT d.point_id, w.span, sum(d.mixed_m3) AS mixed_m3, sum(d.pure_m3) AS pure_m3,"
    " sum(d.covered_s) / 3600 AS covered_h, sum(d.gap_s) / 3600 AS gap_h,"
    " sum(d.n_gaps)::int AS n_gaps, count(*)::int AS n_days"
    " FROM drainage_day d CROSS JOIN (VALUES ('day', %(day)s::date),"
    " ('month', %(month)s::date), ('year', %(year)s::date)) AS w (span, since)"
    " WHERE d.run = 0 AND d.day >= w.since AND d.day <= %(day)s"
    " AND d.point_id = ANY(%(points)s) GROUP BY 1, 2"
)
_DAYS = sql.SQL(
    "SELECT point_id, day, until, mixed_m3, pure_m3, covered_s / 3600 AS covered_h,"
    " gap_s / 3600 AS gap_h, n_gaps, n_samples, atmosphere_kpa FROM drainage_day"
    " WHERE run = 0 AND point_id = ANY(%(points)s)"
    " AND day >= %(from)s AND day <= %(to)s ORDER BY day, point_id"
)
_LATEST = sql.SQL(
    "SELECT m.code::text AS mine, l.points FROM mine_latest l JOIN mine m"
    " USING (mine_id) WHERE l.run = 0 AND m.code = ANY(%(mines)s::bpchar[])"
)
_VENTILATION = sql.SQL(
    "SELECT p.point_id, p.no, m.code::text AS mine, v.quantity"
    " FROM point p JOIN mine m USING (mine_id) JOIN LATERAL"
    " (SELECT quantity, place, place_class FROM point_version w"
    "  WHERE w.point_id = p.point_id ORDER BY effective_from_us DESC LIMIT 1) v ON true"
    " WHERE p.run = 0 AND p.retired_at IS NULL"
    " AND m.code = ANY(%(mines)s::bpchar[])"
    " AND ((v.quantity = 'CH4' AND v.place_class = 'TOTAL_RETURN')"
    "  OR (v.quantity = 'AIR_QUANTITY' AND v.place ~ '总回|回风井'))"
    " ORDER BY p.no"
)
"""Return air of the whole mine; quantities of air have no class of the law."""

Now = dict[int, tuple[float, int]]
"""Good newest values: point → (value, time [µs UTC])."""


async def stations(
    conn: Conn, scope: Scope, now_us: int, mine: str | None = None
) -> list[Row]:
    """Mines that drain, each with its measuring places and its rate.

    Args:
        mine: only this one.
    """
    found = stations_of(await fetch(conn, *query(scope, mine)))
    today = day_of(now_us)
    ids = [station.point_id for station in found]
    mines = list(dict.fromkeys(station.mine for station in found))
    spans = {
        "day": today,
        "month": today.replace(day=1),
        "year": today.replace(month=1, day=1),
    }
    volumes: dict[int, Row] = {}
    for row in await fetch(conn, _VOLUMES, {**spans, "points": ids}):
        point_id, span = row.pop("point_id"), row.pop("span")
        volumes.setdefault(point_id, {})[span] = _rounded(row)
    latest: dict[str, Now] = {
        row["mine"]: _good(row["points"])
        for row in await fetch(conn, _LATEST, {"mines": mines})
    }
    air: dict[str, list[Row]] = {}
    for row in await fetch(conn, _VENTILATION, {"mines": mines}):
        air.setdefault(row["mine"], []).append(row)
    return [
        _mine(
            [station for station in found if station.mine == code],
            latest.get(code, {}),
            volumes,
            air.get(code, []),
        )
        for code in mines
    ]


async def days(conn: Conn, scope: Scope, mine: str, from_: date, to: date) -> list[Row]:
    """The days of a mine's measuring places, the oldest first.

    Args:
        to: the last day, included.
    """
    found = {s.point_id: s for s in stations_of(await fetch(conn, *query(scope, mine)))}
    asked = {"points": list(found), "from": from_, "to": to}
    rows = await fetch(conn, _DAYS, asked)
    return [
        {
            **_named(found[row.pop("point_id")]),
            **_rounded(row),
            "day": row["day"].isoformat(),
            "until": row["until"].astimezone(BEIJING).isoformat(timespec="seconds"),
        }
        for row in rows
    ]


def _named(station: Station) -> Row:
    return {
        "mine": station.mine,
        "mine_name": station.mine_name,
        "area": station.area,
        "point": f"{station.system}-{station.no}",
        "place": station.place,
        "unit_name": station.unit_name,
    }


def _mine(
    places: Sequence[Station], now: Now, volumes: dict[int, Row], air: Sequence[Row]
) -> Row:
    shown = [
        {
            **_named(station),
            "point_id": station.point_id,
            "missing": station.missing,
            "now": _flows(station, now),
            **{
                span: volumes.get(station.point_id, {}).get(span)
                for span in ("day", "month", "year")
            },
        }
        for station in places
    ]
    flowing = [place["now"]["pure_m3_min"] for place in shown]
    drained = None if None in flowing else sum(flowing)
    ventilated = _ventilated(now, air)
    first = places[0]
    told: Row = {
        "mine": first.mine,
        "mine_name": first.mine_name,
        "area": first.area,
        "atmosphere_kpa": first.atmosphere_kpa,
        "drained_m3_min": _round(drained),
        "ventilated_m3_min": _round(ventilated),
        "rate_pct": None,
        "required_pct": None,
        "places": shown,
    }
    if drained is not None and ventilated is not None:
        told["rate_pct"] = _round(rate_pct(drained, ventilated))
        told["required_pct"] = required_pct(MINE_STEPS, drained + ventilated)
    return told


def _flows(station: Station, now: Now) -> Row:
    """What flows at a place now; None for what is not known."""
    flow, at_us = now.get(station.point_id, (np.nan, 0))
    beside = {
        name: _fresh(now, station.companions.get(name), at_us)
        for name in ("ch4", "gauge", "temperature")
    }
    arrays = [np.array([value]) for value in (flow, *beside.values())]
    mixed, pure = station.flows(*arrays)
    return {
        "at": iso_us(at_us) if at_us else None,
        "flow_m3_min": _round(flow),
        "ch4_pct": _round(beside["ch4"]),
        "gauge_kpa": _round(beside["gauge"]),
        "temperature_c": _round(beside["temperature"]),
        "standard_m3_min": _round(float(mixed[0])),
        "pure_m3_min": _round(float(pure[0])),
    }


def _ventilated(now: Now, air: Sequence[Row]) -> float | None:
    """Methane in the mine's return air [m³/min]; None when it is not all measured."""
    gas = [row for row in air if row["quantity"] == "CH4"]
    total = 0.0
    quantities = [row for row in air if row["quantity"] == "AIR_QUANTITY"]
    for row in quantities:
        own = [one for one in gas if one["no"][:3] == row["no"][:3]] or gas
        quantity, at_us = now.get(row["point_id"], (np.nan, 0))
        if len(own) != 1:
            return None
        total += quantity * _fresh(now, own[0]["point_id"], at_us) / 100
    return total if quantities and not isnan(total) else None


def _fresh(now: Now, point_id: int | None, at_us: int) -> float:
    """The newest value of a point, NaN when it is much older or newer than another."""
    value, own_us = now.get(-1 if point_id is None else point_id, (np.nan, 0))
    return value if abs(own_us - at_us) <= GAP_US else np.nan


def _good(packed: bytes) -> Now:
    points = np.frombuffer(packed, dtype=LATEST_DTYPE)
    good = points[(points["state"] & BAD_STATES) == 0]
    rows = zip(
        good["point_id"].tolist(),
        good["value"].tolist(),
        good["at_us"].tolist(),
        strict=True,
    )
    return {point_id: (value, at_us) for point_id, value, at_us in rows}


def _rounded(row: Row) -> Row:
    """Numbers as people read them: a litre, a second, a millionth of an hour."""
    return {k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}


def _round(value: float | None) -> float | None:
    return None if value is None or isnan(value) else round(value, 4)
