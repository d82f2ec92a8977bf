"""Late readings: older than what was already judged for their point.

They are stored and looked at, and never take anything back. A late value beyond a
limit is announced quietly when a newer good value proves that it is over, else aloud;
one that lies in a stretch that was told before is no news.
"""

import numpy as np

from gasmon.alarms import debounce
from gasmon.alarms.conditions import Bool, is_set
from gasmon.alarms.kinds import CUT_OFF, LOW_CUT_OFF, LOW_LIMIT, OVER_LIMIT
from gasmon.alarms.living import LivingAlarms
from gasmon.alarms.speak import Speech
from gasmon.batch import Float64, ReadingBatch
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
    "band_us",
)
"""What beginning an alarm writes; put back after a record of something already over."""

# Slot, and where its limit and its end stand in points.LIMIT_FIELDS.
_LIMITS = ((OVER_LIMIT, 0, 1), (CUT_OFF, 2, 3), (LOW_LIMIT, 4, 5), (LOW_CUT_OFF, 6, 7))
_LOW = (LOW_LIMIT, LOW_CUT_OFF)


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
    at_its_end = is_set(batch.state, states.OVER_RANGE)
    limits = np.take(rules.lines.limits, line, axis=0)
    newer_good = s.good_at_us[batch.row] > batch.at_us
    newer = np.where(newer_good, s.good_value[batch.row], np.nan)
    for slot, limit, end in _LIMITS:
        hit = _beyond(slot, batch.value, limits[:, limit]) & ~hidden
        if slot in _LOW:
            hit &= ~at_its_end
        # A newer value between end and limit proves nothing: the alarm would live.
        holds = ~_within(slot, newer, limits[:, end])
        over = newer_good & ~holds
        for position in np.flatnonzero(hit):
            one = batch.select(np.asarray([position]))
            _judge_one(
                alarms, slot, one, int(line[position]), bool(over[position]), speech
            )


def _beyond(slot: int, value: Float64, limit: Float64) -> Bool:
    answer: Bool = value <= limit if slot in _LOW else value >= limit
    return answer


def _within(slot: int, value: Float64, end: Float64) -> Bool:
    # Written so that a NaN (the value was not kept over a restart) counts as within.
    answer: Bool = ~(value <= end) if slot in _LOW else ~(value >= end)
    return answer


def _judge_one(
    alarms: LivingAlarms,
    slot: int,
    one: ReadingBatch,
    line: int,
    over: bool,
    speech: Speech,
) -> None:
    s, row = alarms.state, int(one.row[0])
    at, arrived, value = int(one.at_us[0]), int(one.arrived_us[0]), float(one.value[0])
    if alarms.told.covers(row, slot, at):
        return
    phase = s.phase[row, slot]
    if phase != debounce.IDLE:
        # It belongs to what lives; told again after that ended it is still no news.
        begun = s.since_us if phase == debounce.PENDING else s.raised_us
        alarms.told.add(row, slot, at, max(at, int(begun[row, slot])))
        return
    kept = {name: getattr(s, name)[row].copy() for name in _LATE_TOUCHES}
    if slot == OVER_LIMIT:
        inside = value >= alarms.rules.lines.band[line]
        s.band_us[row] = np.where(inside, at, s.band_us[row])
    lines = np.asarray([line], np.int32)
    if not over:
        alarms.begin(slot, one, one.at_us, lines, speech, peak=one)
        alarms.mark_busy(slot, one.row)
        s.due_us[row] = s.slot_due_us[row].min()
        return
    ended = int(s.good_at_us[row])
    alarms.begin(slot, one, one.at_us, lines, speech.silenced(), peak=one)
    speech.point("raised", slot, row, at, arrived, value, late=True)
    speech.point("cleared", slot, row, ended, arrived, value, late=True)
    for name, before in kept.items():
        getattr(s, name)[row] = before
    alarms.told.add(row, slot, at, ended)
