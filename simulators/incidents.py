"""Gas rises on order: the same curve each time, for demos and tests.

A pocket of methane collects in the return corner of a mine's first face: over 1.0 %
(alarm) a few seconds after its begin, over 1.5 % (cut-off), over 3.0 %, and gone
within 45 s. It stays in the corner, so exactly one point of the mine is over its limit.
"""

from collections.abc import Sequence

import numpy as np

from gasmon.units import US_PER_S
from simulators.mine import Floats, Roster
from simulators.plan import MinePlan

DELAY_S = 10
"""From the start of the city to the begin of its incidents [s]."""

# Methane in the pocket [% CH4] over seconds since its begin.
_CURVE_S = (0.0, 2.0, 5.0, 9.0, 24.0, 30.0, 31.0)
_CURVE_PCT = (0.0, 1.7, 2.5, 3.6, 3.6, 0.5, 0.0)


class Incidents:
    """The pockets of some mines."""

    def __init__(
        self,
        mines: tuple[MinePlan, ...],
        roster: Roster,
        struck: Sequence[int],
        begin_us: int,
    ) -> None:
        """Find the corner of the first face in each struck mine.

        Args:
            struck: indices of mines.
            begin_us: when the gas begins to rise [µs UTC].
        """
        corners = []
        for i in sorted(set(struck)):
            first = roster.slices[i].start
            for k, point in enumerate(mines[i].points):
                if point.place_class == "FACE_T0":
                    corners.append(first + k)
                    break
        self._at = np.array(corners, np.int64)
        self._begin_us = begin_us

    def apply(self, truth: Floats, now_us: int) -> None:
        """Put the pocket's methane at its sensors, where it is the greater."""
        age_s = (now_us - self._begin_us) / US_PER_S
        pocket = np.interp(age_s, _CURVE_S, _CURVE_PCT, left=0.0, right=0.0)
        truth[self._at] = np.maximum(truth[self._at], pocket)
