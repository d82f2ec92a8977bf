"""``/tokens``: given and ended by administrators within their areas and mines."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi import Path as PathParam
from starlette.responses import Response

from gasmon.api.answers import CONFLICT, PROBLEMS, answer
from gasmon.api.auth import Administrator, Shared, actor_of
from gasmon.api.log_in import in_database
from gasmon.api.schemas_tokens import (
    NewTokenBody,
    TokenGiven,
    TokenList,
    TokensQuery,
)
from gasmon.store import tokens
from gasmon.store.users import PROGRAM_ROLE, Rights
from gasmon.units import US_PER_DAY, iso_us

router = APIRouter(tags=["users"], responses=PROBLEMS | CONFLICT)
TokenId = Annotated[int, PathParam(ge=1, le=2**31 - 1)]


@router.get("/tokens", response_model=TokenList)
async def list_tokens(
    asker: Administrator, shared: Shared, query: Annotated[TokensQuery, Query()]
) -> Response:
    """Tokens of who sees no more than the asker; never the secret."""
    scope, now_us = asker.principal.scope, shared.clock.now_us()
    rows = await in_database(
        shared, lambda conn: tokens.listed(conn, scope, now_us, ended=query.ended)
    )
    return answer({"items": rows})


@router.post("/tokens", response_model=TokenGiven, status_code=201)
async def give_token(
    asker: Administrator, request: Request, shared: Shared, body: NewTokenBody
) -> Response:
    """Give one to somebody who exists, or to a new program; it is shown this once."""
    by, now_us = actor_of(asker, request), shared.clock.now_us()
    new = Rights(PROGRAM_ROLE, body.areas, body.mines) if body.program else None
    expires_us = None if body.days is None else now_us + body.days * US_PER_DAY
    token = await in_database(
        shared,
        lambda conn: tokens.give(
            conn, body.name, new, by, may=body.may, now_us=now_us, expires_us=expires_us
        ),
    )
    ends = None if expires_us is None else iso_us(expires_us)
    return answer({"name": body.name, "token": token, "expires_at": ends}, 201)


@router.delete("/tokens/{number}", response_model=TokenList)
async def revoke_token(
    asker: Administrator, request: Request, shared: Shared, number: TokenId
) -> Response:
    """End a token at once; answers with it as it is now."""
    by, now_us = actor_of(asker, request), shared.clock.now_us()
    await in_database(
        shared, lambda conn: tokens.revoke(conn, number, by, now_us=now_us)
    )
    rows = await in_database(
        shared,
        lambda conn: tokens.listed(conn, by.scope, now_us, ended=True, token_id=number),
    )
    return answer({"items": rows})
