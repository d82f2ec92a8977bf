"""RuleTable: the numbers that apply to every point, as arrays that only grow.

Each version of a point is a line; a row points at its newest line and each line at
the one before, so a change appends and never moves anything. A reading walks back
until it finds the line that was in force at its own time; nearly always that is the
newest.
"""

from dataclasses import dataclass
from math import isnan, nan

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms.kinds import N_SLOTS, N_VALUE_SLOTS, POINT_KINDS, SENSOR_BREAK
from gasmon.alarms.levels import LevelTable
from gasmon.alarms.rules import MAX_BANDS, Band, RuleSet, resolve
from gasmon.batch import Float64, Int32, Int64
from gasmon.points import PointDef

# Flags of a line: which conditions need more than its limits.
METHANE = 1
MEASURES = 2  # an analog quantity with a meaning: its value can be judged
UNKNOWN_QUANTITY = 4


@dataclass(frozen=True, slots=True)
class _Lines:
    """Columns, one entry a version; capacities double."""

    previous: Int32
    effective_from_us: Int64
    limits: Float64  # [line, 8], one cache line a version
    band: Float64  # [line, bands - 1]: lower ends above the alarm limit
    range_high: Float64
    rise: Float64  # a value at or above it is near the limit
    on_delay_us: Int64  # [line, value slots]
    off_delay_us: Int64
    level: NDArray[np.int16]  # [line, slots + 1]; the last: break after a rise
    flags: NDArray[np.uint8]

    @classmethod
    def empty(cls, n: int) -> "_Lines":
        return cls(
            previous=np.full(n, -1, np.int32),
            effective_from_us=np.zeros(n, np.int64),
            limits=np.full((n, 8), nan),
            band=np.full((n, MAX_BANDS - 1), nan),
            range_high=np.full(n, nan),
            rise=np.full(n, nan),
            on_delay_us=np.zeros((n, N_VALUE_SLOTS), np.int64),
            off_delay_us=np.zeros((n, N_VALUE_SLOTS), np.int64),
            level=np.zeros((n, N_SLOTS + 1), np.int16),
            flags=np.zeros(n, np.uint8),
        )

    def grown(self, n: int) -> "_Lines":
        larger = _Lines.empty(n)
        for name in self.__slots__:
            old = getattr(self, name)
            getattr(larger, name)[: len(old)] = old
        return larger


class RuleTable:
    """What applies to each point, by row and time.

    Attributes:
        lines: the columns.
        rule: where each line's limits come from, by line.
    """

    def __init__(self, rules: RuleSet) -> None:
        self.rules = rules
        self.levels = LevelTable.build(rules.levels)
        self.lines = _Lines.empty(64)
        self.head: Int32 = np.full(64, -1, np.int32)
        self.rule: list[str] = []
        self._newest_us = 0
        self._level_cache: dict[tuple[str, str | None], NDArray[np.int16]] = {}

    @property
    def n(self) -> int:
        """Number of lines."""
        return len(self.rule)

    def add(self, row: int, point: PointDef) -> None:
        """Append a version of the point in ``row``.

        A version that is effective from before the newest one is put at the newest
        one's time: history that was already judged is not judged again.
        """
        line = self.n
        if line == len(self.lines.flags):
            self.lines = self.lines.grown(2 * line)
        while row >= len(self.head):
            self.head = np.r_[self.head, np.full(len(self.head), -1, np.int32)]
        before = int(self.head[row])
        from_us = point.effective_from_us if before >= 0 else 0
        if before >= 0:
            from_us = max(from_us, int(self.lines.effective_from_us[before]))
        resolved = resolve(point, self.rules)
        self.rule.append(resolved.rule)
        lines = self.lines
        lines.previous[line] = before
        lines.effective_from_us[line] = from_us
        lines.limits[line] = resolved.limits
        lines.range_high[line] = point.range_high
        alarm = resolved.limits[0]
        lines.rise[line] = _rounded(self.rules.rise_fraction * alarm)
        lines.on_delay_us[line] = self.rules.on_delay_us
        lines.off_delay_us[line] = self.rules.off_delay_us
        lines.level[line] = self._levels(point.quantity, point.place_class)
        over_limit = self.rules.levels[lines.level[line, 0]]
        lines.band[line] = nan
        for number, band in enumerate(over_limit.bands[1:]):
            lines.band[line, number] = _lower_end(band, alarm)
        lines.flags[line] = (
            METHANE * (point.quantity == "CH4")
            | MEASURES * (point.value_kind == "MN")
            | UNKNOWN_QUANTITY * (point.quantity == "UNKNOWN")
        )
        self.head[row] = line
        self._newest_us = max(self._newest_us, from_us)

    def _levels(self, quantity: str, place_class: str | None) -> NDArray[np.int16]:
        key = (quantity, place_class)
        if key not in self._level_cache:
            found = [
                self.rules.level_of(kind, *key, after_rise=False)
                for kind in POINT_KINDS
            ]
            found.append(
                self.rules.level_of(POINT_KINDS[SENSOR_BREAK], *key, after_rise=True)
            )
            self._level_cache[key] = np.asarray(found, np.int16)
        return self._level_cache[key]

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


def _lower_end(band: Band, alarm: float) -> float:
    """Where a band begins, in the point's unit."""
    if not isnan(band.at_least):
        return band.at_least
    return _rounded(band.factor * alarm)


def _rounded(product: float) -> float:
    """A multiple of a limit, so that 3 x 0.1 is 0.3 and not a hair above."""
    return round(product, 9)
