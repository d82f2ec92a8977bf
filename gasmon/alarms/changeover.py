"""Changeover of main fans: a fan whose standby runs has not failed.

A mine has two main fans of one kind, one runs and the other stands by (the rules of
coal mine safety ask for it). Definitions tell which: ``Z-<point>-…``, main and standby.
The stop of a fan is no alarm while the other of its pair is known to run, and its alarm
ends when that is known. Whoever stops while the other is stopped, or not known to run,
is an alarm as ever: what is unknown improves nothing.

Stage 1 judges a frame reading by reading, and a changeover can lie in one frame. So
what the pairs say by its end is looked at before (``look``), and what lives after it
(``settle``); a frame is atomic for both, as for relations.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms import debounce
from gasmon.alarms.compiled import RuleTable
from gasmon.alarms.conditions import Bool, Readings, is_set
from gasmon.alarms.kinds import SWITCH, SWITCH_KINDS
from gasmon.alarms.living import LivingAlarms
from gasmon.alarms.relation_roles import Member
from gasmon.alarms.relation_table import ranges
from gasmon.alarms.speak import Speech
from gasmon.alarms.state import PointState
from gasmon.batch import Int32, Int64, ReadingBatch
from gasmon.domain import states

CAUSE = "standby_runs"
"""Why an alarm ended, in the explanation of its end."""

RUNS = 1.0
"""The state of a fan that runs (sensor dictionary)."""

_KIND = SWITCH_KINDS.index("main_fan_stopped")
_MASK = np.uint16(1 << SWITCH)
_SAYS_NOTHING = states.NO_VALUE | states.CALIBRATION


@dataclass(frozen=True, slots=True)
class _Ahead:
    """Pairs of which something comes in a part, both ways round.

    Attributes:
        own: row of the fan, int32[k]; ``other``: of the one that stands by for it.
        runs: the other is known to run by the end of the part, bool[k].
        at_us: time of the reading that says so, int64[k] [µs UTC].
        arrived_us: of the frame, int64[k] [µs UTC].
    """

    own: Int32
    other: Int32
    runs: Bool
    at_us: Int64
    arrived_us: Int64


class Changeovers:
    """Pairs of main fans, and what they make of stops."""

    def __init__(self, state: PointState, fresh_us: int) -> None:
        """Know no pairs.

        Args:
            state: of points, as stage 1 leaves it.
            fresh_us: what two fans say belongs together if it is not further apart
                in time than this [µs].
        """
        self._state = state
        self._fresh_us = fresh_us
        self._pairs: dict[int, frozenset[tuple[int, int]]] = {}
        self._is_paired: Bool = np.zeros(0, np.bool_)
        self._own: Int32 = np.empty(0, np.int32)
        self._other: Int32 = np.empty(0, np.int32)
        self._ahead: _Ahead | None = None

    def define(self, mine: int, members: Sequence[Member]) -> None:
        """Know the pairs of a mine anew.

        Args:
            members: its points; ``lay_out`` is to be called after the last mine.
        """
        fans = [m for m in members if m.point.quantity == "FAN_MAIN"]
        row_of = {fan.point.key.no: fan.row for fan in fans}
        told = {
            (fan.row, row_of[no])
            for fan in fans
            for no in fan.other("Z")
            if row_of.get(no, fan.row) != fan.row
        }
        pairs = frozenset(told | {(other, own) for own, other in told})
        if pairs:
            self._pairs[mine] = pairs
        else:
            self._pairs.pop(mine, None)

    def lay_out(self, n: int) -> None:
        """Put the pairs of ``n`` points in order."""
        told = sorted(pair for pairs in self._pairs.values() for pair in pairs)
        table = np.asarray(told, np.int32).reshape(-1, 2)
        self._own, self._other = table[:, 0].copy(), table[:, 1].copy()
        self._is_paired = np.zeros(n, np.bool_)
        self._is_paired[self._own] = True

    def look(self, part: ReadingBatch) -> None:
        """See what the pairs say by the end of a part, before it is judged."""
        self._ahead = None
        if not self._pairs:
            return
        hit = np.flatnonzero(self._is_paired[part.row])
        if len(hit) == 0:
            return
        rows, first = np.unique(part.row[hit], return_index=True)
        begin = np.searchsorted(self._own, rows, "left")
        end = np.searchsorted(self._own, rows, "right")
        edge = ranges(begin, end)
        arrived_us = np.repeat(part.arrived_us[hit[first]], end - begin)
        own = np.concatenate([self._own[edge], self._other[edge]])
        other = np.concatenate([self._other[edge], self._own[edge]])
        runs, at_us = self._by_the_end(part.select(hit), other)
        self._ahead = _Ahead(own, other, runs, at_us, np.tile(arrived_us, 2))

    def _by_the_end(self, fans: ReadingBatch, rows: Int32) -> tuple[Bool, Int64]:
        """Whether fans run after these readings, and what time says so, [k] each."""
        s = self._state
        runs, at_us = self._runs(rows), s.last_at_us[rows].copy()
        new = np.flatnonzero(fans.at_us > s.last_at_us[fans.row])
        # The newest first, and of equal ones the first, as it will be judged.
        order = new[np.lexsort((new, -fans.at_us[new]))]
        told, newest = np.unique(fans.row[order], return_index=True)
        newest = order[newest]
        good = (fans.value == RUNS) & ~is_set(fans.state, _SAYS_NOTHING)
        place = np.minimum(np.searchsorted(told, rows), max(len(told) - 1, 0))
        comes = np.flatnonzero(np.isin(rows, told))
        runs[comes] = good[newest[place[comes]]]
        at_us[comes] = fans.at_us[newest[place[comes]]]
        return runs, at_us

    def _runs(self, rows: Int32) -> Bool:
        """Whether fans are known to run by what they last said, bool[k]."""
        s = self._state
        runs: Bool = s.last_value[rows] == RUNS
        runs &= s.good_at_us[rows] == s.last_at_us[rows]
        runs &= ~s.is_silent(rows)
        return runs

    def spare(
        self,
        rules: RuleTable,
        batch: ReadingBatch,
        r: Readings,
        raising: NDArray[np.uint16],
    ) -> NDArray[np.uint16]:
        """Raise conditions without the stops of fans whose standby runs, uint16[k]."""
        ahead = self._ahead
        if ahead is None:
            return raising
        stops = r.good & ((raising & _MASK) != 0) & self._is_paired[batch.row]
        stops &= rules.shapes.switch[r.shape.number] == _KIND
        raising = raising.copy()
        for position in np.flatnonzero(stops).tolist():
            apart_us = np.abs(ahead.at_us - batch.at_us[position])
            runs = ahead.runs & (apart_us <= self._fresh_us)
            if runs[ahead.own == batch.row[position]].any():
                raising[position] &= ~_MASK
        return raising

    def settle(self, alarms: LivingAlarms, speech: Speech) -> None:
        """End the alarms of fans whose standby runs, after a part was judged."""
        ahead, s = self._ahead, self._state
        if ahead is None:
            return
        own, other = ahead.own, ahead.other
        over = s.phase[own, SWITCH] >= debounce.ACTIVE
        if not over.any():
            return
        own_us, other_us = s.last_at_us[own], s.last_at_us[other]
        over &= s.switch_kind[own] == _KIND
        # Whether it stands still itself must be known too.
        over &= s.good_at_us[own] == own_us
        over &= self._runs(other) & (np.abs(own_us - other_us) <= self._fresh_us)
        done, first = np.unique(own[over], return_index=True)
        at_us = np.maximum(own_us, other_us)[over][first]
        ended = alarms.as_batch(done, at_us, ahead.arrived_us[over][first])
        for position in range(ended.n):
            one = ended.select(np.asarray([position]))
            alarms.end(SWITCH, one, int(at_us[position]), speech, CAUSE)
        s.due_us[done] = s.slot_due_us[done].min(axis=1)
