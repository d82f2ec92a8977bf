"""``/statistics``: figures by county, mine, point, kind or cause; the daily report."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from psycopg.rows import dict_row
from starlette.responses import Response

from gasmon.api.answers import PROBLEMS, answer, area_code
from gasmon.api.auth import Asker, Caller, Shared
from gasmon.api.exports import CSV, csv_file
from gasmon.api.schemas_statistics import (
    DailyAnswer,
    DailyQuery,
    StatisticsAnswer,
    StatisticsQuery,
)
from gasmon.api.state import ApiState
from gasmon.reports.daily import all_listed, daily_report
from gasmon.reports.period import Period, period_of
from gasmon.reports.report import Source, heading, table
from gasmon.reports.sheet import LIST_COLUMNS, TABLE_COLUMNS, sheet
from gasmon.store.statistics import Wanted, queries, source_of

router = APIRouter(tags=["statistics"], responses=PROBLEMS)


@router.get("/statistics", response_model=StatisticsAnswer)
async def statistics(
    asker: Asker, shared: Shared, query: Annotated[StatisticsQuery, Query()]
) -> Response:
    """A row for each county, mine, point, kind or cause, beside the period before."""
    period, now_us, rows = await _table(asker, shared, query)
    told = heading(period, now_us) | {"by": query.by, "sort": query.sort}
    return answer(told | {"items": rows})


@router.get("/statistics/export", response_class=Response, responses=CSV)
async def export_statistics(
    asker: Asker,
    shared: Shared,
    request: Request,
    query: Annotated[StatisticsQuery, Query()],
) -> Response:
    """The same as CSV; stands in the audit."""
    period, now_us, rows = await _table(asker, shared, query)
    day = heading(period, now_us)["from"][:10]
    name = f"statistics-{query.period}-{query.by}-{day}.csv"
    body = sheet(rows, TABLE_COLUMNS)
    return await csv_file(asker, shared, request, "statistics.export", name, body, rows)


@router.get("/statistics/daily", response_model=DailyAnswer)
async def daily(
    asker: Asker, shared: Shared, query: Annotated[DailyQuery, Query()]
) -> Response:
    """The daily alarm report."""
    day, now_us, source = await _day(asker, shared, query)
    report = await asyncio.to_thread(
        daily_report, source, day, shared.escalation, now_us
    )
    return answer(heading(day, now_us) | report)


@router.get("/statistics/daily/export", response_class=Response, responses=CSV)
async def export_daily(
    asker: Asker,
    shared: Shared,
    request: Request,
    query: Annotated[DailyQuery, Query()],
) -> Response:
    """Every alarm of a day as CSV; stands in the audit."""
    day, now_us, source = await _day(asker, shared, query)
    rows = all_listed(source, day, now_us)
    name = f"daily-{heading(day, now_us)['from'][:10]}.csv"
    body = sheet(rows, LIST_COLUMNS)
    return await csv_file(asker, shared, request, "statistics.export", name, body, rows)


async def _table(
    asker: Caller, shared: ApiState, query: StatisticsQuery
) -> tuple[Period, int, list[dict[str, Any]]]:
    now_us = shared.clock.now_us()
    period = period_of(
        query.period, now_us, day=query.day, from_us=query.from_, to_us=query.to
    )
    source = await _source(asker, shared, period, now_us, query)
    rows = await asyncio.to_thread(
        table,
        source,
        period,
        shared.escalation,
        now_us,
        by=query.by,
        sort=query.sort,
        limit=query.limit,
    )
    return period, now_us, rows


async def _day(
    asker: Caller, shared: ApiState, query: DailyQuery
) -> tuple[Period, int, Source]:
    now_us = shared.clock.now_us()
    day = period_of("day", now_us, day=query.day)
    return day, now_us, await _source(asker, shared, day, now_us, query)


async def _source(
    asker: Caller, shared: ApiState, period: Period, now_us: int, query: DailyQuery
) -> Source:
    wanted = Wanted(
        from_us=period.before(now_us).from_us,
        to_us=period.end_us(now_us),
        area=area_code(query.area),
        mine=query.mine,
    )
    answers = []
    async with shared.history.connection() as conn:
        cursor = conn.cursor(row_factory=dict_row)
        for one in queries(asker.principal.scope, wanted):
            await cursor.execute(*one)
            answers.append(await cursor.fetchall())
    return await asyncio.to_thread(source_of, answers)
