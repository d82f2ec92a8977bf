"""Browsers' log-ins: how one begins, whose it is, and how it ends.

A log-in ends by the first of four: somebody ends it, it is not used for some hours, it
is old, or the token that it began with is over. A page that is open asks every few
seconds and is therefore in use: nobody is thrown out of a shift for watching.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import psycopg
from psycopg.rows import dict_row

from gasmon.settings import ApiSettings
from gasmon.store.access import PRINCIPAL, Principal, hash_secret, principal_of
from gasmon.store.db import Connection
from gasmon.units import US_PER_DAY, US_PER_H, from_datetime, iso_us, to_datetime

SEEN_STEP_S = 60
"""How coarse ``last_seen_at`` is [s]: a write for every request would be waste."""

KNOWN_DAYS = 90
"""How long an address is remembered as one of somebody's own [d]. Ours: a quarter
covers leave and sickness."""

AGENT_CHARS = 200
"""How much of a browser's name is kept; most have about 120."""


@dataclass(frozen=True, slots=True)
class Life:
    """How long a log-in lives.

    Attributes:
        whole_us: from its beginning at most [µs].
        idle_us: unused at most [µs].
    """

    whole_us: int
    idle_us: int


def life_of(api: ApiSettings) -> Life:
    """What the settings say."""
    return Life(
        round(api.session_hours * US_PER_H), round(api.session_idle_hours * US_PER_H)
    )


@dataclass(frozen=True, slots=True)
class Browser:
    """What is known of the other side.

    Attributes:
        address: its network address.
        agent: what it calls itself.
        old_secret: of the cookie that it came with.
    """

    address: str | None = None
    agent: str | None = None
    old_secret: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A log-in that holds.

    Attributes:
        csrf: what our page sends back with unsafe methods.
    """

    principal: Principal
    csrf: str
    session_id: int


def begin(
    conn: psycopg.Connection[Any],
    principal_id: int,
    browser: Browser,
    *,
    life: Life,
    now_us: int,
    token: str | None = None,
) -> tuple[str, str]:
    """Begin a log-in, as part of the caller's transaction.

    Its secret is always a new one and the old cookie's log-in ends: a secret that
    somebody put into this browser before is worth nothing afterwards.

    Args:
        token: what was shown to begin it; None after a password.

    Returns:
        The cookie's secret and the CSRF value.
    """
    secret, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
    if browser.old_secret is not None:
        end(conn, browser.old_secret)
    if token is None and browser.address is not None:
        conn.execute(
            "INSERT INTO known_address (principal_id, address, last_at)"
            " VALUES (%s, %s, %s) ON CONFLICT (principal_id, address)"
            " DO UPDATE SET last_at = excluded.last_at",
            (principal_id, browser.address, to_datetime(now_us)),
        )
    conn.execute(
        "INSERT INTO session (hash, principal_id, csrf, created_at, last_seen_at,"
        " expires_at, token_id, address, agent)"
        " SELECT %s, %s, %s, %s, %s, least(%s, t.expires_at), t.token_id, %s, %s"
        " FROM (SELECT) one LEFT JOIN token t ON t.hash = %s",
        (
            hash_secret(secret),
            principal_id,
            csrf,
            to_datetime(now_us),
            to_datetime(now_us),
            to_datetime(now_us + life.whole_us),
            browser.address,
            None if browser.agent is None else browser.agent[:AGENT_CHARS],
            hash_secret(token or ""),
        ),
    )
    return secret, csrf


async def session_by_secret(
    conn: psycopg.AsyncConnection[Any], secret: str, life: Life, now_us: int
) -> Session | None:
    """The log-in of a cookie; None when it ended. Notes that it is in use."""
    now = to_datetime(now_us)
    cursor = conn.cursor(row_factory=dict_row)
    await cursor.execute(
        f"SELECT {PRINCIPAL}, t.may, s.csrf, s.session_id, s.last_seen_at"
        " FROM session s JOIN principal p USING (principal_id)"
        " LEFT JOIN token t USING (token_id)"
        " WHERE s.hash = %s AND s.expires_at > %s AND s.last_seen_at > %s"
        " AND p.retired_at IS NULL AND t.revoked_at IS NULL",
        (hash_secret(secret), now, to_datetime(now_us - life.idle_us)),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    if (now - row["last_seen_at"]).total_seconds() > SEEN_STEP_S:
        await cursor.execute(
            "UPDATE session SET last_seen_at = %s WHERE session_id = %s",
            (now, row["session_id"]),
        )
    return Session(principal_of(row), row["csrf"], row["session_id"])


def end(conn: psycopg.Connection[Any], secret: str) -> None:
    """End the log-in of a cookie, as part of the caller's transaction."""
    conn.execute("DELETE FROM session WHERE hash = %s", (hash_secret(secret),))


def end_of(
    conn: psycopg.Connection[Any],
    principal_id: int,
    session_ids: Sequence[int] | None = None,
) -> int:
    """End log-ins of somebody, as part of the caller's transaction; says how many.

    Args:
        session_ids: these alone; None ends all.
    """
    return conn.execute(
        "DELETE FROM session WHERE principal_id = %s"
        " AND (%s::int[] IS NULL OR session_id = ANY(%s))",
        (principal_id, session_ids, session_ids),
    ).rowcount


def list_of(
    conn: psycopg.Connection[Any], principal_id: int, life: Life, now_us: int
) -> list[dict[str, Any]]:
    """The log-ins of somebody that hold now, the newest first."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "SELECT s.session_id, s.created_at, s.last_seen_at, s.expires_at,"
            " s.address, s.agent,"
            " CASE WHEN s.token_id IS NULL THEN 'password' ELSE 'token' END AS by"
            " FROM session s LEFT JOIN token t USING (token_id)"
            " WHERE s.principal_id = %s AND s.expires_at > %s AND s.last_seen_at > %s"
            " AND t.revoked_at IS NULL ORDER BY s.session_id DESC",
            (principal_id, to_datetime(now_us), to_datetime(now_us - life.idle_us)),
        ).fetchall()
    for row in rows:
        for name in ("created_at", "last_seen_at", "expires_at"):
            row[name] = iso_us(from_datetime(row[name]))
    return rows


def delete_expired(conn: Connection, idle_us: int, now_us: int) -> int:
    """Forget log-ins that ended and failures that are forgotten; says how many ended.

    Args:
        idle_us: how long a log-in may be unused [µs].
    """
    now = to_datetime(now_us)
    done = conn.execute(
        "DELETE FROM session WHERE expires_at < %s OR last_seen_at < %s",
        (now, to_datetime(now_us - idle_us)),
    )
    conn.execute("DELETE FROM log_in_failure WHERE forgotten_at < %s", (now,))
    conn.execute(
        "DELETE FROM known_address WHERE last_at < %s",
        (to_datetime(now_us - KNOWN_DAYS * US_PER_DAY),),
    )
    conn.commit()
    return done.rowcount


def live_token_hashes(conn: Connection, now_us: int) -> set[bytes]:
    """Hashes of the tokens that open something now."""
    rows = conn.execute(
        "SELECT hash FROM token WHERE revoked_at IS NULL"
        " AND (expires_at IS NULL OR expires_at > %s)",
        (to_datetime(now_us),),
    ).fetchall()
    conn.commit()
    return {bytes(cast(bytes, row[0])) for row in rows}
