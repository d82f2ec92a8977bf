"""What data looks made, and which alarms look false; nothing is suppressed."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from gasmon.api.answers import PROBLEMS, answer
from gasmon.api.auth import Asker, Shared, no_query
from gasmon.api.log_in import in_database
from gasmon.api.routes_alarms import AlarmId, alarm_of
from gasmon.api.routes_mines import Code
from gasmon.api.schemas_trust import SignatureList, Suspicion, SuspicionQuery
from gasmon.errors import NotFound
from gasmon.store.db import Connection
from gasmon.store.signatures import signatures_of
from gasmon.store.suspicion import mines_of, suspicion_of
from gasmon.units import US_PER_H

router = APIRouter(tags=["mines"], responses=PROBLEMS)


@router.get("/mines/{code}/suspicion", response_model=Suspicion)
async def suspicion(
    asker: Asker,
    shared: Shared,
    code: Code,
    query: Annotated[SuspicionQuery, Query()],
) -> Response:
    """Score of a mine and its points with what shows it; suppresses nothing."""
    to_us = shared.clock.now_us()
    from_us = to_us - query.hours * US_PER_H
    scope = asker.principal.scope

    def look(conn: Connection) -> dict[str, object]:
        found = mines_of(conn, scope, code=code)
        if not found:
            raise NotFound(f"no mine {code}")
        return suspicion_of(conn, found[0], from_us, to_us)

    return answer(await in_database(shared, look))


@router.get(
    "/alarms/{alarm_id}/signatures",
    response_model=SignatureList,
    dependencies=[Depends(no_query)],
)
async def signatures(asker: Asker, shared: Shared, alarm_id: AlarmId) -> Response:
    """What of an alarm often is a false one; its time and level stay what they are."""
    await alarm_of(asker, shared, alarm_id)
    found = await in_database(shared, lambda conn: signatures_of(conn, alarm_id))
    return answer({"items": found})
