"""Planned work in the database: filed, decided, taken back; each with its record.

What was filed never changes. Each action locks the plan, asks the table of
``alarms.plans`` and writes a record and the audit trail; an approval also writes the
windows that ingest reads (``shelves.windows``), a withdrawal ends them. Nothing is
quiet for the time before its approval.
"""

from dataclasses import asdict, dataclass
from typing import Any

from psycopg.errors import SerializationFailure, UniqueViolation
from psycopg.rows import dict_row

from gasmon.alarms.deciding import No, Step
from gasmon.alarms.gas_curve import TOLERANCE
from gasmon.alarms.plans import FILED, Window, decide_plan
from gasmon.errors import BadRequest, Forbidden, NotFound, StateConflict
from gasmon.store import audit
from gasmon.store.access import Principal
from gasmon.store.alarm_calls import as_json
from gasmon.store.db import Connection
from gasmon.store.plan_wish import CEILING_KINDS, PlanWish, check, stored
from gasmon.units import to_datetime

NEED_REASON = ("refuse", "withdraw")
"""Actions that must say why."""


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody wants to do with a plan.

    Attributes:
        action: one of ``plans.PLAN_ACTIONS``.
        key: the same key from the same principal is done once.
    """

    plan_id: int
    action: str
    reason: str = ""
    key: str | None = None


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
    known = _done_before(conn, who, key, asked)
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
    _record(conn, plan_id, FILED, who, wish.reason, now_us, key, asked)
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
    plan = lock_plan(conn, who, act.plan_id)
    if act.action in NEED_REASON and not act.reason.strip():
        raise BadRequest(f"reason: {act.action} needs one")
    asked = as_json({"action": act.action, "plan": act.plan_id, "reason": act.reason})
    if _done_before(conn, who, act.key, asked) is not None:
        return
    steps = steps_of(conn, act.plan_id)
    window = Window(plan["from_us"], plan["until_us"], steps)
    found = decide_plan(window, act.action, role=who.role, name=who.name, now_us=now_us)
    if isinstance(found, No):
        if found.by_role:
            raise Forbidden(str(found.why))
        raise StateConflict(f"plan {act.plan_id}: {found.why}")
    _record(conn, act.plan_id, found, who, act.reason, now_us, act.key, asked)
    if act.action == "approve":
        _open_windows(conn, plan, steps[0].by, who.name, now_us)
    elif act.action == "withdraw":
        conn.execute(
            "UPDATE quiet SET withdrawn_at = %s, withdrawn_by = %s WHERE plan_id = %s"
            " AND withdrawn_at IS NULL",
            (to_datetime(now_us), who.name, act.plan_id),
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


def steps_of(conn: Connection, plan_id: int) -> tuple[Step, ...]:
    """What happened to a plan, in order."""
    rows = conn.execute(
        "SELECT event, principal,"
        " (extract(epoch FROM recorded_at) * 1000000)::bigint FROM plan_record"
        " WHERE plan_id = %s ORDER BY record_id",
        (plan_id,),
    ).fetchall()
    return tuple(Step(str(e), str(by), int(str(at))) for e, by, at in rows)


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


def _record(
    conn: Connection,
    plan_id: int,
    event: str,
    who: Principal,
    reason: str,
    now_us: int,
    key: str | None,
    asked: str,
) -> None:
    row = (
        *(plan_id, event, who.name, who.role, reason),
        *(to_datetime(now_us), key, asked),
    )
    try:
        conn.execute(
            "INSERT INTO plan_record (plan_id, event, principal, role, reason,"
            " recorded_at, action_key, asked)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s::jsonb)",
            row,
        )
    except UniqueViolation as error:
        # The same request twice at once: the second finds it done when run again.
        raise SerializationFailure(str(error)) from error
    audit.write(
        conn, who.name, f"plan.{event}", str(plan_id), detail={"reason": reason}
    )


def _done_before(
    conn: Connection, who: Principal, key: str | None, asked: str
) -> int | None:
    """The plan that was filed or acted on under this key; None when there is none."""
    if key is None:
        return None
    row = conn.execute(
        "SELECT plan_id, asked = %s::jsonb FROM plan_record"
        " WHERE principal = %s AND action_key = %s",
        (asked, who.name, key),
    ).fetchone()
    if row is None:
        return None
    plan_id, same = int(str(row[0])), bool(row[1])
    if not same:
        raise StateConflict(
            f"key {key!r} was used by {who.name} for something else (plan {plan_id})"
        )
    return plan_id
