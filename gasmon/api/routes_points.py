"""``/points``: one point, what it measured, and what happened meanwhile."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi import Path as PathParam
from starlette.responses import Response

from gasmon.api.answers import PROBLEMS, answer
from gasmon.api.auth import Asker, Shared
from gasmon.api.csv_answer import csv_answer
from gasmon.api.log_in import in_database
from gasmon.api.routes_mines import PLAIN, Code
from gasmon.api.schemas import MAX_RANGE_DAYS, Point
from gasmon.api.schemas_points import (
    Marks,
    RangeQuery,
    Readings,
    ReadingsQuery,
    Sparklines,
    SparklinesQuery,
)
from gasmon.api.schemas_trust import CrossingList, CrossingsQuery
from gasmon.errors import BadRequest, NotFound
from gasmon.store import audit, views, views_readings
from gasmon.store.crossings import crossings_of
from gasmon.units import US_PER_DAY, US_PER_MIN, US_PER_MS, iso_us

router = APIRouter(tags=["points"], responses=PROBLEMS)

PointId = Annotated[int, PathParam(ge=1, le=2**31 - 1)]

MAX_CSV_ROWS = 20_000
"""Rows of an exported file: a day of raw readings at 5 s; ours. More of them would hold
up the streams that this process serves. Longer ranges come in buckets, as on screen."""


@router.get("/points/{point_id}", response_model=Point, dependencies=PLAIN)
async def point(asker: Asker, shared: Shared, point_id: PointId) -> Response:
    """One point with the attributes that hold now."""
    return answer(await _point(asker, shared, point_id))


async def _point(asker: Asker, shared: Shared, point_id: int) -> dict[str, Any]:
    async with shared.pool.connection() as conn:
        rows = await views.points(
            conn, asker.principal.scope, shared.clock.now_us(), point_id=point_id
        )
    if not rows:
        raise NotFound(f"no point {point_id}")
    return rows[0]


def _check(query: RangeQuery) -> None:
    """Refuse a range that is none, or longer than is kept in one answer.

    Raises:
        BadRequest: says why.
    """
    if query.to <= query.from_:
        raise BadRequest(f"to {iso_us(query.to)} is not after from")
    if query.to - query.from_ > MAX_RANGE_DAYS * US_PER_DAY:
        raise BadRequest(f"a range may be {MAX_RANGE_DAYS} days at most")


@router.get("/points/{point_id}/readings", response_model=Readings)
async def readings(
    asker: Asker,
    shared: Shared,
    point_id: PointId,
    query: Annotated[ReadingsQuery, Query()],
) -> Response:
    """A range of readings, gathered so that no extreme is lost.

    ``n`` counts good readings and ``n_bad`` the others: no value, faults, and
    ``n_calibration`` of them under calibration.
    """
    _check(query)
    await _point(asker, shared, point_id)
    async with shared.history.connection() as conn:
        step_ms, rows = await views_readings.readings(
            conn, point_id, query.from_, query.to, query.max_points
        )
    return answer(
        {
            "from": iso_us(query.from_),
            "to": iso_us(query.to),
            "step_ms": step_ms,
            "columns": views_readings.COLUMNS,
            "rows": rows,
        }
    )


@router.get("/points/{point_id}/marks", response_model=Marks)
async def marks(
    asker: Asker,
    shared: Shared,
    point_id: PointId,
    query: Annotated[RangeQuery, Query()],
) -> Response:
    """Alarms of a point in a range, and the limits that held meanwhile."""
    _check(query)
    await _point(asker, shared, point_id)
    async with shared.history.connection() as conn:
        found = await views_readings.marks(conn, point_id, query.from_, query.to)
    return answer(found)


@router.get("/points/{point_id}/crossings", response_model=CrossingList)
async def crossings(
    asker: Asker,
    shared: Shared,
    point_id: PointId,
    query: Annotated[CrossingsQuery, Query()],
) -> Response:
    """Values that went beyond a limit and began no alarm, the newest first."""
    _check(query)
    await _point(asker, shared, point_id)
    async with shared.history.connection() as conn:
        rows = await crossings_of(conn, point_id, query.from_, query.to, query.limit)
    return answer({"items": rows})


@router.get("/points/{point_id}/readings.csv", response_class=Response)
async def export(
    asker: Asker,
    shared: Shared,
    point_id: PointId,
    query: Annotated[RangeQuery, Query()],
) -> Response:
    """The same readings as a file for spreadsheets; who took it stands in the audit.

    Raw readings, or buckets with their extremes where there are more than
    :data:`MAX_CSV_ROWS`; times in Beijing.
    """
    _check(query)
    about = await _point(asker, shared, point_id)
    async with shared.history.connection() as conn:
        step_ms, rows = await views_readings.readings(
            conn, point_id, query.from_, query.to, MAX_CSV_ROWS
        )
    key = f"{about['mine']}-{about['system']}-{about['no']}"
    range_ = {"from": iso_us(query.from_), "to": iso_us(query.to)}
    detail = {**range_, "rows": len(rows), "step_ms": step_ms}
    await in_database(
        shared,
        lambda conn: audit.write(
            conn, asker.principal.name, "readings.export", key, detail=detail
        ),
    )
    who = [about["mine"], about["mine_name"], about["no"], about["place"], about["uom"]]
    named = ["mine", "mine_name", "point", "place", "uom", "step_s", "time"]
    lines = (
        [*who, step_ms / 1000, iso_us(row[0] * US_PER_MS), *row[1:]] for row in rows
    )
    begin = range_["from"][:16].replace(":", "")
    columns = [*named, *views_readings.COLUMNS[1:]]
    name = f"{key}_{begin}.csv"
    if about["run"]:
        # A file goes where no frame of the page follows it: each line says it.
        name, columns = f"drill-{about['run']}_{name}", ["drill", *columns]
        lines = ([f"演练 drill {about['run']}", *line] for line in lines)
    return await asyncio.to_thread(csv_answer, name, columns, lines)


@router.get("/mines/{code}/sparklines", response_model=Sparklines)
async def sparklines(
    asker: Asker,
    shared: Shared,
    code: Code,
    query: Annotated[SparklinesQuery, Query()],
) -> Response:
    """Least and greatest values of each point of a mine, for small curves."""
    step_us = query.minutes * US_PER_MIN // query.buckets
    # Buckets begin at round times, so that a page can go on with the last one.
    to_us = (shared.clock.now_us() // step_us + 1) * step_us
    from_us = to_us - step_us * query.buckets
    async with shared.history.connection() as conn:
        mine = await views.mine_id(conn, asker.principal.scope, code)
        found = await views_readings.sparklines(
            conn, mine, from_us, to_us, step_us, query.run
        )
    return answer(
        {
            "from": iso_us(from_us),
            "to": iso_us(to_us),
            "step_ms": step_us // US_PER_MS,
            "items": [{"point_id": key, "rows": rows} for key, rows in found.items()],
        }
    )
