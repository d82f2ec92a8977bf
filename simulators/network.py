"""The airways of every mine: how much air reaches each working place.

    main fan ─ trunk ─┬─ face ─────────────────────────┬─ panel ─ wing ─ total return
     (intake, shaft)  ├─ roadway past a heading ───────┤
                      └─ pair of doors (a short cut) ──┘

Air in an airway obeys Atkinson's square law p = R·Q² (p pressure drop [Pa], Q quantity
[m³/s], R resistance [Ns²/m⁸]); airways in series add their R, in parallel their
conductances 1/√R (McPherson, Subsurface Ventilation Engineering, chapters 5 and 7). A
mine here is one trunk in series with parallel branches, which has a closed solution, so
all mines are solved at once without iterating.

Resistances follow from the plan: the quantities that it names flow at the pressure of
its main fan. Three numbers are ours: the trunk takes 45 % of the pressure; an open pair
of doors conducts three times as well as all workings together, so that they keep about
a third of their air; without the fan a natural ventilation pressure of 3 % is left,
which by the square law moves 17 % of the air.

A heading is a dead end that a local fan serves through a duct. The fan may draw no more
than the roadway carries, or it draws its own return (recirculation), which mixes the
gas and dilutes nothing; so what counts is the smaller of the two. In the plan the
roadway carries 1.4 times the duct's air. Without the fan only diffusion and buoyancy
exchange air: 4 % of its quantity.
"""

import numpy as np
from numpy.typing import NDArray

from simulators.plan import MinePlan

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Indices = NDArray[np.int64]

TRUNK_SHARE = 0.45
DOORS_CONDUCT = 3.0
NATURAL_SHARE = 0.03
ROADWAY_PER_DUCT = 1.4
DEAD_END_SHARE = 0.04
BLOCKED_SHARE = 0.3
"""Of its air that a face keeps while something stands in its airway."""


class Network:
    """Resistances of all airways of some mines, and the air that they let through."""

    def __init__(
        self,
        mines: tuple[MinePlan, ...],
        mine: Indices,
        air_m3_s: Floats,
        is_heading: Bools,
    ) -> None:
        """Fit resistances to the plan.

        Args:
            mine: index of the mine of each working, (n_workings,).
            air_m3_s: what reaches each working by the plan, (n_workings,) [m³/s].
            is_heading: it is served by a local fan, (n_workings,).
        """
        self._mine = mine
        self._duct_m3_s = air_m3_s
        self._is_heading = is_heading
        self._roadway_m3_s: Floats = air_m3_s * np.where(
            is_heading, ROADWAY_PER_DUCT, 1.0
        )
        self._pressure_pa: Floats = np.array([_fan_pressure_pa(m) for m in mines])
        total_m3_s = np.bincount(mine, self._roadway_m3_s, len(mines))
        self._trunk = TRUNK_SHARE * self._pressure_pa / np.square(total_m3_s)
        # The square root of the pressure that is left for the branches.
        self._drop = np.sqrt((1 - TRUNK_SHARE) * self._pressure_pa)
        self._conducts = total_m3_s / self._drop

    def share(self, main_fan: Bools, doors_open: Bools) -> tuple[Floats, Floats]:
        """How the air divides.

        Args:
            main_fan, doors_open: per mine, (n_mines,).

        Returns:
            Air of each branch as a multiple of the plan's, the same for all branches
            of a mine, (n_mines,); and what goes through the doors, (n_mines,) [m³/s].
        """
        pressure_pa = self._pressure_pa * np.where(main_fan, 1.0, NATURAL_SHARE)
        doors = np.where(doors_open, DOORS_CONDUCT, 0.0) * self._conducts
        conducts = self._conducts + doors
        total_m3_s = np.sqrt(pressure_pa / (self._trunk + 1 / np.square(conducts)))
        drop = total_m3_s / conducts
        return drop / self._drop, doors * drop

    def air_m3_s(self, share: Floats, local_fan: Bools, blocked: Bools) -> Floats:
        """Fresh air that dilutes in each working [m³/s].

        Args:
            share: from ``share``, (n_mines,).
            local_fan: it runs, (n_workings,); faces have none.
            blocked: something stands in the airway of a face, (n_workings,).
        """
        roadway = self._roadway_m3_s * share[self._mine]
        served = np.minimum(self._duct_m3_s, roadway)
        heading = np.where(local_fan, served, DEAD_END_SHARE * self._duct_m3_s)
        face = roadway * np.where(blocked, BLOCKED_SHARE, 1.0)
        return np.where(self._is_heading, heading, face)


def _fan_pressure_pa(mine: MinePlan) -> float:
    return next((p.gain for p in mine.points if p.role == "fan_pressure"), 1500.0)
