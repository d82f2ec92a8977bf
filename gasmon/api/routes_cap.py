"""``/cap``: alarm events as messages of the Common Alerting Protocol, to pull."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from fastapi import Path as PathParam
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from gasmon.api.answers import PROBLEMS, answer
from gasmon.api.auth import Asker, Shared
from gasmon.errors import NotFound
from gasmon.remote import cap, cap_feed
from gasmon.store import outbox, views_cap
from gasmon.units import iso_us

router = APIRouter(tags=["cap"], responses=PROBLEMS)
Seq = Annotated[int, PathParam(ge=1, le=2**63 - 1, description="place in the feed")]


class FeedQuery(BaseModel):
    """What of the feed is wanted."""

    model_config = ConfigDict(extra="forbid")

    after: int | None = Field(
        None, ge=0, le=2**63 - 1, description="only later ones; none = the newest"
    )
    limit: int = Field(50, ge=1, le=500)
    min_rank: int = Field(0, ge=0, le=4, description="least level, 0 ungraded to 4 red")
    drills: bool = Field(False, description="with those of drills, status Exercise")


class MessageQuery(BaseModel):
    """How a message is wanted."""

    model_config = ConfigDict(extra="forbid")

    format: str = Field("xml", pattern="^(xml|json)$")


@router.get("/cap", response_class=Response)
async def feed(
    asker: Asker, shared: Shared, query: Annotated[FeedQuery, Query()]
) -> Response:
    """An Atom feed; its link ``next`` asks for what comes after it."""
    async with shared.pool.connection() as conn:
        position = await outbox.position_async(conn)
        told = await views_cap.told(
            conn,
            asker.principal.scope,
            after=query.after,
            min_rank=query.min_rank,
            drills=query.drills,
            limit=query.limit,
        )
    bodies = [(row.seq, orjson.loads(row.body)) for row in told]
    after = told[-1].seq if told else (query.after or 0)
    following = (
        f"after={after}&limit={query.limit}&min_rank={query.min_rank}"
        f"&drills={str(query.drills).lower()}"
    )
    now = iso_us(shared.clock.now_us())
    made = cap_feed.feed_of(
        bodies,
        sender=shared.settings.api.cap_sender,
        path="/api/v1/cap",
        epoch=position.epoch,
        next_query=following,
        updated=str(bodies[-1][1]["decided_at"]) if bodies else now,
    )
    return _xml(made, cap_feed.MEDIA_TYPE)


@router.get("/cap/{seq}", response_class=Response)
async def message(
    asker: Asker, shared: Shared, seq: Seq, query: Annotated[MessageQuery, Query()]
) -> Response:
    """One message, as XML or as JSON with the same names."""
    async with shared.pool.connection() as conn:
        told = await views_cap.one_told(conn, asker.principal.scope, seq)
        if told is None:
            raise NotFound(f"no message {seq}")
        body: dict[str, Any] = orjson.loads(told.body)
        assert told.alarm_id is not None, "asked for events of alarms only"
        known = await views_cap.earlier(conn, told.alarm_id, str(body["id"]))
    before = [cap.Earlier(event_id, decided_us) for event_id, decided_us in known]
    alert = cap.alert_of(body, shared.settings.api.cap_sender, before)
    if query.format == "json":
        return answer(alert)
    return _xml(cap.to_xml(alert), cap.MEDIA_TYPE)


def _xml(text: bytes, media_type: str) -> Response:
    return Response(text, media_type=media_type, headers={"Cache-Control": "no-store"})
