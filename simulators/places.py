"""From the words of a scenario to mines, workings and points of the city."""

import re
from dataclasses import dataclass

import numpy as np

from gasmon import domain
from gasmon.errors import ConfigError
from simulators.layout import build_city
from simulators.mine import Indices
from simulators.plan import CityPlan, MinePlan, UnitPlan
from simulators.scenario import Choice, Scenario, Target

_WORD = re.compile(r"([a-z]+)([1-9]?)")


@dataclass(frozen=True, slots=True)
class Places:
    """The part of a city in which a scenario takes place.

    Attributes:
        plan: its mines.
        chosen: mine indices by the name of a choice.
    """

    plan: CityPlan
    chosen: dict[str, list[int]]

    def mines(self, target: Target) -> list[int]:
        """Indices of the target's mines."""
        return self.chosen[target.mines]

    def unit(self, mine: MinePlan, word: str) -> UnitPlan:
        """The n-th unit of a kind in a mine.

        Raises:
            ConfigError: the mine has not so many.
        """
        found = _WORD.fullmatch(word)
        assert found is not None, "the scenario was checked"
        kind, n = found[1], int(found[2] or 1)
        if kind == "main":
            units = [unit for unit in mine.units if unit.unit_id == "main"]
        else:
            units = [unit for unit in mine.units if unit.kind == kind]
        if len(units) < n:
            raise ConfigError(f"mine {mine.code} has no {word}")
        return units[n - 1]

    def indices(self, target: Target, acts_on: str) -> Indices:
        """Workings, mines or points of a target, ascending.

        Args:
            acts_on: ``working``, ``mine`` or ``point``.

        Raises:
            ConfigError: a mine has no such unit or point.
        """
        if acts_on == "mine":
            return np.array(self.mines(target), np.int64)
        found: list[int] = []
        mines = self.plan.mines
        for i in self.mines(target):
            first_point = sum(len(mine.points) for mine in mines[:i])
            first_working = sum(len(mine.workings) for mine in mines[:i])
            mine = mines[i]
            if acts_on == "working":
                unit_id = self.unit(mine, target.unit).unit_id
                here = [
                    first_working + k
                    for k, working in enumerate(mine.workings)
                    if working.unit_id == unit_id
                ]
            else:
                here = [first_point + k for k in self.points(mine, target)]
            if not here:
                raise ConfigError(f"mine {mine.code} has no {_words(target)}")
            found += here
        return np.array(sorted(found), np.int64)

    def points(self, mine: MinePlan, target: Target) -> list[int]:
        """Numbers in a mine of the points that a target means."""
        unit_id = self.unit(mine, target.unit).unit_id if target.unit else ""
        return [
            k
            for k, point in enumerate(mine.points)
            if (not unit_id or point.unit_id == unit_id)
            and (
                not target.places
                or point.place_class in target.places
                or point.sensor_type in target.places
            )
        ]


def find_places(scenario: Scenario, seed: int | None = None) -> Places:
    """The mines of a scenario, out of the city of its seed.

    Args:
        seed: another city than the scenario's own.

    Raises:
        ConfigError: the city has not so many such mines.
    """
    city = build_city(scenario.seed if seed is None else seed)
    wanted: dict[str, list[MinePlan]] = {}
    for choice in scenario.mines:
        wanted.setdefault(choice.name, []).extend(_fitting(city, choice))
    codes = {mine.code for mines in wanted.values() for mine in mines}
    kept = tuple(mine for mine in city.mines if mine.code in codes)
    index = {mine.code: i for i, mine in enumerate(kept)}
    chosen = {
        name: sorted({index[mine.code] for mine in mines})
        for name, mines in wanted.items()
    }
    return Places(CityPlan(city.seed, kept), chosen)


def _fitting(city: CityPlan, choice: Choice) -> list[MinePlan]:
    try:
        slug = domain.area_by(choice.county).slug
    except KeyError:
        raise ConfigError(f"unknown county {choice.county!r}") from None
    fit = [
        mine
        for mine in city.mines
        if mine.slug == slug and choice.kind in ("any", mine.kind)
    ]
    found = fit[choice.skip : choice.skip + choice.count]
    if len(found) < choice.count:
        raise ConfigError(
            f"{choice.name}: {choice.count} mines of kind {choice.kind} wanted in "
            f"{choice.county} behind {choice.skip} others, there are {len(fit)}"
        )
    return found


def _words(target: Target) -> str:
    return " ".join((target.unit, *target.places)).strip() or "such points"
