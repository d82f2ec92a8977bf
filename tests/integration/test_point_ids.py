"""Every point that a turn says something of has a number when it is written."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gasmon.alarms.owing import Debt
from gasmon.alarms.resuming import LivingAlarm
from gasmon.alarms.steps import Step, decode_steps, encode_steps
from gasmon.batch import Int32, ReadingBatch
from gasmon.pipeline.evaluate import Judged
from gasmon.pipeline.point_ids import PointIds
from gasmon.store import db
from tests.fix_pipeline import MINE, Live, at, frame


def test_a_point_to_which_something_is_owed_has_one(store_conn: db.Connection) -> None:
    """A full spool told of its alarm without its readings, which made its row."""
    live = Live()
    judged = live.take(frame(1, [("001A01", 1.6, 0), ("002A01", 0.2, 0)]))
    of_point = LivingAlarm("over_limit", 0, -1, at(1), 2, 1.6, at(1))
    of_mine = replace(of_point, row=-1, subject=f"mine:{MINE}")
    owed = (Debt(of_point), Debt(of_mine))
    step = Step(1, ReadingBatch.empty(), owed=owed)
    other = judged.batches[0].select(np.asarray([1]))
    turn = Judged(batches=[other], steps=[step])
    ids = PointIds(live.book)
    ids.ensure(store_conn, 0, turn, at(2))
    mines = [mine.code for mine in live.book.table.mines]
    body = encode_steps(turn.steps, ids.of_rows, mines)
    row_of = np.full(max(ids.given.values()) + 1, -1, np.int32)
    for key, number in ids.given.items():
        row_of[number] = live.book.table.index[key]
    rows: Int32 = row_of
    (again,) = decode_steps(body, rows, live.book.table.mine_index)
    assert again.owed == owed
