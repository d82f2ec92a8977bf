"""What one person asks for and another decides, as people see it: plans, changes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from psycopg import sql
from psycopg.rows import dict_row

from gasmon.alarms.deciding import No, Step
from gasmon.store.access import Principal
from gasmon.store.db import Connection
from gasmon.store.scope import Scope, scope_condition
from gasmon.units import iso_us

Row = dict[str, Any]

RECORDS = (
    "jsonb_agg(jsonb_build_object('event', event, 'by', principal, 'role', role,"
    " 'reason', reason, 'at_us', (extract(epoch FROM recorded_at) * 1000000)::bigint)"
    " ORDER BY record_id) AS records"
)
"""All records of one of them, in order, as one column."""


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list; None leaves a member out.

    Attributes:
        before: cursor: those with a lower number.
        limit: rows at most.
    """

    mine: str | None = None
    area: str | None = None
    before: int | None = None
    limit: int = 50


def paged(
    conn: Connection,
    who: Principal,
    select: str,
    number: str,
    page: Page,
    more: Iterable[sql.Composable] = (),
) -> tuple[list[Row], int | None]:
    """Rows of one page, the newest first, and the cursor of the next; None: the last.

    Args:
        select: a query up to its WHERE, with the mine as ``m``.
        number: its column with the number, as in ``p.plan_id``.
        more: further conditions.
    """
    column = sql.SQL(number)
    conditions = [scope_condition(who.scope), *more]
    if page.mine is not None:
        conditions.append(sql.SQL("m.code = {}").format(page.mine))
    if page.area is not None:
        conditions.append(scope_condition(Scope((page.area,), None)))
    if page.before is not None:
        conditions.append(sql.SQL("{} < {}").format(column, page.before))
    query = sql.SQL("{} WHERE {} ORDER BY {} DESC LIMIT {}").format(
        sql.SQL(select), sql.SQL(" AND ").join(conditions), column, page.limit + 1
    )
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query).fetchall()
    kept = rows[: page.limit]
    following = kept[-1][number.rpartition(".")[2]] if len(rows) > page.limit else None
    return kept, following


def one(
    conn: Connection, who: Principal, select: str, number: str, wanted: int
) -> Row | None:
    """The row of one of them; None when there is none for this principal."""
    query = sql.SQL("{} WHERE {} = {} AND {}").format(
        sql.SQL(select), sql.SQL(number), wanted, scope_condition(who.scope)
    )
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query).fetchone()


def steps_in(row: Row) -> tuple[Step, ...]:
    """Its records, as its table asks for them."""
    return tuple(Step(r["event"], r["by"], r["at_us"]) for r in row["records"])


def records_shown(row: Row) -> list[Row]:
    """Its records, for people."""
    return [
        {
            "event": r["event"],
            "by": r["by"],
            "role": r["role"],
            "reason": r["reason"],
            "at": iso_us(r["at_us"]),
        }
        for r in row["records"]
    ]


def actions_shown(
    actions: Iterable[str], decide: Callable[[str], str | No]
) -> dict[str, dict[str, str] | None]:
    """What the asker's role may do; None: now, else why not now.

    Args:
        decide: asks the table about an action.
    """
    shown: dict[str, dict[str, str] | None] = {}
    for name in actions:
        found = decide(name)
        if not isinstance(found, No):
            shown[name] = None
        elif not found.by_role:
            shown[name] = {"zh": found.why.zh, "en": found.why.en}
    return shown
