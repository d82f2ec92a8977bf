"""``/users``: accounts of people, for administrators within their areas and mines."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi import Path as PathParam
from starlette.responses import Response

from gasmon.api.answers import CONFLICT, PROBLEMS, answer
from gasmon.api.auth import Administrator, Caller, Shared, actor_of, no_query
from gasmon.api.log_in import in_database
from gasmon.api.schemas_accounts import (
    Ended,
    LinkAnswer,
    NewUserBody,
    RightsBody,
    UserAnswer,
    UserList,
)
from gasmon.api.state import ApiState
from gasmon.errors import NotFound
from gasmon.store import users
from gasmon.store.links import page_of
from gasmon.store.sessions import life_of
from gasmon.store.users import Rights
from gasmon.units import US_PER_H, iso_us

router = APIRouter(
    tags=["users"], responses=PROBLEMS | CONFLICT, dependencies=[Depends(no_query)]
)
UserName = Annotated[str, PathParam(max_length=100)]


@router.get("/users", response_model=UserList)
async def list_users(asker: Administrator, shared: Shared) -> Response:
    """Users who see no more than the asker, retired ones too."""
    life, now_us = life_of(shared.settings.api), shared.clock.now_us()
    scope = asker.principal.scope
    rows = await in_database(
        shared, lambda conn: users.list_users(conn, scope, life, now_us)
    )
    return answer({"items": rows})


@router.get("/users/{name}", response_model=UserAnswer)
async def one_user(asker: Administrator, shared: Shared, name: UserName) -> Response:
    """One user."""
    return answer(await _user(asker, shared, name))


@router.post("/users", response_model=LinkAnswer, status_code=201)
async def add_user(
    asker: Administrator, request: Request, shared: Shared, body: NewUserBody
) -> Response:
    """Make a user; answers with the one-time link, this once."""
    rights = Rights(body.role, body.areas, body.mines)
    by, now_us, life_us = actor_of(asker, request), *_times(shared)
    link = await in_database(
        shared,
        lambda conn: users.add(
            conn, body.name, rights, by, now_us=now_us, life_us=life_us
        ),
    )
    return _link(shared, body.name, link, now_us + life_us, 201)


@router.post("/users/{name}/role", response_model=UserAnswer)
async def set_role(
    asker: Administrator,
    request: Request,
    shared: Shared,
    name: UserName,
    body: RightsBody,
) -> Response:
    """Give a user another role, areas and mines."""
    rights = Rights(body.role, body.areas, body.mines)
    by, now_us = actor_of(asker, request), shared.clock.now_us()
    await in_database(
        shared, lambda conn: users.set_rights(conn, name, rights, by, now_us=now_us)
    )
    return answer(await _user(asker, shared, name))


@router.post("/users/{name}/reset", response_model=LinkAnswer)
async def reset(
    asker: Administrator, request: Request, shared: Shared, name: UserName
) -> Response:
    """Void password and log-ins at once; answers with a new one-time link."""
    by, now_us, life_us = actor_of(asker, request), *_times(shared)
    link = await in_database(
        shared,
        lambda conn: users.reset(conn, name, by, now_us=now_us, life_us=life_us),
    )
    return _link(shared, name, link, now_us + life_us, 200)


@router.post("/users/{name}/retire", response_model=Ended)
async def retire(
    asker: Administrator, request: Request, shared: Shared, name: UserName
) -> Response:
    """End a user for good; nothing that it did is removed."""
    by, now_us = actor_of(asker, request), shared.clock.now_us()
    return answer(
        await in_database(
            shared, lambda conn: users.retire(conn, name, by, now_us=now_us)
        )
    )


@router.delete("/users/{name}/sessions", response_model=Ended)
async def end_sessions(
    asker: Administrator, request: Request, shared: Shared, name: UserName
) -> Response:
    """End every log-in of a user at once; tokens stay."""
    by = actor_of(asker, request)
    n_ended = await in_database(
        shared, lambda conn: users.end_sessions(conn, name, None, by)
    )
    return answer({"sessions": n_ended, "tokens": 0})


async def _user(asker: Caller, shared: ApiState, name: str) -> dict[str, object]:
    life, now_us = life_of(shared.settings.api), shared.clock.now_us()
    scope, wanted = asker.principal.scope, name.replace("\x00", "")
    rows = await in_database(
        shared, lambda conn: users.list_users(conn, scope, life, now_us, wanted)
    )
    if not rows:
        raise NotFound(f"no user {name!r}")
    return rows[0]


def _times(shared: ApiState) -> tuple[int, int]:
    """Now [µs UTC], and how long a link lives [µs]."""
    life_us = round(shared.settings.accounts.link_hours * US_PER_H)
    return shared.clock.now_us(), life_us


def _link(
    shared: ApiState, name: str, link: str, expires_us: int, status: int
) -> Response:
    told = {
        "name": name,
        "link": page_of(shared.settings.api, link),
        "expires_at": iso_us(expires_us),
    }
    return answer(told, status)
