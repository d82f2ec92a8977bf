"""``/places``: classes of places that a person should decide, and the decision."""

from functools import cache
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from gasmon.alarms.rule_match import PLACES
from gasmon.api.answers import CONFLICT, PROBLEMS, answer, area_code
from gasmon.api.auth import Asker, Shared, no_query
from gasmon.api.judging import Decider
from gasmon.api.log_in import in_database, in_transaction
from gasmon.api.place_questions import NOBODY_KNOWS, RULING_ROLES, as_json, asked, rule
from gasmon.api.schemas_places import PlaceBody, PlaceList, PlaceRuled, PlacesQuery
from gasmon.domain import limits
from gasmon.errors import BadRequest
from gasmon.points import PointKey
from gasmon.store.scope import covers

router = APIRouter(tags=["places"], responses=PROBLEMS)


@cache
def _classes() -> list[dict[str, str]]:
    """The classes in the words of the law's table."""
    named = {row.place_class: (row.place_zh, row.place_en) for row in limits()}
    return [
        {"place_class": name, "zh": named[name][0], "en": named[name][1]}
        for name in sorted(PLACES)
    ]


@router.get("/places", response_model=PlaceList)
async def listed(
    asker: Asker, shared: Shared, query: Annotated[PlacesQuery, Query()]
) -> Response:
    """Points by mine and number, with what their text says and who ruled on them."""
    who, area = asker.principal, area_code(query.area)
    now_us = shared.clock.now_us()
    found = [
        (row, question)
        for row, question in await in_database(
            shared, lambda conn: asked(conn, now_us, None, query.mine)
        )
        if who.scope.allows(row.key.mine[:6], row.key.mine)
        and (area is None or covers([area], row.key.mine[:6]))
        and (question is not None or not query.undecided)
    ]
    items = [
        {**as_json(row, question), "area": row.key.mine[:6], "point_id": row.point_id}
        for row, question in found[: query.limit]
    ]
    above = shared.settings.upstream.url is not None
    may_rule = who.role in RULING_ROLES and not above
    return answer(
        {
            "n": len(found),
            "items": items,
            "classes": _classes(),
            "may_rule": may_rule,
        }
    )


@router.post(
    "/places/rulings",
    response_model=PlaceRuled,
    dependencies=[Depends(no_query)],
    responses=CONFLICT,
)
async def ruled(asker: Decider, shared: Shared, body: PlaceBody) -> Response:
    """Decide where a point hangs; 409 when the law allows more there than before."""
    told = body.place_class
    if told not in PLACES and told not in NOBODY_KNOWS:
        known = ", ".join([*sorted(PLACES), *NOBODY_KNOWS])
        raise BadRequest(f"place_class {told!r}: it is none of {known}")
    system, _, no = body.point.partition("-")
    key = PointKey(body.mine, system, no)
    old = await in_transaction(
        shared,
        lambda conn: rule(
            conn,
            asker.principal,
            key,
            told,
            seen=body.place,
            reason=body.reason.strip(),
            now_us=shared.clock.now_us(),
        ),
    )
    fact = {"point": str(key), "old": old, "new": told, "by": asker.principal.name}
    return answer(fact)
