"""Changes of limits in the database: proposed, decided, taken back; each recorded.

What was proposed never changes. Each action locks the change, asks the table of
``alarms.changes`` and writes a record and the audit trail; an approval also writes what
becomes different into the log of the point's changes. Ingest reads what is approved
(``approved``) and puts it behind the site's rules.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite, nan
from typing import Any, cast

from psycopg.rows import dict_row

from gasmon.alarms.changes import (
    PROPOSED,
    PROPOSING_ROLES,
    Proposal,
    decide_change,
)
from gasmon.alarms.deciding import No, Step
from gasmon.alarms.rule_changes import LimitChange
from gasmon.alarms.rule_limits import refuse_contradictions
from gasmon.alarms.rule_match import PLACES
from gasmon.errors import BadRequest, ConfigError, Forbidden, NotFound
from gasmon.points import LIMIT_FIELDS
from gasmon.store.access import Principal
from gasmon.store.alarm_calls import as_json
from gasmon.store.db import Connection
from gasmon.store.decided import Act, Entry, Ledger, done_before, next_event, record
from gasmon.units import US_PER_DAY, to_datetime

AHEAD_US = 31 * US_PER_DAY
"""How long before it counts a change may be proposed [µs]. Ours, as for plans."""

LEDGER = Ledger("limit_change_record", "change_id", "change", "limit_change")


@dataclass(frozen=True, slots=True)
class ChangeWish:
    """What somebody proposes.

    Attributes:
        mine: 12 digits.
        point: ``system-number``, e.g. ``01-001A01``.
        limits: name (``points.LIMIT_FIELDS``) and value in the point's unit.
        place_class: where it really hangs; empty leaves what the mine says.
        retire: a point that its mine names no more is gone for good.
        from_us: first event time that it shall count for [µs UTC]; 0 = that of its
            approval.
    """

    mine: str
    point: str
    limits: Mapping[str, float]
    from_us: int
    reason: str
    place_class: str = ""
    retire: bool = False


def propose(
    conn: Connection,
    who: Principal,
    wish: ChangeWish,
    *,
    days: int,
    now_us: int,
    key: str | None = None,
) -> int:
    """Propose a change, as the caller's whole transaction; returns its number.

    Args:
        days: how far back its back-test looks.
        key: the same key from the same principal is done once.

    Raises:
        BadRequest: names the member and the value.
        Forbidden: this role proposes no changes.
        NotFound: no such point, or not for this principal.
        StateConflict: the key was used for something else.
    """
    asked = as_json(asdict(wish))
    known = done_before(conn, LEDGER, who, key, asked)
    if known is not None:
        return known
    if who.role not in PROPOSING_ROLES:
        zh, en = "不能提出限值修改", "proposes no changes of limits"
        raise Forbidden(f"角色 {who.role} {zh} · role {who.role} {en}")
    _check(wish, now_us)
    point_id = _point(conn, who, wish)
    row = conn.execute(
        "INSERT INTO limit_change (point_id, limits, place_class, retire,"
        " effective_from_us, reason)"
        " VALUES (%s, %s::jsonb, %s, %s, %s, %s) RETURNING change_id",
        (
            *(point_id, json.dumps(dict(wish.limits)), wish.place_class),
            *(wish.retire, wish.from_us, wish.reason),
        ),
    ).fetchone()
    assert row is not None
    change_id = int(str(row[0]))
    conn.execute(
        "INSERT INTO back_test (change_id, days) VALUES (%s, %s)", (change_id, days)
    )
    entry = Entry(change_id, PROPOSED, wish.reason, asked, key)
    record(conn, LEDGER, who, entry, now_us)
    return change_id


def act_on_change(conn: Connection, who: Principal, act: Act, *, now_us: int) -> None:
    """Approve, refuse or withdraw, as the caller's whole transaction.

    Raises:
        BadRequest: a reason is missing.
        NotFound: no such change, or not for this principal.
        Forbidden: this role never may.
        StateConflict: its state, its proposer or a key that was used for something
            else forbids it; says why.
    """
    change = _locked(conn, who, act.number)

    def decide(steps: tuple[Step, ...]) -> str | No:
        return decide_change(
            proposal_of(change, steps),
            act.action,
            role=who.role,
            name=who.name,
            now_us=now_us,
        )

    event = next_event(conn, LEDGER, who, act, decide)
    if event is None:
        return
    more = {}
    if act.action == "approve":
        # Nothing that was judged before is judged otherwise.
        from_us = max(change["wanted_us"], now_us)
        more = {"effective_from_us": from_us}
        _log(conn, change, from_us, now_us)
    entry = Entry(act.number, event, act.reason, act.asked(), act.key, more)
    record(conn, LEDGER, who, entry, now_us)


def approved(conn: Connection) -> tuple[LimitChange, ...]:
    """All that was approved and not taken back, by number; past and to come."""
    rows = conn.execute(
        "SELECT c.change_id, m.code || '-' || p.system || '-' || p.no,"
        " r.effective_from_us, c.limits, c.place_class, c.retire"
        " FROM limit_change_record r"
        " JOIN limit_change c USING (change_id) JOIN point p USING (point_id)"
        " JOIN mine m USING (mine_id) WHERE r.event = 'approved' AND NOT EXISTS"
        "   (SELECT FROM limit_change_record w WHERE w.change_id = c.change_id"
        "    AND w.event = 'withdrawn') ORDER BY 1"
    ).fetchall()
    return tuple(
        LimitChange(number, point, from_us, in_order(limits), place_class, retire)
        for number, point, from_us, limits, place_class, retire in cast(
            list[tuple[Any, ...]], rows
        )
    )


def in_order(limits: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """Limits in the order of ``points.LIMIT_FIELDS``."""
    return tuple((n, float(limits[n])) for n in LIMIT_FIELDS if n in limits)


def proposal_of(row: Mapping[str, Any], steps: tuple[Step, ...]) -> Proposal:
    """A change as its table sees it.

    Args:
        row: with ``failure``, ``ended_at`` and ``effective_us`` of it.
    """
    return Proposal(
        steps,
        tested=row["ended_at"] is not None,
        impossible=row["failure"] is not None,
        from_us=row["effective_us"] or 0,
    )


def _locked(conn: Connection, who: Principal, change_id: int) -> dict[str, Any]:
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "SELECT c.change_id, c.point_id, c.effective_from_us AS wanted_us,"
            " c.place_class, c.retire,"
            " p.mine_id, m.code::text AS mine, m.area_code::text AS area, t.ended_at,"
            " t.failure, t.result, (SELECT r.effective_from_us"
            "   FROM limit_change_record r WHERE r.change_id = c.change_id"
            "   AND r.event = 'approved') AS effective_us"
            " FROM limit_change c JOIN point p USING (point_id)"
            " JOIN mine m USING (mine_id) JOIN back_test t USING (change_id)"
            " WHERE c.change_id = %s FOR NO KEY UPDATE OF c",
            (change_id,),
        ).fetchone()
    if row is None or not who.scope.allows(row["area"], row["mine"]):
        raise NotFound(f"no change {change_id}")
    return row


def _point(conn: Connection, who: Principal, wish: ChangeWish) -> int:
    system, _, no = wish.point.partition("-")
    row = conn.execute(
        "SELECT p.point_id, p.retired_at IS NOT NULL FROM point p"
        " JOIN mine m USING (mine_id) WHERE m.code = %s AND p.system = %s"
        " AND p.no = %s AND p.run = 0 AND m.retired_at IS NULL",
        (wish.mine, system, no),
    ).fetchone()
    if row is None or not who.scope.allows(wish.mine[:6], wish.mine):
        raise NotFound(f"no point {wish.mine}-{wish.point}")
    if wish.retire and not row[1]:
        raise BadRequest("retire: its mine's definitions still name this point")
    if row[1] and (wish.limits or wish.place_class):
        raise NotFound(f"point {wish.mine}-{wish.point} is retired")
    return int(str(row[0]))


def _check(wish: ChangeWish, now_us: int) -> None:
    for name, value in wish.limits.items():
        if name not in LIMIT_FIELDS:
            raise BadRequest(f"limits: {name[:40]!r} is none of {LIMIT_FIELDS}")
        if not isfinite(value):
            raise BadRequest(f"limits: {name} {value} is no number")
    try:
        given = tuple(wish.limits.get(name, nan) for name in LIMIT_FIELDS)
        refuse_contradictions(given, "limits")
    except ConfigError as error:
        raise BadRequest(str(error)) from None
    if wish.place_class and wish.place_class not in PLACES:
        known = ", ".join(sorted(PLACES))
        raise BadRequest(f"place_class: {wish.place_class[:40]!r} is none of {known}")
    if wish.retire and (wish.limits or wish.place_class):
        raise BadRequest("retire: nothing else of a retired point is changed with it")
    if wish.from_us > now_us + AHEAD_US:
        raise BadRequest(f"from: more than {AHEAD_US // US_PER_DAY} days ahead")


def _log(conn: Connection, change: dict[str, Any], from_us: int, now_us: int) -> None:
    """What becomes different, old → new, beside what the mine itself changes."""
    before, after = change["result"]["before"], change["result"]["after"]
    different = [
        (name, _text(before.get(name)), _text(after.get(name)))
        for name in LIMIT_FIELDS
        if before.get(name) != after.get(name)
    ]
    if change["place_class"]:
        places = change["result"]["place_class"]
        different.append(("place_class", places["before"], places["after"]))
    if change["retire"]:
        different.append(("retirement", None, "approved"))
    conn.cursor().executemany(
        "INSERT INTO point_change (point_id, mine_id, attribute, old_value, new_value,"
        " source, changed_at, recorded_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        [
            (
                *(change["point_id"], change["mine_id"], name, old, new),
                f"change:{change['change_id']}",
                *(to_datetime(from_us), to_datetime(now_us)),
            )
            for name, old, new in different
        ],
    )


def _text(value: float | None) -> str | None:
    return None if value is None else str(value)
