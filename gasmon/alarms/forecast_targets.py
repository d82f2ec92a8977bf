"""What is forecast: points, limits and the production beside them, as arrays."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan, nan

import numpy as np

from gasmon.alarms.forecast_model import FORECAST, MODELS, Ints
from gasmon.alarms.rules import RuleSet, resolve
from gasmon.batch import Float64, Int32, Int64
from gasmon.points import PointDef, PointKey, PointTable

PLACES = ("FACE_", "HEADING_")
MORE_PLACES = ("SHEARER", "ROADHEADER")
"""Methane is forecast here and in every return; elsewhere nothing drives it."""

CUTTING_WORDS = ("采煤机", "掘进机", "割煤", "shearer", "roadheader")
"""An on/off signal at a place with one of these words in it tells of production."""


@dataclass(frozen=True, slots=True)
class Version:
    """A limit from a moment on; NaN means that nothing is forecast from then.

    Attributes:
        rule: where the limit comes from.
    """

    from_us: int
    limit: float
    rule: str


_NONE = Version(0, nan, "")

N_VERSIONS = 4
"""So many versions of a point are remembered; the oldest of them counts since ever."""


@dataclass(slots=True)
class Watch:
    """One limit of one point.

    Attributes:
        nth: how many limits of this point are told of before it.
        versions: what holds from when, oldest first, at least one.
    """

    row: int
    nth: int
    versions: tuple[Version, ...]

    @property
    def limit(self) -> float:
        """The newest one."""
        return self.versions[-1].limit

    @property
    def rule(self) -> str:
        """Where it comes from."""
        return self.versions[-1].rule

    def at(self, at_us: int) -> Version:
        """What holds at a moment; the oldest counts since ever."""
        begun = [v for v in self.versions if v.from_us <= at_us]
        return begun[-1] if begun else self.versions[0]


def is_forecast(point: PointDef) -> bool:
    """Whether the methane there can be forecast: faces, headings and returns."""
    place = point.place_class or ""
    return point.quantity == "CH4" and (
        place.startswith(PLACES) or place in MORE_PLACES or place.endswith("_RETURN")
    )


def tells_production(point: PointDef) -> bool:
    """Whether the point says that coal is being cut."""
    if point.quantity == "PRODUCTION":
        return True
    if point.quantity != "EQUIPMENT":
        return False
    text = point.place.lower()
    at_machine = point.place_class in MORE_PLACES
    return at_machine or any(word in text for word in CUTTING_WORDS)


class ByMine:
    """Members of each mine, so that a step touches only the mines that step."""

    def __init__(self, mine: Ints | Int32, n_mines: int) -> None:
        mines = mine.astype(np.intp)
        self._order = np.argsort(mines, kind="stable")
        counts = np.bincount(mines, minlength=n_mines)
        self._count = counts
        self._begin = np.cumsum(counts) - counts

    def of(self, mines: Ints) -> tuple[Ints, Ints]:
        """Members of these mines, and for each the position of its mine in them."""
        count = self._count[mines]
        which = np.repeat(np.arange(len(mines)), count)
        within = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)
        return self._order[self._begin[mines][which] + within], which


class Targets:
    """Everything that is forecast; grows, and follows the versions of points.

    A limit counts from the moment at which its version does, so that a log that is
    judged again after a restart meets the limits that it met before.

    Attributes:
        rules: give each point its limit.
        watches: the limits; each has a target for every model, one after the other,
            and never changes its place.
        row, model, works, mine: the same as arrays; ``limit`` the newest one, NaN for
            a target that is no longer watched.
        name: system and number of the point, which orders the targets of a mine.
        signal_row: rows of production signals; ``signal_works`` whose they are.
        slot: place of each row among the values that are held; -1 for the others.
    """

    def __init__(
        self, rules: RuleSet, scored: Mapping[PointKey, Sequence[float]]
    ) -> None:
        self.rules = rules
        self._scored = scored
        self._works: dict[tuple[int, str | None], int] = {}
        self._numbers: dict[tuple[int, int], int] = {}
        self._of_mine: dict[int, list[int]] = {}
        self._works_of: list[int] = []
        self._signals: dict[int, int] = {}
        self._slots: dict[int, int] = {}
        self._table = PointTable()
        self.watches: list[Watch] = []
        self._arrays()

    @property
    def n(self) -> int:
        """Number of targets."""
        return len(self.watches) * len(MODELS)

    @property
    def n_works(self) -> int:
        """Number of groups of production signals."""
        return len(self._works)

    @property
    def works_keys(self) -> list[tuple[int, str | None]]:
        """Mine and unit of each group of production signals."""
        return list(self._works)

    def rebuild(self, table: PointTable, versions: Iterable[PointDef]) -> None:
        """Take over versions of points.

        Args:
            table: knows every point of ``versions``.
            versions: what is new, oldest first.
        """
        self._table = table
        told: dict[int, list[PointDef]] = {}
        for point in versions:
            told.setdefault(table.index[point.key], []).append(point)
        mines = {int(table.mine_of[row]) for row in told}
        for row, points in told.items():
            self._signals.pop(row, None)
            if tells_production(points[-1]):
                scope = (int(table.mine_of[row]), points[-1].unit_slug)
                self._signals[row] = self._works.setdefault(scope, len(self._works))
            for point in points:
                for nth, version in enumerate(self._wanted(point)):
                    if (row, nth) in self._numbers or not isnan(version.limit):
                        self._watch(row, nth, version)
        for mine in mines:
            for number in self._of_mine.get(mine, ()):
                self._works_of[number] = self._works_at(mine, self.watches[number].row)
        self._arrays()

    def again(self, table: PointTable, rows: Iterable[int], from_us: int) -> None:
        """Ask the rules anew for the limits of these points, from a moment on.

        Args:
            table: knows them, and their mines as they are now.
            from_us: first event time [µs UTC].
        """
        self._table = table
        for row in rows:
            point = table.current[row]
            if not is_forecast(point) or point.key in self._scored:
                continue
            (now,) = self._wanted(point)
            begun_us = max(from_us, now.from_us)
            number = self._numbers.get((row, 0))
            before = _NONE if number is None else self.watches[number].at(begun_us)
            # Neither says anything, or both the same; NaN is not equal to itself.
            says_nothing = isnan(now.limit) and isnan(before.limit)
            is_same = (now.limit, now.rule) == (before.limit, before.rule)
            if not (says_nothing or is_same):
                self._watch(row, 0, before)
                self._watch(row, 0, replace(now, from_us=begun_us))
        self._arrays()

    def number_of(self, row: int) -> int:
        """The forecast of a point, which may be watched no longer."""
        if (row, 0) not in self._numbers:
            self._watch(row, 0, _NONE)
            self._arrays()
        return self._numbers[row, 0] * len(MODELS) + FORECAST

    def watch_of(self, target: int) -> Watch:
        """The limit that a target is about."""
        return self.watches[target // len(MODELS)]

    def limits_at(self, target: Ints, at_us: Int64) -> Float64:
        """The limits in force, float64[k]; NaN where nothing is forecast then."""
        from_us, limits = self._from_us[target], self._limits[target]
        if from_us.shape[1] == 1:
            return np.asarray(limits[:, 0])
        begun = (from_us <= at_us[:, None]).sum(axis=1)
        nth = np.maximum(begun - 1, 0)
        return np.asarray(limits[np.arange(len(nth)), nth])

    def bytes_each(self) -> int:
        """Memory of one limit of one point in these tables [bytes]."""
        arrays = [a for a in vars(self).values() if isinstance(a, np.ndarray)]
        return sum(a.nbytes for a in arrays) * len(MODELS) // max(1, self.n)

    def _watch(self, row: int, nth: int, version: Version) -> None:
        """Note a version; of two of the same moment the newer one counts."""
        number = self._numbers.setdefault((row, nth), len(self.watches))
        if number == len(self.watches):
            mine = int(self._table.mine_of[row])
            self.watches.append(Watch(row, nth, (version,)))
            self._works_of.append(self._works_at(mine, row))
            self._of_mine.setdefault(mine, []).append(number)
            return
        watch = self.watches[number]
        others = [v for v in watch.versions if v.from_us != version.from_us]
        told = sorted([*others, version], key=lambda v: v.from_us)
        watch.versions = tuple(told[-N_VERSIONS:])

    def _wanted(self, point: PointDef) -> Iterator[Version]:
        scored = self._scored.get(point.key)
        if scored:
            for limit in scored:
                yield Version(0, limit, "score")
            return
        limit, rule = np.nan, ""
        if is_forecast(point):
            row = self._table.index[point.key]
            mine = self._table.mines[self._table.mine_of[row]]
            resolved = resolve(point, self.rules, mine)
            limit, rule = resolved.limits[0], resolved.rule
        yield Version(point.effective_from_us, limit, rule)

    def _works_at(self, mine: int, row: int) -> int:
        """Signals of the unit, else those of the mine that name no unit."""
        alone = self._works.get((mine, None), -1)
        return self._works.get((mine, self._table.current[row].unit_slug), alone)

    def _arrays(self) -> None:
        table, n = self._table, len(MODELS)
        rows = np.asarray([watch.row for watch in self.watches], np.int32)
        keys = [table.keys[row] for row in rows.tolist()]
        names = np.asarray([key.system + key.no for key in keys], np.str_)
        limits = np.asarray([watch.limit for watch in self.watches], np.float64)
        self.row: Int32 = np.repeat(rows, n)
        self.limit: Float64 = np.repeat(limits, n)
        self.model: Ints = np.tile(np.arange(n), len(rows))
        self.works: Ints = np.repeat(np.asarray(self._works_of, np.intp), n)
        self.mine: Ints = np.repeat(table.mine_of[rows].astype(np.intp), n)
        self.name = np.repeat(names, n)
        self.signal_row = np.asarray(list(self._signals), np.int32)
        self.signal_works = np.asarray(list(self._signals.values()), np.intp)
        self.by_mine = ByMine(self.mine, len(table.mines))
        self.signals_by_mine = ByMine(table.mine_of[self.signal_row], len(table.mines))
        told = [watch.versions for watch in self.watches]
        width = max(map(len, told), default=1)
        from_us = np.full((len(told), width), np.iinfo(np.int64).max)
        limits = np.full((len(told), width), np.nan)
        for nth in range(width):
            members = [k for k, versions in enumerate(told) if len(versions) > nth]
            from_us[members, nth] = [told[k][nth].from_us for k in members]
            limits[members, nth] = [told[k][nth].limit for k in members]
        self._from_us = np.repeat(from_us, n, axis=0)
        self._limits = np.repeat(limits, n, axis=0)
        for row in (*rows.tolist(), *self._signals):
            self._slots.setdefault(row, len(self._slots))
        self.slot_row = np.asarray(list(self._slots), np.int32)
        self.slot: Int32 = np.full(table.n, -1, np.int32)
        self.slot[self.slot_row] = np.arange(len(self.slot_row))
        self.n_slots = len(self.slot_row)
