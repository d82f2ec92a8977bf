"""Profiles: what versions of points are judged by, resolved once for all alike.

Points are many and differ little in what they are judged by. What a rule set says of a
version of a point depends on a few of its attributes only; each combination of them is
resolved once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan

import numpy as np

from gasmon.alarms.kinds import (
    EVASION,
    HIGH_PRE_WARNING,
    LOW_CUT_OFF,
    LOW_LIMIT,
    N_SLOTS,
    N_VALUE_SLOTS,
    OVER_LIMIT,
    POINT_KINDS,
    SENSOR_BREAK,
    SWITCH,
    SWITCH_KINDS,
)
from gasmon.alarms.levels import OFF, Int16, LevelTable
from gasmon.alarms.rule_delays import DelaySets
from gasmon.alarms.rule_entries import AFTER_RISE
from gasmon.alarms.rule_match import subject_of
from gasmon.alarms.rule_spec import KindParams
from gasmon.alarms.rules import MAX_BANDS, Band, RuleSet, resolve
from gasmon.alarms.shape_lines import NO_SWITCH, ShapeLines
from gasmon.batch import Float64
from gasmon.points import LIMIT_FIELDS, MineDef, PointDef

# Flags: which conditions need more than the limits.
METHANE = 1
MEASURES = 2  # an analog quantity with a meaning: its value can be judged
UNKNOWN_QUANTITY = 4
BY_RULES = 128  # of a line alone: not its mine but the rules changed


Texts = Mapping[int, tuple[str, ...]]
"""What alarms say of themselves, Chinese and English, by slot (``N_SLOTS``: a break
right after a rise); those for which no rule has a text are not in it."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a version of a point is judged by; the same for many points."""

    rule: str
    texts: Texts
    limits: Float64
    band: Float64
    range_high: float
    rise: float
    rise_within_us: int
    delay: int
    level: Int16
    flags: int
    shape: int
    kinds: int


_NUMBERS = ("range_low", "range_high", *LIMIT_FIELDS)


class Profiles:
    """Those of one rule set.

    Attributes:
        made: the profiles, by number.
        level_rows: row of ``LevelTable`` by number of a rule.
    """

    def __init__(
        self,
        rules: RuleSet,
        levels: LevelTable,
        shapes: ShapeLines,
        delays: DelaySets,
    ) -> None:
        """Know none yet.

        Args:
            levels, shapes, delays: get what the rules bring along; other sets share
                them.
        """
        self.made: list[Profile] = []
        self.level_rows = levels.add(rules.levels)
        self._rules = rules
        self._shapes = shapes
        self._delays = delays
        self._number_of: dict[tuple[object, ...], int] = {}
        self._named = _Named.by(rules)

    def of(self, point: PointDef, mine: MineDef) -> int:
        """The number of what this version is judged by."""
        point = self._rules.corrected(point)
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
            found = self._number_of[key] = len(self.made)
            self.made.append(self._resolved(point, mine))
        return found

    def _resolved(self, point: PointDef, mine: MineDef) -> Profile:
        rules, shapes = self._rules, self._shapes
        resolved = resolve(point, rules, mine)
        alarm = resolved.limits[0]
        shape = shapes.add(
            point,
            (alarm, resolved.limits[4]),
            lambda kind: rules.params(kind, point, mine),
        )
        graded_by = rules.book.level(POINT_KINDS[OVER_LIMIT], subject_of(point, mine))
        band = np.full(MAX_BANDS - 1, nan)
        for number, higher in enumerate(rules.levels[graded_by].bands[1:]):
            band[number] = _lower_end(higher, alarm)
        said = self._said(point, mine, int(shapes.switch[shape]))
        return Profile(
            rule=resolved.rule,
            texts={slot: one.text for slot, one in said.items() if one.text},
            limits=np.asarray(resolved.limits, np.float64),
            band=band,
            range_high=point.range_high,
            rise=_rounded(rules.rise_fraction * alarm),
            rise_within_us=rules.rise_within_us,
            delay=self._delays.number_of(
                _durations(said, "on_delay"), _durations(said, "off_delay")
            ),
            level=self._levels(said),
            flags=METHANE * (point.quantity == "CH4")
            | MEASURES * (point.value_kind == "MN")
            | UNKNOWN_QUANTITY * (point.quantity == "UNKNOWN"),
            shape=shape,
            kinds=_kinds(resolved.limits) | int(shapes.kinds[shape]),
        )

    def _said(
        self, point: PointDef, mine: MineDef, switch: int
    ) -> dict[int, KindParams]:
        """What the rules say of each slot that is on, and of a break after a rise."""
        subject, book = subject_of(point, mine), self._rules.book
        kinds = list(POINT_KINDS)
        if switch != NO_SWITCH:
            kinds[SWITCH] = SWITCH_KINDS[switch]
        found = {}
        for slot, kind in enumerate((*kinds, POINT_KINDS[SENSOR_BREAK] + AFTER_RISE)):
            params = book.params(kind, subject)
            if params:
                found[slot] = params
        # Where no rule is for after a rise it is a break like others.
        found.setdefault(N_SLOTS, found[SENSOR_BREAK])
        return found

    def _levels(self, said: Mapping[int, KindParams]) -> Int16:
        """Level row of each slot, then that of a break after a rise."""
        rows = [
            self.level_rows[said[slot].level] if slot in said else OFF
            for slot in range(N_SLOTS + 1)
        ]
        return np.asarray(rows, np.int16)


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


def _durations(said: Mapping[int, KindParams], name: str) -> list[int]:
    """A delay of each kind with a limit [µs]."""
    return [said[slot].duration_us(name) for slot in range(N_VALUE_SLOTS)]


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
