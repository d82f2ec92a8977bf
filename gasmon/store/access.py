"""Who may see and do what: principals and their tokens.

A token has 256 random bits, so its plain SHA-256 is enough (there is nothing to guess
and no dictionary to try); only that hash is stored. What a principal may see is its
``scope``; :mod:`gasmon.store.scope` turns that into SQL.
"""

import hashlib
import re
import secrets
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row, dict_row

from gasmon.alarms.lifecycle import TIER_OF_ROLE, TIERS
from gasmon.errors import BadRequest, NotFound, StateConflict
from gasmon.store import audit
from gasmon.store.scope import Scope, covers
from gasmon.units import to_datetime

TOKEN_PREFIX = "gm_"
TOKEN_PATTERN = re.compile(r"gm_[A-Za-z0-9_-]{43}")
LAST_USED_STEP_S = 60
"""How coarse ``last_used_at`` is [s]: a write for every request would be waste."""

ROLES = (
    "viewer",
    "mine_dispatcher",
    "county_officer",
    "city_officer",
    "trainer",
    "administrator",
    "platform",
)

MAY = ("read", "act", "administer")
"""What a token is for, each including the one before; never more than its role."""

RESERVED_NAMES = ("gasmon", audit.OPERATOR)
"""Names that journals and the audit write for the system itself."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody, or a program, that may ask.

    Attributes:
        areas: see :class:`Scope`.
        mines: see :class:`Scope`.
        may: one of ``MAY``: a log-in by password may all that the role may.
        speaks_for: tiers whose records a node's token may bring; of others none.
    """

    principal_id: int
    name: str
    role: str
    areas: tuple[str, ...] | None
    mines: tuple[str, ...] | None
    may: str = MAY[-1]
    speaks_for: tuple[str, ...] = ()

    @property
    def scope(self) -> Scope:
        """What this principal sees."""
        return Scope(self.areas, self.mines)

    @property
    def tier(self) -> str | None:
        """Whose confirmations these are: mine, county, city; None may not confirm."""
        return TIER_OF_ROLE.get(self.role)

    def as_json(self) -> dict[str, Any]:
        """As ``GET /me`` shows it."""
        return {
            "id": self.principal_id,
            "name": self.name,
            "role": self.role,
            "areas": None if self.areas is None else list(self.areas),
            "mines": None if self.mines is None else list(self.mines),
            "may": self.may,
        }

    def may_do(self, what: str) -> bool:
        """Whether its token is for this, one of ``MAY``."""
        return MAY.index(self.may) >= MAY.index(what)


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """What may be told about a token; never the token."""

    token_id: int
    name: str
    role: str
    areas: list[str] | None
    mines: list[str] | None
    may: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


