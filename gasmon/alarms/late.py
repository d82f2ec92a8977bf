"""Late readings: older than what was already judged for their point.

They never take anything back. A harmless one is only noted (late_book.py). One beyond
a limit that newer good values prove to be over waits until nothing more like it has
come for a while; then all that is known of that past is walked through in event time
(late_lives.py), and each stretch is one quiet record with its own begin, end and peak.
One that nothing proves to be over is an alarm at once. What touches an alarm that
lives or was told belongs to that one and is no news.
"""

import numpy as np

from gasmon.alarms import debounce
from gasmon.alarms.conditions import Readings, is_set
from gasmon.alarms.kinds import OVER_LIMIT
from gasmon.alarms.late_past import (
    LOW,
    lives_of,
    note,
    note_newest,
    sides_of,
    with_former,
)
from gasmon.alarms.late_tell import begin_late, begin_of, settle, still_held
from gasmon.alarms.living import LivingAlarms
from gasmon.alarms.speak import Speech
from gasmon.batch import Index, Int64, ReadingBatch
from gasmon.domain import states
from gasmon.units import US_PER_S

MOST_SEEN = 4096
"""Readings beyond a limit for which one point may wait: 5 h at one per 5 s."""

GAP_US = 25 * US_PER_S
"""A first good value after this long is remembered: what is found late in the gap
before it ended there at the latest. Ours: above the slowest usual cycle of 20 s."""


def note_first_after_gap(
    alarms: LivingAlarms,
    batch: ReadingBatch,
    line: Index,
    r: Readings,
    before_us: Int64,
) -> None:
    """Remember good live values that come after a gap.

    Args:
        line: rule line of each, int32[k].
        before_us: event time of each point's reading before, int64[k] [µs].
    """
    after = ((batch.at_us - before_us > GAP_US) & r.good).nonzero()[0]
    if len(after):
        one = batch.select(after)
        ends = with_former(alarms.rules, line[after])
        note(alarms, one, sides_of(one.value, one.state, r.limits[after], ends))


def judge_late(
    alarms: LivingAlarms, batch: ReadingBatch, calibration_us: int, speech: Speech
) -> None:
    """Look at readings that are not newer than what was judged.

    Args:
        batch: at most one reading a point. Those of exactly the newest time are
            repetitions and are passed over.
        calibration_us: how long an unplanned calibration bit hides the value [µs].
    """
    s, rules = alarms.state, alarms.rules
    hidden = np.isnan(batch.value) | is_set(batch.state, states.NO_VALUE)
    calibrating = is_set(batch.state, states.CALIBRATION)
    if calibrating.any():
        # Only a run of the bit that is known to have begun long before is not believed.
        begun = s.calibration_us[batch.row]
        hidden |= calibrating & (batch.at_us - begun < calibration_us)
    seen = np.flatnonzero((batch.at_us < s.last_at_us[batch.row]) & ~hidden)
    if len(seen) == 0:
        return
    batch = batch.select(seen)
    rows = batch.row
    line = rules.version_at(rows, batch.at_us)
    limits = np.take(rules.lines.limits, line, axis=0)
    ends = with_former(rules, line)
    sides = sides_of(batch.value, batch.state, limits, ends)
    note(alarms, batch, sides)
    held = alarms.late.held_slots(rows)
    beyond = sides.beyond.any(axis=1)
    if not held and not beyond.any():
        return
    newest = sides_of(s.good_value[rows], np.zeros(batch.n, np.int32), limits, ends)
    over = newest.past & (s.good_at_us[rows] > batch.at_us)[:, None]
    for position in np.flatnonzero(beyond | np.isin(rows, list(held))):
        row = int(rows[position])
        one = batch.select(np.asarray([position]))
        for slot in held.get(row, ()):
            past = bool(sides.past[position, slot])
            _judge_held(alarms, slot, one, past, speech)
        for slot in np.flatnonzero(sides.beyond[position]).tolist():
            _judge_one(alarms, slot, one, bool(over[position, slot]), speech)


def _judge_one(
    alarms: LivingAlarms, slot: int, one: ReadingBatch, over: bool, speech: Speech
) -> None:
    """A late value beyond the limit of one kind."""
    row, at_us = int(one.row[0]), int(one.at_us[0])
    waiting = alarms.late.waiting.get(row)
    if alarms.told.covers(row, slot, at_us) or (
        waiting and (slot, at_us) in waiting.seen
    ):
        return
    begun_us = begin_of(alarms, row, slot)
    if begun_us is not None and at_us >= begun_us:
        held = alarms.late.held.get((row, slot))
        if held and at_us > held.evidence_us:
            held.evidence_us = at_us
        _worsen(alarms, slot, one, speech)
        return
    if begun_us is None and not over:
        note_newest(alarms, row)
        for life in lives_of(alarms, row, slot, at_us, at_us):
            if life.cleared_us is None and at_us >= life.since_us:
                if alarms.told.touches(row, slot, life.since_us, life.newest.at_us):
                    # Its begin was told, and so was an end: it is another one.
                    life.since_us = life.raised_us = at_us
                begin_late(alarms, slot, one, life, speech)
                return
    alarms.late.wait(row, slot, at_us, int(one.arrived_us[0]))
    waiting, newest_us = alarms.late.waiting[row], int(alarms.state.good_at_us[row])
    if waiting.newest_us != newest_us:
        waiting.newest_us = newest_us
        note_newest(alarms, row)
    if len(waiting.seen) >= MOST_SEEN:
        settle(alarms, row, speech)


def _worsen(alarms: LivingAlarms, slot: int, one: ReadingBatch, speech: Speech) -> None:
    """A late value inside an alarm that lives may be its worst, and that is told."""
    s, row = alarms.state, int(one.row[0])
    living = s.phase[row, slot] >= debounce.ACTIVE
    if not living or one.at_us[0] < s.raised_us[row, slot]:
        return
    value, peak = float(one.value[0]), float(s.peak[row, slot])
    if value >= peak if slot in LOW else value <= peak:
        return
    s.peak[row, slot], s.peak_at_us[row, slot] = value, one.at_us[0]
    if slot != OVER_LIMIT:
        return
    line = int(alarms.rules.version_at(one.row, one.at_us)[0])
    kept = s.band_us[row].copy()
    above = value >= alarms.rules.lines.band[line]
    s.band_us[row] = np.where(above, np.minimum(kept, one.at_us[0]), kept)
    # How long it was that high is not known: what needs no duration is earned.
    due_us = int(s.slot_due_us[row, slot])
    moment = np.maximum(one.at_us, s.raised_us[row, slot])
    alarms.rise(slot, one, moment, speech)
    s.band_us[row] = kept
    s.slot_due_us[row, slot] = due_us


def _judge_held(
    alarms: LivingAlarms, slot: int, one: ReadingBatch, past: bool, speech: Speech
) -> None:
    """A late good value ends what only late readings know, when it is newer."""
    s, row, at_us = alarms.state, int(one.row[0]), int(one.at_us[0])
    held = alarms.late.held[row, slot]
    if not still_held(alarms, row, slot):
        del alarms.late.held[row, slot]
        return
    if not past or at_us <= held.evidence_us:
        return
    ended_us = next(
        (
            life.cleared_us
            for life in lives_of(alarms, row, slot, held.raised_us, at_us)
            if life.since_us <= held.raised_us and life.reaches(held.raised_us)
        ),
        None,
    )
    if ended_us is not None:
        del alarms.late.held[row, slot]
        alarms.end(slot, one, ended_us, speech)
        s.due_us[row] = s.slot_due_us[row].min()
