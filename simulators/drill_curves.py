"""What the most telling points of a drill sent, kept for its report."""

import math
from itertools import islice

from simulators.act import Turn
from simulators.drill_record import Curve
from simulators.places import Places
from simulators.scenario import Scenario

_MOST = 4
"""More lines than that cannot be told apart."""

_DIGITS = 4


class CurveKeeper:
    """Readings of some points: those whose alarms must come, one of each place."""

    def __init__(self, scenario: Scenario, places: Places) -> None:
        """Choose the points."""
        chosen: dict[tuple[int, int], None] = {}
        for expected in scenario.expected:
            target = expected.target
            if not target.places:
                continue
            for i in places.mines(target)[:1]:
                for k in places.points(places.plan.mines[i], target)[:1]:
                    chosen.setdefault((i, k))
        for i, mine in enumerate(places.plan.mines):
            for k, point in enumerate(mine.points):
                if point.role == "ch4":
                    chosen.setdefault((i, k))
        self._chosen = list(islice(chosen, _MOST))
        starts = [0]
        for mine in places.plan.mines:
            starts.append(starts[-1] + len(mine.points))
        self._at = [starts[i] + k for i, k in self._chosen]
        self._places = places
        self._times: list[float] = []
        self._values: list[list[float | None]] = [[] for _ in self._chosen]

    def take(self, turn: Turn) -> None:
        """One cycle of the mines."""
        self._times.append(turn.at_s)
        for at, values in zip(self._at, self._values, strict=True):
            value = float(turn.step.value[at])
            values.append(None if math.isnan(value) else round(value, _DIGITS))

    def curves(self) -> list[Curve]:
        """All that was kept."""
        found = []
        for (i, k), values in zip(self._chosen, self._values, strict=True):
            mine = self._places.plan.mines[i]
            point = mine.points[k]
            found.append(
                Curve(
                    mine=mine.name,
                    no=point.no,
                    place=point.place,
                    uom=point.uom,
                    limit=point.limits.get("alarm_high"),
                    at_s=tuple(self._times),
                    value=tuple(values),
                )
            )
        return found
