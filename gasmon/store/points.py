"""Areas, mines, units and points; a point's attributes are versions, never changed.

A definition is compared with the newest version and only a difference makes a new
one, in force from a moment on; each changed attribute is logged old → new for people,
because changing limits and relations is how readings are hidden.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, cast

from gasmon import domain
from gasmon.points import MineDef, PointDef, PointKey, UnitDef
from gasmon.store.db import Connection
from gasmon.units import to_datetime

_IDENTITY = {"key", "point_id", "effective_from_us", "rev", "source"}
ATTRIBUTES = tuple(f.name for f in fields(PointDef) if f.name not in _IDENTITY)
"""What is compared: everything of a version that is not its identity or origin."""

_COLUMNS = ("effective_from_us", "rev", "source", *ATTRIBUTES)
READ_ROWS = 10_000  # versions fetched at once


def _as_field(name: str, type_: object) -> str:
    """A column as the field holds it: NaN for null, text without padding."""
    if type_ in (float, "float"):
        return f"coalesce(v.{name}, 'NaN')"
    return f"v.{name}::text" if name == "sensor_type" else f"v.{name}"


_AS_FIELDS = ", ".join(_as_field(f.name, f.type) for f in fields(PointDef)[1:])
assert [f.name for f in fields(PointDef)][-3:] == ["relations", "source", "point_id"]


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


def ensure_areas(conn: Connection, areas: Iterable[domain.Area] | None = None) -> None:
    """Write the shipped areas; what they are called may change, codes never do."""
    rows = domain.areas() if areas is None else areas
    conn.cursor().executemany(
        "INSERT INTO area (code, slug, name_zh, name_en, platform)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (code) DO UPDATE SET"
        " slug = excluded.slug, name_zh = excluded.name_zh,"
        " name_en = excluded.name_en, platform = excluded.platform",
        [(a.code, a.slug, a.name_zh, a.name_en, a.platform) for a in rows],
    )


def ensure_mine(conn: Connection, code: str, now_us: int) -> int:
    """The mine's id; an unheard-of mine gets a provisional row.

    Its area is made up from the code when it is none of the shipped ones: what a mine
    sends is kept even when nobody told us of its county.
    """
    row = conn.execute("SELECT mine_id FROM mine WHERE code = %s", (code,)).fetchone()
    if row is None:
        area = code[:6]
        conn.execute(
            "INSERT INTO area (code, slug, name_zh, name_en)"
            " VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (area, area, area, area),
        )
        conn.execute(
            "INSERT INTO mine (code, area_code, provisional, created_at)"
            " VALUES (%s, %s, true, %s) ON CONFLICT (code) DO NOTHING",
            (code, area, to_datetime(now_us)),
        )
        row = conn.execute(
            "SELECT mine_id FROM mine WHERE code = %s", (code,)
        ).fetchone()
    assert row is not None
    return cast(int, row[0])


def ensure_points(
    conn: Connection, keys: Sequence[PointKey], now_us: int
) -> dict[PointKey, int]:
    """Ids of points; one that nobody defined gets a provisional row and version.

    A retired point that sends again is taken back, provisionally, under the attributes
    it had.
    """
    if not keys:
        return {}
    for code in sorted({key.mine for key in keys}):
        ensure_mine(conn, code, now_us)
    found = _ensure_rows(conn, keys, now_us)
    conn.execute(
        """INSERT INTO point_version (point_id, effective_from_us, source, recorded_at)
           SELECT i, 0, 'provisional', %s FROM unnest(%s::int[]) AS i
           WHERE NOT EXISTS (SELECT FROM point_version v WHERE v.point_id = i)
           ON CONFLICT DO NOTHING""",
        (to_datetime(now_us), sorted(found.values())),
    )
    return found


def load_mines(conn: Connection) -> list[MineDef]:
    """All mines with their units, in order of their codes."""
    units: dict[str, list[UnitDef]] = {}
    for code, slug, kind, name in cast(
        list[tuple[str, str, str, str]],
        conn.execute(
            "SELECT m.code, u.slug, u.kind, u.name FROM unit u JOIN mine m"
            " USING (mine_id) WHERE u.retired_at IS NULL ORDER BY 1, 2"
        ).fetchall(),
    ):
        units.setdefault(code, []).append(UnitDef(slug, kind, name))
    rows = conn.execute(
        "SELECT code, area_code, name, kind, atmosphere_kpa, definition_rev"
        " FROM mine WHERE retired_at IS NULL ORDER BY code"
    ).fetchall()
    return [
        MineDef(code, area, name, kind, kpa, tuple(units.get(code, ())), rev)
        for code, area, name, kind, kpa, rev in cast(
            list[tuple[str, str, str, str, float | None, int | None]], rows
        )
    ]


def load_mine_ids(conn: Connection) -> dict[str, int]:
    """Id by code of every mine."""
    rows = conn.execute("SELECT code, mine_id FROM mine").fetchall()
    return dict(cast(list[tuple[str, int]], rows))


def load_point_versions(
    conn: Connection, mine: str | None = None, *, retired: bool = False
) -> list[PointDef]:
    """Every version of every point, by key and moment.

    Args:
        mine: 12 digits; None means all mines.
        retired: also those of retired points.
    """
    make: Callable[..., PointDef] = PointDef
    # A nation has a million: by position and in parts, for other threads stand still.
    with conn.cursor("point_versions", binary=True) as cursor:
        cursor.execute(
            f"SELECT m.code, p.system, p.no, {_AS_FIELDS} FROM point_version v"
            " JOIN point p USING (point_id) JOIN mine m USING (mine_id)"
            " WHERE (%(mine)s::bpchar IS NULL OR m.code = %(mine)s::bpchar)"
            " AND (%(retired)s OR p.retired_at IS NULL)"
            " ORDER BY m.code, p.system, p.no"
            ' COLLATE "C", v.effective_from_us'.encode(),
            {"mine": mine, "retired": retired},
        )
        found: list[PointDef] = []
        while rows := cast(list[tuple[Any, ...]], cursor.fetchmany(READ_ROWS)):
            found += [
                make(PointKey(m, s, no), *row, tuple(relations), source, id)
                for m, s, no, *row, relations, source, id in rows
            ]
    return found


def save_definitions(
    conn: Connection, mine: MineDef, points: Sequence[PointDef], *, now_us: int
) -> list[Change]:
    """Take over what a mine says of itself and all its points.

    A definition whose ``rev`` is not newer than the stored one changes nothing, so
    retained and repeated messages are harmless; without ``rev`` (an upload file) it
    is always compared. A point's first definition counts since ever, a later one from
    its ``effective_from_us``, or from now when that is 0. Points that are not named
    any more are retired, not deleted; provisional ones stay.

    Args:
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
    if mine.rev is not None and known_rev is not None and mine.rev <= known_rev:
        return []
    changes = [
        Change(None, attribute, _text(old), _text(new), now_us)
        for attribute, old, new in (
            ("name", name, _stored(mine.name)),
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
        (_stored(mine.name), mine.kind, mine.atmosphere_kpa, mine.rev, mine_id),
    )
    _save_units(conn, mine_id, mine.units, now_us)
    changes += _save_points(conn, mine, mine_id, points, now_us)
    source = points[0].source if points else "points"
    _log(conn, mine_id, changes, source, now_us)
    return changes


def _ensure_rows(
    conn: Connection, keys: Iterable[PointKey], now_us: int
) -> dict[PointKey, int]:
    """Ids of points, new ones provisional; in key order, as two writers need it."""
    wanted = sorted(set(keys))
    rows = conn.execute(
        """INSERT INTO point AS p (mine_id, system, no, provisional, created_at)
           SELECT m.mine_id, k.system, k.no, true, %s
           FROM unnest(%s::bpchar[], %s::bpchar[], %s::text[]) AS k (mine, system, no)
           JOIN mine m ON m.code = k.mine
           ORDER BY 1, 2, 3
           ON CONFLICT (mine_id, system, no) DO UPDATE
           SET provisional = p.provisional OR p.retired_at IS NOT NULL,
               retired_at = NULL
           RETURNING point_id, (SELECT code FROM mine m WHERE m.mine_id = p.mine_id),
                     system, no""",
        (
            to_datetime(now_us),
            [key.mine for key in wanted],
            [key.system for key in wanted],
            [key.no for key in wanted],
        ),
    ).fetchall()
    return {
        PointKey(mine, system, no): point_id
        for point_id, mine, system, no in cast(list[tuple[int, str, str, str]], rows)
    }


def _save_units(
    conn: Connection, mine_id: int, units: Sequence[UnitDef], now_us: int
) -> None:
    conn.cursor().executemany(
        "INSERT INTO unit (mine_id, slug, kind, name) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (mine_id, slug) DO UPDATE SET kind = excluded.kind,"
        " name = excluded.name, retired_at = NULL",
        [(mine_id, _stored(u.slug), u.kind, _stored(u.name)) for u in units],
    )
    conn.execute(
        "UPDATE unit SET retired_at = %s WHERE mine_id = %s AND retired_at IS NULL"
        " AND slug <> ALL(%s)",
        (to_datetime(now_us), mine_id, [_stored(u.slug) for u in units]),
    )


def _save_points(
    conn: Connection,
    mine: MineDef,
    mine_id: int,
    points: Sequence[PointDef],
    now_us: int,
) -> list[Change]:
    # A point named twice in one definition: the last word counts.
    told = {p.key: p for p in points}
    newest = {p.key: p for p in load_point_versions(conn, mine.code, retired=True)}
    status = _point_status(conn, mine_id)
    changes, versions = [], []
    ids = _ensure_rows(conn, told, now_us)
    for key, point in told.items():
        before = newest.get(key)
        moment = point.effective_from_us or now_us
        if before is None:
            first = replace(point, effective_from_us=0, point_id=ids[key])
            versions.append(first)
            changes.append(Change(key, "defined", None, str(key.no), now_us))
            continue
        if status.get(key, (False, False))[1]:
            changes.append(Change(key, "retired", "true", "false", moment))
        differing = [a for a in ATTRIBUTES if not _same(before, point, a)]
        if not differing and before.source != "provisional":
            continue
        # Versions are never rewritten, so a new one begins after the newest.
        moment = max(moment, before.effective_from_us + 1)
        versions.append(replace(point, effective_from_us=moment, point_id=ids[key]))
        changes += [
            Change(key, a, _text(getattr(before, a)), _text(getattr(point, a)), moment)
            for a in differing
        ]
    _insert_versions(conn, versions, now_us)
    conn.execute(
        "UPDATE point SET provisional = false WHERE provisional AND point_id = ANY(%s)",
        (sorted(ids.values()),),
    )
    gone = [
        key
        for key, (provisional, retired) in status.items()
        if key not in told and not provisional and not retired
    ]
    conn.execute(
        "UPDATE point SET retired_at = %s WHERE mine_id = %s AND point_id = ANY(%s)",
        (to_datetime(now_us), mine_id, [newest[k].point_id for k in gone]),
    )
    return changes + [Change(k, "retired", "false", "true", now_us) for k in gone]


def _point_status(conn: Connection, mine_id: int) -> dict[PointKey, tuple[bool, bool]]:
    """Whether each point of a mine is provisional, and whether it is retired."""
    rows = conn.execute(
        "SELECT m.code, p.system, p.no, p.provisional, p.retired_at IS NOT NULL"
        " FROM point p JOIN mine m USING (mine_id) WHERE p.mine_id = %s",
        (mine_id,),
    ).fetchall()
    return {
        PointKey(code, system, no): (provisional, retired)
        for code, system, no, provisional, retired in cast(
            list[tuple[str, str, str, bool, bool]], rows
        )
    }


def _insert_versions(
    conn: Connection, versions: Sequence[PointDef], now_us: int
) -> None:
    names = ", ".join(("point_id", *_COLUMNS, "recorded_at"))
    marks = ", ".join(["%s"] * (len(_COLUMNS) + 2))
    conn.cursor().executemany(
        f"INSERT INTO point_version ({names}) VALUES ({marks})".encode(),
        [
            (
                version.point_id,
                *(_stored(getattr(version, column)) for column in _COLUMNS),
                to_datetime(now_us),
            )
            for version in versions
        ],
    )


def _log(
    conn: Connection,
    mine_id: int,
    changes: Sequence[Change],
    source: str,
    now_us: int,
) -> None:
    conn.cursor().executemany(
        "INSERT INTO point_change (point_id, mine_id, attribute, old_value, new_value,"
        " source, changed_at, recorded_at) SELECT (SELECT point_id FROM point"
        " WHERE mine_id = %s AND system = %s AND no = %s), %s, %s, %s, %s, %s, %s, %s",
        [
            (
                mine_id,
                change.key.system if change.key else None,
                change.key.no if change.key else None,
                mine_id,
                change.attribute,
                change.old,
                change.new,
                source,
                to_datetime(change.changed_at_us),
                to_datetime(now_us),
            )
            for change in changes
        ],
    )


def _same(a: PointDef, b: PointDef, attribute: str) -> bool:
    return bool(_stored(getattr(a, attribute)) == _stored(getattr(b, attribute)))


def _stored(value: object) -> object:
    """A value as its column holds it: NaN means "not given" and is null there, and
    text has no NUL and no lone surrogate, which PostgreSQL does not take."""
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode()
    if isinstance(value, float) and math.isnan(value):
        return None
    return [_stored(part) for part in value] if isinstance(value, tuple) else value


def _text(value: object) -> str | None:
    stored = _stored(value)
    if isinstance(stored, list):
        return ", ".join(str(part) for part in stored)
    return None if stored is None else str(stored)
