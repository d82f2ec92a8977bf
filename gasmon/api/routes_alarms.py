"""``/alarms``, ``/incidents``: what was decided, and who confirmed it."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi import Path as PathParam
from starlette.responses import Response

from gasmon.api.answers import PROBLEMS, answer, area_code
from gasmon.api.auth import Asker, Caller, Shared, no_query
from gasmon.api.schemas import (
    Alarm,
    AlarmList,
    AlarmsQuery,
    Incident,
    IncidentList,
    IncidentsQuery,
)
from gasmon.api.state import ApiState
from gasmon.errors import NotFound
from gasmon.remote.texts import Told, sentence
from gasmon.store import outbox, views_alarms
from gasmon.units import iso_us

router = APIRouter(tags=["alarms"], responses=PROBLEMS)
PLAIN = [Depends(no_query)]

AlarmId = Annotated[int, PathParam(ge=1, le=2**63 - 1)]


def with_text(row: dict[str, Any]) -> dict[str, Any]:
    """The alarm with its sentence, as it stands now."""
    event = "cleared" if row["cleared_at"] else "raised"
    if row["unknown"] and event == "raised":
        event = "unknown"
    told = Told(
        event=event,
        kind=row["kind"],
        rank=row["rank"],
        area=row["area"],
        mine_name=row["mine_name"],
        place=row["place"],
        quantity=row["quantity"],
        value=row["value"],
        limit=row["limit"],
        uom=row["uom"],
        drill=row["drill"],
    )
    return {**row, "text": sentence(told)}


def filter_of(query: AlarmsQuery) -> views_alarms.AlarmFilter:
    """What the store is asked.

    Raises:
        BadRequest: there is no such area.
    """
    area = area_code(query.area)
    return views_alarms.AlarmFilter(
        state=query.state,
        areas=None if area is None else (area,),
        mine=query.mine,
        point=query.point,
        kinds=None if query.kind is None else tuple(query.kind.split(",")),
        min_rank=query.min_rank,
        confirmed=query.confirmed,
        overdue=query.overdue,
        work=query.work,
        from_us=query.from_,
        to_us=query.to,
        q=query.q,
        run=query.run,
    )


@router.get("/alarms", response_model=AlarmList)
async def list_alarms(
    asker: Asker, shared: Shared, query: Annotated[AlarmsQuery, Query()]
) -> Response:
    """One page of alarms, the newest first; ``next`` is the cursor of the next one."""
    wanted = filter_of(query)
    who = asker.principal
    now_us = shared.clock.now_us()
    async with shared.pool.connection() as conn:
        # The position first: what is stored while we read is told by the stream.
        here = await outbox.position_async(conn)
        rows, following, total = await views_alarms.alarms(
            conn,
            who.scope,
            who.tier,
            wanted,
            now_us=now_us,
            order=query.order,
            cursor=query.cursor,
            limit=query.limit,
        )
    return answer(
        {
            "items": [with_text(row) for row in rows],
            "next": following,
            "total": total,
            "at": iso_us(now_us),
            "seq": here.last_seq,
        }
    )


@router.get("/alarms/{alarm_id}", response_model=Alarm, dependencies=PLAIN)
async def one_alarm(asker: Asker, shared: Shared, alarm_id: AlarmId) -> Response:
    """One alarm."""
    return answer(await alarm_of(asker, shared, alarm_id))


async def alarm_of(asker: Caller, shared: ApiState, alarm_id: int) -> dict[str, Any]:
    """One alarm as the asker's tier sees it.

    Raises:
        NotFound: there is none, or not for this asker.
    """
    who, now_us = asker.principal, shared.clock.now_us()
    async with shared.pool.connection() as conn:
        return with_text(
            await views_alarms.alarm(conn, who.scope, who.tier, alarm_id, now_us)
        )


@router.get("/incidents", response_model=IncidentList)
async def list_incidents(
    asker: Asker, shared: Shared, query: Annotated[IncidentsQuery, Query()]
) -> Response:
    """Incidents: the alarms of one unit or subject that overlap in time."""
    async with shared.pool.connection() as conn:
        rows = await views_alarms.incidents(
            conn,
            asker.principal.scope,
            state=query.state,
            area=area_code(query.area),
            mine=query.mine,
            run=query.run,
            limit=query.limit,
        )
    return answer({"items": rows})


@router.get("/incidents/{incident_id}", response_model=Incident, dependencies=PLAIN)
async def one_incident(asker: Asker, shared: Shared, incident_id: AlarmId) -> Response:
    """One incident."""
    async with shared.pool.connection() as conn:
        rows = await views_alarms.incidents(
            conn,
            asker.principal.scope,
            state="all",
            incident_id=incident_id,
            limit=1,
        )
    if not rows:
        raise NotFound(f"no incident {incident_id}")
    return answer(rows[0])
