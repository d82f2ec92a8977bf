"""``/upstream``: how it stands with the node that this one follows."""

from datetime import datetime

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.responses import Response

from gasmon.api.answers import PROBLEMS, answer
from gasmon.api.auth import Asker, Shared, no_query
from gasmon.api.schemas import Answer
from gasmon.remote.listening import SILENCE_HEARTBEATS, STILL_HEARTBEATS
from gasmon.store import upstream
from gasmon.units import US_PER_S, iso_us

router = APIRouter(tags=["upstream"], responses=PROBLEMS)


class Above(Answer):
    """The node above, as far as it was heard."""

    name: str
    cut_off: bool = Field(description="nothing was heard for three heartbeats")
    stands_still: bool = Field(
        description="it is heard, but `complete_to` does not move: it is cut off itself"
    )
    heard_at: datetime | None
    complete_to: datetime | None = Field(description="everything up to then is here")
    waiting: int = Field(description="records of this node that the other lacks")
    waiting_since: datetime | None
    refused: int = Field(description="records that it refused; they stand here alone")


class Upstream(Answer):
    upstream: Above | None = Field(description="null: alarms are judged here")


@router.get("/upstream", response_model=Upstream, dependencies=[Depends(no_query)])
async def show_upstream(asker: Asker, shared: Shared) -> Response:
    """Whom this node follows, up to when its alarms are complete, and what waits."""
    settings = shared.settings.upstream
    if settings.url is None:
        return answer({"upstream": None})
    async with shared.pool.connection() as conn:
        here, queue = await upstream.status(conn)
    now_us = shared.clock.now_us()
    body = {
        "name": settings.name,
        "cut_off": True,
        "stands_still": False,
        "heard_at": None,
        "complete_to": None,
        "waiting": queue.n_waiting,
        "waiting_since": None if queue.oldest_us is None else iso_us(queue.oldest_us),
        "refused": queue.n_refused,
    }
    if here is not None:
        limit_us = SILENCE_HEARTBEATS * here.heartbeat_s * US_PER_S
        body["cut_off"] = now_us - here.heard_us > limit_us
        body["stands_still"] = not body["cut_off"] and here.stands_still(
            now_us, STILL_HEARTBEATS
        )
        body["heard_at"] = iso_us(here.heard_us)
        if here.complete_to_us is not None:
            body["complete_to"] = iso_us(here.complete_to_us)
    return answer({"upstream": body})
