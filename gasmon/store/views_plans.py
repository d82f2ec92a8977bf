"""Plans as people see them, and what planned work came to, mine by mine."""

from dataclasses import dataclass
from typing import Any

from psycopg import sql
from psycopg.rows import dict_row

from gasmon.alarms.deciding import No, Step
from gasmon.alarms.events import RANK_NAMES
from gasmon.alarms.kinds import MINE_ONLY_KINDS
from gasmon.alarms.planned import NO_TEST_GAS, REASONS
from gasmon.alarms.plans import (
    PLAN_ACTIONS,
    PLAN_STATES,
    WORKS,
    Window,
    decide_plan,
    plan_state,
)
from gasmon.errors import NotFound
from gasmon.store.access import Principal
from gasmon.store.db import Connection
from gasmon.store.scope import Scope, scope_condition
from gasmon.units import iso_us, to_datetime

_PLAN = (
    "SELECT p.*, m.code::text AS mine, m.name AS mine_name,"
    " m.area_code::text AS area, r.records FROM plan p JOIN mine m USING (mine_id)"
    " JOIN LATERAL (SELECT jsonb_agg(jsonb_build_object('event', event, 'by',"
    "   principal, 'role', role, 'reason', reason, 'at_us',"
    "   (extract(epoch FROM recorded_at) * 1000000)::bigint) ORDER BY record_id)"
    "   AS records FROM plan_record WHERE plan_id = p.plan_id) r ON true"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which plans; None leaves a member out.

    Attributes:
        current: those whose window is not over.
        before: cursor: plans with a lower number.
        limit: rows at most.
    """

    current: bool = False
    mine: str | None = None
    area: str | None = None
    before: int | None = None
    limit: int = 50


def plans(
    conn: Connection, who: Principal, asked: Asked, now_us: int
) -> tuple[list[dict[str, Any]], int | None]:
    """One page, the newest first, and the cursor of the next; None on the last."""
    conditions: list[sql.Composable] = [scope_condition(who.scope)]
    if asked.current:
        conditions.append(sql.SQL("p.until_us > {}").format(now_us))
    if asked.mine is not None:
        conditions.append(sql.SQL("m.code = {}").format(asked.mine))
    if asked.area is not None:
        conditions.append(scope_condition(Scope((asked.area,), None)))
    if asked.before is not None:
        conditions.append(sql.SQL("p.plan_id < {}").format(asked.before))
    query = sql.SQL(f"{_PLAN} WHERE {{}} ORDER BY p.plan_id DESC LIMIT {{}}").format(
        sql.SQL(" AND ").join(conditions), asked.limit + 1
    )
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query).fetchall()
    page = [_shown(row, who, now_us) for row in rows[: asked.limit]]
    return page, page[-1]["plan_id"] if len(rows) > asked.limit else None


def plan(conn: Connection, who: Principal, plan_id: int, now_us: int) -> dict[str, Any]:
    """One plan.

    Raises:
        NotFound: there is none, or not for this principal.
    """
    query = sql.SQL(f"{_PLAN} WHERE p.plan_id = {{}} AND {{}}").format(
        plan_id, scope_condition(who.scope)
    )
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(query).fetchone()
    if row is None:
        raise NotFound(f"no plan {plan_id}")
    return _shown(row, who, now_us)


def _shown(row: dict[str, Any], who: Principal, now_us: int) -> dict[str, Any]:
    steps = tuple(Step(r["event"], r["by"], r["at_us"]) for r in row["records"])
    window = Window(row["from_us"], row["until_us"], steps)
    state = plan_state(window, now_us)
    work = WORKS[row["work"]].words
    return {
        "plan_id": row["plan_id"],
        "mine": row["mine"],
        "mine_name": row["mine_name"],
        "area": row["area"],
        "work": row["work"],
        "work_text": {"zh": work.zh, "en": work.en},
        "subjects": row["subjects"],
        "alarm_kinds": row["alarm_kinds"],
        "from": iso_us(row["from_us"]),
        "until": iso_us(row["until_us"]),
        "rank_ceiling": row["rank_ceiling"],
        "level_ceiling": RANK_NAMES[row["rank_ceiling"]],
        "value_ceiling": row["value_ceiling"],
        "test_gas": row["test_gas"],
        "reason": row["reason"],
        "state": state,
        "state_text": {"zh": PLAN_STATES[state].zh, "en": PLAN_STATES[state].en},
        "records": [
            {
                "event": r["event"],
                "by": r["by"],
                "role": r["role"],
                "reason": r["reason"],
                "at": iso_us(r["at_us"]),
            }
            for r in row["records"]
        ],
        "actions": _actions(window, who, now_us),
    }


def _actions(
    window: Window, who: Principal, now_us: int
) -> dict[str, dict[str, str] | None]:
    """What the asker's role may do; None: now, else why not now."""
    shown: dict[str, dict[str, str] | None] = {}
    for name in PLAN_ACTIONS:
        found = decide_plan(window, name, role=who.role, name=who.name, now_us=now_us)
        if not isinstance(found, No):
            shown[name] = None
        elif not found.by_role:
            shown[name] = {"zh": found.why.zh, "en": found.why.en}
    return shown


_FILED = """
SELECT p.mine_id, r.event, count(*) AS n FROM plan p JOIN plan_record r USING (plan_id)
WHERE p.from_us >= %(from_us)s AND p.from_us < %(to_us)s GROUP BY 1, 2"""

_ALARMS = """
SELECT mine_id, count(*) AS n, count(*) FILTER (WHERE planned) AS planned
FROM alarm WHERE run = 0 AND raised_at >= %(from)s AND raised_at < %(to)s
  AND kind <> ALL(%(forecasts)s) AND mine_id IS NOT NULL GROUP BY 1"""

# Each alarm once for each reason; misuse is counted by plans and not by alarms.
_BROKEN = """
SELECT a.mine_id, j.detail->'explain'->'broke_through'->>'why' AS why,
       count(DISTINCT a.alarm_id) AS n,
       count(DISTINCT j.detail->'explain'->'broke_through'->>'plan') AS plans
FROM alarm a JOIN alarm_journal j USING (alarm_id)
WHERE a.run = 0 AND a.raised_at >= %(from)s AND a.raised_at < %(to)s
  AND a.mine_id IS NOT NULL AND j.actor IS NULL
  AND j.detail->'explain' ? 'broke_through' GROUP BY 1, 2"""


def statistics(
    conn: Connection, scope: Scope, from_us: int, to_us: int
) -> list[dict[str, Any]]:
    """What planned work came to at each mine that filed any or had an alarm.

    Args:
        from_us: plans that begin, and alarms that were raised, from here [µs UTC].
        to_us: and before here [µs UTC].

    Returns:
        One row a mine, the one with the most misuse first.
    """
    params = {
        "from_us": from_us,
        "to_us": to_us,
        "from": to_datetime(from_us),
        "to": to_datetime(to_us),
        "forecasts": list(MINE_ONLY_KINDS),
    }
    with conn.cursor(row_factory=dict_row) as cursor:
        mines = cursor.execute(
            sql.SQL(
                "SELECT m.mine_id, m.code::text AS mine, m.name AS mine_name,"
                " m.area_code::text AS area FROM mine m WHERE {}"
            ).format(scope_condition(scope))
        ).fetchall()
        found = {row.pop("mine_id"): row | _nothing() for row in mines}
        for row in cursor.execute(_FILED, params).fetchall():
            if row["mine_id"] in found:
                found[row["mine_id"]][row["event"]] = row["n"]
        for row in cursor.execute(_ALARMS, params).fetchall():
            if row["mine_id"] in found:
                found[row["mine_id"]]["alarms"] = row["n"]
                found[row["mine_id"]]["planned"] = row["planned"]
        for row in cursor.execute(_BROKEN, params).fetchall():
            if row["mine_id"] in found:
                found[row["mine_id"]]["broke_through"][row["why"]] = row["n"]
                if row["why"] == NO_TEST_GAS:
                    found[row["mine_id"]]["misused_plans"] = row["plans"]
    rows = [row for row in found.values() if row["filed"] or row["alarms"]]
    for row in rows:
        row["planned_share"] = row["planned"] / row["alarms"] if row["alarms"] else None
    return sorted(rows, key=lambda r: (-r["misused_plans"], -r["planned"], r["mine"]))


def _nothing() -> dict[str, Any]:
    return {
        **dict.fromkeys(("filed", "approved", "refused", "withdrawn"), 0),
        "alarms": 0,
        "planned": 0,
        "broke_through": dict.fromkeys(REASONS, 0),
        "misused_plans": 0,
    }
