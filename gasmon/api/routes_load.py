"""``/load`` and ``/search``: what a room has to take in now, and finding a place."""

from collections import Counter
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from gasmon.api.answers import PROBLEMS, answer
from gasmon.api.auth import Asker, Shared, no_query
from gasmon.api.schemas_load import Found, LoadNow, SearchQuery
from gasmon.shifts.causes import causes_of
from gasmon.shifts.load import FLOOD_PER_10MIN, PERIOD_US, load_of
from gasmon.store import views_load, views_search
from gasmon.store.views_load import Told
from gasmon.units import US_PER_H, iso_us

router = APIRouter(tags=["load"], responses=PROBLEMS)


@router.get("/load", response_model=LoadNow, dependencies=[Depends(no_query)])
async def load_now(asker: Asker, shared: Shared) -> Response:
    """Alarms of the last hour against ISA-18.2, what they are, and where.

    One load for whoever asks: what is told within the asker's scope.
    """
    now_us = shared.clock.now_us()
    from_us, scope = now_us - US_PER_H, asker.principal.scope
    async with shared.history.connection() as conn:
        told, more = await views_load.told(conn, scope, from_us, now_us)
        standing = await views_load.standing(conn, scope, now_us)
    load = load_of(np.array([one.at_us for one in told], np.int64), from_us, now_us)
    lately = [one for one in told if one.at_us >= now_us - PERIOD_US]
    return answer(
        {
            "at": iso_us(now_us),
            "from": iso_us(from_us),
            "n_10min": len(lately),
            "n_60min": len(told),
            "mean_per_10min": round(load.mean_per_10min, 3),
            "peak_10min": load.peak_10min,
            "grade": load.grade,
            "flood": len(lately) > FLOOD_PER_10MIN,
            "stale": sum(row["stale"] for row in standing.values()),
            "causes": _causes(told),
            "areas": _areas(told, lately, standing),
            "more": more,
        }
    )


def _causes(told: list[Told]) -> list[dict[str, Any]]:
    """The most frequent alarms with what is known of their subjects."""
    about = {(one.subject, one.kind): one for one in told}
    return [
        {
            "subject": cause.subject,
            "kind": cause.kind,
            "n": cause.n,
            "share_pct": round(cause.share_pct, 2),
            "chattering": cause.chattering,
            **{
                name: getattr(about[cause.subject, cause.kind], name)
                for name in ("area", "mine", "mine_name", "point_id")
            },
        }
        for cause in causes_of((one.subject, one.kind, one.at_us) for one in told)
    ]


def _areas(
    told: list[Told], lately: list[Told], standing: dict[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    """Area by area, where there is anything."""
    hour = Counter(one.area for one in told)
    now = Counter(one.area for one in lately)
    return [
        {
            "area": area,
            "n_10min": now[area],
            "n_60min": hour[area],
            "overdue": standing.get(area, {}).get("overdue", 0),
            "stale": standing.get(area, {}).get("stale", 0),
        }
        for area in sorted({*hour, *standing})
    ]


@router.get("/search", response_model=Found)
async def search(
    asker: Asker, shared: Shared, query: Annotated[SearchQuery, Query()]
) -> Response:
    """Mines by name or code, and points by number, place or key, within the scope."""
    now_us, scope = shared.clock.now_us(), asker.principal.scope
    async with shared.history.connection() as conn:
        mines = await views_search.mines(conn, scope, query.q, query.limit + 1)
        points = await views_search.points(
            conn, scope, query.q, query.limit + 1, now_us
        )
    return answer(
        {
            "mines": mines[: query.limit],
            "points": points[: query.limit],
            "more": max(len(mines), len(points)) > query.limit,
        }
    )
