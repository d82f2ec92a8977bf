"""The newest value of every point of a mine, as a copy that may wait for the disk."""

from dataclasses import dataclass

from gasmon.alarms.state import PointState
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
        at_us: event time of each value, int64[k]; a point that never sent is left
            out.
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
