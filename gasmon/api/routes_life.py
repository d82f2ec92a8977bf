"""What people do with alarms: every action of the table, one or many at a time."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi import Path as PathParam
from starlette.responses import Response

from gasmon.alarms.lifecycle import ACTIONS
from gasmon.api.acting import act_now
from gasmon.api.answers import PROBLEMS, answer
from gasmon.api.auth import Asker, Shared, no_query
from gasmon.api.routes_alarms import AlarmId, alarm_of
from gasmon.api.schemas import Alarm, ConfirmBody, Problem
from gasmon.api.schemas_life import (
    ActionBody,
    ConfirmManyBody,
    History,
    Life,
    RowResults,
)
from gasmon.api.state import ApiState
from gasmon.errors import NotFound, RequestError
from gasmon.store import views_life
from gasmon.store.access import Principal
from gasmon.store.alarm_effects import Wish

CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {"model": Problem, "description": "the alarm's state forbids it; says why"}
}
router = APIRouter(tags=["alarms"], responses=PROBLEMS | CONFLICT)
PLAIN = [Depends(no_query)]

ActionName = Annotated[str, PathParam(max_length=20, description=", ".join(ACTIONS))]


@router.get("/alarms/{alarm_id}/history", response_model=History, dependencies=PLAIN)
async def alarm_history(asker: Asker, shared: Shared, alarm_id: AlarmId) -> Response:
    """Everything that happened to an alarm, in the order of its writing."""
    await alarm_of(asker, shared, alarm_id)
    async with shared.pool.connection() as conn:
        return answer({"items": await views_life.history(conn, alarm_id)})


@router.get("/alarms/{alarm_id}/life", response_model=Life, dependencies=PLAIN)
async def alarm_life(asker: Asker, shared: Shared, alarm_id: AlarmId) -> Response:
    """How far each tier has come, every record, and what the asker may do now."""
    return answer(await _life(asker, shared, alarm_id))


@router.post(
    "/alarms/{alarm_id}/actions/{action}", response_model=Life, dependencies=PLAIN
)
async def do_action(
    asker: Asker,
    shared: Shared,
    alarm_id: AlarmId,
    action: ActionName,
    body: ActionBody,
) -> Response:
    """Do one thing with one alarm; answers with what it came to."""
    if action not in ACTIONS:
        raise NotFound(f"no action {action!r}; {', '.join(ACTIONS)}")
    wish = Wish(
        action, body.text, body.cause_code, body.to, body.refers_to, body.minutes
    )
    await asyncio.to_thread(act_now, shared, asker.principal, alarm_id, wish, body.key)
    return answer(await _life(asker, shared, alarm_id))


@router.post("/alarms/{alarm_id}/confirm", response_model=Alarm, dependencies=PLAIN)
async def confirm(
    asker: Asker, shared: Shared, alarm_id: AlarmId, body: ConfirmBody
) -> Response:
    """Confirm for the asker's tier; 409 when it did so at this level already."""
    wish = Wish("confirm", body.note, body.cause_code)
    await asyncio.to_thread(act_now, shared, asker.principal, alarm_id, wish, None)
    return answer(await alarm_of(asker, shared, alarm_id))


@router.post("/alarms/confirm", response_model=RowResults, dependencies=PLAIN)
async def confirm_many(asker: Asker, shared: Shared, body: ConfirmManyBody) -> Response:
    """Confirm several alarms with one note; each row says how it went."""
    wish = Wish("confirm", body.text, body.cause_code)
    items = [
        await asyncio.to_thread(_row, shared, asker.principal, alarm_id, wish, body.key)
        for alarm_id in dict.fromkeys(body.alarm_ids)
    ]
    return answer({"items": items})


async def _life(asker: Asker, shared: Shared, alarm_id: int) -> dict[str, Any]:
    alarm = await alarm_of(asker, shared, alarm_id)
    async with shared.pool.connection() as conn:
        return await views_life.life(conn, alarm, asker.principal.role)


def _row(
    shared: ApiState, who: Principal, alarm_id: int, wish: Wish, key: str | None
) -> dict[str, Any]:
    """One row of many: a refusal of one is no refusal of the others."""
    try:
        done = act_now(shared, who, alarm_id, wish, key)
    except RequestError as error:
        told = {"ok": False, "status": error.status, "detail": str(error)}
        return {"alarm_id": alarm_id, "record_id": None, **told}
    told = {"ok": True, "status": 200, "detail": ""}
    return {"alarm_id": alarm_id, "record_id": done.record_id, **told}
