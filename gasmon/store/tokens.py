"""Tokens as administrators give and end them, within their areas and mines.

What ``gasmon token`` does at the server, for people who are not there: a token is given
to somebody who exists, with the rights that he has, or to a program that is new.
"""

from typing import Any

import psycopg
from psycopg.rows import dict_row

from gasmon.errors import BadRequest, Forbidden, NotFound, StateConflict
from gasmon.store import access
from gasmon.store.audit import Actor
from gasmon.store.scope import Scope, within
from gasmon.store.users import PROGRAM_ROLE, Rights, administrators
from gasmon.units import from_datetime, iso_us, to_datetime

_TOKENS = (
    "SELECT t.token_id, p.name, p.role, p.areas, p.mines, t.may, t.speaks_for,"
    " t.created_at, t.expires_at, t.revoked_at, t.last_used_at"
    " FROM token t JOIN principal p USING (principal_id)"
    " WHERE (%(all)s OR t.revoked_at IS NULL)"
    " AND (%(id)s::bigint IS NULL OR t.token_id = %(id)s)"
    " ORDER BY p.name, t.token_id"
)


def give(
    conn: psycopg.Connection[Any],
    name: str,
    new: Rights | None,
    by: Actor,
    *,
    may: str,
    now_us: int,
    expires_us: int | None,
) -> str:
    """Give a token; commits.

    Args:
        new: rights of a program that is made with it; None: ``name`` exists.
        may: one of ``access.MAY``.
        expires_us: end of its life [µs UTC]; None: until it is revoked.

    Returns:
        The token. It cannot be shown again.

    Raises:
        NotFound: nobody of this name, or not for ``by``.
        BadRequest: a value is none, or ``new`` is a person.
        Forbidden: ``new`` sees more than ``by``.
        StateConflict: ``name`` exists with other rights, or was retired.
    """
    if new is None:
        rights = _rights_of(conn, name, by)
    else:
        if new.role != PROGRAM_ROLE:
            raise BadRequest(f"role {new.role!r}: people get accounts, programs tokens")
        if not within(new.scope, by.scope):
            raise Forbidden("nobody can give more than he sees himself")
        rights = new
    return access.create_token(
        conn,
        name=name,
        role=rights.role,
        areas=rights.areas,
        mines=rights.mines,
        now_us=now_us,
        expires_us=expires_us,
        may=may,
        by=by,
    )


def _rights_of(conn: psycopg.Connection[Any], name: str, by: Actor) -> Rights:
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "SELECT role, areas, mines FROM principal WHERE name = %s",
            (name.replace("\x00", ""),),
        ).fetchone()
    rights = None if row is None else Rights(row["role"], row["areas"], row["mines"])
    if rights is None or not within(rights.scope, by.scope):
        raise NotFound(f"nobody is called {name[:100]!r}")
    return rights


def listed(
    conn: psycopg.Connection[Any],
    scope: Scope,
    now_us: int,
    *,
    ended: bool = False,
    token_id: int | None = None,
) -> list[dict[str, Any]]:
    """Tokens of people and programs as administrators see them, by name.

    Args:
        scope: of who asks: those of principals who see more are left out.
        ended: revoked ones too.
        token_id: this one alone.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_TOKENS, {"all": ended, "id": token_id}).fetchall()
    return [_shown(r, now_us) for r in rows if within(_scope_of(r), scope)]


def revoke(
    conn: psycopg.Connection[Any], token_id: int, by: Actor, *, now_us: int
) -> None:
    """End a token at once, and the log-ins that began with it; commits.

    Raises:
        NotFound: no such token, or not for ``by``.
        StateConflict: it was revoked, or nobody could administer any more.
    """
    with conn.transaction():
        found = listed(conn, by.scope, now_us, ended=True, token_id=token_id)
        if not found:
            raise NotFound(f"no token {token_id}")
        if found[0]["revoked_at"] is not None:
            raise StateConflict(f"token {token_id} was revoked")
        access.revoke_tokens(conn, str(token_id), now_us, by)
        if found[0]["role"] == "administrator" and not administrators(conn, now_us):
            raise StateConflict(
                f"token {token_id} is the last way in for an administrator"
            )


def _shown(row: dict[str, Any], now_us: int) -> dict[str, Any]:
    def at(name: str) -> str | None:
        return None if row[name] is None else iso_us(from_datetime(row[name]))

    is_over = row["expires_at"] is not None and row["expires_at"] <= to_datetime(now_us)
    return {
        "id": row["token_id"],
        "name": row["name"],
        "role": row["role"],
        "areas": row["areas"],
        "mines": row["mines"],
        "may": row["may"],
        "speaks_for": row["speaks_for"] or [],
        "state": "revoked" if row["revoked_at"] else "expired" if is_over else "alive",
        "created_at": at("created_at"),
        "expires_at": at("expires_at"),
        "revoked_at": at("revoked_at"),
        "last_used_at": at("last_used_at"),
    }


def _scope_of(row: dict[str, Any]) -> Scope:
    return Rights(row["role"], row["areas"], row["mines"]).scope
