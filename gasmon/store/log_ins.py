"""Log-in by name and password, and what keeps guessers slow.

Each attempt is counted before its password is looked at, in the database, so that
neither many at once, nor several processes, nor a restart give more tries; a right one
takes its count back. Failures drip away one by one: nobody waits longer than for one.

A name has one count for the addresses that its user logged in from before and one for
everywhere else, so that a stranger who fails on purpose in an officer's name keeps
other strangers waiting and not the officer at his desk.

Connections are autocommit: a refusal is an exception, and must stay written.
"""

import ipaddress
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any, NoReturn

import psycopg
from psycopg.rows import dict_row

from gasmon.errors import Forbidden, TooMany, Unauthorized
from gasmon.settings import AccountSettings
from gasmon.store import audit, sessions
from gasmon.store.access import PRINCIPAL, Principal, principal_of
from gasmon.store.links import set_hash
from gasmon.units import US_PER_S, from_datetime, to_datetime

WRONG = "the name or the password is wrong"
"""The same for a name that nobody has: which names exist is told to nobody."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A counted attempt.

    Attributes:
        who: None when nobody of that name can log in by password.
        stored: the hash to check against; None with ``who``.
        set_at: when that password was set; another one may be there by now.
        counted_for: the counts that a right password takes back.
    """

    who: Principal | None
    stored: str | None
    set_at: datetime | None
    browser: sessions.Browser
    counted_for: tuple[str, ...]


