"""Retired points: taken out of their mine's definitions, and sometimes back.

A retired point is not silent: nobody promises that it sends. An alarm of its silence
ends. Alarms of its values stay, because a mine could end them by its definitions
otherwise, until two people approved that the point is gone (``rule_points``) and
nothing comes from it any more. What it sends all the same is judged as before. When
it is defined again, its silence counts from then on. All of it follows from the
versions of points, the rules and the clock marks, so a restart needs nothing besides.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms import debounce
from gasmon.alarms.kinds import N_SLOTS, NO_DATA
from gasmon.alarms.levels import NEVER_US
from gasmon.alarms.silence import silent_points
from gasmon.alarms.speak import Speech
from gasmon.batch import Int64, ReadingBatch
from gasmon.points import PointDef

if TYPE_CHECKING:
    from gasmon.alarms.engine import AlarmEngine

CAUSE = "retired"
"""Why an alarm ended, in the explanation of its end."""

NEVER_LISTED_US = -1


class Retirements:
    """Since when points are retired or listed again, by row; few ever are."""

    def __init__(self) -> None:
        self._told: dict[int, list[tuple[int, bool, bool]]] = {}

    def note(self, rows: Iterable[int], points: Iterable[PointDef]) -> None:
        """Know versions of points, oldest first of each."""
        for row, point in zip(rows, points, strict=True):
            if point.retired or row in self._told:
                made_up = point.source == "provisional"
                moment = (point.effective_from_us, point.retired, made_up)
                self._told.setdefault(row, []).append(moment)

    @property
    def rows(self) -> tuple[int, ...]:
        """Points that were ever retired."""
        return tuple(self._told)

    def since_us(self, row: int, at_us: int) -> int | None:
        """Since when a point is retired at a moment; None when it is listed."""
        told = self._at(row, at_us)
        return told[0] if told is not None and told[1] else None

    def gone(self, at_us: int) -> list[int]:
        """The points that are retired at a moment."""
        return [row for row in self._told if self.since_us(row, at_us) is not None]

    def listed_us(self, row: int, at_us: int) -> int:
        """Since when it is listed again; ``NEVER_LISTED_US`` when it always was."""
        told = self._at(row, at_us)
        return NEVER_LISTED_US if told is None or told[1] else told[0]

    def is_made_up(self, row: int, at_us: int) -> bool:
        """Whether it was never more than a number that a definition explained."""
        told = self._at(row, at_us)
        return told is not None and told[2]

    def _at(self, row: int, at_us: int) -> tuple[int, bool, bool] | None:
        """The change that counts at a moment; the first of equal ones after it."""
        found = None
        for told in self._told.get(row, ()):
            if told[0] > at_us:
                break
            if found is None or found[1] != told[1]:
                found = told
        return found


def unpaused(
    retired: Retirements, batch: ReadingBatch, raising: NDArray[np.uint16]
) -> NDArray[np.uint16]:
    """Raise conditions without "it does not send" of retired points, uint16[k]."""
    rows = retired.rows
    if not rows:
        return raising
    raising = raising.copy()
    for position in np.flatnonzero(np.isin(batch.row, rows)).tolist():
        arrived_us = int(batch.arrived_us[position])
        if retired.since_us(int(batch.row[position]), arrived_us) is not None:
            raising[position] &= np.uint16(~(1 << NO_DATA) & 0xFFFF)
    return raising


def silent_and_listed(
    engine: "AlarmEngine", mark_us: int, speech: Speech
) -> tuple[NDArray[np.intp], Int64]:
    """Points that do not come although their mine does, and somebody promises them.

    What was retired by the mark ends here, and what lives of it is in doubt once it is
    silent.

    Returns:
        Rows, intp[k], and since when each counts as silent, int64[k] [µs].
    """
    s, patience_us = engine.state, engine.patience.point_us
    arrived_us, mine_of = s.last_arrived_us[: s.n], engine.table.mine_of
    rows, since = silent_points(arrived_us, mine_of, engine.links, patience_us)
    known = engine.retired.rows
    if not known:
        return rows, since
    _end(engine, known, mark_us, speech)
    is_gone = np.isin(rows, engine.retired.gone(mark_us))
    engine.alarms.doubt_rows(rows[is_gone], mark_us, speech)
    rows, since = rows[~is_gone], since[~is_gone]
    for position in np.flatnonzero(np.isin(rows, known)).tolist():
        listed_us = engine.retired.listed_us(int(rows[position]), mark_us)
        since[position] = max(int(since[position]), listed_us + patience_us)
    due = since <= engine.links.heard_us[mine_of[rows]]
    return rows[due], since[due]


def _end(
    engine: "AlarmEngine", rows: Sequence[int], mark_us: int, speech: Speech
) -> None:
    """End the silence of retired points, and all of what was made up or is gone."""
    s, alarms = engine.state, engine.alarms
    for row in rows:
        since_us = engine.retired.since_us(row, mark_us)
        if since_us is None or not s.busy[row]:
            continue
        whole = engine.retired.is_made_up(row, mark_us)
        if not whole and _is_gone(engine, row, mark_us):
            whole, since_us = True, mark_us
        for slot in range(N_SLOTS) if whole else (NO_DATA,):
            phase = int(s.phase[row, slot])
            if phase >= debounce.ACTIVE:
                moment = np.asarray([mark_us], np.int64)
                one = alarms.as_batch(np.asarray([row]), moment, moment)
                alarms.end(slot, one, since_us, speech, CAUSE)
            elif phase == debounce.PENDING:
                s.phase[row, slot], s.slot_due_us[row, slot] = debounce.IDLE, NEVER_US
                alarms.mark_busy(slot, np.asarray([row]))
        s.due_us[row] = s.slot_due_us[row].min()


def _is_gone(engine: "AlarmEngine", row: int, mark_us: int) -> bool:
    """Whether two people approved the end of a point that sends no more."""
    history = engine.rules.history
    rules = next((r for us, r in reversed(history) if us <= mark_us), history[0][1])
    one = rules.approved.get(str(engine.table.keys[row]))
    if one is None or not one.retired:
        return False
    silent_us = mark_us - int(engine.state.last_arrived_us[row])
    return silent_us > engine.patience.point_us
