"""``/statistics``: figures by county, mine, point, kind or cause; daily reports."""

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
    MineDayAnswer,
    MineDayQuery,
    StatisticsAnswer,
    StatisticsQuery,
)
from gasmon.api.state import ApiState
from gasmon.reports.daily import all_listed, daily_report
from gasmon.reports.period import Period, period_of
from gasmon.reports.report import Source, heading, table
from gasmon.reports.sheet import LIST_COLUMNS, MINE_COLUMNS, TABLE_COLUMNS, sheet
from gasmon.store import mine_days
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


@router.get("/statistics/mine", response_model=MineDayAnswer)
async def mine(
    asker: Asker, shared: Shared, query: Annotated[MineDayQuery, Query()]
) -> Response:
    """A mine's daily monitoring report: each sensor's mean, maximum and alarms."""
    return answer(await _mine_day(asker, shared, query))


@router.get("/statistics/mine/export", response_class=Response, responses=CSV)
async def export_mine(
    asker: Asker,
    shared: Shared,
    request: Request,
    query: Annotated[MineDayQuery, Query()],
) -> Response:
    """The same as CSV; stands in the audit."""
    told = await _mine_day(asker, shared, query)
    name = f"mine-{query.mine}-{told['from'][:10]}.csv"
    rows = told["items"]
    body = sheet(rows, MINE_COLUMNS)
    return await csv_file(asker, shared, request, "statistics.export", name, body, rows)


async def _mine_day(
    asker: Caller, shared: ApiState, query: MineDayQuery
) -> dict[str, Any]:
    now_us = shared.clock.now_us()
    day = period_of("day", now_us, day=query.day)
    async with shared.history.connection() as conn:
        cursor = conn.cursor(row_factory=dict_row)
        answers = []
        for one in mine_days.queries(asker.principal.scope, query.mine, day, now_us):
            await cursor.execute(*one)
            answers.append(await cursor.fetchall())
    return await asyncio.to_thread(mine_days.report_of, answers, day, now_us)


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
