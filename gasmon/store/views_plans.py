"""Plans as people see them, and what planned work came to, mine by mine."""

from typing import Any

from psycopg import sql
from psycopg.rows import dict_row

from gasmon.alarms.deciding import No
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
from gasmon.store.views_decided import (
    RECORDS,
    Page,
    Row,
    actions_shown,
    one,
    paged,
    records_shown,
    steps_in,
)
from gasmon.units import iso_us, to_datetime

_PLAN = (
    "SELECT p.*, m.code::text AS mine, m.name AS mine_name,"
    " m.area_code::text AS area, r.records FROM plan p JOIN mine m USING (mine_id)"
    f" JOIN LATERAL (SELECT {RECORDS} FROM plan_record"
    " WHERE plan_id = p.plan_id) r ON true"
)


def plans(
    conn: Connection, who: Principal, page: Page, now_us: int, *, current: bool = False
) -> tuple[list[Row], int | None]:
    """One page, the newest first, and the cursor of the next; None on the last.

    Args:
        current: only those whose window is not over.
    """
    more = [sql.SQL("p.until_us > {}").format(now_us)] if current else []
    rows, following = paged(conn, who, _PLAN, "p.plan_id", page, more)
    return [_shown(row, who, now_us) for row in rows], following


def plan(conn: Connection, who: Principal, plan_id: int, now_us: int) -> Row:
    """One plan.

    Raises:
        NotFound: there is none, or not for this principal.
    """
    row = one(conn, who, _PLAN, "p.plan_id", plan_id)
    if row is None:
        raise NotFound(f"no plan {plan_id}")
    return _shown(row, who, now_us)


def _shown(row: Row, who: Principal, now_us: int) -> Row:
    window = Window(row["from_us"], row["until_us"], steps_in(row))

    def decide(action: str) -> str | No:
        return decide_plan(window, action, role=who.role, name=who.name, now_us=now_us)

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
        "records": records_shown(row),
        "actions": actions_shown(PLAN_ACTIONS, decide),
    }


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
