"""Noting crossings: which readings newly go beyond, and which of them begin nothing."""

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms import debounce
from gasmon.alarms.conditions import Bool
from gasmon.alarms.crossings import DEADBAND, OFF_DELAY, ON_DELAY
from gasmon.alarms.kinds import N_VALUE_SLOTS
from gasmon.alarms.speak import Speech
from gasmon.alarms.state import PointState
from gasmon.batch import Index, ReadingBatch

_HELD_BY = {
    debounce.IDLE: ON_DELAY,
    debounce.PENDING: ON_DELAY,
    debounce.ACTIVE: DEADBAND,
    debounce.CLEARING: OFF_DELAY,
}


def note_crossings(
    s: PointState,
    slot: int,
    batch: ReadingBatch,
    line: Index,
    raise_: Bool,
    known: Bool,
    before: NDArray[np.int8],
    raised: Bool,
    speech: Speech,
) -> None:
    """Remember values that newly go beyond, also those that begin nothing.

    Args:
        line: rule line of each reading, int32[k].
        raise_: it is beyond; ``known``: it says on which side it is, bool[k] each.
        before: phase of the slot before it, int8[k].
        raised: an alarm begins with it, bool[k].
    """
    rows, at_us = batch.index, batch.at_us
    begins = raise_ & (before != debounce.PENDING) & (before != debounce.ACTIVE)
    for position in begins.nonzero()[0].tolist():
        s.crossings.note(int(rows[position]), slot, int(at_us[position]))
    if slot >= N_VALUE_SLOTS:
        return
    was = s.beyond[rows, slot] & (before != debounce.IDLE)
    s.beyond[rows, slot] = raise_ | (was & ~known)
    for position in (raise_ & ~was & ~raised).nonzero()[0].tolist():
        speech.crossing(
            slot,
            int(rows[position]),
            int(line[position]),
            (int(at_us[position]), int(batch.arrived_us[position])),
            float(batch.value[position]),
            held_by=_HELD_BY[int(before[position])],
        )
