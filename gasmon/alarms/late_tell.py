"""Telling of what was found late: quietly when it is over, else as an alarm."""

from bisect import bisect_left

import numpy as np

from gasmon.alarms import debounce
from gasmon.alarms.kinds import OVER_LIMIT
from gasmon.alarms.late_book import Held
from gasmon.alarms.late_lives import Known, Life
from gasmon.alarms.late_past import line_at, lives_of, note_newest
from gasmon.alarms.levels import NEVER_US
from gasmon.alarms.living import LivingAlarms
from gasmon.alarms.speak import Speech
from gasmon.batch import ReadingBatch

LONGEST_WAITS = 10
"""A record waits for ten times the calm it needs at most: a point that is late for
ever is told of all the same."""


def begin_of(alarms: LivingAlarms, row: int, slot: int) -> int | None:
    """First moment that belongs to what lives or is pending; None when nothing is."""
    s, phase = alarms.state, alarms.state.phase[row, slot]
    if phase == debounce.IDLE:
        return None
    if phase == debounce.PENDING:
        return int(s.since_us[row, slot])
    on_us = int(alarms.rules.on_us(s.line[row, slot], slot))
    return int(s.raised_us[row, slot]) - on_us


def still_held(alarms: LivingAlarms, row: int, slot: int) -> bool:
    s = alarms.state
    living = s.phase[row, slot] >= debounce.ACTIVE
    return bool(living) and (
        int(s.raised_us[row, slot]) == alarms.late.held[row, slot].raised_us
    )


def settle_late(
    alarms: LivingAlarms, mark_us: int, calm_us: int, speech: Speech
) -> None:
    """Tell of what waited until nothing more of it came.

    Args:
        calm_us: for how long [µs].
    """
    late = alarms.late
    for key in list(late.held):
        if not still_held(alarms, *key):
            del late.held[key]
    for row in sorted(late.waiting):
        waiting = late.waiting[row]
        # Our clock may have stepped back: the wait begins anew, and is no longer.
        waiting.heard_us = min(waiting.heard_us, mark_us)
        waiting.first_us = min(waiting.first_us, mark_us)
        if (
            mark_us - waiting.heard_us >= calm_us
            or mark_us - waiting.first_us >= LONGEST_WAITS * calm_us
        ):
            settle(alarms, row, speech)


def settle(alarms: LivingAlarms, row: int, speech: Speech) -> None:
    """Tell of all that waits at a point."""
    seen = alarms.late.waiting.pop(row).seen
    note_newest(alarms, row)
    for slot in sorted({slot for slot, _ in seen}):
        times = sorted(at_us for own, at_us in seen if own == slot)
        for life in lives_of(alarms, row, slot, times[0], times[-1]):
            # Lives of which nothing is new were told before, or live.
            first = bisect_left(times, life.since_us)
            if first < len(times) and times[first] <= life.newest.at_us:
                _tell(alarms, row, slot, life, speech)


def _tell(
    alarms: LivingAlarms, row: int, slot: int, life: Life, speech: Speech
) -> None:
    """Say what a life was, unless it belongs to something that was told."""
    told, begun_us = alarms.told, begin_of(alarms, row, slot)
    until_us = life.newest.at_us if life.cleared_us is None else life.cleared_us
    if begun_us is not None and life.reaches(begun_us):
        told.add(row, slot, life.since_us, max(until_us, begun_us))
    elif told.touches(row, slot, life.since_us, until_us):
        told.add(row, slot, life.since_us, until_us)
    elif life.cleared_us is None:
        one = _as_batch(row, life.first)
        begin_late(alarms, slot, one, life, speech)
    else:
        told.add(row, slot, life.since_us, until_us)
        if life.raised_us is not None:
            _record(alarms, row, slot, life, speech)
        else:
            _cross(alarms, row, slot, life, speech)


def _cross(
    alarms: LivingAlarms, row: int, slot: int, life: Life, speech: Speech
) -> None:
    """A crossing that its on-delay keeps from being told, or did."""
    first = life.first
    line = line_at(alarms, row, first.at_us)
    times_us = first.at_us, first.arrived_us
    speech.crossing(slot, row, line, times_us, first.value, late=True)


def _as_batch(row: int, known: Known) -> ReadingBatch:
    return ReadingBatch(
        row=np.asarray([row], np.int32),
        value=np.asarray([known.value]),
        at_us=np.asarray([known.at_us], np.int64),
        arrived_us=np.asarray([known.arrived_us], np.int64),
        state=np.zeros(1, np.int32),
    )


_TOLD_OF = ("raised_us", "line", "rank", "level", "peak", "peak_at_us")
"""What the words about an alarm are taken from; put back after a record."""


def _record(
    alarms: LivingAlarms, row: int, slot: int, life: Life, speech: Speech
) -> None:
    """A quiet record of something that is over: begin and end, with all it came to."""
    assert life.raised_us is not None
    assert life.cleared_us is not None
    assert life.last is not None
    s = alarms.state
    kept = {name: getattr(s, name)[row, slot] for name in _TOLD_OF}
    line = line_at(alarms, row, life.raised_us)
    s.raised_us[row, slot] = life.raised_us
    s.line[row, slot] = line
    s.rank[row, slot] = life.rank
    s.level[row, slot] = alarms.rules.lines.level[line, slot]
    s.peak[row, slot], s.peak_at_us[row, slot] = life.peak, life.peak_at_us
    first, last = life.first, life.last
    arrived_us = max(first.arrived_us, last.arrived_us)
    speech.point(
        "raised",
        slot,
        row,
        life.raised_us,
        first.arrived_us,
        life.raised_value,
        late=True,
    )
    speech.point(
        "cleared", slot, row, life.cleared_us, arrived_us, last.value, late=True
    )
    for name, before in kept.items():
        getattr(s, name)[row, slot] = before


def begin_late(
    alarms: LivingAlarms, slot: int, one: ReadingBatch, life: Life, speech: Speech
) -> None:
    """A life that goes on is an alarm, aloud, since it began."""
    s, row = alarms.state, int(one.row[0])
    s.since_us[row, slot] = life.since_us
    s.beyond[row, slot] = False  # else an alarm would live by the newest value
    if slot == OVER_LIMIT:
        s.band_us[row] = [
            life.inside_us.get(number, NEVER_US)
            for number in range(1, s.band_us.shape[1] + 1)
        ]
    if life.raised_us is None:
        s.phase[row, slot] = debounce.PENDING
        s.slot_due_us[row, slot] = life.due_us
        _cross(alarms, row, slot, life, speech)
    else:
        line = line_at(alarms, row, life.raised_us)
        worst = np.asarray([life.peak]), np.asarray([life.peak_at_us], np.int64)
        alarms.begin(
            slot,
            one,
            np.asarray([life.raised_us], np.int64),
            np.asarray([line], np.int32),
            speech,
            peak=worst,
        )
        alarms.late.held[row, slot] = Held(life.raised_us, life.newest.at_us)
    alarms.mark_busy(slot, one.row)
    s.due_us[row] = s.slot_due_us[row].min()
