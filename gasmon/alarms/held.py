"""The numbers that end a living alarm: those now, or those that it began with."""

from dataclasses import replace

import numpy as np

from gasmon.alarms import debounce, shape
from gasmon.alarms.compiled import RuleTable
from gasmon.alarms.conditions import Readings
from gasmon.alarms.kinds import N_VALUE_SLOTS
from gasmon.alarms.state import PointState
from gasmon.batch import Index


def held(
    state: PointState,
    rules: RuleTable,
    slot: int,
    rows: Index,
    r: Readings,
) -> Readings:
    """The readings with the limits that end a living alarm.

    Taking a limit away, or calling the point something else, proves nothing: an
    alarm that lives without a limit now ends by the one that raised it.
    """
    living = state.phase[rows, slot] >= debounce.ACTIVE
    if slot >= N_VALUE_SLOTS:
        return shape.held(slot, r, state.line[rows, slot], living, rules)
    gone = np.isnan(r.limits[:, 2 * slot]) & living
    if not gone.any():
        return r
    limits = r.limits.copy()
    limits[gone] = rules.lines.limits[state.line[rows[gone], slot]]
    return replace(r, limits=limits)
