"""Turns that gathered behind a commit are stored as one; nothing of them is lost."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from gasmon.batch import Frame, FrameKey, ReadingBatch
from gasmon.pipeline.evaluate import Judged
from gasmon.pipeline.latest import LatestPoints
from gasmon.pipeline.merge import join, merge

MINE = "530627000001"


def batch(rows: list[int], at_us: int, *counts: int) -> ReadingBatch:
    """Readings of these rows at one time, cut into frames of these lengths."""
    n = len(rows)
    firsts = np.cumsum([0, *counts]).tolist()
    frames = [
        Frame(FrameKey(0, MINE, "b", at_us + i), "data", 0, at_us, at_us, count, first)
        for i, (count, first) in enumerate(zip(counts, firsts, strict=False))
    ]
    return ReadingBatch(
        row=np.asarray(rows, np.int32),
        value=np.full(n, float(at_us)),
        at_us=np.full(n, at_us, np.int64),
        arrived_us=np.full(n, at_us + 1, np.int64),
        state=np.zeros(n, np.int32),
        frames=tuple(frames),
    )


def latest(value: float) -> LatestPoints:
    """What is known of the mine's only point."""
    one = np.ones(1, np.int64)
    return LatestPoints(
        MINE, one.astype(np.int32), np.full(1, value), one.astype(np.int32), one, one
    )


def test_joined_batches_keep_readings_and_frames_in_order() -> None:
    """Each frame still says where its readings stand."""
    joined = join([batch([1, 2, 3], 10, 1, 2), batch([2, 4], 20, 2)])
    assert joined.row.tolist() == [1, 2, 3, 2, 4]
    assert joined.at_us.tolist() == [10, 10, 10, 20, 20]
    cut = [joined.row[f.first : f.first + f.n_readings].tolist() for f in joined.frames]
    assert cut == [[1], [2, 3], [2, 4]]


def test_one_turn_is_left_as_it_is() -> None:
    """The usual case costs nothing."""
    turn = Judged(batches=[batch([1], 10, 1)])
    assert merge([turn]) is turn
    assert join(turn.batches) is turn.batches[0]


def test_every_field_of_a_turn_is_carried_over() -> None:
    """A field that is added later cannot be forgotten: lists add up, the rest too."""
    first, second = Judged(), Judged()
    for number, turn in enumerate((first, second)):
        for field in fields(Judged):
            kind: Any = type(getattr(turn, field.name))
            # Only that each turn's own mark arrives is looked at, not its type.
            mark = f"{field.name} {number}"
            setattr(turn, field.name, {mark: mark} if kind is dict else [mark])
        turn.latest = [latest(number)]
    merged = merge([first, second])
    for field in fields(Judged):
        if field.name == "snapshot":
            assert list(merged.snapshot or ()) == ["snapshot 1"], "the newest counts"
        elif field.name != "latest":
            wanted = [f"{field.name} {number}" for number in (0, 1)]
            assert list(getattr(merged, field.name)) == wanted, field.name


def test_the_later_copy_of_a_mine_wins() -> None:
    """What is known of a mine is written once, as the last turn knew it."""
    turns = [Judged(latest=[latest(1)]), Judged(latest=[latest(2)])]
    assert [points.value[0] for points in merge(turns).latest] == [2.0]


def test_whether_a_mine_is_heard_is_the_last_word() -> None:
    """Online and then offline is offline."""
    turns = [Judged(online={MINE: True}), Judged(online={MINE: False})]
    assert merge(turns).online == {MINE: False}
