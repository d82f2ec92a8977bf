"""The newest value of every point of a mine, as a copy that may wait for the disk."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms.state import LONG_AGO_US, PointState
from gasmon.batch import Float64, Int32, Int64
from gasmon.pipeline.book import PointBook


@dataclass(frozen=True, slots=True)
class LatestPoints:
    """All points of one mine at one moment, in table order.

    Attributes:
        mine: 12 digits.
        row: point rows, int32[k].
        value: float64[k]; NaN means no value.
        state: state bits, int32[k].
        at_us: event time of each value, int64[k]; a point that never sent, or that
            is retired and does not send, is left out.
        arrived_us: when each point was last heard, int64[k].
    """

    mine: str
    row: Int32
    value: Float64
    state: Int32
    at_us: Int64
    arrived_us: Int64


def latest_points(book: PointBook, state: PointState, mine: str) -> LatestPoints | None:
    """Copy what is known now of a mine; None for a mine without points."""
    rows = book.rows_of_mine(mine)
    if len(rows) == 0:
        return None
    at_us = state.last_at_us[rows]
    sent = at_us > 0
    if book.retired_us:
        sent &= ~_is_gone(book, state, rows)
    if not sent.all():
        rows, at_us = rows[sent], at_us[sent]
    return LatestPoints(
        mine=mine,
        row=rows,
        value=state.last_value[rows],
        state=state.last_state[rows],
        at_us=at_us,
        arrived_us=state.last_arrived_us[rows],
    )


def _is_gone(book: PointBook, state: PointState, rows: Int32) -> NDArray[np.bool_]:
    """Points that are retired and have not sent since; they have no value now."""
    retired_us = [book.retired_us.get(row, LONG_AGO_US) for row in rows.tolist()]
    since_us = np.asarray(retired_us, np.int64)
    gone: NDArray[np.bool_] = since_us != LONG_AGO_US
    gone &= state.last_arrived_us[rows] <= since_us
    return gone
