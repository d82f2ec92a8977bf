"""Who did what: rows that can be added and read, and never changed or removed.

An action on an alarm stands in the alarm's journal with all it says, and here with its
number there, so that everything that one person did can be read in one place.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from gasmon.errors import BadRequest
from gasmon.store.scope import Scope
from gasmon.units import from_datetime, iso_us, to_datetime

EVERYTHING = Scope(None, None)
OPERATOR = "operator"
"""Who is written for commands at the server: whoever may read its secrets."""

_INSERT = (
    "INSERT INTO audit (principal, action, subject, outcome, detail)"
    " VALUES (%s, %s, %s, %s, %s::jsonb)"
)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, and how far its rights reach.

    Attributes:
        name: a principal's, or ``operator``.
        via: how it came in, for the detail of the audit row: an address, a user of
            the operating system.
    """

    name: str = OPERATOR
    scope: Scope = EVERYTHING
    via: Mapping[str, Any] = field(default_factory=dict)


BY_OPERATOR = Actor()
"""Whoever gives commands at the server."""


def write(
    conn: psycopg.Connection[Any],
    principal: str | None,
    action: str,
    subject: str | None = None,
    *,
    outcome: str = "done",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write down who did what, as part of the caller's transaction.

    Args:
        principal: a name; None is a stranger.
        action: what, as ``thing.verb``.
        subject: to whom or what.
        outcome: ``done`` or ``refused``.
        detail: the rest; never a secret.
    """
    # PostgreSQL takes no NUL in text, and a refusal must be written whatever was sent.
    said = json.dumps(dict(detail or {}), ensure_ascii=False).replace("\\u0000", "")
    row = (principal, action, subject, outcome, said)
    conn.execute(_INSERT, row)


def write_by(
    conn: psycopg.Connection[Any],
    by: Actor,
    action: str,
    subject: str | None,
    **detail: Any,
) -> None:
    """The same for an actor, with how it came in."""
    write(conn, by.name, action, subject, detail={**by.via, **detail})


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows; None does not filter.

    Attributes:
        action: a whole one (``user.retire``) or a thing (``user``).
        from_us: recorded at or after [µs UTC].
        to_us: recorded before [µs UTC].
    """

    principal: str | None = None
    action: str | None = None
    subject: str | None = None
    outcome: str | None = None
    from_us: int | None = None
    to_us: int | None = None


def rows(
    conn: psycopg.Connection[Any],
    scope: Scope,
    wanted: Wanted,
    *,
    before: int | None = None,
    limit: int = 100,
) -> tuple[list[dict[str, Any]], int | None]:
    """One page, the newest first.

    Args:
        scope: of who reads: a limited one sees what people inside of it did.
        before: cursor: rows older than this number.
        limit: rows at most, 1 to 1000.

    Returns:
        The rows as people see them, and the cursor of the next page; None on the last.

    Raises:
        BadRequest: the limit.
    """
    if not 1 <= limit <= 1000:
        raise BadRequest(f"limit {limit}: 1 to 1000 are wanted")
    query = sql.SQL(
        "SELECT a.audit_id, a.recorded_at, a.principal, a.action, a.subject,"
        " a.outcome, a.detail FROM audit a"
        " LEFT JOIN principal p ON p.name = a.principal"
        " WHERE {} ORDER BY a.audit_id DESC LIMIT {}"
    ).format(sql.SQL(" AND ").join(_conditions(scope, wanted, before)), limit + 1)
    with conn.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(query).fetchall()
    page = found[:limit]
    for row in page:
        row["recorded_at"] = iso_us(from_datetime(row["recorded_at"]))
    return page, page[-1]["audit_id"] if len(found) > limit else None


def _conditions(
    scope: Scope, wanted: Wanted, before: int | None
) -> list[sql.Composable]:
    parts: list[sql.Composable] = [sql.SQL("true"), *_within(scope)]
    for column, value in (
        ("principal", wanted.principal),
        ("subject", wanted.subject),
        ("outcome", wanted.outcome),
    ):
        if value is not None:
            parts.append(
                sql.SQL("a.{} = {}").format(sql.Identifier(column), sql.Literal(value))
            )
    if wanted.action is not None:
        parts.append(
            sql.SQL("(a.action = {0} OR starts_with(a.action, {0} || '.'))").format(
                sql.Literal(wanted.action)
            )
        )
    for form, limit_us in (
        ("a.recorded_at >= {}", wanted.from_us),
        ("a.recorded_at < {}", wanted.to_us),
    ):
        if limit_us is not None:
            parts.append(sql.SQL(form).format(sql.Literal(to_datetime(limit_us))))
    if before is not None:
        parts.append(sql.SQL("a.audit_id < {}").format(sql.Literal(before)))
    return parts


def _within(scope: Scope) -> list[sql.Composable]:
    """Rows of principals who see no more than the scope does."""
    parts: list[sql.Composable] = []
    if scope.areas is not None:
        parts.append(
            sql.SQL(
                "(p.areas IS NOT NULL AND NOT EXISTS (SELECT FROM unnest(p.areas) AS c"
                " WHERE c <> ALL({codes}::text[])"
                " AND left(c, 4) || '00' <> ALL({codes}::text[])))"
            ).format(codes=sql.Literal(list(scope.areas)))
        )
    if scope.mines is not None:
        parts.append(
            sql.SQL("coalesce(p.mines <@ {}::text[], false)").format(
                sql.Literal(list(scope.mines))
            )
        )
    return parts
