"""One-time links: the only way to a password that somebody else arranges.

Whoever opens one sets a password for its principal, once. Nobody ever knows another
one's password, and there is none that was there before its owner. What commits here
wants an autocommit connection.
"""

import re
import secrets
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from gasmon.errors import NotFound, StateConflict
from gasmon.settings import ApiSettings
from gasmon.store import audit, sessions
from gasmon.store.access import PRINCIPAL, Principal, hash_secret, principal_of
from gasmon.units import from_datetime, iso_us, to_datetime

EVERYWHERE = ("0.0.0.0", "::", "")
"""Addresses to listen on that are none to go to."""

LINK_PREFIX = "gl_"
LINK_PATTERN = re.compile(r"gl_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link that may be used.

    Attributes:
        for_whom: whose password it sets.
        expires_us: its end [µs UTC].
    """

    for_whom: Principal
    expires_us: int


def make(
    conn: psycopg.Connection[Any], principal_id: int, *, now_us: int, life_us: int
) -> str:
    """A new link, as part of the caller's transaction; an older one ends.

    Returns:
        The link's secret. It cannot be shown again.
    """
    link = LINK_PREFIX + secrets.token_urlsafe(32)
    end_of(conn, principal_id, now_us)
    conn.execute(
        "INSERT INTO password_link (hash, principal_id, created_at, expires_at)"
        " VALUES (%s, %s, %s, %s)",
        (
            hash_secret(link),
            principal_id,
            to_datetime(now_us),
            to_datetime(now_us + life_us),
        ),
    )
    return link


def end_of(conn: psycopg.Connection[Any], principal_id: int, now_us: int) -> None:
    """End the unused links of somebody, as part of the caller's transaction."""
    conn.execute(
        "UPDATE password_link SET ended_at = %s"
        " WHERE principal_id = %s AND ended_at IS NULL",
        (to_datetime(now_us), principal_id),
    )


def look(conn: psycopg.Connection[Any], link: str, now_us: int) -> Invitation:
    """Whose password a link sets; it stays unused.

    Raises:
        NotFound: nobody made it.
        StateConflict: it was used, replaced, is too old, or its user retired.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            f"SELECT {PRINCIPAL}, p.retired_at, l.ended_at, l.expires_at"
            " FROM password_link l JOIN principal p USING (principal_id)"
            " WHERE l.hash = %s",
            (hash_secret(link),),
        ).fetchone()
    if row is None or not LINK_PATTERN.fullmatch(link):
        raise NotFound("this link is not one of ours")
    if row["ended_at"] is not None:
        at = iso_us(from_datetime(row["ended_at"]))
        raise StateConflict(f"the link was used or replaced at {at}; ask for a new one")
    if from_datetime(row["expires_at"]) <= now_us:
        at = iso_us(from_datetime(row["expires_at"]))
        raise StateConflict(f"the link was good until {at}; ask for a new one")
    if row["retired_at"] is not None:
        raise StateConflict(f"{row['name']} was retired")
    return Invitation(principal_of(row), from_datetime(row["expires_at"]))


def use(
    conn: psycopg.Connection[Any],
    link: str,
    password_hash: str,
    browser: sessions.Browser,
    *,
    life: sessions.Life,
    now_us: int,
) -> tuple[Principal, str, str]:
    """Set the password, end every older log-in, and begin one; commits.

    Of several at once, one succeeds.

    Args:
        password_hash: of a password that was checked for this principal's name.

    Returns:
        Who it is, the cookie's secret and the CSRF value.

    Raises:
        NotFound: as :func:`look`.
        StateConflict: as :func:`look`.
    """
    with conn.transaction():
        done = conn.execute(
            "UPDATE password_link SET ended_at = %s"
            " WHERE hash = %s AND ended_at IS NULL AND expires_at > %s",
            (to_datetime(now_us), hash_secret(link), to_datetime(now_us)),
        )
        if done.rowcount != 1:
            look(conn, link, now_us)
            raise StateConflict("the link was used; ask for a new one")
        who = _owner(conn, link)
        set_hash(conn, who.principal_id, password_hash, now_us)
        sessions.end_of(conn, who.principal_id)
        secret, csrf = sessions.begin(
            conn, who.principal_id, browser, life=life, now_us=now_us
        )
        told = {"from": browser.address, "by": "link"}
        audit.write(conn, who.name, "password.set", who.name, detail=told)
        audit.write(conn, who.name, "session.create", detail=told)
    return who, secret, csrf


def _owner(conn: psycopg.Connection[Any], link: str) -> Principal:
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            f"SELECT {PRINCIPAL}, p.retired_at"
            " FROM password_link l JOIN principal p USING (principal_id)"
            " WHERE l.hash = %s FOR UPDATE OF p",
            (hash_secret(link),),
        ).fetchone()
    assert row is not None
    if row["retired_at"] is not None:
        raise StateConflict(f"{row['name']} was retired")
    return principal_of(row)


def set_hash(
    conn: psycopg.Connection[Any], principal_id: int, password_hash: str, now_us: int
) -> None:
    """Store a password's hash, as part of the caller's transaction."""
    conn.execute(
        "INSERT INTO password (principal_id, hash, set_at) VALUES (%s, %s, %s)"
        " ON CONFLICT (principal_id) DO UPDATE"
        " SET hash = excluded.hash, set_at = excluded.set_at",
        (principal_id, password_hash, to_datetime(now_us)),
    )


def page_of(api: ApiSettings, link: str) -> str:
    """The address to give somebody; the secret is in a part that no server is sent."""
    host = f"[{api.host}]" if ":" in api.host else api.host
    if api.host in EVERYWHERE:
        host = "127.0.0.1"
    base = api.public_url or f"http://{host}:{api.port}"
    return f"{base}/welcome#link={link}"
