"""Merging turns: what has gathered behind a commit is stored by the next one.

A turn is judged as soon as its frames are there, often a single one, and a commit
costs about the same for one frame as for thirty. So the turns that were judged while
the disk was busy are written together (pure).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gasmon.alarms.events import AlarmEvent
from gasmon.batch import Frame, ReadingBatch
from gasmon.pipeline.evaluate import Judged


def merge(turns: Sequence[Judged]) -> Judged:
    """One turn that stores what these store, in their order.

    Args:
        turns: in the order in which they were judged; at least one.
    """
    if len(turns) == 1:
        return turns[0]
    out = Judged(
        packets=[packet for turn in turns for packet in turn.packets],
        marks=[mark_us for turn in turns for mark_us in turn.marks],
    )
    for turn in turns:
        out.batches += turn.batches
        out.events += turn.events
        out.rejects += turn.rejects
        out.definitions += turn.definitions
        out.unknown += turn.unknown
        out.mine_events += turn.mine_events
        out.statistics += turn.statistics
        out.repeated += turn.repeated
        out.responses += turn.responses
        out.steps += turn.steps
        out.snapshot = turn.snapshot or out.snapshot
        out.newest |= turn.newest
        out.given_up |= turn.given_up
        out.online |= turn.online
        out.clocks += turn.clocks
        out.crossed += turn.crossed
        out.warned += turn.warned
        out.recorded += turn.recorded
    # A mine's later copy holds everything that the earlier one held.
    latest = {points.mine: points for turn in turns for points in turn.latest}
    out.latest = list(latest.values())
    return out


def unrecorded(judged: Judged) -> list[AlarmEvent]:
    """The events that storing a turn must record: those that did not go ahead."""
    recorded = frozenset(judged.recorded)
    return [event for event in judged.events if event.event_id not in recorded]


def join(batches: Sequence[ReadingBatch]) -> ReadingBatch:
    """One batch with the readings and frames of these, in their order.

    Args:
        batches: at least one.
    """
    if len(batches) == 1:
        return batches[0]
    firsts = np.cumsum([0, *(batch.n for batch in batches)]).tolist()
    frames: list[Frame] = [
        replace(frame, first=frame.first + first)
        for batch, first in zip(batches, firsts[:-1], strict=True)
        for frame in batch.frames
    ]
    return ReadingBatch(
        row=np.concatenate([batch.row for batch in batches]),
        value=np.concatenate([batch.value for batch in batches]),
        at_us=np.concatenate([batch.at_us for batch in batches]),
        arrived_us=np.concatenate([batch.arrived_us for batch in batches]),
        state=np.concatenate([batch.state for batch in batches]),
        frames=tuple(frames),
    )
