"""Who is asking: a bearer token for programs, a cookie for browsers.

A secret is never read from an address, because addresses end up in logs and histories.
A cookie is sent by the browser on its own, so wherever it counts for more than reading,
the page must prove that it is ours: ``Origin`` on unsafe methods and on WebSocket
handshakes, and on unsafe methods the CSRF value that only our page could read.
"""

import hmac
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from gasmon.api.state import ApiState
from gasmon.errors import BadRequest, Forbidden, Unauthorized
from gasmon.store import access, sessions
from gasmon.store.access import Principal
from gasmon.store.audit import Actor

COOKIE = "gasmon_session"
CSRF_HEADER = "X-CSRF-Token"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Caller:
    """A principal and how it showed who it is.

    Attributes:
        csrf: the session's CSRF value; empty for a program.
        session_id: of its log-in; None for a program.
    """

    principal: Principal
    by_cookie: bool
    csrf: str = ""
    session_id: int | None = None


def bearer_token(connection: HTTPConnection) -> str | None:
    """The token in the ``Authorization`` header; None without one.

    Raises:
        Unauthorized: there is a header, and it is not a bearer token.
    """
    header = connection.headers.get("authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("Authorization must be 'Bearer TOKEN'")
    return token.strip()


def is_own_origin(connection: HTTPConnection, allowed: list[str]) -> bool:
    """Whether the page behind a browser's request is ours (or one we allowed).

    The host is compared and not the scheme: behind a proxy that ends TLS we see http.
    """
    origin = connection.headers.get("origin")
    if origin is None:
        return False
    if origin.rstrip("/").lower() in [one.rstrip("/").lower() for one in allowed]:
        return True
    try:
        parts = urlsplit(origin)
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
            return False
        port = parts.port or DEFAULT_PORTS[parts.scheme]
        own = urlsplit(f"//{connection.headers.get('host', '')}")
        own_port = own.port or DEFAULT_PORTS[parts.scheme]
    except ValueError:
        return False
    return (parts.hostname, port) == (own.hostname, own_port)


async def identify(connection: HTTPConnection, state: ApiState) -> Caller:
    """Find out who is asking; a bad token never falls back to a cookie.

    Raises:
        Unauthorized: nobody we know.
    """
    now_us = state.clock.now_us()
    token = bearer_token(connection)
    if token is not None:
        async with state.pool.connection() as conn:
            principal = await access.principal_by_token(conn, token, now_us)
        if principal is None:
            state.refused_logins.inc()
            raise Unauthorized("the token is unknown, expired or revoked")
        return Caller(principal, by_cookie=False)
    secret = connection.cookies.get(COOKIE)
    if secret is None:
        raise Unauthorized("no Authorization header and no session")
    async with state.pool.connection() as conn:
        life = sessions.life_of(state.settings.api)
        found = await sessions.session_by_secret(conn, secret, life, now_us)
    if found is None:
        raise Unauthorized("the session ended; log in again")
    return Caller(found.principal, True, found.csrf, found.session_id)


async def own_caller(request: Request) -> Caller:
    """Dependency: who is asking, with the checks that a browser's method needs."""
    state: ApiState = request.app.state.api
    found = await identify(request, state)
    if found.by_cookie and request.method not in SAFE_METHODS:
        if not is_own_origin(request, state.settings.api.allowed_origins):
            raise Forbidden(
                f"origin {request.headers.get('origin', 'missing')[:100]} is not ours"
            )
        given = request.headers.get(CSRF_HEADER, "")
        if not hmac.compare_digest(given.encode(), found.csrf.encode()):
            raise Forbidden(f"header {CSRF_HEADER} is missing or wrong")
    return found


async def caller(request: Request) -> Caller:
    """Dependency: the same, and its token is for acting where the method acts."""
    found = await own_caller(request)
    if request.method not in SAFE_METHODS and not found.principal.may_do("act"):
        raise Forbidden("this token is for reading only")
    return found


async def administrator(request: Request) -> Caller:
    """Dependency: an administrator, with a password or a token that is for that.

    Raises:
        Forbidden: another role, or a token for less.
    """
    found = await own_caller(request)
    if found.principal.role != "administrator":
        raise Forbidden(f"role {found.principal.role} may not administer")
    if not found.principal.may_do("administer"):
        raise Forbidden(f"this token may {found.principal.may}, not administer")
    return found


def actor_of(asker: Caller, request: Request) -> Actor:
    """Who does something over HTTP, for the audit: never further than he sees."""
    host = request.client.host if request.client else None
    return Actor(asker.principal.name, asker.principal.scope, {"from": host})


async def no_query(request: Request) -> None:
    """Dependency of routes without query parameters: refuse any.

    A parameter that is silently ignored answers another question than was asked.

    Raises:
        BadRequest: names it.
    """
    for name in request.query_params:
        raise BadRequest(f"unknown query parameter {name[:40]!r}")


def api_state(request: Request) -> ApiState:
    """Dependency: what the routes share."""
    state: Any = request.app.state.api
    assert isinstance(state, ApiState)
    return state


Asker = Annotated[Caller, Depends(caller)]
Self = Annotated[Caller, Depends(own_caller)]
"""Whoever asks about himself: what ends or protects his own log-in, any token may."""

Administrator = Annotated[Caller, Depends(administrator)]
Shared = Annotated[ApiState, Depends(api_state)]
