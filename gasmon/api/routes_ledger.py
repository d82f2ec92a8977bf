"""``/alarms/{alarm_id}/ledger``: how far each event of an alarm came, and at whom.

``/deliveries``: the same of the last hours, by recipient.
"""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.responses import Response

from gasmon.api.answers import PROBLEMS, answer, area_code
from gasmon.api.auth import Asker, Shared, no_query
from gasmon.api.log_in import in_database
from gasmon.api.routes_alarms import AlarmId, alarm_of
from gasmon.api.schemas import Answer, AreaCode, Tier
from gasmon.api.schemas import Query as QueryModel
from gasmon.store import views_receipts
from gasmon.store.expected import expecting_of
from gasmon.store.views_deliveries import deliveries
from gasmon.units import US_PER_H, iso_us

router = APIRouter(tags=["alarms"], responses=PROBLEMS)


class ConsoleSteps(Answer):
    person: str
    console: str = Field(description="the workstation")
    steps: dict[str, datetime] = Field(
        description="`blocked`: it could not sound there"
    )


class Recipient(Answer):
    recipient: str = Field(description="a platform's name, or the post of a room")
    role: str = Field(description="`room` for a room")
    subscribed_at: datetime | None = Field(description="null: it never subscribed")
    steps: dict[str, datetime | None] = Field(description="in the order of the way")
    missing: list[str] = Field(description="steps that should have happened by now")
    consoles: list[ConsoleSteps] = Field(description="of a room: who showed it where")


class LedgerEvent(Answer):
    event_id: str
    event: str
    happened_at: datetime
    arrived_at: datetime | None
    decided_at: datetime
    committed_at: datetime
    recipients: list[Recipient] = Field(description="empty for a mine's own people")


class AlarmLedger(Answer):
    alarm_id: int
    events: list[LedgerEvent]


@router.get(
    "/alarms/{alarm_id}/ledger",
    response_model=AlarmLedger,
    dependencies=[Depends(no_query)],
)
async def alarm_ledger(asker: Asker, shared: Shared, alarm_id: AlarmId) -> Response:
    """Which step of its way each event came to, at each platform and room."""
    alarm = await alarm_of(asker, shared, alarm_id)
    scope, now_us = asker.principal.scope, shared.clock.now_us()
    expecting = expecting_of(shared.settings.ledger)
    events = await in_database(
        shared,
        lambda conn: views_receipts.ledger(conn, scope, alarm, expecting, now_us),
    )
    return answer({"alarm_id": alarm_id, "events": events})


class DeliveriesQuery(QueryModel):
    area: AreaCode | None = None
    hours: int = Field(24, ge=1, le=168, description="alarms raised since, or open")


class DeliveryLine(Answer):
    recipient: str = Field(description="a platform's or node's name, or a room's post")
    role: str = Field(description="`room` for a room")
    tier: Tier
    subscribed_at: datetime | None = Field(description="null: it never subscribed")
    n_events: int = Field(description="events that should have reached it")
    n_missing: int = Field(description="of which some step is missing")
    missing: list[str] = Field(description="these steps")
    oldest_at: datetime | None = Field(
        description="commit of the oldest that lacks one"
    )
    alarms: list[int] = Field(description="the newest ten of these alarms")


class Deliveries(Answer):
    at: datetime
    items: list[DeliveryLine] = Field(description="empty for a mine's own people")


@router.get("/deliveries", response_model=Deliveries)
async def list_deliveries(
    asker: Asker, shared: Shared, query: Annotated[DeliveriesQuery, Query()]
) -> Response:
    """Whom alarms of the last hours reached: platforms, nodes, rooms; worst first."""
    area, now_us = area_code(query.area), shared.clock.now_us()
    scope, expecting = asker.principal.scope, expecting_of(shared.settings.ledger)
    since_us = now_us - query.hours * US_PER_H
    items = await in_database(
        shared,
        lambda conn: deliveries(
            conn, scope, area, expecting, since_us=since_us, now_us=now_us
        ),
    )
    return answer({"at": iso_us(now_us), "items": items})
