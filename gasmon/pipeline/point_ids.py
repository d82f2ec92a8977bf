"""The database's numbers of the points of one turn, those included that it gives."""

from collections.abc import Sequence

import numpy as np

from gasmon.alarms.crossings import Crossing
from gasmon.alarms.forecast_speak import Warned
from gasmon.batch import Int32
from gasmon.pipeline.book import PointBook
from gasmon.pipeline.evaluate import Judged
from gasmon.points import PointKey
from gasmon.store import points
from gasmon.store.db import Connection


class PointIds:
    """Numbers as the turn's transaction sees them.

    The book learns of new ones only when they are committed.

    Attributes:
        given: those of points that had none before the transaction.
    """

    def __init__(self, book: PointBook) -> None:
        self.given: dict[PointKey, int] = {}
        self._book = book

    def ensure(self, conn: Connection, run: int, judged: Judged, now_us: int) -> None:
        """Let every point have a number that the turn says something of."""
        new = self._book.without_id(_rows_told(judged))
        known = {point.key: point for point in new}
        self.given |= points.ensure_points(conn, list(known), now_us, known, run)

    def of_rows(self, rows: Int32) -> Int32:
        """The numbers of rows of the point table, int32[n]; all must have one."""
        found = self._book.point_id[rows]
        if self.given:
            keys = self._book.table.keys
            for position in np.flatnonzero(found == 0):
                found[position] = self.given[keys[rows[position]]]
        return found

    def of(self, told: Sequence[Crossing] | Sequence[Warned]) -> list[int]:
        """The numbers of the points that something is told of."""
        rows = np.asarray([each.row for each in told], np.int32)
        found: list[int] = self.of_rows(rows).tolist()
        return found


def _rows_told(judged: Judged) -> Int32:
    """Rows of all points that a turn says something of, int32[n]; some repeatedly."""
    rows = [batch.row for batch in judged.batches]
    rows += [latest.row for latest in judged.latest]
    told: list[Crossing | Warned] = [*judged.crossed, *judged.warned]
    rows += [np.asarray([each.row for each in told], np.int32)]
    again = [point.row for step in judged.steps for point in step.redefined]
    # What is owed to a unit or mine is about no point.
    owed = [debt.alarm.row for step in judged.steps for debt in step.owed]
    rows += [np.asarray([*again, *(row for row in owed if row >= 0)], np.int32)]
    return np.concatenate(rows)
