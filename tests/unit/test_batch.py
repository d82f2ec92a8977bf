"""ReadingBatch: its invariants and its rounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gasmon.batch import ReadingBatch
from tests.engine_world import Reading, batch_of


def rows_only(rows: list[int]) -> ReadingBatch:
    """A batch of these rows; values and times tell positions apart."""
    return batch_of([Reading(row, float(k), k, k) for k, row in enumerate(rows)])


def test_an_empty_batch_has_no_rounds() -> None:
    """For turns in which only the clock moves."""
    batch = ReadingBatch.empty()
    assert batch.n == 0
    assert list(batch.rounds()) == []


def test_one_reading_a_point_is_one_round() -> None:
    """The common case: one frame a mine."""
    rounds = list(rows_only([3, 1, 2]).rounds())
    assert [index.tolist() for index in rounds] == [[0, 1, 2]]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_rounds_hold_each_point_once_and_in_order(rows: list[int]) -> None:
    """Round i holds the i-th reading of each point; nothing is lost."""
    batch = rows_only(rows)
    seen: dict[int, list[int]] = {}
    for number, index in enumerate(batch.rounds()):
        assert index.tolist() == sorted(index)
        for position in index:
            mine = seen.setdefault(rows[position], [])
            assert len(mine) == number
            mine.append(int(position))
    expected = {
        row: [k for k, other in enumerate(rows) if other == row] for row in rows
    }
    assert seen == expected


def test_select_takes_every_column() -> None:
    """The readings at an index, in its order."""
    batch = batch_of([Reading(1, 0.5, 10, 11, 4), Reading(2, 0.6, 20, 21, 8)])
    one = batch.select(np.asarray([1]))
    columns = (one.row, one.value, one.at_us, one.arrived_us, one.state)
    assert [column.item() for column in columns] == [2, 0.6, 20, 21, 8]
    assert one.frames == ()


@pytest.mark.parametrize(
    ("column", "array", "says"),
    [
        ("value", np.zeros(1, np.float32), "value: float32 instead of"),
        ("at_us", np.zeros(2, np.int64), r"at_us: \(2,\) instead of \(1,\)"),
        ("row", np.asarray([-1], np.int32), "a reading without a point"),
    ],
)
def test_invariants_are_checked_once(column: str, array: np.ndarray, says: str) -> None:
    """A wrong length, a narrow float or a missing point cannot enter."""
    time = np.zeros(1, np.int64)
    columns: dict[str, Any] = {
        "row": np.zeros(1, np.int32),
        "value": np.zeros(1),
        "at_us": time,
        "arrived_us": time,
        "state": np.zeros(1, np.int32),
    }
    with pytest.raises(AssertionError, match=says):
        ReadingBatch(**{**columns, column: array})
