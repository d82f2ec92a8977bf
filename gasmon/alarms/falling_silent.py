"""Points that fall silent: told by a clock mark, for each or for their substation."""

from typing import TYPE_CHECKING

import numpy as np

from gasmon.alarms import debounce
from gasmon.alarms.evading import evade
from gasmon.alarms.kinds import NO_DATA
from gasmon.alarms.living import LivingAlarms
from gasmon.alarms.retired import silent_and_listed
from gasmon.alarms.speak import Speech
from gasmon.batch import Index

if TYPE_CHECKING:
    from gasmon.alarms.engine import AlarmEngine


def doubt(alarms: LivingAlarms, rows: Index, mark_us: int, speech: Speech) -> None:
    """Nothing comes from these points any more.

    Args:
        mark_us: when that is known [µs UTC].
    """
    alarms.doubt_rows(rows, mark_us, speech)
    evade(alarms, rows, mark_us, speech)


def tell_silent(engine: "AlarmEngine", mark_us: int, speech: Speech) -> None:
    """The clock says ``mark_us``: tell which points do not come though they should."""
    s, alarms = engine.state, engine.alarms
    rows, since_us = silent_and_listed(engine, mark_us, speech)
    apart = ~s.folded[rows]
    rows, since_us = rows[apart], since_us[apart]
    gone = engine.retired.gone(mark_us)
    children = engine.substations.mark(rows, since_us, gone, mark_us, speech)
    if engine.owed:
        for silent in (children, rows):
            engine.owed.settle(alarms, silent.tolist(), mark_us, speech)
    if len(children):
        doubt(alarms, children, mark_us, speech)
    new = (s.phase[rows, NO_DATA] == debounce.IDLE) & ~s.folded[rows]
    rows, since_us = rows[new], since_us[new]
    if len(rows) == 0:
        return
    marks = np.full(len(rows), mark_us, np.int64)
    batch = alarms.as_batch(rows, since_us, marks)
    line = engine.rules.version_at(batch.row, marks)
    alarms.begin(NO_DATA, batch, since_us, line, speech)
    alarms.mark_busy(NO_DATA, rows)
    s.due_us[rows] = s.slot_due_us[rows].min(axis=1)
    doubt(alarms, rows, mark_us, speech)
