"""What a person should decide of places, as pages and commands tell it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gasmon.alarms.rule_changes import in_force
from gasmon.errors import Forbidden, NotFound, StateConflict
from gasmon.ingest.undecided import Question, question
from gasmon.points import PointKey
from gasmon.store import audit, limit_changes, place_rulings
from gasmon.store.access import Principal
from gasmon.store.db import Connection
from gasmon.store.place_rulings import PlacedRow
from gasmon.units import iso_us

RULING_ROLES = ("county_officer", "city_officer")
"""Who decides by himself: not a mine, whose limits depend on it."""

NOBODY_KNOWS = ("none", "text")
"""Beside the classes: the point has none; its text, or its mine, decides again."""


def asked(
    conn: Connection, now_us: int, areas: Sequence[str] | None, mine: str | None
) -> list[tuple[PlacedRow, Question | None]]:
    """Every defined point with what should be decided of it; None when nothing.

    Args:
        now_us: which approved changes count already [µs UTC].
        areas: codes; None for all.
        mine: its 12 digits; None for all.
    """
    changes = in_force(limit_changes.approved(conn), now_us)
    # What two people approved counts before everything.
    approved = {one.point: one.place_class for one in changes if one.place_class}
    return [
        (row, _question(row))
        if (name := approved.get(str(row.key))) is None
        else (replace(row, place_class=name), None)
        for row in place_rulings.placed(conn, areas, mine)
    ]


def _question(row: PlacedRow) -> Question | None:
    ruled_on = None if row.ruling is None else row.ruling.place
    return question(row.quantity, row.place, row.place_class, ruled_on)


def suggested(asked: Question) -> str | None:
    """The likeliest class; None when the text gives no hint."""
    return asked.place.place_class or asked.place.guess


def as_json(row: PlacedRow, asked: Question | None) -> dict[str, Any]:
    """A point's place as JSON."""
    ruling = row.ruling
    return {
        "mine": row.key.mine,
        "mine_name": row.mine_name,
        "system": row.key.system,
        "point": row.key.no,
        "quantity": row.quantity,
        "place": row.place,
        "place_class": row.place_class,
        "why": None if asked is None else asked.why,
        "suggested": None if asked is None else suggested(asked),
        "confidence": None if asked is None else asked.place.confidence,
        "reason": None if asked is None else asked.place.reason,
        "ruling": None
        if ruling is None
        else {
            "place": ruling.place,
            "place_class": ruling.place_class,
            "reason": ruling.reason,
            "by": ruling.ruled_by,
            "at": iso_us(ruling.ruled_us),
        },
    }


def rule(
    conn: Connection,
    who: Principal,
    key: PointKey,
    told: str,
    *,
    seen: str,
    reason: str,
    now_us: int,
) -> str | None:
    """Let a person decide a place, in the caller's transaction; it is audited.

    Args:
        told: a class, or one of ``NOBODY_KNOWS``.
        seen: the location text that the person decided on.

    Returns:
        The class that counted before.

    Raises:
        Forbidden: this role decides no places.
        NotFound: no such point, or not for this principal.
        StateConflict: the text is another by now, or two people must decide.
    """
    if who.role not in RULING_ROLES:
        zh, en = "不能裁定地点分类", "decides no classes of places"
        raise Forbidden(f"角色 {who.role} {zh} · role {who.role} {en}")
    rows = [
        row
        for row in place_rulings.placed(conn, None, key.mine)
        if row.key == key and who.scope.allows(key.mine[:6], key.mine)
    ]
    if not rows:
        raise NotFound(f"no point {key} is defined")
    if rows[0].place != seen:
        raise StateConflict(
            f"地点文字已改为 {rows[0].place!r}，请重新查看 · the text is"
            f" {rows[0].place!r} by now: look again"
        )
    old = place_rulings.rule(
        conn,
        key,
        None if told in NOBODY_KNOWS else told,
        reason=reason,
        by=who.name,
        now_us=now_us,
        takes_back=told == "text",
    )
    detail = {"old": old, "new": told, "reason": reason}
    audit.write(conn, who.name, "place.rule", str(key), detail=detail)
    return old
