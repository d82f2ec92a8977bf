"""Taking over definitions: a difference makes a version, and each is logged.

A definition is compared with the newest version and only a difference makes a new
one, in force from a moment on; each changed attribute is logged old → new for people,
because changing limits and relations is how readings are hidden.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import cast

from gasmon.points import LIMIT_FIELDS, MineDef, PointDef, PointKey, UnitDef
from gasmon.store import audit
from gasmon.store.db import Connection
from gasmon.store.points import ensure_mine, ensure_rows, load_point_versions, stored
from gasmon.store.recordset import recordset
from gasmon.units import to_datetime

_IDENTITY = {"key", "point_id", "effective_from_us", "rev", "source", "retired"}
ATTRIBUTES = tuple(f.name for f in fields(PointDef) if f.name not in _IDENTITY)
"""What is compared: everything of a version that is not its identity or origin."""

AUDITED = 50
"""Changed limits that a row of the audit names; all are in the log. Ours."""

_COLUMNS = ("effective_from_us", "rev", "source", *ATTRIBUTES)


@dataclass(frozen=True, slots=True)
class Change:
    """One attribute that a definition changed.

    Attributes:
        key: the point; None when it is about the mine itself.
        attribute: its name; ``defined`` and ``retired`` for the whole point.
        changed_at_us: from when it counts [µs UTC].
    """

    key: PointKey | None
    attribute: str
    old: str | None
    new: str | None
    changed_at_us: int


def save_definitions(
    conn: Connection, mine: MineDef, points: Sequence[PointDef], *, now_us: int
) -> list[Change]:
    """Take over what a mine says of itself and all its points.

    A definition whose ``rev`` is not above the stored one, and that did not come after
    it, changes nothing, so what is written twice is harmless; without ``rev`` (an
    upload file) it is always compared. A point's first definition counts since ever, a
    later one from its ``effective_from_us``, or from now when that is 0. Points that
    are not named any more are retired, not deleted; provisional ones stay, unless told
    as retired.

    Args:
        points: those that the mine has; retired ones may be among them with the moment
            since when.
        now_us: wall time [µs UTC].

    Returns:
        What changed, as it was logged for people.
    """
    mine_id = ensure_mine(conn, mine.code, now_us)
    row = conn.execute(
        "SELECT definition_rev, name, kind, atmosphere_kpa FROM mine"
        " WHERE mine_id = %s FOR UPDATE",
        (mine_id,),
    ).fetchone()
    assert row is not None
    known_rev, name, kind, kpa = cast(tuple[int | None, str, str, float | None], row)
    is_below = mine.rev is not None and known_rev is not None and mine.rev <= known_rev
    if is_below and now_us <= _told_us(conn, mine_id):
        return []
    changes = [
        Change(None, attribute, _text(old), _text(new), now_us)
        for attribute, old, new in (
            ("name", name, stored(mine.name)),
            ("kind", kind, mine.kind),
            ("atmosphere_kpa", kpa, mine.atmosphere_kpa),
        )
        if old != new
    ]
    conn.execute(
        "UPDATE mine SET name = %s, kind = %s, atmosphere_kpa = %s,"
        " provisional = false, retired_at = NULL,"
        " definition_rev = coalesce(%s, definition_rev)"
        " WHERE mine_id = %s",
        (stored(mine.name), mine.kind, mine.atmosphere_kpa, mine.rev, mine_id),
    )
    _save_units(conn, mine_id, mine.units, now_us)
    changes += _save_points(conn, mine, mine_id, points, now_us)
    source = points[0].source if points else "points"
    _log(conn, mine_id, changes, source, now_us)
    _audit(conn, mine, changes, source)
    return changes


def _told_us(conn: Connection, mine_id: int) -> int:
    """When the newest definition that changed a point of a mine had come [µs UTC]."""
    row = conn.execute(
        "SELECT coalesce(max((extract(epoch FROM v.recorded_at) * 1000000)::bigint), 0)"
        " FROM point_version v JOIN point p USING (point_id)"
        " WHERE p.mine_id = %s AND p.run = 0 AND v.source <> 'provisional'",
        (mine_id,),
    ).fetchone()
    assert row is not None
    return cast(int, row[0])


def _save_units(
    conn: Connection, mine_id: int, units: Sequence[UnitDef], now_us: int
) -> None:
    conn.cursor().executemany(
        "INSERT INTO unit (mine_id, slug, kind, name) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (mine_id, slug) DO UPDATE SET kind = excluded.kind,"
        " name = excluded.name, retired_at = NULL",
        [(mine_id, stored(u.slug), u.kind, stored(u.name)) for u in units],
    )
    conn.execute(
        "UPDATE unit SET retired_at = %s WHERE mine_id = %s AND retired_at IS NULL"
        " AND slug <> ALL(%s)",
        (to_datetime(now_us), mine_id, [stored(u.slug) for u in units]),
    )


def _save_points(
    conn: Connection,
    mine: MineDef,
    mine_id: int,
    points: Sequence[PointDef],
    now_us: int,
) -> list[Change]:
    # A point named twice in one definition: the last word counts.
    told = {p.key: p for p in points if not p.retired}
    left = {p.key: p.effective_from_us for p in points if p.retired}
    newest = {p.key: p for p in load_point_versions(conn, mine.code, retired=True)}
    status = _point_status(conn, mine_id)
    changes, versions = [], []
    ids = ensure_rows(conn, {**told, **left}, now_us)
    for key, point in told.items():
        before = newest.get(key)
        moment = point.effective_from_us or now_us
        if before is None:
            first = replace(point, effective_from_us=0, point_id=ids[key])
            versions.append(first)
            changes.append(Change(key, "defined", None, str(key.no), now_us))
            continue
        was_retired = status.get(key, (False, False))[1]
        if was_retired:
            changes.append(Change(key, "retired", "true", "false", moment))
        differing = [a for a in ATTRIBUTES if not _same(before, point, a)]
        if not (differing or was_retired or before.source == "provisional"):
            continue
        # Versions are never rewritten, so a new one begins after the newest.
        moment = max(moment, before.effective_from_us + 1)
        versions.append(replace(point, effective_from_us=moment, point_id=ids[key]))
        changes += [
            Change(key, a, _text(getattr(before, a)), _text(getattr(point, a)), moment)
            for a in differing
        ]
    insert_versions(conn, versions, now_us)
    conn.execute(
        "UPDATE point SET provisional = false, retired_at = NULL"
        " WHERE (provisional OR retired_at IS NOT NULL) AND point_id = ANY(%s)",
        (sorted(ids[key] for key in told),),
    )
    gone = {
        key: now_us
        for key, (provisional, retired) in status.items()
        if key not in told and not provisional and not retired
    }
    gone |= {k: us for k, us in left.items() if not status.get(k, (True, False))[1]}
    ids |= {key: newest[key].point_id for key in gone if key in newest}
    conn.cursor().executemany(
        "UPDATE point SET retired_at = %s WHERE point_id = %s",
        [(to_datetime(at_us), ids[key]) for key, at_us in gone.items()],
    )
    return changes + [
        Change(k, "retired", "false", "true", us) for k, us in gone.items()
    ]


def _point_status(conn: Connection, mine_id: int) -> dict[PointKey, tuple[bool, bool]]:
    """Whether each point of a mine is provisional, and whether it is retired."""
    rows = conn.execute(
        "SELECT m.code, p.system, p.no, p.provisional, p.retired_at IS NOT NULL"
        " FROM point p JOIN mine m USING (mine_id) WHERE p.mine_id = %s AND p.run = 0",
        (mine_id,),
    ).fetchall()
    return {
        PointKey(code, system, no): (provisional, retired)
        for code, system, no, provisional, retired in cast(
            list[tuple[str, str, str, bool, bool]], rows
        )
    }


def insert_versions(
    conn: Connection, versions: Sequence[PointDef], now_us: int
) -> None:
    """Write versions, none of them there yet, of points that have rows."""
    # One statement for all: a city's first start waits for 259 mines' definitions.
    names = ("point_id", *_COLUMNS)
    listed = ", ".join(names)
    conn.execute(
        f"INSERT INTO point_version ({listed}, recorded_at) SELECT {listed}, %s"
        " FROM json_populate_recordset(NULL::point_version, %s::json)".encode(),
        (
            to_datetime(now_us),
            recordset(names, ([_in_json(v, name) for name in names] for v in versions)),
        ),
    )


def _in_json(version: PointDef, name: str) -> object:
    """A column's value as JSON can say it: an infinite number by its name."""
    value = stored(getattr(version, name))
    return str(value) if isinstance(value, float) and math.isinf(value) else value


