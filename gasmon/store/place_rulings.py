"""What people said of the place of a point, whatever its location text seems to say."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from gasmon.domain.places import is_looser
from gasmon.errors import NotFound, StateConflict
from gasmon.points import PointKey
from gasmon.store.db import Connection
from gasmon.units import from_datetime, to_datetime

Rulings = dict[PointKey, str | None]
"""Place class by point; None: it has none."""

_NEWEST = """
SELECT DISTINCT ON (r.point_id) r.point_id, r.place, r.new_class, r.takes_back,
       r.reason, r.ruled_by, r.ruled_at
FROM place_ruling r ORDER BY r.point_id, r.ruling_id DESC"""


def in_force(conn: Connection) -> Rulings:
    """The newest ruling of each point that has one, without those taken back."""
    rows = conn.execute(
        "SELECT m.code, p.system, p.no, r.new_class"
        f" FROM ({_NEWEST}) r JOIN point p USING (point_id) JOIN mine m USING (mine_id)"
        " WHERE NOT r.takes_back AND p.run = 0".encode()
    ).fetchall()
    told = cast(list[tuple[str, str, str, str | None]], rows)
    return {PointKey(mine, system, no): name for mine, system, no, name in told}


@dataclass(frozen=True, slots=True)
class Ruling:
    """A ruling that stands.

    Attributes:
        place: the location text that it was about.
        ruled_us: when [µs UTC].
    """

    place: str
    place_class: str | None
    reason: str
    ruled_by: str
    ruled_us: int


@dataclass(frozen=True, slots=True)
class PlacedRow:
    """A defined point as it stands, with its ruling if there is one."""

    key: PointKey
    mine_name: str
    quantity: str
    place: str
    place_class: str | None
    unit_slug: str | None
    ruling: Ruling | None
    point_id: int


def placed(
    conn: Connection, areas: Sequence[str] | None = None, mine: str | None = None
) -> list[PlacedRow]:
    """Every live point that is defined and not retired, by mine and number.

    Args:
        areas: codes; None for all.
        mine: its 12 digits; None for all.
    """
    rows = conn.execute(
        f"""SELECT m.code, p.system, p.no, m.name, v.quantity, v.place, v.place_class,
                   v.unit_slug, r.place, r.new_class, r.reason, r.ruled_by, r.ruled_at,
                   p.point_id
            FROM point p JOIN mine m USING (mine_id)
            JOIN LATERAL (
                SELECT * FROM point_version w WHERE w.point_id = p.point_id
                ORDER BY w.effective_from_us DESC LIMIT 1) v ON true
            LEFT JOIN ({_NEWEST}) r ON r.point_id = p.point_id AND NOT r.takes_back
            WHERE p.run = 0 AND NOT p.provisional AND p.retired_at IS NULL
              AND (%(areas)s::text[] IS NULL OR m.area_code = ANY(%(areas)s::text[]))
              AND (%(mine)s::text IS NULL OR m.code = %(mine)s)
            ORDER BY 1, 2, 3""".encode(),
        {"areas": None if areas is None else list(areas), "mine": mine},
    ).fetchall()
    return [_row(row) for row in rows]


def _row(row: tuple[object, ...]) -> PlacedRow:
    mine, system, no, name, quantity, place, place_class, unit = cast(
        tuple[str, str, str, str, str, str, str | None, str | None], row[:8]
    )
    ruling = None
    if row[12] is not None:
        on, told, reason, by, at = cast(
            tuple[str, str | None, str, str, datetime], row[8:13]
        )
        ruling = Ruling(on, told, reason, by, from_datetime(at))
    key = PointKey(mine, system, no)
    point_id = cast(int, row[13])
    return PlacedRow(key, name, quantity, place, place_class, unit, ruling, point_id)


def rule(
    conn: Connection,
    key: PointKey,
    place_class: str | None,
    *,
    reason: str,
    by: str,
    now_us: int,
    takes_back: bool = False,
) -> str | None:
    """Write down what a person decided, in the caller's transaction.

    Args:
        place_class: None: the point has none.
        takes_back: the text, or the mine, decides again.

    Returns:
        The class that counted before.

    Raises:
        NotFound: no live point of that name is defined.
        StateConflict: the law allows more in the new class than in one that counted
            before: two people decide that.
    """
    row = conn.execute(
        "SELECT p.point_id, v.place, v.place_class, v.quantity FROM point p"
        " JOIN mine m USING (mine_id) JOIN LATERAL ("
        "  SELECT * FROM point_version w WHERE w.point_id = p.point_id"
        "  ORDER BY w.effective_from_us DESC LIMIT 1) v ON true"
        " WHERE m.code = %s AND p.system = %s AND p.no = %s AND p.run = 0"
        " AND NOT p.provisional FOR UPDATE OF p",
        (key.mine, key.system, key.no),
    ).fetchone()
    if row is None:
        raise NotFound(f"no point {key} is defined")
    point_id, place, old, quantity = cast(tuple[int, str, str | None, str], row)
    counted = conn.execute(
        "SELECT DISTINCT old_class FROM place_ruling WHERE point_id = %s", (point_id,)
    ).fetchall()
    for was in {old, *(cast(str | None, name) for (name,) in counted)}:
        if is_looser(quantity, was, place_class):
            raise StateConflict(
                f"{key}: the law allows more at {place_class} than at {was}, which"
                " counted before; two people decide that:"
                f" gasmon change propose --place-class {place_class}"
            )
    conn.execute(
        "INSERT INTO place_ruling (point_id, place, old_class, new_class, takes_back,"
        " reason, ruled_by, ruled_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        (
            *(point_id, place, old, place_class, takes_back),
            *(reason, by, to_datetime(now_us)),
        ),
    )
    return old
