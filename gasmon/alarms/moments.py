"""Frames and moments: how readings in arrival order are cut for relations. Pure."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms.conditions import Bool
from gasmon.batch import Index, Int64, ReadingBatch

Came = tuple[ReadingBatch, Bool]
"""Readings, and which of them are good."""


def is_one(column: NDArray[Any]) -> bool:
    """Whether all values are the same; nearly every frame's mine and times are."""
    return not np.count_nonzero(column != column[0])


def differs(column: NDArray[Any]) -> Bool:
    """Where a value is not the one before it; the first is not."""
    found = np.ones(len(column), np.bool_)
    np.not_equal(column[1:], column[:-1], out=found[1:])
    return found


def is_distinct(mine: Index) -> bool:
    """Whether no mine occurs twice."""
    if len(mine) == 1:
        return True
    ordered = np.sort(mine)
    return not np.count_nonzero(ordered[1:] == ordered[:-1])


def nth(mine: Index, moment_us: Int64) -> NDArray[np.intp]:
    """Of runs in order: the how-manieth moment of its mine each belongs to, from 0."""
    if is_distinct(mine):
        return np.zeros(len(mine), np.intp)
    order = np.argsort(mine, kind="stable")
    new_mine = differs(mine[order])
    number = np.cumsum(new_mine | differs(moment_us[order])) - 1
    first = number[new_mine][np.cumsum(new_mine) - 1]
    found = np.empty(len(mine), np.intp)
    found[order] = number - first
    return found


def parts_of(batch: ReadingBatch, mine: Index) -> Iterator[tuple[ReadingBatch, Index]]:
    """A batch in parts that hold at most one frame of each mine, in order.

    Args:
        mine: of each reading, intp[n].

    Yields:
        A part, and the mine of each of its readings.
    """
    if is_one(mine) and is_one(batch.arrived_us):
        yield batch, mine
        return
    first = (differs(mine) | differs(batch.arrived_us)).nonzero()[0]
    wave = nth(mine[first], batch.arrived_us[first])
    last = int(wave.max())
    if last == 0:
        yield batch, mine
        return
    of_reading = np.repeat(wave, np.diff(first, append=batch.n))
    for number in range(last + 1):
        hit = (of_reading == number).nonzero()[0]
        yield batch.select(hit), mine[hit]


def joined(came: list[Came]) -> Came:
    """Several rounds one after the other."""
    if len(came) == 1:
        return came[0]
    rounds = [batch for batch, _ in came]
    batch = ReadingBatch(
        row=np.concatenate([one.row for one in rounds]),
        value=np.concatenate([one.value for one in rounds]),
        at_us=np.concatenate([one.at_us for one in rounds]),
        arrived_us=np.concatenate([one.arrived_us for one in rounds]),
        state=np.concatenate([one.state for one in rounds]),
    )
    return batch, np.concatenate([good for _, good in came])