def make_token() -> str:
    """A new secret: ``gm_`` and 43 characters (256 bits)."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def hash_secret(secret: str) -> bytes:
    """What is stored in its stead."""
    return hashlib.sha256(secret.encode()).digest()


def create_token(
    conn: psycopg.Connection[Any],
    *,
    name: str,
    role: str,
    areas: Sequence[str] | None,
    mines: Sequence[str] | None,
    now_us: int,
    expires_us: int | None = None,
    may: str = "act",
    speaks_for: Sequence[str] = (),
    by: audit.Actor = audit.BY_OPERATOR,
) -> str:
    """Give a principal a token, making the principal when it is new; commits.

    Args:
        areas: six-digit codes; None means all.
        mines: twelve-digit codes; None means all of the areas.
        expires_us: end of the token's life [µs UTC]; None means until revoked.
        may: one of ``MAY``.
        speaks_for: tiers for whose people a node speaks; up to the role's own.
        by: who makes it, for the audit.

    Returns:
        The token. It cannot be shown again.

    Raises:
        BadRequest: unknown role, malformed code, or a mine outside of the areas.
        StateConflict: the name exists with another role or scope, or was retired.
    """
    if may not in MAY:
        raise BadRequest(f"a token may {', '.join(MAY)}, not {may!r}")
    check_tiers(role, speaks_for)
    check_principal(name, role, areas, mines)
    token = make_token()
    with conn.transaction(), conn.cursor(row_factory=dict_row) as cursor:
        insert_principal(conn, name, role, areas, mines, now_us)
        cursor.execute("SELECT * FROM principal WHERE name = %s FOR UPDATE", (name,))
        row = cursor.fetchone()
        assert row is not None
        wanted = (role, _codes(areas), _codes(mines))
        if (row["role"], row["areas"], row["mines"]) != wanted:
            raise StateConflict(
                f"principal {name!r} exists as {row['role']} with areas "
                f"{row['areas'] or 'all'} and mines {row['mines'] or 'all'}"
            )
        if row["retired_at"] is not None:
            raise StateConflict(f"principal {name!r} was retired")
        cursor.execute(
            "INSERT INTO token (principal_id, hash, created_at, expires_at, may,"
            " speaks_for) VALUES (%s, %s, %s, %s, %s, %s)",
            (
                row["principal_id"],
                hash_secret(token),
                to_datetime(now_us),
                None if expires_us is None else to_datetime(expires_us),
                may,
                sorted(set(speaks_for)) or None,
            ),
        )
        told = {"speaks_for": list(speaks_for)} if speaks_for else {}
        audit.write_by(conn, by, "token.create", name, may=may, **told)
    return token


def insert_principal(
    conn: psycopg.Connection[Any],
    name: str,
    role: str,
    areas: Sequence[str] | None,
    mines: Sequence[str] | None,
    now_us: int,
) -> int | None:
    """Make a principal of checked values; None when the name exists already.

    Raises:
        StateConflict: a name that differs in capitals alone exists.
    """
    alike = conn.execute(
        "SELECT name FROM principal WHERE lower(name) = lower(%s) AND name <> %s",
        (name, name),
    ).fetchone()
    if alike is not None:
        raise StateConflict(f"{name!r} would be taken for {alike[0]!r}, which exists")
    row = conn.execute(
        "INSERT INTO principal (name, role, areas, mines, created_at)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (name) DO NOTHING"
        " RETURNING principal_id",
        (name, role, _codes(areas), _codes(mines), to_datetime(now_us)),
    ).fetchone()
    return None if row is None else int(row[0])


def _codes(codes: Sequence[str] | None) -> list[str] | None:
    return None if codes is None else sorted(set(codes))


def check_name(name: str) -> None:
    """Refuse names that cannot be typed, or that the system writes for itself.

    Raises:
        BadRequest: says what is wrong with it.
    """
    if not name or len(name) > 100:
        raise BadRequest(f"name must have 1 to 100 characters, not {len(name)}")
    if not name.isprintable() or name != name.strip():
        raise BadRequest(f"name {name!r} has blanks around it or cannot be printed")
    if unicodedata.normalize("NFKC", name).casefold() in RESERVED_NAMES:
        raise BadRequest(f"name {name!r} is what gasmon writes for itself")


def check_principal(
    name: str, role: str, areas: Sequence[str] | None, mines: Sequence[str] | None
) -> None:
    """Refuse a name, role or scope that is none.

    Raises:
        BadRequest: names what is wrong.
    """
    check_name(name)
    if role not in ROLES:
        raise BadRequest(f"unknown role {role!r}; roles are {', '.join(ROLES)}")
    for area in areas or ():
        if not re.fullmatch(r"[0-9]{6}", area):
            raise BadRequest(f"area {area!r} is not a six-digit code")
    for mine in mines or ():
        if not re.fullmatch(r"[0-9]{12}", mine):
            raise BadRequest(f"mine {mine!r} is not a twelve-digit code")
        if areas is not None and not covers(areas, mine[:6]):
            raise BadRequest(f"mine {mine} is not in areas {', '.join(areas)}")
    if (areas is not None and not areas) or (mines is not None and not mines):
        raise BadRequest("an empty list of areas or mines would see nothing")


def check_tiers(role: str, tiers: Sequence[str]) -> None:
    """Refuse a node that would speak for a tier above its own.

    Raises:
        BadRequest: names the tier and the role.
    """
    own = TIER_OF_ROLE.get(role)
    below = TIERS[: TIERS.index(own) + 1] if own else ()
    for tier in tiers:
        if tier not in below:
            raise BadRequest(
                f"a token of role {role} cannot speak for tier {tier!r};"
                f" {', '.join(below) or 'none'} it can"
            )


def list_tokens(conn: psycopg.Connection[Any]) -> list[TokenInfo]:
    """All tokens, the newest last."""
    with conn.cursor(row_factory=class_row(TokenInfo)) as cursor:
        cursor.execute(
            "SELECT t.token_id, p.name, p.role, p.areas, p.mines, t.may, t.created_at,"
            " t.expires_at, t.revoked_at, t.last_used_at"
            " FROM token t JOIN principal p USING (principal_id) ORDER BY t.token_id"
        )
        return cursor.fetchall()


def revoke_tokens(
    conn: psycopg.Connection[Any],
    which: str,
    now_us: int,
    by: audit.Actor = audit.BY_OPERATOR,
) -> int:
    """End tokens at once, and the browser sessions that began with them; commits.

    Args:
        which: a token's number, or a principal's name for all of its tokens.

    Returns:
        How many were still alive.

    Raises:
        NotFound: there is no such token.
    """
    by_id = which.isascii() and which.isdigit() and len(which) <= 9
    with conn.transaction(), conn.cursor() as cursor:
        cursor.execute(
            "SELECT token_id, principal_id, revoked_at IS NULL FROM token"
            " JOIN principal p USING (principal_id)"
            " WHERE CASE WHEN %s THEN token_id = %s ELSE p.name = %s END FOR UPDATE",
            (by_id, int(which) if by_id else -1, which),
        )
        rows = cursor.fetchall()
        if not rows:
            raise NotFound(f"no token {which!r}")
        cursor.execute(
            "UPDATE token SET revoked_at = %s"
            " WHERE token_id = ANY(%s) AND revoked_at IS NULL",
            (to_datetime(now_us), [row[0] for row in rows]),
        )
        n_ended = cursor.rowcount
        # Before migration 0011 sessions did not say which token they began with.
        cursor.execute(
            "DELETE FROM session s WHERE token_id = ANY(%s) OR (token_id IS NULL AND"
            " principal_id = ANY(%s) AND NOT EXISTS"
            " (SELECT FROM password w WHERE w.principal_id = s.principal_id))",
            ([row[0] for row in rows], [row[1] for row in rows]),
        )
        audit.write_by(conn, by, "token.revoke", which, ended=n_ended)
    return n_ended


PRINCIPAL = "p.principal_id, p.name, p.role, p.areas, p.mines"
"""SQL: what ``principal_of`` reads of a principal ``p``."""


def principal_of(row: Mapping[str, Any]) -> Principal:
    """A principal from its row; ``may`` and ``speaks_for`` stand in those of tokens."""
    return Principal(
        row["principal_id"],
        row["name"],
        row["role"],
        None if row["areas"] is None else tuple(row["areas"]),
        None if row["mines"] is None else tuple(row["mines"]),
        row.get("may") or MAY[-1],
        tuple(row.get("speaks_for") or ()),
    )


async def principal_by_token(
    conn: psycopg.AsyncConnection[Any], token: str, now_us: int
) -> Principal | None:
    """Whose living token this is; None when it is nobody's."""
    if not TOKEN_PATTERN.fullmatch(token):
        return None
    now = to_datetime(now_us)
    cursor = conn.cursor(row_factory=dict_row)
    await cursor.execute(
        f"SELECT {PRINCIPAL}, t.may, t.speaks_for, t.token_id,"
        " t.last_used_at IS NULL OR t.last_used_at < %s - %s * interval '1 s' AS stale"
        " FROM token t JOIN principal p USING (principal_id)"
        " WHERE t.hash = %s AND t.revoked_at IS NULL AND p.retired_at IS NULL"
        " AND (t.expires_at IS NULL OR t.expires_at > %s)",
        (now, LAST_USED_STEP_S, hash_secret(token), now),
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    if row["stale"]:
        await cursor.execute(
            "UPDATE token SET last_used_at = %s WHERE token_id = %s",
            (now, row["token_id"]),
        )
    return principal_of(row)
