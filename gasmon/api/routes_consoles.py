"""``/consoles``: which rooms can be woken, and why others cannot."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.responses import Response

from gasmon.api.answers import PROBLEMS, answer
from gasmon.api.auth import Asker, Shared, no_query
from gasmon.api.log_in import in_database
from gasmon.api.schemas import Answer, Tier
from gasmon.store.expected import expecting_of
from gasmon.store.views_consoles import readiness
from gasmon.units import iso_us

router = APIRouter(tags=["consoles"], responses=PROBLEMS)

Reason = Literal[
    "no_console", "closed", "silent", "hidden", "blocked", "off", "untested"
]


class RoomNow(Answer):
    tier: Tier
    place: str
    ready: bool = Field(description="one of its consoles would draw and sound")
    reasons: list[Reason] = Field(description="of the console that lacks least")
    n_consoles: int


class ConsoleNow(Answer):
    console: str = Field(description="the workstation")
    person: str
    tier: Tier
    areas: list[str] | None
    mines: list[str] | None
    ready: bool
    reasons: list[Reason]
    sound: Literal["on", "off", "blocked", "elsewhere"]
    tested_at: datetime | None = Field(description="somebody said that he heard it")
    clock_off_ms: int = Field(description="the workstation's clock, less ours")
    heard_at: datetime
    n_pages: int = Field(description="open pages")


class Readiness(Answer):
    at: datetime
    rooms: list[RoomNow] = Field(description="posts that have a shift now")
    consoles: list[ConsoleNow] = Field(description="heard of lately, not signed out")


@router.get("/consoles", response_model=Readiness, dependencies=[Depends(no_query)])
async def consoles(asker: Asker, shared: Shared) -> Response:
    """Which rooms and consoles would draw and sound an alarm now."""
    now_us, scope = shared.clock.now_us(), asker.principal.scope
    expecting = expecting_of(shared.settings.ledger)
    found = await in_database(
        shared, lambda conn: readiness(conn, scope, expecting, now_us)
    )
    return answer({"at": iso_us(now_us), **found})