def address_group(address: str | None) -> str:
    """Addresses that one subscriber has: an IPv4 one, or a /64 of IPv6."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if found.version == 4:
        return str(found)
    return str(ipaddress.ip_network((found, 64), strict=False))


def begin(
    conn: psycopg.Connection[Any],
    name: str,
    browser: sessions.Browser,
    accounts: AccountSettings,
    now_us: int,
) -> Attempt:
    """Count an attempt; commits.

    Raises:
        TooMany: too many failed lately; says how long to wait.
    """
    name = name.replace("\x00", "")
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            f"SELECT {PRINCIPAL}, w.hash, w.set_at, EXISTS (SELECT FROM known_address k"
            " WHERE k.principal_id = p.principal_id AND k.address = %s) AS is_known"
            " FROM principal p JOIN password w USING (principal_id)"
            " WHERE p.name = %s AND p.retired_at IS NULL",
            (browser.address, name),
        ).fetchone()
    if row is not None and row["is_known"]:
        counts = {f"desk {browser.address} {name}": accounts.failures_per_name}
    else:
        counts = {
            f"name {name}": accounts.failures_per_name,
            f"address {address_group(browser.address)}": accounts.failures_per_address,
        }
    with conn.transaction():
        waits_s = [
            _count(conn, what, most, accounts.failure_forgotten_s, now_us)
            for what, most in sorted(counts.items())
        ]
    if max(waits_s) > 0:
        wait_s = ceil(max(waits_s))
        raise TooMany(f"too many failed log-ins; try again in {wait_s} s", wait_s)
    if row is None:
        return Attempt(None, None, None, browser, tuple(counts))
    who = principal_of(row)
    return Attempt(who, row["hash"], row["set_at"], browser, tuple(counts))


def _count(
    conn: psycopg.Connection[Any], what: str, most: int, each_s: float, now_us: int
) -> float:
    """Count one; returns how long to wait instead [s], 0 when it was counted."""
    now, each_us = to_datetime(now_us), round(each_s * US_PER_S)
    latest = to_datetime(now_us + (most - 1) * each_us)
    full = to_datetime(now_us + most * each_us)
    # A clock that was set back since must not make anybody wait for it.
    conn.execute(
        "UPDATE log_in_failure SET forgotten_at = %s"
        " WHERE counted_for = %s AND forgotten_at > %s",
        (full, what, full),
    )
    counted = conn.execute(
        "INSERT INTO log_in_failure AS f (counted_for, forgotten_at) VALUES (%s, %s)"
        " ON CONFLICT (counted_for) DO UPDATE SET"
        " forgotten_at = greatest(f.forgotten_at, %s) + %s * interval '1 us'"
        " WHERE f.forgotten_at <= %s",
        (what, to_datetime(now_us + each_us), now, each_us, latest),
    )
    if counted.rowcount == 1:
        return 0.0
    row = conn.execute(
        "SELECT forgotten_at FROM log_in_failure WHERE counted_for = %s", (what,)
    ).fetchone()
    assert row is not None
    left_us = from_datetime(row[0]) - from_datetime(latest)
    # Another one's success may have made room since.
    return max(left_us / US_PER_S, 0.001)


def refuse(conn: psycopg.Connection[Any], attempt: Attempt) -> NoReturn:
    """Write down a log-in with a wrong password; commits.

    Raises:
        Unauthorized: always.
    """
    _write_wrong(conn, attempt, "session.create")
    raise Unauthorized(WRONG)


def refuse_change(conn: psycopg.Connection[Any], attempt: Attempt) -> NoReturn:
    """Write down a change whose old password was wrong; commits.

    Raises:
        Forbidden: always; the log-in holds all the same.
    """
    _write_wrong(conn, attempt, "password.set")
    raise Forbidden("the old password is wrong")


def _write_wrong(conn: psycopg.Connection[Any], attempt: Attempt, action: str) -> None:
    # A name that nobody has may be a password in the wrong field: it is not kept.
    known = None if attempt.who is None else attempt.who.name
    told = {"from": attempt.browser.address, "by": "password"}
    audit.write(conn, known, action, outcome="refused", detail=told)


def log_in(
    conn: psycopg.Connection[Any],
    attempt: Attempt,
    accounts: AccountSettings,
    life: sessions.Life,
    now_us: int,
    *,
    new_hash: str | None = None,
) -> tuple[Principal, str, str]:
    """Begin the session of a right password; commits.

    Args:
        new_hash: the same password with the present parameters, when its hash has
            others.

    Returns:
        Who it is, the cookie's secret and the CSRF value.

    Raises:
        Unauthorized: the password was changed meanwhile, or its user retired.
    """
    with conn.transaction():
        who = _accept(conn, attempt, accounts)
        if new_hash is not None:
            conn.execute(
                "UPDATE password SET hash = %s WHERE principal_id = %s",
                (new_hash, who.principal_id),
            )
        return who, *_begin(conn, who, attempt, life, now_us)


def change(
    conn: psycopg.Connection[Any],
    attempt: Attempt,
    new_hash: str,
    accounts: AccountSettings,
    life: sessions.Life,
    now_us: int,
) -> tuple[str, str]:
    """Change a password whose old one was right; commits.

    Every log-in ends, and that of this browser begins anew.

    Returns:
        The cookie's secret and the CSRF value.

    Raises:
        Unauthorized: as :func:`log_in`.
    """
    with conn.transaction():
        who = _accept(conn, attempt, accounts)
        set_hash(conn, who.principal_id, new_hash, now_us)
        n_ended = sessions.end_of(conn, who.principal_id)
        told = {"from": attempt.browser.address, "ended_sessions": n_ended}
        audit.write(conn, who.name, "password.set", who.name, detail=told)
        return _begin(conn, who, attempt, life, now_us)


def _accept(
    conn: psycopg.Connection[Any], attempt: Attempt, accounts: AccountSettings
) -> Principal:
    """Hold the password as it was checked, and take the attempt's count back."""
    assert attempt.who is not None
    row = conn.execute(
        "SELECT FROM password w JOIN principal p USING (principal_id)"
        " WHERE principal_id = %s AND w.set_at = %s AND p.retired_at IS NULL"
        " FOR UPDATE OF w",
        (attempt.who.principal_id, attempt.set_at),
    ).fetchone()
    if row is None:
        raise Unauthorized(WRONG)
    conn.execute(
        "UPDATE log_in_failure SET forgotten_at = forgotten_at - %s * interval '1 s'"
        " WHERE counted_for = ANY(%s)",
        (accounts.failure_forgotten_s, list(attempt.counted_for)),
    )
    return attempt.who


def _begin(
    conn: psycopg.Connection[Any],
    who: Principal,
    attempt: Attempt,
    life: sessions.Life,
    now_us: int,
) -> tuple[str, str]:
    told = {"from": attempt.browser.address, "by": "password"}
    audit.write(conn, who.name, "session.create", detail=told)
    return sessions.begin(
        conn, who.principal_id, attempt.browser, life=life, now_us=now_us
    )
