"""Changes of limits as people see them, and those that stand beside an alarm."""

from psycopg import sql

from gasmon.alarms.changes import (
    CHANGE_ACTIONS,
    CHANGE_STATES,
    change_state,
    decide_change,
)
from gasmon.alarms.deciding import No
from gasmon.errors import NotFound
from gasmon.points import LIMIT_FIELDS
from gasmon.store.access import Principal
from gasmon.store.db import Connection
from gasmon.store.limit_changes import in_order, proposal_of
from gasmon.store.views import Conn, fetch, iso
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
from gasmon.units import iso_us

BESIDE = (
    *LIMIT_FIELDS,
    *("quantity", "place_class", "unit_slug", "sensor_type", "retirement"),
)
"""What of a point decides its limits: changes of these stand beside its alarms."""

_CHANGE = (
    "SELECT c.change_id, c.limits, c.place_class, c.retire, c.reason,"
    " c.effective_from_us AS wanted_us,"
    " c.point_id, p.system::text AS system, p.no, m.code::text AS mine,"
    " m.name AS mine_name, m.area_code::text AS area, v.place, v.uom, t.days,"
    " t.progress, t.failure, t.result, t.ended_at, r.records, r.effective_us"
    " FROM limit_change c JOIN point p USING (point_id) JOIN mine m USING (mine_id)"
    " JOIN back_test t USING (change_id)"
    " JOIN LATERAL (SELECT place, uom FROM point_version"
    "   WHERE point_id = c.point_id ORDER BY effective_from_us DESC LIMIT 1) v ON true"
    " JOIN LATERAL (SELECT max(effective_from_us) AS effective_us,"
    f" {RECORDS} FROM limit_change_record WHERE change_id = c.change_id) r ON true"
)


def changes(
    conn: Connection,
    who: Principal,
    page: Page,
    now_us: int,
    *,
    point_id: int | None = None,
) -> tuple[list[Row], int | None]:
    """One page, the newest first, and the cursor of the next; None on the last.

    Args:
        point_id: only those of one point.
    """
    more = [sql.SQL("c.point_id = {}").format(point_id)] if point_id is not None else []
    rows, following = paged(conn, who, _CHANGE, "c.change_id", page, more)
    return [_shown(row, who, now_us) for row in rows], following


def change(conn: Connection, who: Principal, change_id: int, now_us: int) -> Row:
    """One change.

    Raises:
        NotFound: there is none, or not for this principal.
    """
    row = one(conn, who, _CHANGE, "c.change_id", change_id)
    if row is None:
        raise NotFound(f"no change {change_id}")
    return _shown(row, who, now_us)


def _shown(row: Row, who: Principal, now_us: int) -> Row:
    proposal = proposal_of(row, steps_in(row))

    def decide(action: str) -> str | No:
        return decide_change(
            proposal, action, role=who.role, name=who.name, now_us=now_us
        )

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
        "place_class": row["place_class"],
        "retire": row["retire"],
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
        "records": records_shown(row),
        "actions": actions_shown(CHANGE_ACTIONS, decide),
    }


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
