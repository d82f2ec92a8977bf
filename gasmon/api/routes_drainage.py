"""``/drainage``: what drainage stations move."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from gasmon.api.answers import PROBLEMS, answer
from gasmon.api.auth import Asker, Shared
from gasmon.api.schemas import MAX_RANGE_DAYS
from gasmon.api.schemas_drainage import (
    DrainageDays,
    DrainageDaysQuery,
    DrainageList,
    DrainageQuery,
)
from gasmon.errors import BadRequest
from gasmon.store import views_drainage

router = APIRouter(tags=["drainage"], responses=PROBLEMS)


@router.get("/drainage", response_model=DrainageList)
async def stations(
    asker: Asker, shared: Shared, query: Annotated[DrainageQuery, Query()]
) -> Response:
    """Stations with their flow in the standard state, volumes, and drainage rate."""
    async with shared.pool.connection() as conn:
        items = await views_drainage.stations(
            conn, asker.principal.scope, shared.clock.now_us(), query.mine
        )
    return answer({"items": items})


@router.get("/drainage/days", response_model=DrainageDays)
async def days(
    asker: Asker, shared: Shared, query: Annotated[DrainageDaysQuery, Query()]
) -> Response:
    """Volumes of a mine's stations day by day, with the gaps in them."""
    if query.to < query.from_:
        raise BadRequest(f"to {query.to} is before from {query.from_}")
    if (query.to - query.from_).days > MAX_RANGE_DAYS:
        raise BadRequest(f"a range may be {MAX_RANGE_DAYS} days at most")
    async with shared.history.connection() as conn:
        items = await views_drainage.days(
            conn, asker.principal.scope, query.mine, query.from_, query.to
        )
    return answer({"items": items})
