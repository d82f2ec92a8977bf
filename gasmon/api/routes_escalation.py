"""``/escalation``: who must act now, who soon, and what came for one alarm."""

from fastapi import APIRouter, Depends
from starlette.responses import Response

from gasmon.api.answers import PROBLEMS, answer
from gasmon.api.auth import Asker, Shared, no_query
from gasmon.api.log_in import in_database
from gasmon.api.routes_alarms import AlarmId, alarm_of
from gasmon.api.schemas_escalation import AlarmEscalation, EscalationNow
from gasmon.store import views_escalation
from gasmon.store.expected import expecting_of
from gasmon.store.views_consoles import readiness
from gasmon.units import US_PER_S, iso_us

router = APIRouter(tags=["escalation"], responses=PROBLEMS)
PLAIN = [Depends(no_query)]


@router.get("/escalation", response_model=EscalationNow, dependencies=PLAIN)
async def escalation_now(asker: Asker, shared: Shared) -> Response:
    """How many alarms each tier must act on now and soon, and how channels fare."""
    now_us, nearly_us = shared.clock.now_us(), shared.escalation.nearly_us
    async with shared.pool.connection() as conn:
        tiers = await views_escalation.counters(
            conn, asker.principal.scope, now_us=now_us, nearly_us=nearly_us
        )
        channels = await views_escalation.channels(conn, asker.principal.scope)
    expecting, scope = expecting_of(shared.settings.ledger), asker.principal.scope
    found = await in_database(
        shared, lambda conn: readiness(conn, scope, expecting, now_us)
    )
    return answer(
        {
            "at": iso_us(now_us),
            "rooms_not_ready": [
                f"{room['tier']}/{room['place']}"
                for room in found["rooms"]
                if not room["ready"]
            ],
            "nearly_due_s": nearly_us / US_PER_S,
            "tiers": tiers,
            "channels": channels,
        }
    )


@router.get(
    "/alarms/{alarm_id}/escalation", response_model=AlarmEscalation, dependencies=PLAIN
)
async def alarm_escalation(asker: Asker, shared: Shared, alarm_id: AlarmId) -> Response:
    """Every step that came for an alarm, and the next one."""
    alarm = await alarm_of(asker, shared, alarm_id)
    async with shared.pool.connection() as conn:
        steps = await views_escalation.steps(conn, asker.principal.scope, alarm_id)
    return answer(
        {
            "alarm_id": alarm_id,
            "overdue": alarm["overdue"],
            "next_step": alarm["next_step"],
            "steps": steps,
        }
    )
