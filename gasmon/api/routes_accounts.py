"""``/password``, ``/sessions``, ``/links``: one's own account."""

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from gasmon.api.answers import CONFLICT, PROBLEMS, TOO_MANY, answer
from gasmon.api.auth import Self, Shared, no_query
from gasmon.api.log_in import (
    browser_of,
    checked,
    counted,
    in_database,
    logged_in,
    logged_out,
    require_own_page,
)
from gasmon.api.schemas import Me
from gasmon.api.schemas_accounts import (
    Invited,
    LinkBody,
    LinkPasswordBody,
    PasswordBody,
    SessionList,
)
from gasmon.errors import BadRequest
from gasmon.store import audit, links, log_ins, sessions
from gasmon.store.db import Connection
from gasmon.store.password_rules import check_password
from gasmon.units import iso_us

router = APIRouter(
    tags=["account"], responses=PROBLEMS, dependencies=[Depends(no_query)]
)


@router.post("/password", response_model=Me, responses=TOO_MANY)
async def change_password(
    asker: Self, request: Request, shared: Shared, body: PasswordBody
) -> Response:
    """Change one's password; every other log-in of the account ends."""
    who, browser = asker.principal, browser_of(request)
    if body.new == body.old:
        raise BadRequest("the new password is the old one")
    check_password(body.new, who.name)
    attempt = await counted(shared, who.name, browser)
    if not await checked(shared, attempt, body.old):
        await in_database(shared, lambda conn: log_ins.refuse_change(conn, attempt))
    new_hash = await shared.gate.run(shared.passwords.hash, body.new)
    accounts, life = shared.settings.accounts, sessions.life_of(shared.settings.api)
    secret, csrf = await in_database(
        shared,
        lambda conn: log_ins.change(
            conn, attempt, new_hash, accounts, life, shared.clock.now_us()
        ),
    )
    return logged_in(request, shared, who, secret, csrf)


@router.get("/sessions", response_model=SessionList)
async def list_sessions(asker: Self, shared: Shared) -> Response:
    """One's own log-ins that hold now."""
    life, now_us = sessions.life_of(shared.settings.api), shared.clock.now_us()
    who = asker.principal.principal_id
    rows = await in_database(
        shared, lambda conn: sessions.list_of(conn, who, life, now_us)
    )
    for row in rows:
        row["current"] = row["session_id"] == asker.session_id
    return answer({"items": rows})


@router.delete("/sessions", status_code=204)
async def log_out_everywhere(asker: Self, shared: Shared) -> Response:
    """End every log-in of one's account, this one too; tokens stay."""

    def end(conn: Connection) -> None:
        with conn.transaction():
            n_ended = sessions.end_of(conn, asker.principal.principal_id)
            name = asker.principal.name
            audit.write(conn, name, "session.end", name, detail={"ended": n_ended})

    await in_database(shared, end)
    return logged_out()


@router.post("/links/look", response_model=Invited, responses=CONFLICT)
async def look_at_link(shared: Shared, body: LinkBody) -> Response:
    """Whose password a one-time link sets; it stays unused."""
    found = await in_database(
        shared, lambda conn: links.look(conn, body.link, shared.clock.now_us())
    )
    return answer(
        {
            "name": found.for_whom.name,
            "role": found.for_whom.role,
            "expires_at": iso_us(found.expires_us),
        }
    )


@router.post("/links/use", response_model=Me, responses={**CONFLICT, **TOO_MANY})
async def use_link(
    request: Request, shared: Shared, body: LinkPasswordBody
) -> Response:
    """Set the password of a one-time link and log in; older log-ins end."""
    require_own_page(request, shared)
    browser, life = browser_of(request), sessions.life_of(shared.settings.api)
    found = await in_database(
        shared, lambda conn: links.look(conn, body.link, shared.clock.now_us())
    )
    check_password(body.password, found.for_whom.name)
    new_hash = await shared.gate.run(shared.passwords.hash, body.password)
    who, secret, csrf = await in_database(
        shared,
        lambda conn: links.use(
            conn, body.link, new_hash, browser, life=life, now_us=shared.clock.now_us()
        ),
    )
    return logged_in(request, shared, who, secret, csrf)
