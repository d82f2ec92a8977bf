"""An engine that knows which rules were in force when."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gasmon.alarms.rules import RuleSet
from gasmon.batch import Int32
from gasmon.points import PointDef, PointTable

if TYPE_CHECKING:
    from gasmon.alarms.engine import AlarmEngine


def adopt_under(
    engine: "AlarmEngine",
    table: PointTable,
    versions: Sequence[PointDef],
    later: Sequence[tuple[int, RuleSet]],
    now_us: int,
) -> None:
    """Know points as if they and the rules had become known one after the other.

    Args:
        engine: has judged nothing; its rules are the oldest.
        versions: of points, oldest first of each.
        later: from when which rules count [µs UTC], oldest first.
        now_us: as for ``AlarmEngine.adopt``.
    """
    rest = list(versions)
    for from_us, rules in later:
        known = [point for point in rest if point.effective_from_us < from_us]
        rest = [point for point in rest if point.effective_from_us >= from_us]
        engine.adopt(table, known, now_us)
        engine.change_rules(rules, from_us)
    engine.adopt(table, rest, now_us)


def told_differently(before: PointTable, after: PointTable) -> Int32:
    """Points of mines that say something else of their kind or units, int32[k].

    What they are judged by may be another without a version of theirs being another.
    """
    if before.mines is after.mines:
        return np.empty(0, np.int32)
    rows = [
        row
        for number, (old, new) in enumerate(
            zip(before.mines, after.mines, strict=False)
        )
        if old is not new and (old.kind, old.units) != (new.kind, new.units)
        for row in before.rows[number]
    ]
    return np.asarray(rows, np.int32)
