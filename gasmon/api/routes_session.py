"""``/me``, ``/session``, ``/version``: who is asking, and whom."""

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

import gasmon
from gasmon.api.answers import PROBLEMS, answer
from gasmon.api.auth import (
    COOKIE,
    Asker,
    Shared,
    bearer_token,
    is_own_origin,
    no_query,
)
from gasmon.api.schemas import Me, Version
from gasmon.errors import Forbidden, Unauthorized
from gasmon.store import access
from gasmon.units import US_PER_H, US_PER_S, iso_us

router = APIRouter(
    tags=["session"], responses=PROBLEMS, dependencies=[Depends(no_query)]
)


@router.get("/me", response_model=Me)
async def me(asker: Asker) -> Response:
    """Who the token or session belongs to."""
    body = {"principal": asker.principal.as_json(), "csrf": asker.csrf or None}
    return answer(body)


@router.post("/session", response_model=Me)
async def log_in(request: Request, shared: Shared) -> Response:
    """Exchange a token (``Authorization: Bearer``) for a browser's session cookie."""
    token = bearer_token(request)
    if token is None:
        raise Unauthorized("log in with the header 'Authorization: Bearer TOKEN'")
    allowed = shared.settings.api.allowed_origins
    if "origin" in request.headers and not is_own_origin(request, allowed):
        raise Forbidden("this page's origin is not ours")
    now_us = shared.clock.now_us()
    life_us = round(shared.settings.api.session_hours * US_PER_H)
    async with shared.pool.connection() as conn:
        principal = await access.principal_by_token(conn, token, now_us)
        if principal is None:
            shared.refused_logins.inc()
            raise Unauthorized("the token is unknown, expired or revoked")
        secret, csrf = await access.create_session(
            conn, principal, now_us=now_us, expires_us=now_us + life_us, token=token
        )
        await access.audit(
            conn,
            principal=principal.name,
            action="session.create",
            subject=None,
            outcome="done",
            detail={"from": request.client.host if request.client else None},
        )
    response = answer({"principal": principal.as_json(), "csrf": csrf})
    response.set_cookie(
        COOKIE,
        secret,
        max_age=life_us // US_PER_S,
        path="/",
        secure=shared.settings.api.secure_cookie or request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return response


@router.delete("/session", status_code=204)
async def log_out(asker: Asker, request: Request, shared: Shared) -> Response:
    """End the browser's session."""
    secret = request.cookies.get(COOKIE)
    if secret is not None:
        async with shared.pool.connection() as conn:
            await access.delete_session(conn, secret)
            await access.audit(
                conn,
                principal=asker.principal.name,
                action="session.delete",
                subject=None,
                outcome="done",
            )
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return response


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
