"""``/areas``, ``/mines``: what there is and what it measures now."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi import Path as PathParam
from starlette.responses import Response

from gasmon.api import live
from gasmon.api.answers import PROBLEMS, answer, area_code
from gasmon.api.auth import Asker, Shared, no_query
from gasmon.api.schemas import (
    AreaList,
    Latest,
    MineDetail,
    MineList,
    MinesQuery,
    PointList,
    UnitList,
)
from gasmon.errors import NotFound
from gasmon.store import views
from gasmon.units import US_PER_MS, iso_us

router = APIRouter(tags=["mines"], responses=PROBLEMS)
PLAIN = [Depends(no_query)]

Code = Annotated[str, PathParam(pattern=r"^[0-9]{12}$")]


@router.get("/areas", response_model=AreaList, dependencies=PLAIN)
async def areas(asker: Asker, shared: Shared) -> Response:
    """The areas that the asker may see, with what goes on there."""
    who = asker.principal
    async with shared.pool.connection() as conn:
        return answer({"items": await views.areas(conn, who.scope, who.tier)})


@router.get("/mines", response_model=MineList)
async def mines(
    asker: Asker, shared: Shared, query: Annotated[MinesQuery, Query()]
) -> Response:
    """Mines with their state and their highest methane."""
    rows = await _mines(asker, shared, area=area_code(query.area), q=query.q)
    return answer({"items": [_short(row) for row in rows]})


@router.get("/mines/{code}", response_model=MineDetail, dependencies=PLAIN)
async def mine(asker: Asker, shared: Shared, code: Code) -> Response:
    """One mine with its units."""
    rows = await _mines(asker, shared, code=code)
    if not rows:
        raise NotFound(f"no mine {code}")
    async with shared.pool.connection() as conn:
        units = await views.units(conn, rows[0]["mine_id"])
    return answer(
        {
            **_short(rows[0]),
            "atmosphere_kpa": rows[0]["atmosphere_kpa"],
            "units": units,
        }
    )


async def _mines(asker: Asker, shared: Shared, **wanted: Any) -> list[dict[str, Any]]:
    """Rows of mines with ``top_ch4`` found in their packed values."""
    who = asker.principal
    async with shared.pool.connection() as conn:
        rows = await views.mines(conn, who.scope, who.tier, **wanted)
        tops: dict[int, dict[str, Any]] = {}
        for row in rows:
            packed = row.pop("packed")
            top = packed and live.top_of(
                live.unpack(packed), shared.live.state.top_points
            )
            row["top_ch4"] = top or None
            if top:
                tops[top["point_id"]] = top
        names = await views.point_names(conn, shared.clock.now_us(), list(tops))
    for top in tops.values():
        name = names.get(top["point_id"], {})
        at_us = top.pop("at_ms") * US_PER_MS
        top.pop("quantity")
        top |= {
            "no": name.get("no", ""),
            "place": name.get("place") or "",
            "at": iso_us(at_us),
        }
    return rows


def _short(row: dict[str, Any]) -> dict[str, Any]:
    """A mine as lists show it."""
    hidden = ("mine_id", "atmosphere_kpa")
    return {name: value for name, value in row.items() if name not in hidden}


@router.get("/mines/{code}/units", response_model=UnitList, dependencies=PLAIN)
async def units(asker: Asker, shared: Shared, code: Code) -> Response:
    """Faces, headings, returns and drainage stations of a mine."""
    async with shared.pool.connection() as conn:
        mine_id = await views.mine_id(conn, asker.principal.scope, code)
        return answer({"items": await views.units(conn, mine_id)})


@router.get("/mines/{code}/points", response_model=PointList, dependencies=PLAIN)
async def points(asker: Asker, shared: Shared, code: Code) -> Response:
    """The points of a mine with the attributes that hold now."""
    scope = asker.principal.scope
    async with shared.pool.connection() as conn:
        mine_id = await views.mine_id(conn, scope, code)
        now_us = shared.clock.now_us()
        return answer({"items": await views.points(conn, scope, now_us, mine=mine_id)})


@router.get("/mines/{code}/latest", response_model=Latest, dependencies=PLAIN)
async def latest(asker: Asker, shared: Shared, code: Code) -> Response:
    """The latest value of each point of a mine."""
    scope = asker.principal.scope
    async with shared.pool.connection() as conn:
        mine_id = await views.mine_id(conn, scope, code)
        row = await views.latest_row(conn, mine_id)
        found = await views.points(conn, scope, shared.clock.now_us(), mine=mine_id)
    return answer(latest_of(row, found))


def latest_of(
    row: dict[str, Any] | None, found: list[dict[str, Any]]
) -> dict[str, Any]:
    """The latest values of a mine as they are answered.

    Args:
        row: as ``views.latest_row`` has it; None before any value.
        found: the points of the mine, of the same run.
    """
    if row is None:
        return {"seq": 0, "at": None, "online": False, "items": []}
    names = {point["point_id"]: point for point in found}
    values = live.unpack(row["points"])
    items = []
    for (point_id, value, state, _), at_us, arrived_us in zip(
        live.point_rows(values),
        values["at_us"].tolist(),
        values["arrived_us"].tolist(),
        strict=True,
    ):
        point = names.get(point_id)
        if point is not None:
            items.append(
                {
                    "point_id": point_id,
                    "system": point["system"],
                    "no": point["no"],
                    "value": value,
                    "state": state,
                    "at": iso_us(at_us),
                    "arrived_at": iso_us(arrived_us),
                }
            )
    return {
        "seq": row["seq"],
        "at": views.iso(row["judged_at"] or row["arrived_at"]),
        "online": row["online"],
        "items": items,
    }
