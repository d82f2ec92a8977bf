"""``/plans``: planned work as mines file it and upper tiers decide on it."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi import Path as PathParam
from starlette.responses import Response

from gasmon.alarms.plans import PLAN_ACTIONS
from gasmon.api.answers import CONFLICT, PROBLEMS, answer, area_code
from gasmon.api.auth import Asker, Shared, no_query
from gasmon.api.judging import Decider
from gasmon.api.log_in import in_database, in_transaction
from gasmon.api.schemas_plans import (
    Plan,
    PlanActionBody,
    PlanBody,
    PlanPage,
    PlansQuery,
    PlanStatistics,
    StatisticsQuery,
)
from gasmon.api.state import ApiState
from gasmon.errors import BadRequest, NotFound
from gasmon.store import plans, views_plans
from gasmon.store.decided import Act
from gasmon.store.plan_wish import PlanWish, with_defaults
from gasmon.store.views_decided import Page

router = APIRouter(tags=["plans"], responses=PROBLEMS | CONFLICT)
PLAIN = [Depends(no_query)]
PlanId = Annotated[int, PathParam(ge=1, le=2**63 - 1)]
ActionName = Annotated[
    str, PathParam(max_length=20, description=", ".join(PLAN_ACTIONS))
]


@router.get("/plans", response_model=PlanPage)
async def list_plans(
    asker: Asker, shared: Shared, query: Annotated[PlansQuery, Query()]
) -> Response:
    """One page of plans, the newest first."""
    page = Page(query.mine, area_code(query.area), query.cursor, query.limit)
    now_us = shared.clock.now_us()
    rows, following = await in_database(
        shared,
        lambda conn: views_plans.plans(
            conn, asker.principal, page, now_us, current=query.current
        ),
    )
    return answer({"items": rows, "next": following})


@router.get("/plans/statistics", response_model=PlanStatistics)
async def plan_statistics(
    asker: Asker, shared: Shared, query: Annotated[StatisticsQuery, Query()]
) -> Response:
    """What planned work came to, mine by mine: how much, and how much misuse."""
    if query.to <= query.from_:
        raise BadRequest("to: not after from")
    rows = await in_database(
        shared,
        lambda conn: views_plans.statistics(
            conn, asker.principal.scope, query.from_, query.to
        ),
    )
    return answer({"items": rows})


@router.get("/plans/{plan_id}", response_model=Plan, dependencies=PLAIN)
async def show_plan(asker: Asker, shared: Shared, plan_id: PlanId) -> Response:
    """One plan with its records, and what the asker may do with it now."""
    return answer(await _shown(asker, shared, plan_id))


@router.post("/plans", response_model=Plan, dependencies=PLAIN)
async def file_plan(asker: Decider, shared: Shared, body: PlanBody) -> Response:
    """File a plan; it quiets nothing before somebody else approves it."""
    wish = PlanWish(
        mine=body.mine,
        work=body.work,
        from_us=body.from_,
        until_us=body.until,
        reason=body.reason.strip(),
        points=tuple(body.points),
        units=tuple(body.units),
        whole_mine=body.whole_mine,
        alarm_kinds=with_defaults(body.work, body.alarm_kinds),
        rank_ceiling=body.rank_ceiling,
        value_ceiling=body.value_ceiling,
        test_gas=body.test_gas,
    )
    plan_id = await in_transaction(
        shared,
        lambda conn: plans.file_plan(
            conn,
            asker.principal,
            wish,
            longest_h=shared.settings.life.longest_plan_h,
            now_us=shared.clock.now_us(),
            key=body.key,
        ),
    )
    return answer(await _shown(asker, shared, plan_id))


@router.post(
    "/plans/{plan_id}/actions/{action}", response_model=Plan, dependencies=PLAIN
)
async def act_on_plan(
    asker: Decider,
    shared: Shared,
    plan_id: PlanId,
    action: ActionName,
    body: PlanActionBody,
) -> Response:
    """Approve, refuse or withdraw a plan; 409 says why it is not possible now."""
    if action not in PLAN_ACTIONS:
        raise NotFound(f"no action {action!r}; {', '.join(PLAN_ACTIONS)}")
    act = Act(plan_id, action, body.reason.strip(), body.key)
    await in_transaction(
        shared,
        lambda conn: plans.act_on_plan(
            conn, asker.principal, act, now_us=shared.clock.now_us()
        ),
    )
    return answer(await _shown(asker, shared, plan_id))


async def _shown(asker: Asker, shared: ApiState, plan_id: int) -> dict[str, Any]:
    now_us = shared.clock.now_us()
    return await in_database(
        shared, lambda conn: views_plans.plan(conn, asker.principal, plan_id, now_us)
    )
