"""Areas, mines, units and points; a point's attributes are versions, never changed."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, cast

from gasmon import domain
from gasmon.points import MineDef, PointDef, PointKey, UnitDef
from gasmon.store.db import Connection
from gasmon.units import to_datetime

READ_ROWS = 10_000  # versions fetched at once


def _as_field(name: str, type_: object) -> str:
    """A column as the field holds it: NaN for null, text without padding."""
    if type_ in (float, "float"):
        return f"coalesce(v.{name}, 'NaN')"
    return f"v.{name}::text" if name == "sensor_type" else f"v.{name}"


# Not the key, and not whether it is retired: that is no column of a version.
_AS_FIELDS = ", ".join(_as_field(f.name, f.type) for f in fields(PointDef)[1:-1])
_LAST = ["relations", "source", "point_id", "retired"]
assert [f.name for f in fields(PointDef)][-4:] == _LAST


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
    conn: Connection,
    keys: Sequence[PointKey],
    now_us: int,
    known: Mapping[PointKey, PointDef] | None = None,
    run: int = 0,
) -> dict[PointKey, int]:
    """Ids of points; one that nobody defined gets a provisional row and version.

    A retired point that sends stays retired until a definition names it.

    Args:
        known: what its sensor type tells of a point that nobody defined.
        run: whose points; those of a drill are others than the live ones.
    """
    if not keys:
        return {}
    for code in sorted({key.mine for key in keys}):
        ensure_mine(conn, code, now_us)
    found = ensure_rows(conn, keys, now_us, run)
    told = [(known or {}).get(key, PointDef(key)) for key in found]
    conn.execute(
        """INSERT INTO point_version (point_id, effective_from_us, source, recorded_at,
               sensor_type, value_kind, quantity, uom)
           SELECT k.id, 0, 'provisional', %s, k.type, k.kind, k.quantity, k.uom
           FROM unnest(%s::int[], %s::bpchar[], %s::bpchar[], %s::text[], %s::text[])
               AS k (id, type, kind, quantity, uom)
           WHERE NOT EXISTS (SELECT FROM point_version v WHERE v.point_id = k.id)
           ON CONFLICT DO NOTHING""",
        (
            to_datetime(now_us),
            list(found.values()),
            [point.sensor_type for point in told],
            [point.value_kind for point in told],
            [point.quantity for point in told],
            [stored(point.uom) for point in told],
        ),
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
        "SELECT code, area_code, name, kind, atmosphere_kpa, definition_rev,"
        " coalesce((extract(epoch FROM t.at) * 1000000)::bigint, 0)"
        " FROM mine LEFT JOIN (SELECT p.mine_id, max(v.recorded_at) AS at"
        "   FROM point_version v JOIN point p USING (point_id)"
        "   WHERE v.source <> 'provisional' AND p.run = 0"
        "   GROUP BY 1) t USING (mine_id)"
        " WHERE retired_at IS NULL ORDER BY code"
    ).fetchall()
    return [
        MineDef(code, area, name, kind, kpa, tuple(units.get(code, ())), rev, told_us)
        for code, area, name, kind, kpa, rev, told_us in cast(
            list[tuple[str, str, str, str, float | None, int | None, int]], rows
        )
    ]


def load_mine_ids(conn: Connection) -> dict[str, int]:
    """Id by code of every mine."""
    rows = conn.execute("SELECT code, mine_id FROM mine").fetchall()
    return dict(cast(list[tuple[str, int]], rows))


def load_point_versions(
    conn: Connection, mine: str | None = None, *, retired: bool = False
) -> list[PointDef]:
    """Every version of every live point, by key and moment.

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
            " AND (%(retired)s OR p.retired_at IS NULL) AND p.run = 0"
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


def ensure_rows(
    conn: Connection, keys: Iterable[PointKey], now_us: int, run: int = 0
) -> dict[PointKey, int]:
    """Ids of points, new ones provisional; in key order, as two writers need it."""
    wanted = sorted(set(keys))
    rows = conn.execute(
        """INSERT INTO point AS p (run, mine_id, system, no, provisional,
               created_at)
           SELECT %s, m.mine_id, k.system, k.no, true, %s
           FROM unnest(%s::bpchar[], %s::bpchar[], %s::text[]) AS k (mine, system, no)
           JOIN mine m ON m.code = k.mine
           ORDER BY 2, 3, 4
           ON CONFLICT (mine_id, system, no, run) DO UPDATE SET no = p.no
           RETURNING point_id, (SELECT code FROM mine m WHERE m.mine_id = p.mine_id),
                     system, no""",
        (
            run,
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


def stored(value: object) -> object:
    """A value as its column holds it: NaN means "not given" and is null there, and
    text has no NUL and no lone surrogate, which PostgreSQL does not take."""
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode()
    if isinstance(value, float) and math.isnan(value):
        return None
    return [stored(part) for part in value] if isinstance(value, tuple) else value
