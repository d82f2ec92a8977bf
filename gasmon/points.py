"""Points: who measures what, where, under which limits, since when.

A point is (mine, system, number). Everything else about it is a *versioned*
attribute: a reading is judged with the version that was in force at its own time.

Rows are handed out once and never move, so a batch decoded against an older table
stays valid against a newer one; a restart lays them out anew, mine by mine, so that
one mine's points are neighbours in memory.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import nan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Int32 = NDArray[np.int32]

_NUMBERED = re.compile(r"([0-9]{1,5})[A-Za-z][0-9]{1,4}")


class PointKey(NamedTuple):
    """Identity of a point.

    Attributes:
        mine: 12 digits.
        system: ``01`` safety monitoring, ``02`` gas drainage.
        no: the mine's own number for it, at most 8 characters.
    """

    mine: str
    system: str
    no: str

    def __str__(self) -> str:
        return f"{self.mine}-{self.system}-{self.no}"


def substation_in(no: str) -> str | None:
    """The substation that a point's number tells; None where it tells of none.

    Safety monitoring systems count ``<substation><letter><channel>``: ``001A03`` is
    channel A03 of substation 001.
    """
    found = _NUMBERED.fullmatch(no)
    return found and found[1]


@dataclass(frozen=True, slots=True)
class UnitDef:
    """A face, heading, return or drainage station that points belong to."""

    slug: str
    kind: str = "other"
    name: str = ""


@dataclass(frozen=True, slots=True)
class MineDef:
    """What a mine says of itself.

    Attributes:
        code: 12 digits, the first six its area.
        kind: low_gas, high_gas, outburst or unknown.
        atmosphere_kpa: local air pressure for drainage; None when not told.
        rev: the mine's own revision of its definitions; None when never told.
        told_us: when these definitions came [µs UTC]; 0 when that is not known.
    """

    code: str
    area: str
    name: str = ""
    kind: str = "unknown"
    atmosphere_kpa: float | None = None
    units: tuple[UnitDef, ...] = ()
    rev: int | None = None
    told_us: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class PointDef:
    """One version of one point's attributes; NaN limits mean "not given".

    Attributes:
        effective_from_us: first event time it counts for [µs UTC]; 0 = ever.
        value_kind: MN analog, KG switch, LJ accumulated, DT multi-state.
        place_class: key into the table of legal limits; None when not told.
        uom: unit of measure; limits and range are in it.
        substation: number of the one it hangs on, at most 5 characters; empty where
            its own number tells it (``substation_in``) or nobody does.
        source: points, file, provisional or import.
        point_id: the database's number; 0 until it is stored.
        retired: the mine's definitions do not name it from here on.
    """

    key: PointKey
    effective_from_us: int = 0
    rev: int | None = None
    sensor_type: str = "0000"
    value_kind: str = "MN"
    quantity: str = "UNKNOWN"
    place_class: str | None = None
    place: str = ""
    unit_slug: str | None = None
    uom: str = ""
    range_low: float = nan
    range_high: float = nan
    alarm_high: float = nan
    clear_high: float = nan
    cut_high: float = nan
    restore_high: float = nan
    alarm_low: float = nan
    clear_low: float = nan
    cut_low: float = nan
    restore_low: float = nan
    substation: str = ""
    relations: tuple[str, ...] = ()
    source: str = "points"
    point_id: int = 0
    retired: bool = False


LIMIT_FIELDS = (
    "alarm_high",
    "clear_high",
    "cut_high",
    "restore_high",
    "alarm_low",
    "clear_low",
    "cut_low",
    "restore_low",
)
"""The eight limits of a point, in the order of every array of limits."""


@dataclass(frozen=True, slots=True)
class PointTable:
    """Every known point by row; grows by making a larger one.

    Attributes:
        keys: identity by row.
        current: the newest version of each row.
        mines: what is known of each mine, by mine index.
        mine_of: mine index by row, int32[n].
        index: row by identity.
        mine_index: mine index by code.
        rows: rows by mine index, in order.
    """

    keys: tuple[PointKey, ...] = ()
    current: tuple[PointDef, ...] = ()
    mines: tuple[MineDef, ...] = ()
    mine_of: Int32 = field(default_factory=lambda: np.empty(0, np.int32))
    index: dict[PointKey, int] = field(default_factory=dict)
    mine_index: dict[str, int] = field(default_factory=dict)
    rows: tuple[tuple[int, ...], ...] = ()

    @property
    def n(self) -> int:
        """Number of points."""
        return len(self.keys)

    def row_of(self, key: PointKey) -> int | None:
        """The row of a point, or None when it was never heard of."""
        return self.index.get(key)

    def rows_of_mine(self, mine: str) -> Int32:
        """All rows of a mine, int32[k]; empty when it is unknown."""
        number = self.mine_index.get(mine)
        rows: tuple[int, ...] = () if number is None else self.rows[number]
        return np.asarray(rows, np.int32)

    def extended(
        self, mines: Iterable[MineDef] = (), points: Iterable[PointDef] = ()
    ) -> "PointTable":
        """A table that also knows these mines and points.

        Args:
            mines: new mines, or known ones told anew.
            points: new points (given the next rows, in order) or newer versions
                of known ones. A mine that was not told before is made up from its
                code.

        Returns:
            The new table. Rows of this one keep their meaning in it.
        """
        mine_defs = list(self.mines)
        mine_index = dict(self.mine_index)
        rows = [list(own) for own in self.rows]

        def place(mine: MineDef) -> int:
            number = mine_index.setdefault(mine.code, len(mine_defs))
            if number == len(mine_defs):
                mine_defs.append(mine)
                rows.append([])
            return number

        for mine in mines:
            mine_defs[place(mine)] = mine
        keys, current = list(self.keys), list(self.current)
        index, mine_of = dict(self.index), list(self.mine_of)
        for point in points:
            row = index.setdefault(point.key, len(keys))
            if row < len(keys):
                current[row] = point
                continue
            code = point.key.mine
            number = (
                place(MineDef(code, code[:6]))
                if code not in mine_index
                else (mine_index[code])
            )
            keys.append(point.key)
            current.append(point)
            mine_of.append(np.int32(number))
            rows[number].append(row)
        return PointTable(
            keys=tuple(keys),
            current=tuple(current),
            mines=tuple(mine_defs),
            mine_of=np.asarray(mine_of, np.int32),
            index=index,
            mine_index=mine_index,
            rows=tuple(tuple(own) for own in rows),
        )


def lay_out(mines: Iterable[MineDef], points: Iterable[PointDef]) -> PointTable:
    """A fresh table with the points of each mine beside one another.

    Args:
        points: every version of every point; the newest one of each counts as
            current.
    """
    ordered = sorted(points, key=lambda p: (p.key, p.effective_from_us))
    return PointTable().extended(mines, ordered)
