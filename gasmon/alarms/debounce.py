"""On-delay, off-delay and the latch: the table of phases, over arrays.

    phase     raise            known, no raise     end               unknown
    IDLE      PENDING*         -                   -                 -
    PENDING   stays            IDLE                IDLE              stays
    ACTIVE    stays            stays               CLEARING*         stays
    CLEARING  ACTIVE           ACTIVE              cleared if due    ACTIVE

    * with a delay of 0 the next phase is reached in the same step.

A pending delay also matures by time alone (the engine fires it at since + delay),
because silence must not hold an alarm back. A clearing delay never does: silence is no
proof that gas is gone, so only a good reading at or after since + delay ends it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms.conditions import Bool
from gasmon.batch import Int64

IDLE = 0
PENDING = 1
ACTIVE = 2
CLEARING = 3


@dataclass(frozen=True, slots=True)
class Step:
    """What one reading of each of k points does to one slot.

    Attributes:
        phase: the new phase, int8[k].
        since_us: the new start of pending or clearing, int64[k].
        raised: the alarm begins now, bool[k]; it is then ACTIVE.
        cleared_us: event time of its end, int64[k]; 0 where it does not end.
    """

    phase: NDArray[np.int8]
    since_us: Int64
    raised: Bool
    cleared_us: Int64


def step(
    phase: NDArray[np.int8],
    since_us: Int64,
    at_us: Int64,
    raise_: Bool,
    end: Bool,
    known: Bool,
    on_delay_us: Int64,
    off_delay_us: Int64,
) -> Step:
    """Apply one reading to one slot of k points.

    Pending delays that were due before the reading must have been fired already.

    Args:
        phase: present phases, int8[k].
        since_us: when the present pending or clearing began, int64[k] [µs].
        at_us: the readings' times, int64[k] [µs].
        raise_: bool[k]; ``end``: bool[k]; ``known``: the reading says something.
        on_delay_us: int64[k] [µs]; ``off_delay_us``: int64[k] [µs].
    """
    assert not bool((raise_ & end).any()), "a reading raises and ends at once"
    new_phase, new_since = phase.copy(), since_us.copy()

    begins = raise_ & (phase == IDLE)
    raised = begins & (on_delay_us <= 0)
    new_phase[begins] = PENDING
    new_phase[raised] = ACTIVE
    new_since[begins] = at_us[begins]

    new_phase[(phase == PENDING) & known & ~raise_] = IDLE

    ends = end & (phase == ACTIVE)
    new_phase[ends] = CLEARING
    new_since[ends] = at_us[ends]
    new_phase[(phase == CLEARING) & ~end] = ACTIVE

    clearing = (new_phase == CLEARING) & end
    over = clearing & (at_us - np.where(clearing, new_since, 0) >= off_delay_us)
    new_phase[over] = IDLE
    cleared_us = np.where(over, new_since + np.maximum(off_delay_us, 0), 0)
    return Step(new_phase, new_since, raised, cleared_us)
