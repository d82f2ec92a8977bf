"""Changes of limits as people see them, and those that stand beside an alarm."""

from dataclasses import dataclass
from typing import Any

from psycopg import sql
from psycopg.rows import dict_row

from gasmon.alarms.changes import (
    CHANGE_ACTIONS,
    CHANGE_STATES,
    Proposal,
    change_state,
    decide_change,
)
from gasmon.alarms.deciding import No, Step
from gasmon.errors import NotFound
from gasmon.points import LIMIT_FIELDS
from gasmon.store.access import Principal
from gasmon.store.db import Connection
from gasmon.store.limit_changes import in_order, proposal_of
from gasmon.store.scope import Scope, scope_condition
from gasmon.store.views import Conn, Row, fetch, iso
from gasmon.units import iso_us

BESIDE = (*LIMIT_FIELDS, "quantity", "place_class", "unit_slug", "sensor_type")
"""What of a point decides its limits: changes of these stand beside its alarms."""

_CHANGE = (
    "SELECT c.change_id, c.limits, c.effective_from_us AS wanted_us, c.reason,"
    " c.point_id, p.system::text AS system, p.no, m.code::text AS mine,"
    " m.name AS mine_name, m.area_code::text AS area, v.place, v.uom, t.days,"
    " t.progress, t.failure, t.result, t.ended_at, r.records, r.effective_us"
    " FROM limit_change c JOIN point p USING (point_id) JOIN mine m USING (mine_id)"
    " JOIN back_test t USING (change_id)"
    " JOIN LATERAL (SELECT place, uom FROM point_version"
    "   WHERE point_id = c.point_id ORDER BY effective_from_us DESC LIMIT 1) v ON true"
    " JOIN LATERAL (SELECT max(effective_from_us) AS effective_us,"
    "   jsonb_agg(jsonb_build_object('event', event, 'by',"
    "   principal, 'role', role, 'reason', reason, 'at_us',"
    "   (extract(epoch FROM recorded_at) * 1000000)::bigint) ORDER BY record_id)"
    "   AS records FROM limit_change_record WHERE change_id = c.change_id) r ON true"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which changes; None leaves a member out.

    Attributes:
        point_id: of one point.
        before: cursor: changes with a lower number.
        limit: rows at most.
    """

    mine: str | None = None
    area: str | None = None
    point_id: int | None = None
    before: int | None = None
    limit: int = 50


def changes(
    conn: Connection, who: Principal, asked: Asked, now_us: int
) -> tuple[list[dict[str, Any]], int | None]:
    """One page, the newest first, and the cursor of the next; None on the last."""
    conditions: list[sql.Composable] = [scope_condition(who.scope)]
    if asked.mine is not None:
        conditions.append(sql.SQL("m.code = {}").format(asked.mine))
    if asked.area is not None:
        conditions.append(scope_condition(Scope((asked.area,), None)))
    if asked.point_id is not None:
        conditions.append(sql.SQL("c.point_id = {}").format(asked.point_id))
    if asked.before is not None:
        conditions.append(sql.SQL("c.change_id < {}").format(asked.before))
    query = sql.SQL(
        f"{_CHANGE} WHERE {{}} ORDER BY c.change_id DESC LIMIT {{}}"
    ).format(sql.SQL(" AND ").join(conditions), asked.limit + 1)
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query).fetchall()
    page = [_shown(row, who, now_us) for row in rows[: asked.limit]]
    return page, page[-1]["change_id"] if len(rows) > asked.limit else None


def change(
    conn: Connection, who: Principal, change_id: int, now_us: int
) -> dict[str, Any]:
    """One change.

    Raises:
        NotFound: there is none, or not for this principal.
    """
    query = sql.SQL(f"{_CHANGE} WHERE c.change_id = {{}} AND {{}}").format(
        change_id, scope_condition(who.scope)
    )
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(query).fetchone()
    if row is None:
        raise NotFound(f"no change {change_id}")
    return _shown(row, who, now_us)


def _shown(row: dict[str, Any], who: Principal, now_us: int) -> dict[str, Any]:
    steps = tuple(Step(r["event"], r["by"], r["at_us"]) for r in row["records"])
    proposal = proposal_of(row, steps)
    state = change_state(proposal, now_us)
    words = CHANGE_STATES[state]
    from_us = row["effective_us"] or row["wanted_us"]
    return {
        "change_id": row["change_id"],
        "mine": row["mine"],
        "mine_name": row["mine_name"],
        "area": row["area"],
        "point": f"{row['system']}-{row['no']}",
        "point_id": row["point_id"],
        "place": row["place"],
        "uom": row["uom"],
        "limits": dict(in_order(row["limits"])),
        "from": iso_us(from_us) if from_us else None,
        "reason": row["reason"],
        "state": state,
        "state_text": {"zh": words.zh, "en": words.en},
        "back_test": {
            "days": row["days"],
            "progress": row["progress"],
            "failure": row["failure"],
            "result": row["result"],
        },
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
        "actions": _actions(proposal, who, now_us),
    }


def _actions(
    proposal: Proposal, who: Principal, now_us: int
) -> dict[str, dict[str, str] | None]:
    """What the asker's role may do; None: now, else why not now."""
    shown: dict[str, dict[str, str] | None] = {}
    for name in CHANGE_ACTIONS:
        found = decide_change(
            proposal, name, role=who.role, name=who.name, now_us=now_us
        )
        if not isinstance(found, No):
            shown[name] = None
        elif not found.by_role:
            shown[name] = {"zh": found.why.zh, "en": found.why.en}
    return shown


_BESIDE = sql.SQL(
    "SELECT c.attribute, c.old_value AS old, c.new_value AS new, c.source,"
    " c.changed_at, c.recorded_at, p.system || '-' || p.no AS point"
    " FROM alarm a JOIN point_change c ON c.point_id = a.point_id"
    " JOIN point p ON p.point_id = c.point_id"
    " WHERE a.alarm_id = %(id)s AND c.attribute = ANY(%(attributes)s)"
    " AND c.changed_at >= a.raised_at - interval '7 days'"
    " AND c.changed_at <= coalesce(a.cleared_at, 'infinity') + interval '1 day'"
    " ORDER BY c.changed_at DESC, c.change_id DESC LIMIT 100"
)


async def beside_alarm(conn: Conn, alarm_id: int) -> list[Row]:
    """Changes of what decides the limits of an alarm's point, the newest first.

    From a week before it was raised to a day after it ended (ours: what was changed
    beforehand so that it would not be raised, and afterwards so that it ends), whoever
    made them: the mine by its definitions, or two people by a change.
    """
    rows = await fetch(conn, _BESIDE, {"id": alarm_id, "attributes": list(BESIDE)})
    for row in rows:
        row["changed_at"] = iso(row["changed_at"])
        row["recorded_at"] = iso(row["recorded_at"])
    return rows
