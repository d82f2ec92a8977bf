"""``/drills``: runs that trainers declare, and all that a score sheet needs of them."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi import Path as PathParam
from starlette.responses import Response

from gasmon.api.answers import CONFLICT, PROBLEMS, answer, area_code
from gasmon.api.auth import Asker, Shared, no_query
from gasmon.api.log_in import in_database, in_transaction
from gasmon.api.routes_alarms import with_text
from gasmon.api.routes_mines import Code, latest_of
from gasmon.api.schemas import Latest, PointList
from gasmon.api.schemas_drills import (
    DrillBody,
    DrillEndBody,
    DrillPage,
    DrillPointsQuery,
    DrillRecord,
    DrillRecordQuery,
    DrillRefusedList,
    DrillScoreBody,
    DrillShown,
    DrillsQuery,
)
from gasmon.api.state import ApiState
from gasmon.ingest.topics import root_of
from gasmon.remote.frames import encode_body
from gasmon.store import (
    drill_scores,
    drills,
    views,
    views_alarms,
    views_drills,
    views_escalation,
    views_life,
    views_receipts,
)
from gasmon.store.expected import expecting_of

router = APIRouter(tags=["drills"], responses=PROBLEMS | CONFLICT)
PLAIN = [Depends(no_query)]
Run = Annotated[int, PathParam(ge=1, le=2**31 - 1)]


@router.get("/drills", response_model=DrillPage)
async def list_drills(
    asker: Asker, shared: Shared, query: Annotated[DrillsQuery, Query()]
) -> Response:
    """One page of drills, the newest first."""
    now_us, area = shared.clock.now_us(), area_code(query.area)
    rows, following = await in_database(
        shared,
        lambda conn: views_drills.drills(
            conn,
            asker.principal,
            now_us=now_us,
            area=area,
            current=query.current,
            before=query.cursor,
            limit=query.limit,
        ),
    )
    return answer({"items": [_rooted(row) for row in rows], "next": following})


@router.get("/drills/refused", response_model=DrillRefusedList, dependencies=PLAIN)
async def refused(asker: Asker, shared: Shared) -> Response:
    """What came for runs that nobody declared, or that are over, in the last day."""
    now_us = shared.clock.now_us()
    rows = await in_database(shared, lambda conn: views_drills.refused(conn, now_us))
    return answer({"items": rows})


@router.post("/drills", response_model=DrillShown, dependencies=PLAIN)
async def declare(asker: Asker, shared: Shared, body: DrillBody) -> Response:
    """Declare a drill; its run is taken from its beginning to its end."""
    wish = drills.DrillWish(
        scenario=body.scenario,
        areas=tuple(str(area_code(area)) for area in body.areas),
        until_us=body.until,
        from_us=body.from_,
        title=body.title,
        announced=body.announced,
        stop_on_real_alarm=body.stop_on_real_alarm,
        participants=tuple(body.participants),
        note=body.note,
    )
    limits = shared.settings.drills
    run = await in_transaction(
        shared,
        lambda conn: drills.declare(
            conn,
            asker.principal,
            wish,
            most_at_once=limits.runs_limit,
            longest_h=limits.longest_h,
            now_us=shared.clock.now_us(),
            key=body.key,
        ),
    )
    return answer(await _shown(asker, shared, run))


@router.get("/drills/{run}", response_model=DrillShown, dependencies=PLAIN)
async def show(asker: Asker, shared: Shared, run: Run) -> Response:
    """One drill, with the mines that sent their points."""
    return answer(await _shown(asker, shared, run))


@router.post("/drills/{run}/end", response_model=DrillShown, dependencies=PLAIN)
async def end(asker: Asker, shared: Shared, run: Run, body: DrillEndBody) -> Response:
    """End a drill now; its open alarms are cleared and closed."""
    await in_transaction(
        shared,
        lambda conn: drills.end_by(
            conn,
            asker.principal,
            run,
            body.reason.strip(),
            encode=encode_body,
            now_us=shared.clock.now_us(),
        ),
    )
    return answer(await _shown(asker, shared, run))


@router.post("/drills/{run}/score", response_model=DrillShown, dependencies=PLAIN)
async def score(
    asker: Asker, shared: Shared, run: Run, body: DrillScoreBody
) -> Response:
    """Record what a drill that is over was worth; a later score stands beside it."""
    said = drill_scores.Score(body.sheet, body.points, body.of_points, body.passed)
    await in_transaction(
        shared,
        lambda conn: drill_scores.write(
            conn, asker.principal, run, said, shared.clock.now_us()
        ),
    )
    return answer(await _shown(asker, shared, run))


@router.get("/drills/{run}/points", response_model=PointList)
async def points(
    asker: Asker, shared: Shared, run: Run, query: Annotated[DrillPointsQuery, Query()]
) -> Response:
    """The points of a drill; their readings are at ``/points/{point_id}/readings``."""
    await _shown(asker, shared, run)
    scope, now_us = asker.principal.scope, shared.clock.now_us()
    async with shared.pool.connection() as conn:
        mine = None
        if query.mine is not None:
            mine = await views.mine_id(conn, scope, query.mine)
        return answer(
            {"items": await views.points(conn, scope, now_us, mine=mine, run=run)}
        )


@router.get(
    "/drills/{run}/mines/{code}/latest", response_model=Latest, dependencies=PLAIN
)
async def latest(asker: Asker, shared: Shared, run: Run, code: Code) -> Response:
    """The latest value of each point of a mine in a drill; none once it ended."""
    await _shown(asker, shared, run)
    scope, now_us = asker.principal.scope, shared.clock.now_us()
    async with shared.pool.connection() as conn:
        mine_id = await views.mine_id(conn, scope, code)
        row = await views.latest_row(conn, mine_id, run)
        found = await views.points(conn, scope, now_us, mine=mine_id, run=run)
    return answer(latest_of(row, found))


@router.get("/drills/{run}/record", response_model=DrillRecord)
async def record(
    asker: Asker, shared: Shared, run: Run, query: Annotated[DrillRecordQuery, Query()]
) -> Response:
    """A page of a drill's alarms with all that happened to each, the newest first."""
    drill = await _shown(asker, shared, run)
    who, now_us = asker.principal, shared.clock.now_us()
    wanted = views_alarms.AlarmFilter(state="all", run=run)
    async with shared.pool.connection() as conn:
        rows, following, _ = await views_alarms.alarms(
            conn,
            who.scope,
            who.tier,
            wanted,
            now_us=now_us,
            cursor=query.cursor,
            limit=query.limit,
        )
        for row in rows:
            row["records"] = await views_life.history(conn, row["alarm_id"])
            row["escalations"] = await views_escalation.steps(
                conn, who.scope, row["alarm_id"]
            )
    await _add_ledgers(shared, asker, rows, now_us)
    alarms = [with_text(row) for row in rows]
    return answer({"drill": drill, "alarms": alarms, "next": following})


async def _add_ledgers(
    shared: ApiState, asker: Asker, rows: list[dict[str, Any]], now_us: int
) -> None:
    expecting, scope = expecting_of(shared.settings.ledger), asker.principal.scope
    found = await in_database(
        shared,
        lambda conn: [
            views_receipts.ledger(conn, scope, row, expecting, now_us) for row in rows
        ],
    )
    for row, ledger in zip(rows, found, strict=True):
        row["ledger"] = ledger


async def _shown(asker: Asker, shared: ApiState, run: int) -> dict[str, Any]:
    now_us = shared.clock.now_us()
    return _rooted(
        await in_database(
            shared, lambda conn: views_drills.drill(conn, asker.principal, run, now_us)
        )
    )


def _rooted(row: dict[str, Any]) -> dict[str, Any]:
    """A drill with the place where its gateways publish."""
    return {**row, "topic_root": root_of(row["run"])}
