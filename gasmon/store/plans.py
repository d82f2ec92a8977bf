"""Planned work in the database: filed, decided, taken back; each with its record.

What was filed never changes. Each action locks the plan, asks the table of
``alarms.plans`` and writes a record and the audit trail; an approval also writes the
windows that ingest reads (``shelves.windows``), a withdrawal ends them. Nothing is
quiet for the time before its approval.
"""

from dataclasses import asdict
from typing import Any

from psycopg.rows import dict_row

from gasmon.alarms.deciding import No, Step
from gasmon.alarms.gas_curve import TOLERANCE
from gasmon.alarms.plans import FILED, Window, decide_plan
from gasmon.errors import NotFound
from gasmon.store.access import Principal
from gasmon.store.alarm_calls import as_json
from gasmon.store.db import Connection
from gasmon.store.decided import (
    Act,
    Entry,
    Ledger,
    done_before,
    next_event,
    record,
    steps_of,
)
from gasmon.store.plan_wish import CEILING_KINDS, PlanWish, check, stored
from gasmon.units import to_datetime

LEDGER = Ledger("plan_record", "plan_id", "plan", "plan")


def file_plan(
    conn: Connection,
    who: Principal,
    wish: PlanWish,
    *,
    longest_h: int,
    now_us: int,
    key: str | None = None,
) -> int:
    """File a plan, as the caller's whole transaction; returns its number.

    Args:
        longest_h: longest window [h].
        key: the same key from the same principal is done once.

    Raises:
        BadRequest: it is incomplete or names what does not exist; names the member.
        Forbidden: this role files no plans.
        NotFound: no such mine, or not for this principal.
        StateConflict: the key was used for something else.
    """
    asked = as_json(asdict(wish))
    known = done_before(conn, LEDGER, who, key, asked)
    if known is not None:
        return known
    mine_id = check(conn, who, wish, longest_h, now_us)
    row = conn.execute(
        "INSERT INTO plan (mine_id, work, subjects, alarm_kinds, from_us, until_us,"
        " rank_ceiling, value_ceiling, test_gas, reason)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING plan_id",
        (
            mine_id,
            wish.work,
            stored(wish),
            list(wish.alarm_kinds),
            wish.from_us,
            wish.until_us,
            wish.rank_ceiling,
            wish.value_ceiling,
            wish.test_gas,
            wish.reason,
        ),
    ).fetchone()
    assert row is not None
    plan_id = int(str(row[0]))
    entry = Entry(plan_id, FILED, wish.reason, asked, key)
    record(conn, LEDGER, who, entry, now_us)
    return plan_id


def act_on_plan(conn: Connection, who: Principal, act: Act, *, now_us: int) -> None:
    """Approve, refuse or withdraw, as the caller's whole transaction.

    Raises:
        BadRequest: a reason is missing.
        NotFound: no such plan, or not for this principal.
        Forbidden: this role never may.
        StateConflict: its state, its filer or a key that was used for something else
            forbids it; says why.
    """
    plan = lock_plan(conn, who, act.number)

    def decide(steps: tuple[Step, ...]) -> str | No:
        window = Window(plan["from_us"], plan["until_us"], steps)
        return decide_plan(
            window, act.action, role=who.role, name=who.name, now_us=now_us
        )

    event = next_event(conn, LEDGER, who, act, decide)
    if event is None:
        return
    entry = Entry(act.number, event, act.reason, act.asked(), act.key)
    record(conn, LEDGER, who, entry, now_us)
    if act.action == "approve":
        filed = steps_of(conn, LEDGER, act.number)[0]
        _open_windows(conn, plan, filed.by, who.name, now_us)
    elif act.action == "withdraw":
        conn.execute(
            "UPDATE quiet SET withdrawn_at = %s, withdrawn_by = %s WHERE plan_id = %s"
            " AND withdrawn_at IS NULL",
            (to_datetime(now_us), who.name, act.number),
        )


def lock_plan(conn: Connection, who: Principal, plan_id: int) -> dict[str, Any]:
    """A plan's row, locked until the caller's transaction ends.

    Raises:
        NotFound: no such plan, or not for this principal.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "SELECT p.*, m.code::text AS mine, m.area_code::text AS area"
            " FROM plan p JOIN mine m USING (mine_id) WHERE plan_id = %s"
            " FOR NO KEY UPDATE OF p",
            (plan_id,),
        ).fetchone()
    if row is None or not who.scope.allows(row["area"], row["mine"]):
        raise NotFound(f"no plan {plan_id}")
    return row


def _open_windows(
    conn: Connection, plan: dict[str, Any], filed_by: str, by: str, now_us: int
) -> None:
    """What ingest reads: one window for each subject and kind."""
    from_us = max(plan["from_us"], now_us)
    ceiling = plan["value_ceiling"]
    if plan["test_gas"] is not None:
        ceiling = plan["test_gas"] * (1 + TOLERANCE)
    conn.cursor().executemany(
        "INSERT INTO quiet (kind, subject_type, subject_id, alarm_kind, plan_id,"
        " effective_from_us, until_us, rank_ceiling, value_ceiling, test_gas, reason,"
        " owner, approved_by, recorded_at)"
        " VALUES ('plan', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            (
                *subject.split(":", 1),
                kind,
                plan["plan_id"],
                from_us,
                plan["until_us"],
                plan["rank_ceiling"],
                ceiling if kind in CEILING_KINDS else None,
                plan["test_gas"],
                plan["reason"],
                filed_by,
                by,
                to_datetime(now_us),
            )
            for subject in plan["subjects"]
            for kind in plan["alarm_kinds"]
        ],
    )
