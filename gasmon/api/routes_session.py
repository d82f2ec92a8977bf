"""``/me``, ``/session``, ``/version``: who is asking, and whom."""

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

import gasmon
from gasmon.api.answers import PROBLEMS, TOO_MANY, answer
from gasmon.api.auth import COOKIE, Asker, Self, Shared, bearer_token, no_query
from gasmon.api.log_in import (
    browser_of,
    checked,
    counted,
    in_database,
    logged_in,
    logged_out,
    require_own_page,
)
from gasmon.api.schemas import Me, Version
from gasmon.api.schemas_accounts import LogInBody
from gasmon.api.state import ApiState
from gasmon.errors import Unauthorized
from gasmon.store import access, audit, sessions
from gasmon.store.access import Principal
from gasmon.store.db import Connection
from gasmon.store.log_ins import log_in as begin_session
from gasmon.store.log_ins import refuse
from gasmon.store.sessions import Browser
from gasmon.units import iso_us

router = APIRouter(
    tags=["session"], responses=PROBLEMS, dependencies=[Depends(no_query)]
)


@router.get("/me", response_model=Me)
async def me(asker: Asker) -> Response:
    """Who the token or session belongs to."""
    body = {"principal": asker.principal.as_json(), "csrf": asker.csrf or None}
    return answer(body)


@router.post("/session", response_model=Me, responses=TOO_MANY)
async def log_in(
    request: Request, shared: Shared, body: LogInBody | None = None
) -> Response:
    """Log in: a name and a password, or a token (``Authorization: Bearer``)."""
    require_own_page(request, shared)
    browser = browser_of(request)
    token = bearer_token(request)
    if token is not None:
        who, secret, csrf = await _by_token(shared, token, browser)
    elif body is not None:
        who, secret, csrf = await _by_password(shared, body, browser)
    else:
        raise Unauthorized(
            "log in with a name and a password, or with 'Authorization: Bearer TOKEN'"
        )
    return logged_in(request, shared, who, secret, csrf)


async def _by_token(
    shared: ApiState, token: str, browser: Browser
) -> tuple[Principal, str, str]:
    now_us = shared.clock.now_us()
    async with shared.pool.connection() as conn:
        who = await access.principal_by_token(conn, token, now_us)
    if who is None:
        shared.refused_logins.inc()
        raise Unauthorized("the token is unknown, expired or revoked")

    def begin(conn: Connection) -> tuple[str, str]:
        with conn.transaction():
            told = {"from": browser.address, "by": "token"}
            audit.write(conn, who.name, "session.create", detail=told)
            return sessions.begin(
                conn,
                who.principal_id,
                browser,
                life=sessions.life_of(shared.settings.api),
                now_us=now_us,
                token=token,
            )

    return who, *await in_database(shared, begin)


async def _by_password(
    shared: ApiState, body: LogInBody, browser: Browser
) -> tuple[Principal, str, str]:
    accounts = shared.settings.accounts
    attempt = await counted(shared, body.name, browser)
    is_right = await checked(shared, attempt, body.password)
    if not is_right:
        await in_database(shared, lambda conn: refuse(conn, attempt))
    assert attempt.stored is not None
    new_hash: str | None = None
    if shared.passwords.is_stale(attempt.stored):
        new_hash = await shared.gate.run(shared.passwords.hash, body.password)
    life, now_us = sessions.life_of(shared.settings.api), shared.clock.now_us()
    return await in_database(
        shared,
        lambda conn: begin_session(
            conn, attempt, accounts, life, now_us, new_hash=new_hash
        ),
    )


@router.delete("/session", status_code=204)
async def log_out(asker: Self, request: Request, shared: Shared) -> Response:
    """End the browser's session."""
    secret = request.cookies.get(COOKIE)
    if secret is not None:

        def end(conn: Connection) -> None:
            with conn.transaction():
                sessions.end(conn, secret)
                audit.write(conn, asker.principal.name, "session.delete")

        await in_database(shared, end)
    return logged_out()


@router.get("/version", response_model=Version)
async def version(asker: Asker, shared: Shared) -> Response:
    """What runs here, and what time it has."""
    return answer(
        {
            "version": gasmon.__version__,
            "mode": shared.settings.mode,
            "epoch": shared.hub.epoch,
            "now": iso_us(shared.clock.now_us()),
        }
    )
