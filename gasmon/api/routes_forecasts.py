"""``/forecasts``: what the pre-warnings were worth."""

from typing import Annotated

from fastapi import APIRouter, Query
from psycopg.rows import dict_row
from starlette.responses import Response

from gasmon.api.answers import PROBLEMS, answer, area_code
from gasmon.api.auth import Asker, Shared
from gasmon.api.schemas import Scoreboard, ScoreQuery
from gasmon.store.forecast_score import Wanted, board, queries
from gasmon.units import US_PER_DAY

router = APIRouter(tags=["forecasts"], responses=PROBLEMS)


@router.get("/forecasts/score", response_model=Scoreboard)
async def score(
    asker: Asker, shared: Shared, query: Annotated[ScoreQuery, Query()]
) -> Response:
    """Hits, leads and false alarms of pre-warnings, beside the two baselines."""
    now_us = shared.clock.now_us()
    wanted = Wanted(
        from_us=now_us - query.days * US_PER_DAY,
        to_us=now_us,
        by=query.by,
        area=area_code(query.area),
        mine=query.mine,
    )
    async with shared.history.connection() as conn:
        cursor = conn.cursor(row_factory=dict_row)
        answers = []
        for one in queries(asker.principal.scope, wanted):
            await cursor.execute(*one)
            answers.append(await cursor.fetchall())
    return answer(board(wanted, answers))
