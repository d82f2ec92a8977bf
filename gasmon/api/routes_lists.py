"""``/alarms/groups``, ``/alarms/export``: alarms gathered, and as a file."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from gasmon.api.answers import PROBLEMS, answer, area_code
from gasmon.api.auth import Asker, Shared
from gasmon.api.exports import CSV, csv_file
from gasmon.api.routes_alarms import filter_of
from gasmon.api.schemas_lists import (
    AlarmGroups,
    ExportQuery,
    GroupsQuery,
)
from gasmon.errors import BadRequest
from gasmon.reports.sheet import ALARM_COLUMNS, sheet
from gasmon.store import views_alarms, views_groups
from gasmon.units import iso_us

router = APIRouter(tags=["alarms"], responses=PROBLEMS)


@router.get("/alarms/groups", response_model=AlarmGroups)
async def alarm_groups(
    asker: Asker, shared: Shared, query: Annotated[GroupsQuery, Query()]
) -> Response:
    """Open alarms by mine and kind, the worst first, each with its worst alarm."""
    who = asker.principal
    async with shared.pool.connection() as conn:
        found = await views_groups.groups(
            conn,
            who.scope,
            who.tier,
            area=area_code(query.area),
            mine=query.mine,
            limit=query.limit,
        )
    return answer(found)


@router.get("/alarms/export", response_class=Response, responses=CSV)
async def export_alarms(
    asker: Asker,
    shared: Shared,
    request: Request,
    query: Annotated[ExportQuery, Query()],
) -> Response:
    """What a filter finds as CSV; stands in the audit."""
    who, now_us = asker.principal, shared.clock.now_us()
    rows: list[dict[str, Any]]
    async with shared.history.connection() as conn:
        rows, _, total = await views_alarms.alarms(
            conn,
            who.scope,
            who.tier,
            filter_of(query),
            now_us=now_us,
            order=query.order,
            cursor=query.cursor,
            limit=query.limit,
        )
    if total > query.limit:
        raise BadRequest(
            f"{total} alarms: a file has {query.limit} at most; ask by days"
        )
    of_drill = f"drill-{query.run}-" if query.run else ""
    name = f"{of_drill}alarms-{iso_us(now_us)[:10]}.csv"
    body = sheet(rows, ALARM_COLUMNS)
    return await csv_file(asker, shared, request, "alarms.export", name, body, rows)
