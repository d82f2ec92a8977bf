"""What routes of log-ins share: counting, checking, and what is left in the browser."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from fastapi import Request
from starlette.responses import Response

from gasmon.api.answers import answer
from gasmon.api.auth import COOKIE, is_own_origin
from gasmon.api.state import ApiState
from gasmon.errors import Forbidden, TooMany
from gasmon.store import db, log_ins
from gasmon.store.access import Principal
from gasmon.store.sessions import AGENT_CHARS, Browser, life_of
from gasmon.units import US_PER_S

T = TypeVar("T")


async def in_database(shared: ApiState, work: Callable[[db.Connection], T]) -> T:
    """Do the work in a thread, on an autocommit connection of its own."""
    database = shared.settings.database

    def run() -> T:
        with db.connect(
            database,
            autocommit=True,
            statement_timeout_s=database.statement_timeout_s,
            silent_s=db.SILENT_S,
        ) as conn:
            return db.retry_deadlock(lambda: work(conn))

    return await asyncio.to_thread(run)


async def in_transaction(shared: ApiState, work: Callable[[db.Connection], T]) -> T:
    """The same, as one transaction."""

    def once(conn: db.Connection) -> T:
        with conn.transaction():
            return work(conn)

    return await in_database(shared, once)


async def counted(shared: ApiState, name: str, browser: Browser) -> log_ins.Attempt:
    """Count an attempt to show a password.

    Raises:
        TooMany: too many failed lately.
    """
    try:
        return await in_database(
            shared,
            lambda conn: log_ins.begin(
                conn, name, browser, shared.settings.accounts, shared.clock.now_us()
            ),
        )
    except TooMany:
        shared.log_ins.inc(result="slowed")
        raise


async def checked(shared: ApiState, attempt: log_ins.Attempt, password: str) -> bool:
    """Whether the password is right; the same work for a name that nobody has."""
    is_right = await shared.gate.run(
        shared.passwords.is_right, attempt.stored, password
    )
    shared.log_ins.inc(result="right" if is_right else "wrong")
    return is_right


def browser_of(request: Request) -> Browser:
    """What is known of who asks."""
    agent = request.headers.get("user-agent")
    return Browser(
        request.client.host if request.client else None,
        None if agent is None else agent[:AGENT_CHARS],
        request.cookies.get(COOKIE),
    )


def require_own_page(request: Request, shared: ApiState) -> None:
    """Refuse a foreign page that would log its visitor in, as somebody else too.

    Raises:
        Forbidden: the browser says that the page is not ours.
    """
    allowed = shared.settings.api.allowed_origins
    if "origin" in request.headers and not is_own_origin(request, allowed):
        raise Forbidden("this page's origin is not ours")


def logged_in(
    request: Request, shared: ApiState, who: Principal, secret: str, csrf: str
) -> Response:
    """The answer to a log-in, with its cookie."""
    response = answer({"principal": who.as_json(), "csrf": csrf})
    response.set_cookie(
        COOKIE,
        secret,
        max_age=life_of(shared.settings.api).whole_us // US_PER_S,
        path="/",
        secure=shared.settings.api.secure_cookie or request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return response


def logged_out() -> Response:
    """The answer to a log-out: no cookie any more."""
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return response
