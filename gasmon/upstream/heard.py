"""Bodies of events, read: what a node must know of one to store it."""

from typing import Any

from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.lifecycle import TIERS
from gasmon.store.following import Heard
from gasmon.units import parse_iso_us

ACTED = ("by", "tier", "note", "cause_code", "key", "refers_to", "refers_to_id")
"""Members that say who did something and about what."""

KNOWN = frozenset(
    (
        *("id", "event", "kind", "rule", "run", "drill", "subject", "area", "mine"),
        *("mine_name", "system", "point", "unit", "place", "quantity", "uom", "level"),
        *("rank", "value", "limit", "peak", "peak_at", "raised_at", "happened_at"),
        *("arrived_at", "decided_at", "cleared_at", "late", "planned", "quiet"),
        *("alarm_id", "incident_id", "text", "explain", *ACTED),
    )
)
"""Members of every body; what stands beside them belongs to the record."""


class Unreadable(ValueError):
    """A body that is none; says what is missing."""


def read_body(body: dict[str, Any]) -> Heard:
    """An event from its body.

    Times of its identity come from its id, which has microseconds.

    Raises:
        Unreadable: a member is missing or not what it should be.
    """
    try:
        return _read(body)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        name = str(body.get("id"))[:200]
        raise Unreadable(f"event {name}: {type(error).__name__} {error}") from None


def _read(body: dict[str, Any]) -> Heard:
    _, kind, raised, event_name, rank, happened = body["id"].rsplit("/", 5)
    if "\x00" in body["id"]:
        raise ValueError("NUL in its id")
    subject_type, _, subject_id = body["subject"].partition(":")
    event = AlarmEvent(
        event=event_name,
        kind=kind,
        rule=str(body["rule"]),
        subject_type=subject_type,
        subject_id=subject_id,
        area=str(body["area"]),
        mine=str(body.get("mine") or ""),
        raised_at_us=int(raised),
        happened_at_us=int(happened),
        arrived_at_us=parse_iso_us(body["arrived_at"]),
        decided_at_us=parse_iso_us(body["decided_at"]),
        rank=int(rank),
        run=int(body.get("run") or 0),
        system=body.get("system"),
        no=body.get("point"),
        unit=body.get("unit"),
        value=_number(body.get("value")),
        limit=_number(body.get("limit")),
        peak=_number(body.get("peak")),
        peak_at_us=None
        if body.get("peak_at") is None
        else parse_iso_us(body["peak_at"]),
        late=body.get("late") is True,
        planned=body.get("planned") is True,
        quiet=body.get("quiet"),
        explain=dict(body.get("explain") or {}),
    )
    if event.event_id != body["id"]:
        raise ValueError(f"its members say {event.event_id}")
    tier = body.get("tier")
    return Heard(
        event=event,
        number=int(body["alarm_id"]),
        body=body,
        mine_name=str(body.get("mine_name") or ""),
        place=str(body.get("place") or ""),
        quantity=str(body.get("quantity") or ""),
        uom=str(body.get("uom") or ""),
        by=str(body["by"]) if body.get("by") else None,
        tier=tier if tier in TIERS else None,
        note=str(body.get("note") or "").replace("\x00", ""),
        cause_code=body.get("cause_code"),
        key=body.get("key"),
        refers_to=body.get("refers_to_id"),
        more={k: v for k, v in body.items() if k not in KNOWN or k == "refers_to"},
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
