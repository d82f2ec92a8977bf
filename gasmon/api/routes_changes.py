"""``/limit-changes``: proposed, back-tested, decided by a second person."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi import Path as PathParam
from starlette.responses import Response

from gasmon.alarms.changes import CHANGE_ACTIONS
from gasmon.api.answers import CONFLICT, PROBLEMS, answer, area_code
from gasmon.api.auth import Asker, Shared, no_query
from gasmon.api.judging import Decider
from gasmon.api.log_in import in_database, in_transaction
from gasmon.api.routes_alarms import AlarmId, alarm_of
from gasmon.api.schemas_changes import (
    BesideAlarmList,
    Change,
    ChangeActionBody,
    ChangeBody,
    ChangePage,
    ChangesQuery,
)
from gasmon.api.state import ApiState
from gasmon.errors import NotFound
from gasmon.store import limit_changes, views_changes
from gasmon.store.decided import Act
from gasmon.store.limit_changes import ChangeWish
from gasmon.store.views_decided import Page

router = APIRouter(tags=["limit changes"], responses=PROBLEMS | CONFLICT)
PLAIN = [Depends(no_query)]
ChangeId = Annotated[int, PathParam(ge=1, le=2**63 - 1)]
ActionName = Annotated[
    str, PathParam(max_length=20, description=", ".join(CHANGE_ACTIONS))
]


@router.get("/limit-changes", response_model=ChangePage)
async def list_changes(
    asker: Asker, shared: Shared, query: Annotated[ChangesQuery, Query()]
) -> Response:
    """One page of changes, the newest first."""
    page = Page(query.mine, area_code(query.area), query.cursor, query.limit)
    now_us = shared.clock.now_us()
    rows, following = await in_database(
        shared,
        lambda conn: views_changes.changes(
            conn, asker.principal, page, now_us, point_id=query.point_id
        ),
    )
    return answer({"items": rows, "next": following})


@router.get("/limit-changes/{change_id}", response_model=Change, dependencies=PLAIN)
async def show_change(asker: Asker, shared: Shared, change_id: ChangeId) -> Response:
    """One change with its back-test and records, and what the asker may do now."""
    return answer(await _shown(asker, shared, change_id))


@router.post("/limit-changes", response_model=Change, dependencies=PLAIN)
async def propose_change(asker: Decider, shared: Shared, body: ChangeBody) -> Response:
    """Propose a change; it counts only when it was back-tested and approved."""
    now_us = shared.clock.now_us()
    wish = ChangeWish(
        mine=body.mine,
        point=body.point,
        limits=body.limits,
        place_class=body.place_class,
        retire=body.retire,
        from_us=body.from_ or 0,
        reason=body.reason.strip(),
    )
    change_id = await in_transaction(
        shared,
        lambda conn: limit_changes.propose(
            conn,
            asker.principal,
            wish,
            days=shared.settings.life.back_test_days,
            now_us=now_us,
            key=body.key,
        ),
    )
    return answer(await _shown(asker, shared, change_id))


@router.post(
    "/limit-changes/{change_id}/actions/{action}",
    response_model=Change,
    dependencies=PLAIN,
)
async def act_on_change(
    asker: Decider,
    shared: Shared,
    change_id: ChangeId,
    action: ActionName,
    body: ChangeActionBody,
) -> Response:
    """Approve, refuse or withdraw a change; 409 says why it is not possible now."""
    if action not in CHANGE_ACTIONS:
        raise NotFound(f"no action {action!r}; {', '.join(CHANGE_ACTIONS)}")
    act = Act(change_id, action, body.reason.strip(), body.key)
    await in_transaction(
        shared,
        lambda conn: limit_changes.act_on_change(
            conn, asker.principal, act, now_us=shared.clock.now_us()
        ),
    )
    return answer(await _shown(asker, shared, change_id))


@router.get(
    "/alarms/{alarm_id}/limit-changes",
    response_model=BesideAlarmList,
    dependencies=PLAIN,
)
async def changes_beside_alarm(
    asker: Asker, shared: Shared, alarm_id: AlarmId
) -> Response:
    """Changes of the limits of an alarm's point around its time, whoever made them."""
    await alarm_of(asker, shared, alarm_id)
    async with shared.pool.connection() as conn:
        rows = await views_changes.beside_alarm(conn, alarm_id)
    return answer({"items": rows})


async def _shown(asker: Asker, shared: ApiState, change_id: int) -> dict[str, Any]:
    now_us = shared.clock.now_us()
    return await in_database(
        shared,
        lambda conn: views_changes.change(conn, asker.principal, change_id, now_us),
    )
