"""Late readings: older than what was already judged for their point.

They are stored and looked at, and never take anything back. A late value over a limit
is announced quietly when a newer good value proves that it is over, else aloud.
"""

import numpy as np

from gasmon.alarms import debounce
from gasmon.alarms.conditions import is_set
from gasmon.alarms.kinds import CUT_OFF, OVER_LIMIT
from gasmon.alarms.living import LivingAlarms
from gasmon.alarms.speak import Speech
from gasmon.batch import ReadingBatch
from gasmon.domain import states

_LATE_TOUCHES = (
    "phase",
    "raised_us",
    "line",
    "rank",
    "unknown",
    "peak",
    "peak_at_us",
    "level",
    "slot_due_us",
)
"""What ``_begin`` writes; put back after a record of something already over."""


def judge_late(alarms: LivingAlarms, batch: ReadingBatch, speech: Speech) -> None:
    """Look at readings that are not newer than what was judged.

    Args:
        batch: at most one reading a point. Those of exactly the newest time are
            repetitions and are passed over.
    """
    s, rules = alarms.state, alarms.rules
    old = np.flatnonzero(batch.at_us < s.last_at_us[batch.row])
    if len(old) == 0:
        return
    batch = batch.select(old)
    line = rules.version_at(batch.row, batch.at_us)
    hidden = is_set(batch.state, states.NO_VALUE | states.CALIBRATION)
    limits = np.take(rules.lines.limits, line, axis=0)
    for slot, limit in ((OVER_LIMIT, 0), (CUT_OFF, 2)):
        hit = (batch.value >= limits[:, limit]) & ~hidden
        for position in np.flatnonzero(hit):
            one = batch.select(np.asarray([position]))
            _judge_one(alarms, slot, one, int(line[position]), speech)


def _judge_one(
    alarms: LivingAlarms, slot: int, one: ReadingBatch, line: int, speech: Speech
) -> None:
    s, row = alarms.state, int(one.row[0])
    at, arrived, value = int(one.at_us[0]), int(one.arrived_us[0]), float(one.value[0])
    if s.phase[row, slot] != debounce.IDLE:
        return
    lines = np.asarray([line], np.int32)
    over_us = int(s.good_at_us[row])
    if over_us < at:
        alarms.begin(slot, one, one.at_us, lines, speech)
        alarms.mark_busy(slot, one.row)
        s.due_us[row] = s.slot_due_us[row].min()
        return
    kept = {name: getattr(s, name)[row].copy() for name in _LATE_TOUCHES}
    alarms.begin(slot, one, one.at_us, lines, speech.silenced())
    speech.point("raised", slot, row, at, arrived, value, late=True)
    speech.point("cleared", slot, row, over_us, arrived, value, late=True)
    for name, before in kept.items():
        getattr(s, name)[row] = before
