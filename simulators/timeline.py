"""Causes over time, written into a city step by step."""

from dataclasses import dataclass, replace

import numpy as np

from simulators.causes import KINDS, Effect, Moment
from simulators.city import City
from simulators.forcing import Indices
from simulators.places import Places
from simulators.plan import MinePlan
from simulators.scenario import Cause, Scenario


@dataclass(frozen=True, slots=True)
class _Placed:
    cause: Cause
    at: Indices
    effect: Effect


class Timeline:
    """The causes of a scenario in the city of its mines."""

    def __init__(self, scenario: Scenario, places: Places, city: City) -> None:
        """Find the places of every cause.

        Raises:
            ConfigError: a mine has no such unit or point.
        """
        self._places = places
        self._city = city
        self._placed = []
        self._lines: list[tuple[Cause, list[int]]] = []
        self._definitions: list[Cause] = []
        kept: list[Indices] = []
        for cause in scenario.causes:
            kind = KINDS[cause.kind]
            at = places.indices(cause.target, kind.acts_on)
            if kind.effect is not None:
                self._placed.append(_Placed(cause, at, kind.effect))
            elif cause.kind == "link_down":
                self._lines.append((cause, at.tolist()))
            else:
                self._definitions.append(cause)
            if cause.kind == "replay":
                kept.append(at)
                city.probes.faults.replay_s = cause.params["back_s"]
        if kept:
            city.probes.faults.kept = np.unique(np.concatenate(kept))

    def apply(self, now_s: float) -> None:
        """Write what is going on into the city's forcing and faults.

        Args:
            now_s: since the begin of the scenario [s].
        """
        forcing, faults = self._city.airflow.forcing, self._city.probes.faults
        forcing.clear()
        faults.clear()
        for placed in self._placed:
            cause = placed.cause
            if not cause.at_s <= now_s < cause.until_s:
                continue
            age_s = now_s - cause.at_s
            strength = min(1.0, age_s / cause.ramp_s) if cause.ramp_s else 1.0
            placed.effect(
                forcing, faults, Moment(placed.at, age_s, strength, cause.params)
            )

    def lines_down(self, now_s: float) -> dict[int, bool]:
        """Mines whose line is broken, and whether their frames come late."""
        return {
            mine: bool(cause.params["late"])
            for cause, mines in self._lines
            if cause.at_s <= now_s < cause.until_s
            for mine in mines
        }

    def redefined(self, now_s: float) -> dict[int, MinePlan]:
        """Mines that define themselves with other limits, as they do now."""
        changed: dict[int, MinePlan] = {}
        for cause in self._definitions:
            if not cause.at_s <= now_s < cause.until_s:
                continue
            for i in self._places.mines(cause.target):
                mine = changed.get(i, self._places.plan.mines[i])
                changed[i] = self._looser(mine, cause)
        return changed

    def _looser(self, mine: MinePlan, cause: Cause) -> MinePlan:
        meant = set(self._places.points(mine, cause.target))
        factor = cause.params["factor"]
        points = tuple(
            replace(
                point,
                limits={
                    name: round(value * factor, 6)
                    for name, value in point.limits.items()
                },
            )
            if k in meant
            else point
            for k, point in enumerate(mine.points)
        )
        return replace(mine, points=points)