def _log(
    conn: Connection,
    mine_id: int,
    changes: Sequence[Change],
    source: str,
    now_us: int,
) -> None:
    rows = (
        (
            nr,
            change.key.system if change.key else None,
            change.key.no if change.key else None,
            change.attribute,
            change.old,
            change.new,
            change.changed_at_us,
        )
        for nr, change in enumerate(changes)
    )
    conn.execute(
        "INSERT INTO point_change (point_id, mine_id, attribute, old_value, new_value,"
        " source, changed_at, recorded_at)"
        " SELECT p.point_id, %s, c.attribute, c.old, c.new, %s,"
        " 'epoch'::timestamptz + c.at_us * interval '1 microsecond', %s"
        " FROM json_to_recordset(%s::json) AS c (nr int, system bpchar, no text,"
        " attribute text, old text, new text, at_us bigint)"
        " LEFT JOIN point p ON p.mine_id = %s AND p.run = 0"
        "   AND p.system = c.system AND p.no = c.no"
        " ORDER BY c.nr",
        (
            mine_id,
            source,
            to_datetime(now_us),
            recordset(("nr", "system", "no", *_CHANGED), rows),
            mine_id,
        ),
    )


_CHANGED = ("attribute", "old", "new", "at_us")


def _audit(
    conn: Connection, mine: MineDef, changes: Sequence[Change], source: str
) -> None:
    """Changed limits of known points, where nothing can be taken away again."""
    limits = [change for change in changes if change.attribute in LIMIT_FIELDS]
    if not limits:
        return
    detail = {
        "source": source,
        "rev": mine.rev,
        "changes": len(limits),
        "first": [[str(c.key), c.attribute, c.old, c.new] for c in limits[:AUDITED]],
    }
    audit.write(conn, f"mine:{mine.code}", "limits.defined", mine.code, detail=detail)


def _same(a: PointDef, b: PointDef, attribute: str) -> bool:
    return bool(stored(getattr(a, attribute)) == stored(getattr(b, attribute)))


def _text(value: object) -> str | None:
    plain = stored(value)
    if isinstance(plain, list):
        return ", ".join(str(part) for part in plain)
    return None if plain is None else str(plain)
