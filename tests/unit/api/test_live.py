"""Latest values: what changed, what stands on the tile."""

from __future__ import annotations

import asyncio
import json
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasmon.api.live import (
    LiveListener,
    LiveState,
    changed_points,
    point_rows,
    top_of,
    unpack,
)
from gasmon.domain import states
from gasmon.store.latest import LATEST_DTYPE
from gasmon.units import to_datetime


def pack(*points: tuple[int, int, float, int]) -> NDArray[np.void]:
    """Points as (id, state, value, at_us)."""
    packed = np.zeros(len(points), dtype=LATEST_DTYPE)
    for at, (point_id, state, value, at_us) in enumerate(points):
        packed[at] = (point_id, state, value, at_us, at_us)
    return packed


def row(seq: int, points: NDArray[np.void], online: bool = True) -> tuple[Any, ...]:
    """A row of the table as the follower reads it."""
    mine = "530627000001"
    at = to_datetime(seq * 1_000_000)
    return (1, mine, "530627", seq, online, at, points.tobytes())


def test_points_are_written_with_nothing_for_nan() -> None:
    """JSON has no NaN; times are milliseconds."""
    rows = point_rows(unpack(pack((7, 0, 1.5, 2000), (8, 128, nan, 3000)).tobytes()))

    assert rows == [[7, 1.5, 0, 2], [8, None, 128, 3]]


def test_only_good_values_are_highest() -> None:
    """Calibration gas, faults and other quantities do not stand on the tile."""
    points = pack(
        (1, 0, 0.4, 1000),
        (2, states.CALIBRATION, 2.0, 1000),
        (3, states.SENSOR_FAULT, 4.0, 1000),
        (4, 0, nan, 1000),
        (5, 0, 24.0, 1000),
        (6, states.ALARM, 1.2, 1000),
    )
    top = top_of(points, np.array([1, 2, 3, 4, 6], dtype=np.int32))

    assert top == {"quantity": "CH4", "point_id": 6, "value": 1.2, "at_ms": 1}
    assert top_of(points, np.array([2, 3, 4], dtype=np.int32)) is None


def test_a_delta_holds_what_changed() -> None:
    """Same values are left out, missing ones are the same as missing ones."""
    before = pack((1, 0, 0.4, 1), (2, 0, nan, 1), (3, 0, 1.0, 1), (4, 0, 1.0, 1))
    now = pack((1, 0, 0.5, 1), (2, 0, nan, 1), (3, 0, 1.0, 2), (4, 1, 1.0, 1))

    assert changed_points(before, now)["point_id"].tolist() == [1, 3, 4]
    assert changed_points(None, now)["point_id"].tolist() == [1, 2, 3, 4]
    assert changed_points(before[:2], now)["point_id"].tolist() == [1, 2, 3, 4]


def test_a_page_that_is_behind_is_told_the_whole_mine() -> None:
    """Two changes before it takes: the mine whole, once; then deltas again."""
    state = LiveState()
    listener = LiveListener(asyncio.Event())
    for seq, value in ((1, 0.1), (2, 0.2), (3, 0.2)):
        state.take([row(seq, pack((1, 0, value, 5), (2, 0, 9.0, 5)))])
        listener.offer(state.changed)
    (first,) = listener.take()
    state.take([row(4, pack((1, 0, 0.3, 6), (2, 0, 9.0, 5)))])
    listener.offer(state.changed)
    (second,) = listener.take()

    assert first[1] is True
    assert len(json.loads(first[0].full())["points"]) == 2
    assert second[1] is False
    assert json.loads(second[0].delta())["points"] == [[1, 0.3, 0, 0]]
    assert listener.take() == []
    assert (
        json.loads(second[0].top(np.array([1], dtype=np.int32)))["top"]["value"] == 0.3
    )
