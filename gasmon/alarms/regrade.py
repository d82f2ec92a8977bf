"""Which levels grade an alarm that lives while its point or the rules change. Pure."""

import numpy as np

from gasmon.alarms.compiled import RuleTable
from gasmon.alarms.kinds import EVASION, N_SLOTS, N_VALUE_SLOTS, SENSOR_BREAK, SWITCH
from gasmon.alarms.levels import OFF
from gasmon.alarms.state import PointState
from gasmon.batch import Index


def regrade(
    state: PointState, rules: RuleTable, slot: int, rows: Index, line: Index
) -> None:
    """Grade living alarms as the rules of their newest readings say; no level is lost.

    An evasion, and what is off now, without a limit or another switch, keeps what it
    began with: that a limit is taken away proves nothing.

    Args:
        rows: of the points, int32[k]; ``line``: rule line of the reading of each.
    """
    if slot == EVASION:
        return
    before, now = state.level[rows, slot], rules.lines.level[line, slot]
    if slot == SENSOR_BREAK:
        after_rise = rules.levels.after_rise[before]
        now = np.where(after_rise, rules.lines.level[line, N_SLOTS], now)
    kept = now == OFF
    if slot < N_VALUE_SLOTS:
        kept |= np.isnan(rules.lines.limits[line, 2 * slot])
    if slot == SWITCH:
        switch = rules.shapes.switch[rules.lines.shape[line]]
        kept |= switch != state.switch_kind[rows]
    state.level[rows, slot] = np.where(kept, before, now)
