"""``/differences``: where a mine's word and its raw values differ."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter
from fastapi import Query as QueryParam
from pydantic import Field
from starlette.responses import Response

from gasmon.api.answers import PROBLEMS, answer
from gasmon.api.auth import Asker, Shared
from gasmon.api.schemas import Answer, MineCode, Query
from gasmon.store.drainage import day_of
from gasmon.store.views_differences import differences

router = APIRouter(tags=["differences"], responses=PROBLEMS)


class DifferencesQuery(Query):
    day: date | None = Field(None, description="in Beijing; today without")
    mine: MineCode | None = None


class Difference(Answer):
    day: str
    kind: Literal[
        "not_reported",
        "not_measured",
        "maximum_differs",
        "statistic_differs",
        "calibration_batch",
    ]
    mine: str
    mine_name: str
    area: str
    point: str | None = Field(description="null: several points")
    point_id: int | None
    place: str
    uom: str
    at: str
    until: str | None
    ours: float | None = Field(description="from the raw values")
    theirs: float | None = Field(description="as the mine says")
    n: int


class DifferenceList(Answer):
    day: str
    items: list[Difference]


@router.get("/differences", response_model=DifferenceList)
async def listed(
    asker: Asker, shared: Shared, query: Annotated[DifferencesQuery, QueryParam()]
) -> Response:
    """Over-limits not reported, maxima altered, calibrations in batches: a day's."""
    day = query.day or day_of(shared.clock.now_us())
    async with shared.pool.connection() as conn:
        items = await differences(conn, asker.principal.scope, day, query.mine)
    return answer({"day": day.isoformat(), "items": items})
