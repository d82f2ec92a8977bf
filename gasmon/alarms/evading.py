"""Evasion by silence: nothing comes any more while the value rises near its limit.

Bits and missing values are seen with the reading that has them (shape.py); silence is
only seen by the clock. The alarm begins right after the last value that came: what the
time is at the mine since then is not known.
"""

import numpy as np

from gasmon.alarms.kinds import EVASION
from gasmon.alarms.levels import NEVER_US
from gasmon.alarms.living import LivingAlarms
from gasmon.alarms.shape import rises_near
from gasmon.alarms.shape_memory import SILENCE
from gasmon.alarms.speak import Speech
from gasmon.batch import Index


def evade(alarms: LivingAlarms, rows: Index, mark_us: int, speech: Speech) -> None:
    """These points are silent from now on.

    Args:
        mark_us: the clock mark, or the arrival of a last will [µs UTC].
    """
    s = alarms.state
    begins = rises_near(s, alarms.rules, rows)
    begins &= s.raised_us[rows, EVASION] == NEVER_US
    rows = rows[begins]
    if len(rows) == 0:
        return
    since_us = s.last_at_us[rows] + 1
    batch = alarms.as_batch(rows, since_us, np.full(len(rows), mark_us, np.int64))
    line = alarms.rules.version_at(batch.row, s.good_at_us[rows])
    s.hole[rows] = SILENCE
    s.line[rows, EVASION] = line
    alarms.begin(EVASION, batch, since_us, line, speech)
    alarms.mark_busy(EVASION, rows)
    s.due_us[rows] = s.slot_due_us[rows].min(axis=1)
