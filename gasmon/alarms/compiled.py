"""RuleTable: the numbers that apply to every point, as arrays that only grow.

Each version of a point is a line; a row points at its newest line and each line at
the one before, so a change appends and never moves anything. A reading walks back
until it finds the line that was in force at its own time; nearly always that is the
newest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms.kinds import (
    EVASION,
    HIGH_PRE_WARNING,
    LOW_CUT_OFF,
    LOW_LIMIT,
    N_SLOTS,
    POINT_KINDS,
    SENSOR_BREAK,
    SWITCH,
    SWITCH_KINDS,
)
from gasmon.alarms.levels import LevelTable
from gasmon.alarms.rule_match import subject_of
from gasmon.alarms.rules import MAX_BANDS, Band, RuleSet, resolve
from gasmon.alarms.shape_lines import NO_SWITCH, ShapeLines
from gasmon.batch import Float64, Int32, Int64
from gasmon.points import LIMIT_FIELDS, MineDef, PointDef

# Flags of a line: which conditions need more than its limits.
METHANE = 1
MEASURES = 2  # an analog quantity with a meaning: its value can be judged
UNKNOWN_QUANTITY = 4


@dataclass(frozen=True, slots=True)
class Lines:
    """Columns, one entry a version; capacities double."""

    previous: Int32
    effective_from_us: Int64
    limits: Float64  # [line, 8], one cache line a version
    band: Float64  # [line, bands - 1]: lower ends above the alarm limit
    range_high: Float64
    rise: Float64  # a value at or above it is near the limit
    on_delay_us: Int64  # of the slots with limits
    off_delay_us: Int64
    level: NDArray[np.int16]  # [line, slots + 1]; the last: break after a rise
    flags: NDArray[np.uint8]
    shape: Int32  # which set of ``RuleTable.shapes``
    kinds: NDArray[np.uint16]  # bit per slot that can be raised at all

    @classmethod
    def empty(cls, n: int) -> "Lines":
        return cls(
            previous=np.full(n, -1, np.int32),
            effective_from_us=np.zeros(n, np.int64),
            limits=np.full((n, 8), nan),
            band=np.full((n, MAX_BANDS - 1), nan),
            range_high=np.full(n, nan),
            rise=np.full(n, nan),
            on_delay_us=np.zeros(n, np.int64),
            off_delay_us=np.zeros(n, np.int64),
            level=np.zeros((n, N_SLOTS + 1), np.int16),
            flags=np.zeros(n, np.uint8),
            shape=np.zeros(n, np.int32),
            kinds=np.zeros(n, np.uint16),
        )

    def grown(self, n: int) -> "Lines":
        larger = Lines.empty(n)
        for name in self.__slots__:
            old = getattr(self, name)
            getattr(larger, name)[: len(old)] = old
        return larger


@dataclass(frozen=True, slots=True)
class _Profile:
    """What a version of a point is judged by; the same for many points."""

    rule: str
    limits: Float64
    band: Float64
    range_high: float
    rise: float
    level: NDArray[np.int16]
    flags: int
    shape: int
    kinds: int


_FROM_PROFILE = (
    *("limits", "band", "range_high", "rise"),
    *("level", "flags", "shape", "kinds"),
)
_NUMBERS = ("range_low", "range_high", *LIMIT_FIELDS)


class RuleTable:
    """What applies to each point, by row and time.

    Attributes:
        lines: the columns.
        rule: where each line's limits come from, by line.
        shapes: what the kinds are judged with that need more than limits.
    """

    def __init__(self, rules: RuleSet) -> None:
        self.rules = rules
        self.levels = LevelTable.build(rules.levels)
        self.shapes = ShapeLines()
        self.lines = Lines.empty(64)
        self.head: Int32 = np.full(64, -1, np.int32)
        self.rule: list[str] = []
        self._newest_us = 0
        self._profiles: list[_Profile] = []
        self._number_of: dict[tuple[object, ...], int] = {}
        self._named = _Named.by(rules)

    @property
    def n(self) -> int:
        """Number of lines."""
        return len(self.rule)

    def add_all(
        self,
        rows: Sequence[int],
        points: Sequence[PointDef],
        mines: Sequence[MineDef],
    ) -> None:
        """Append versions of the points in these rows, oldest first of each.

        Args:
            mines: the mine of each.

        A version that is effective from before the newest one is put at the newest
        one's time: history that was already judged is not judged again.

        Points are many and differ little in what they are judged by, so each
        combination is resolved once.
        """
        begin, end = self.n, self.n + len(rows)
        if not rows:
            return
        self._make_room(end, max(rows) + 1)
        number = np.fromiter(map(self._profile, points, mines), np.int32, len(rows))
        lines, made = self.lines, self._profiles
        for name in _FROM_PROFILE:
            column = np.asarray([getattr(p, name) for p in made])
            getattr(lines, name)[begin:end] = column[number]
        lines.on_delay_us[begin:end] = self.rules.on_delay_us
        lines.off_delay_us[begin:end] = self.rules.off_delay_us
        self.rule += [made[n].rule for n in number.tolist()]
        self._chain(begin, rows, [p.effective_from_us for p in points])

    def _make_room(self, n_lines: int, n_rows: int) -> None:
        if n_lines > len(self.lines.flags):
            self.lines = self.lines.grown(max(n_lines, 2 * len(self.lines.flags)))
        more = max(n_rows, 2 * len(self.head)) - len(self.head)
        if n_rows > len(self.head):
            self.head = np.r_[self.head, np.full(more, -1, np.int32)]

    def _chain(self, begin: int, rows: Sequence[int], from_us: Sequence[int]) -> None:
        """Let each row point at its newest line, and each line at the one before."""
        lines, row = self.lines, np.asarray(rows, np.int32)
        end = begin + len(rows)
        if len(np.unique(row)) == len(row) and (self.head[row] < 0).all():
            lines.previous[begin:end] = -1
            lines.effective_from_us[begin:end] = 0
            self.head[row] = np.arange(begin, end, dtype=np.int32)
            return
        for line, (own, since_us) in enumerate(zip(rows, from_us, strict=True), begin):
            before = int(self.head[own])
            if before < 0:
                since_us = 0
            else:
                since_us = max(since_us, int(lines.effective_from_us[before]))
            lines.previous[line] = before
            lines.effective_from_us[line] = since_us
            self.head[own] = line
            self._newest_us = max(self._newest_us, since_us)

    def _profile(self, point: PointDef, mine: MineDef) -> int:
        """The number of what this version is judged by."""
        # NaN is not equal to itself; as None it is.
        numbers = (getattr(point, name) for name in _NUMBERS)
        key = (
            point.quantity,
            point.place_class,
            point.value_kind,
            mine.kind,
            *(x if x == x else None for x in numbers),
            *self._named.of(point, mine),
        )
        found = self._number_of.get(key)
        if found is None:
            found = self._number_of[key] = len(self._profiles)
            self._profiles.append(self._resolved(point, mine))
        return found

    def _resolved(self, point: PointDef, mine: MineDef) -> "_Profile":
        resolved = resolve(point, self.rules, mine)
        alarm = resolved.limits[0]
        shape = self.shapes.add(
            point,
            (alarm, resolved.limits[4]),
            lambda kind: self.rules.params(kind, point, mine),
        )
        level = self._levels(point, mine, int(self.shapes.switch[shape]))
        band = np.full(MAX_BANDS - 1, nan)
        for number, higher in enumerate(self.rules.levels[level[0]].bands[1:]):
            band[number] = _lower_end(higher, alarm)
        return _Profile(
            rule=resolved.rule,
            limits=np.asarray(resolved.limits, np.float64),
            band=band,
            range_high=point.range_high,
            rise=_rounded(self.rules.rise_fraction * alarm),
            level=level,
            flags=METHANE * (point.quantity == "CH4")
            | MEASURES * (point.value_kind == "MN")
            | UNKNOWN_QUANTITY * (point.quantity == "UNKNOWN"),
            shape=shape,
            kinds=_kinds(resolved.limits) | int(self.shapes.kinds[shape]),
        )

    def _levels(self, point: PointDef, mine: MineDef, switch: int) -> NDArray[np.int16]:
        """Level row of each slot, then that of a break after a rise."""
        found = []
        for slot, kind in enumerate(POINT_KINDS):
            if slot == SWITCH and switch != NO_SWITCH:
                kind = SWITCH_KINDS[switch]
            params = self.rules.params(kind, point, mine)
            found.append(params.level if params else self.levels.nothing)
        after = self.rules.book.level(
            POINT_KINDS[SENSOR_BREAK], subject_of(point, mine), after_rise=True
        )
        return np.asarray([*found, after], np.int16)

    def version_at(self, rows: Int32, at_us: Int64) -> Int32:
        """The line in force for each reading.

        Args:
            rows: point rows, int32[k].
            at_us: the readings' own times, int64[k] [µs].

        Returns:
            Lines, int32[k]. A reading from before a point's first version is judged
            with that first version.
        """
        line = self.head[rows]
        if len(at_us) == 0 or int(at_us.min()) >= self._newest_us:
            return line
        while True:
            before = self.lines.previous[line]
            early = (self.lines.effective_from_us[line] > at_us) & (before >= 0)
            if not early.any():
                return line
            line = np.where(early, before, line)


@dataclass(frozen=True, slots=True)
class _Named:
    """What some rule selects by name, so that other points can share profiles."""

    areas: frozenset[str]
    mines: frozenset[str]
    points: frozenset[str]
    by_unit: bool

    @classmethod
    def by(cls, rules: RuleSet) -> "_Named":
        matches = [rule.match for rule in rules.rules]
        none: frozenset[str] = frozenset()
        return cls(
            areas=none.union(*(match.area for match in matches)),
            mines=none.union(*(match.mine for match in matches)),
            points=none.union(*(match.point for match in matches)),
            by_unit=any(match.unit_kind for match in matches),
        )

    def of(self, point: PointDef, mine: MineDef) -> tuple[object, ...]:
        """What of a point's identity rules may look at."""
        return (
            mine.area if mine.area in self.areas else None,
            mine.code if mine.code in self.mines else None,
            point.key if self.points and str(point.key) in self.points else None,
            subject_of(point, mine).unit_kind if self.by_unit else None,
        )


def _kinds(limits: Sequence[float]) -> int:
    """Bits of the slots that limits and state bits can raise, of those without shape.

    The mine's own bits speak where there is no upper limit, and a looser limit is an
    evasion also where the kind is off now.
    """
    kinds = (1 << HIGH_PRE_WARNING) - 1 | 1 << EVASION
    for slot, number in ((LOW_LIMIT, 4), (LOW_CUT_OFF, 6)):
        if isnan(limits[number]):
            kinds &= ~(1 << slot)
    return kinds


def _lower_end(band: Band, alarm: float) -> float:
    """Where a band begins, in the point's unit."""
    if not isnan(band.at_least):
        return band.at_least
    return _rounded(band.factor * alarm)


def _rounded(product: float) -> float:
    """A multiple of a limit, so that 3 x 0.1 is 0.3 and not a hair above."""
    return round(product, 9)
