"""What is forecast: points, limits and the production beside them, as arrays."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np

from gasmon.alarms.forecast_model import FORECAST, MODELS, Ints
from gasmon.alarms.rules import RuleSet, resolve
from gasmon.batch import Float64, Int32
from gasmon.points import PointDef, PointKey, PointTable

PLACES = ("FACE_", "HEADING_")
MORE_PLACES = ("SHEARER", "ROADHEADER")
"""Methane is forecast here and in every return; elsewhere nothing drives it."""

CUTTING_WORDS = ("采煤机", "掘进机", "割煤", "shearer", "roadheader")
"""An on/off signal at a place with one of these words in it tells of production."""


@dataclass(frozen=True, slots=True)
class Watch:
    """One limit of one point, scored by one model.

    Attributes:
        works: index of the production signals it goes by; -1 for none.
        nth: how many limits of this point are told of before it.
    """

    row: int
    limit: float
    rule: str
    model: int = FORECAST
    works: int = -1
    nth: int = 0


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

    def __init__(self, mine: Sequence[int], n_mines: int) -> None:
        mines = np.asarray(mine, np.intp)
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
    """Everything that is forecast, rebuilt when a mine changes its points.

    Attributes:
        watches: what each target is; a target never changes its number.
        row, limit, model, works, mine: the same as arrays; a limit of NaN is a
            target that is no longer watched.
        signal_row: rows of production signals; ``signal_works`` whose they are.
        slot: place of each row among the values that are held; -1 for the others.
    """

    def __init__(
        self, rules: RuleSet, scored: Mapping[PointKey, Sequence[float]]
    ) -> None:
        self._rules = rules
        self._scored = scored
        self._works: dict[tuple[int, str | None], int] = {}
        self._numbers: dict[tuple[int, int, int], int] = {}
        self._signals: dict[int, int] = {}
        self._slots: dict[int, int] = {}
        self.watches: list[Watch] = []
        self.rebuild(PointTable(), ())

    @property
    def n(self) -> int:
        """Number of targets."""
        return len(self.watches)

    @property
    def n_works(self) -> int:
        """Number of groups of production signals."""
        return len(self._works)

    def rebuild(self, table: PointTable, changed: Iterable[int]) -> None:
        """Look at the changed rows of a table again."""
        rows = list(changed)
        for row in rows:
            self._signals.pop(row, None)
            point = table.current[row]
            if tells_production(point):
                scope = (int(table.mine_of[row]), point.unit_slug)
                self._signals[row] = self._works.setdefault(scope, len(self._works))
        for row in rows:
            self._gone(row)
            for watch in self._wanted(table, row):
                key = (row, watch.nth, watch.model)
                number = self._numbers.setdefault(key, len(self.watches))
                if number == len(self.watches):
                    self.watches.append(watch)
                self.watches[number] = watch
        self._arrays(table)

    def _gone(self, row: int) -> None:
        nth = 0
        while (row, nth, FORECAST) in self._numbers:
            for model in range(len(MODELS)):
                number = self._numbers.get((row, nth, model))
                if number is not None:
                    self.watches[number] = Watch(row, np.nan, "", model, nth=nth)
            nth += 1

    def _wanted(self, table: PointTable, row: int) -> Iterator[Watch]:
        point = table.current[row]
        scored = self._scored.get(point.key)
        if scored:
            for nth, limit in enumerate(scored):
                for model in range(len(MODELS)):
                    yield Watch(row, limit, "score", model, nth=nth)
        elif is_forecast(point):
            mine = table.mines[table.mine_of[row]]
            resolved = resolve(point, self._rules, mine)
            if not isnan(resolved.limits[0]):
                yield Watch(row, resolved.limits[0], resolved.rule)

    def _works_of(self, table: PointTable, row: int) -> int:
        """Signals of the unit, else those of the mine that name no unit."""
        mine, unit = int(table.mine_of[row]), table.current[row].unit_slug
        alone = self._works.get((mine, None), -1)
        return self._works.get((mine, unit), alone)

    def _arrays(self, table: PointTable) -> None:
        rows = [watch.row for watch in self.watches]
        self.row: Int32 = np.asarray(rows, np.int32)
        self.limit: Float64 = np.asarray([w.limit for w in self.watches], np.float64)
        self.model: Ints = np.asarray([w.model for w in self.watches], np.intp)
        self.works: Ints = np.asarray(
            [self._works_of(table, row) for row in rows], np.intp
        )
        self.mine: Ints = table.mine_of[self.row].astype(np.intp)
        self.signal_row = np.asarray(list(self._signals), np.int32)
        self.signal_works = np.asarray(list(self._signals.values()), np.intp)
        self.by_mine = ByMine(self.mine.tolist(), len(table.mines))
        self.signals_by_mine = ByMine(
            table.mine_of[self.signal_row].tolist(), len(table.mines)
        )
        for row in (*rows, *self._signals):
            self._slots.setdefault(row, len(self._slots))
        self.slot: Int32 = np.full(table.n, -1, np.int32)
        self.slot[list(self._slots)] = list(self._slots.values())
        self.n_slots = len(self._slots)
