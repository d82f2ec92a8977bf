"""Read queries for the api: what was done with one alarm, and what may be done now."""

from typing import Any

from psycopg import sql

from gasmon.alarms.doubts import told_doubts
from gasmon.alarms.lifecycle import ACTIONS, TIER_OF_ROLE, TIERS, Refusal, decide
from gasmon.alarms.lifecycle_record import (
    Record,
    assigned_to,
    cause_of,
    owes_status,
    phases,
    withdrawn_ids,
)
from gasmon.store.views import Conn, Row, fetch, finite, iso
from gasmon.store.views_doubts import doubts

_HISTORY = sql.SQL(
    "SELECT journal_id AS record_id, event, happened_at, arrived_at, decided_at,"
    ' recorded_at, rank, value, limit_value AS "limit", actor AS by, tier, note,'
    " cause_code, refers_to, CASE WHEN actor IS NULL THEN '{}'::jsonb ELSE detail END"
    " AS detail FROM alarm_journal WHERE alarm_id = %(id)s ORDER BY journal_id"
)


async def history(conn: Conn, alarm_id: int) -> list[Row]:
    """The journal of an alarm whose scope was checked, in the order of its writing.

    ``stands`` is false for a record that was withdrawn.
    """
    rows = await fetch(conn, _HISTORY, {"id": alarm_id})
    gone = withdrawn_ids(_records(rows))
    for row in rows:
        for name in ("happened_at", "arrived_at", "decided_at", "recorded_at"):
            row[name] = iso(row[name])
        row["value"], row["limit"] = finite(row["value"]), finite(row["limit"])
        row["stands"] = row["record_id"] not in gone
    return rows


async def life(conn: Conn, alarm: Row, role: str) -> dict[str, Any]:
    """How far each tier has come, and what the asker may do now.

    Args:
        alarm: as ``views_alarms.alarm`` gives it, with the state for this role.

    Returns:
        ``actions`` has those that the role may do: None when it is possible now, else
        why it is not, in both languages.
    """
    rows = await history(conn, alarm["alarm_id"])
    doubted = await doubts(conn, alarm, rows)
    records = _records(rows)
    phase, owed = phases(records), owes_status(records)
    return {
        "alarm_id": alarm["alarm_id"],
        "state": alarm["state"],
        "cause_code": cause_of(records),
        "assigned_to": assigned_to(records),
        "shelved_until": alarm["shelved_until"],
        "closed_at": alarm["closed_at"],
        "tiers": {
            tier: {
                "phase": phase[tier],
                "owes_status": owed[tier],
                "confirmed": alarm["confirmations"][tier],
            }
            for tier in TIERS
        },
        "own_tier": TIER_OF_ROLE.get(role),
        "actions": _actions(alarm, role),
        "records": [
            {**row, "doubts": told_doubts(doubted.get(row["record_id"], ()))}
            for row in rows
        ],
    }


def _actions(alarm: Row, role: str) -> dict[str, dict[str, str] | None]:
    found: dict[str, dict[str, str] | None] = {}
    for name, action in ACTIONS.items():
        if role not in action.roles:
            continue
        cell = decide(alarm["state"], name, role, rank=alarm["rank"])
        why = cell.why if isinstance(cell, Refusal) else None
        found[name] = None if why is None else {"zh": why.zh, "en": why.en}
    return found


def _records(rows: list[Row]) -> list[Record]:
    return [
        Record(
            record_id=row["record_id"],
            event=row["event"],
            tier=row["tier"],
            cause_code=row["cause_code"],
            refers_to=row["refers_to"],
            to=row["detail"].get("to"),
        )
        # By their own times: a record of another node may have come late.
        for row in sorted(rows, key=lambda row: str(row["happened_at"]))
        if row["by"] is not None
    ]
