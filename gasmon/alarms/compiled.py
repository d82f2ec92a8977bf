"""RuleTable: the numbers that apply to every point, as arrays that only grow.

Each version of a point is a line; a row points at its newest line and each line at
the one before, so a change of a point or of the rules appends and never moves
anything. A reading walks back until it finds the line that was in force at its own
time; nearly always that is the newest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms.kinds import N_SLOTS
from gasmon.alarms.levels import LevelTable
from gasmon.alarms.rule_delays import DelaySets
from gasmon.alarms.rule_profiles import BY_RULES, Profile, Profiles, Texts
from gasmon.alarms.rules import MAX_BANDS, RuleSet
from gasmon.alarms.shape_lines import ShapeLines
from gasmon.batch import Float64, Index, Int32, Int64
from gasmon.points import MineDef, PointDef, PointTable


@dataclass(frozen=True, slots=True)
class Lines:
    """Columns, one entry a version; capacities double."""

    previous: Int32
    effective_from_us: Int64
    limits: Float64  # [line, 8], one cache line a version
    band: Float64  # [line, bands - 1]: lower ends above the alarm limit
    range_high: Float64
    rise: Float64  # a value at or above it is near the limit
    rise_within_us: Int64  # so long that counts
    delay: Int32  # which set of ``RuleTable.delays``
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
            rise_within_us=np.zeros(n, np.int64),
            delay=np.zeros(n, np.int32),
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


_FROM_PROFILE = tuple(n for n in Profile.__slots__ if n not in ("rule", "texts"))


class RuleTable:
    """What applies to each point, by row and time.

    Attributes:
        rules: the newest set.
        history: rule sets, each with the event time from which it counts [µs UTC].
        lines: the columns.
        rule: where each line's limits come from, by line.
        texts: what its alarms say of themselves, by line.
        point: the version of a point that each line is for.
        levels: what grades alarms; lines name its rows.
        shapes: what the kinds are judged with that need more than limits.
        delays: those of the kinds with a limit.
    """

    def __init__(self, rules: RuleSet) -> None:
        self.history: list[tuple[int, RuleSet]] = []
        self.levels = LevelTable()
        self.shapes = ShapeLines()
        self.delays = DelaySets()
        self.lines = Lines.empty(64)
        self.head: Int32 = np.full(64, -1, np.int32)
        self.rule: list[str] = []
        self.texts: list[Texts] = []
        self.point: list[PointDef] = []
        self._newest_us = 0
        self._use(rules, 0)

    @property
    def n(self) -> int:
        """Number of lines."""
        return len(self.rule)

    def _use(self, rules: RuleSet, from_us: int) -> None:
        """What is resolved from now on is resolved by these rules."""
        self.rules = rules
        self.history.append((from_us, rules))
        self._profiles = Profiles(rules, self.levels, self.shapes, self.delays)

    @property
    def level_rows(self) -> list[int]:
        """The level row of each rule of the newest set, by its number."""
        return self._profiles.level_rows

    def on_us(self, line: Index, slot: int) -> Int64:
        """The on-delay of a kind with a limit by these lines, int64[k] [µs]."""
        found: Int64 = self.delays.on_us[self.lines.delay[line], slot]
        return found

    def off_us(self, line: Index, slot: int) -> Int64:
        """The off-delay of a kind with a limit by these lines, int64[k] [µs]."""
        found: Int64 = self.delays.off_us[self.lines.delay[line], slot]
        return found

    def change(self, rules: RuleSet, from_us: int, table: PointTable) -> int:
        """Judge readings from a time on by other rules.

        Args:
            rules: what counts then.
            from_us: first event time [µs UTC].
            table: all points, with their mines.

        Returns:
            From when they count: not before the change before it [µs UTC].
        """
        from_us = max(from_us, self.history[-1][0])
        self._use(rules, from_us)
        rows = np.flatnonzero(self.head >= 0).astype(np.int32)
        self.again(rows, from_us, table, flag=BY_RULES)
        return from_us

    def again(
        self, rows: Index, from_us: int, table: PointTable, *, flag: int = 0
    ) -> None:
        """Resolve the versions of these points anew from a time on.

        Points for which that changes nothing get no line.

        Args:
            rows: int32[k]; those without a line stay so.
            from_us: first event time [µs UTC].
            flag: what the new lines are marked with.
        """
        rows = rows[self.head[rows] >= 0]
        if len(rows) == 0:
            return
        newest = self.head[rows]
        base = self.version_at(rows, np.full(len(rows), from_us, np.int64))
        mines = [table.mines[m] for m in table.mine_of[rows].tolist()]
        points = [self.point[line] for line in base.tolist()]
        number = np.fromiter(map(self._profiles.of, points, mines), np.int32, len(rows))
        differs = np.flatnonzero((newest != base) | ~self._is_as(base, number))
        later = [
            (int(rows[k]), line, mines[k])
            for k in np.flatnonzero(newest != base).tolist()
            for line in reversed(list(self._back(int(newest[k]), int(base[k]))))
        ]
        self.head[rows] = base
        chosen = differs.tolist()
        self._append(
            rows[differs].tolist(),
            [points[k] for k in chosen],
            number[differs],
            [from_us] * len(chosen),
        )
        self.lines.flags[self.n - len(chosen) : self.n] |= flag
        for row, line, mine in later:
            self.add_all([row], [self.point[line]], [mine])

    def _is_as(self, line: Index, number: Index) -> NDArray[np.bool_]:
        """Whether lines say what profiles say, bool[k]."""
        made = self._profiles.made
        same = np.asarray(
            [
                (self.rule[old], self.texts[old]) == (made[new].rule, made[new].texts)
                for old, new in zip(line.tolist(), number.tolist(), strict=True)
            ],
            np.bool_,
        )
        for name in _FROM_PROFILE:
            old = getattr(self.lines, name)[line]
            if name == "flags":
                old &= ~np.uint8(BY_RULES)
            new = _column(made, name)[number]
            equal = (old == new) | ((old != old) & (new != new))
            same &= equal.reshape(len(line), -1).all(axis=1)
        return same

    def _back(self, line: int, until: int) -> Iterator[int]:
        """Lines of one point from the newer to the older, without the last."""
        while line != until:
            yield line
            line = int(self.lines.previous[line])

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
        """
        number = np.fromiter(map(self._profiles.of, points, mines), np.int32, len(rows))
        self._append(rows, points, number, [p.effective_from_us for p in points])

    def _append(
        self,
        rows: Sequence[int],
        points: Sequence[PointDef],
        number: Index,
        from_us: Sequence[int],
    ) -> None:
        """Append a line of this profile for each."""
        if not rows:
            return
        begin, end = self.n, self.n + len(rows)
        self._make_room(end, max(rows) + 1)
        lines, made = self.lines, self._profiles.made
        for name in _FROM_PROFILE:
            getattr(lines, name)[begin:end] = _column(made, name)[number]
        self.rule += [made[n].rule for n in number.tolist()]
        self.texts += [made[n].texts for n in number.tolist()]
        self.point += points
        self._chain(begin, rows, from_us)

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
        if len(np.unique(row)) == len(row):
            before = self.head[row]
            since_us = np.maximum(from_us, lines.effective_from_us[before])
            lines.previous[begin:end] = before
            lines.effective_from_us[begin:end] = np.where(before < 0, 0, since_us)
            self.head[row] = np.arange(begin, end, dtype=np.int32)
        else:
            for line, (own, told_us) in enumerate(
                zip(rows, from_us, strict=True), begin
            ):
                older = int(self.head[own])
                after_us = int(lines.effective_from_us[older])
                lines.previous[line] = older
                lines.effective_from_us[line] = (
                    0 if older < 0 else max(told_us, after_us)
                )
                self.head[own] = line
        newest_us = int(lines.effective_from_us[begin:end].max())
        self._newest_us = max(self._newest_us, newest_us)

    def version_at(self, rows: Index, at_us: Int64) -> NDArray[np.intp]:
        """The line in force for each reading.

        Args:
            rows: point rows, int32[k].
            at_us: the readings' own times, int64[k] [µs].

        Returns:
            Lines, intp[k]. A reading from before a point's first version is judged
            with that first version.
        """
        line = self.head[rows].astype(np.intp)
        if np.count_nonzero(at_us >= self._newest_us) == len(at_us):
            return line
        while True:
            before = self.lines.previous[line].astype(np.intp)
            early = (self.lines.effective_from_us[line] > at_us) & (before >= 0)
            if not early.any():
                return line
            line = np.where(early, before, line)


def _column(made: Sequence[Profile], name: str) -> NDArray[np.generic]:
    return np.asarray([getattr(profile, name) for profile in made])
