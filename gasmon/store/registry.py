"""Minimal rows of mines, units and points that a node knows from alarms alone."""

from collections.abc import Iterable, Sequence
from typing import Any

from gasmon.store.db import Connection
from gasmon.store.recordset import recordset
from gasmon.units import to_datetime

_NAMES = (
    *("mine", "mine_name", "system", "no", "unit", "is_unit", "place", "quantity"),
    *("uom", "at_us"),
)

_W = """
WITH w AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(rows)s::json)
        AS w (mine text, mine_name text, system text, no text, unit text,
              is_unit boolean, place text, quantity text, uom text, at_us bigint))"""

_AREAS = f"""{_W}
INSERT INTO area (code, slug, name_zh, name_en)
SELECT DISTINCT left(mine, 6), left(mine, 6), left(mine, 6), left(mine, 6) FROM w
ON CONFLICT DO NOTHING"""

_MINES = f"""{_W}
INSERT INTO mine AS m (code, area_code, name, provisional, created_at)
SELECT DISTINCT ON (mine) mine, left(mine, 6), mine_name, true, %(now)s FROM w
ORDER BY mine, at_us DESC
ON CONFLICT (code) DO UPDATE SET name = excluded.name
WHERE m.name <> excluded.name AND excluded.name <> ''"""

_UNITS = f"""{_W}
INSERT INTO unit AS u (mine_id, slug, name)
SELECT DISTINCT ON (m.mine_id, w.unit) m.mine_id, w.unit, w.place
FROM w JOIN mine m ON m.code = w.mine::bpchar WHERE w.is_unit AND w.unit <> ''
ORDER BY m.mine_id, w.unit, w.at_us DESC
ON CONFLICT (mine_id, slug) DO UPDATE SET name = excluded.name
WHERE u.name <> excluded.name AND excluded.name <> ''"""

_POINTS = f"""{_W}
INSERT INTO point (mine_id, system, no, provisional, created_at)
SELECT DISTINCT m.mine_id, w.system, w.no, true, %(now)s::timestamptz
FROM w JOIN mine m ON m.code = w.mine::bpchar
WHERE length(w.no) BETWEEN 1 AND 8 AND w.system IN ('01', '02')
ON CONFLICT DO NOTHING"""

# The first version counts since ever; one that differs counts from its alarm on.
_VERSIONS = f"""{_W}
INSERT INTO point_version (point_id, effective_from_us, place, quantity, uom, unit_slug,
                           source, recorded_at)
SELECT DISTINCT ON (p.point_id) p.point_id,
       CASE WHEN v.point_id IS NULL THEN 0 ELSE w.at_us END,
       w.place, w.quantity, w.uom, nullif(w.unit, ''), 'upstream', %(now)s
FROM w JOIN mine m ON m.code = w.mine::bpchar
JOIN point p ON p.mine_id = m.mine_id AND p.run = 0
  AND p.system = w.system::bpchar AND p.no = w.no
LEFT JOIN LATERAL (
    SELECT n.* FROM point_version n WHERE n.point_id = p.point_id
    AND n.effective_from_us <= w.at_us ORDER BY n.effective_from_us DESC LIMIT 1) v
    ON true
WHERE v.point_id IS NULL OR (v.place, v.quantity, v.uom) <> (w.place, w.quantity, w.uom)
ORDER BY p.point_id, w.at_us DESC
ON CONFLICT (point_id, effective_from_us) DO UPDATE SET place = excluded.place,
    quantity = excluded.quantity, uom = excluded.uom"""


def ensure_subjects(
    conn: Connection, subjects: Iterable[dict[str, Any]], now_us: int
) -> None:
    """Rows for what alarms are about, so that pages name it; known names may change.

    Args:
        subjects: mine (12 digits, or empty for none), mine_name, system, no, unit,
            is_unit, place, quantity, uom and at_us [µs UTC] of each event.
    """
    rows = _distinct(subjects)
    if not rows:
        return
    params = {"rows": recordset(_NAMES, rows), "now": to_datetime(now_us)}
    for statement in (_AREAS, _MINES, _UNITS, _POINTS, _VERSIONS):
        conn.execute(statement.encode(), params)


def _distinct(subjects: Iterable[dict[str, Any]]) -> list[Sequence[object]]:
    found: dict[tuple[object, ...], Sequence[object]] = {}
    for subject in subjects:
        mine = str(subject["mine"] or "")
        if len(mine) == 12 and mine.isascii() and mine.isdigit():
            row = tuple(subject[name] for name in _NAMES)
            found[row[:-1]] = row
    return list(found.values())
