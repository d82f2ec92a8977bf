"""From plans to arrays: which points each kind of physics writes.

One ``Roster`` covers all points of some mines, mine after mine, so a mine is a slice
and a kind of physics is one fancy index over the whole city.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.plan import MinePlan

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cast:
    """The points of one role; all arrays of the same length.

    Attributes:
        at: index of the point among all points.
        working: index of its working among all workings, −1 without one.
        mine: index of its mine.
        gain: see ``PointPlan.gain``.
        delay_s: see ``PointPlan.delay_s``.
    """

    at: Indices
    working: Indices
    mine: Indices
    gain: Floats
    delay_s: Floats


class Roster:
    """Index arrays of all points of some mines.

    Attributes:
        n: number of points.
        slices: one slice of the points per mine.
        cut_high, restore_high: per point, infinite where nothing is cut.
    """

    def __init__(self, mines: tuple[MinePlan, ...]) -> None:
        self.slices: list[slice] = []
        self.nos: list[tuple[str, ...]] = []
        working: list[int] = []
        mine_of: list[int] = []
        first_point = first_working = 0
        for i, mine in enumerate(mines):
            n = len(mine.points)
            self.slices.append(slice(first_point, first_point + n))
            self.nos.append(tuple(point.no for point in mine.points))
            for point in mine.points:
                own = point.working
                working.append(own + first_working if own >= 0 else -1)
                mine_of.append(i)
            first_point += n
            first_working += len(mine.workings)
        points = [point for mine in mines for point in mine.points]
        self.n = len(points)
        self.is_switch = np.array([point.kind == "KG" for point in points])
        self._roles = np.array([point.role for point in points])
        self._working = np.array(working, np.int64)
        self._mine = np.array(mine_of, np.int64)
        self._gain = np.array([point.gain for point in points], np.float64)
        self._delay_s = np.array([point.delay_s for point in points], np.float64)
        limits = [point.limits for point in points]
        self.cut_high = np.array([limit.get("cut_high", np.inf) for limit in limits])
        self.restore_high = np.array(
            [limit.get("restore_high", np.inf) for limit in limits]
        )

    def cast(self, role: str) -> Cast:
        """The points of one role, in the order of the points."""
        at = np.flatnonzero(self._roles == role)
        return Cast(
            at, self._working[at], self._mine[at], self._gain[at], self._delay_s[at]
        )
