"""Planned calibrations: when a window holds, as the readings of its point decide. Pure.

The windows of a calibration are cut to the times in which its point looks like test gas
(gas_curve.py) while its neighbours stay flat (neighbours.py). Kinds that do not come
from the value, such as the calibration bit or a sensor that is unplugged, are quiet
until something that is no test gas was seen.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from gasmon.alarms.gas_curve import (
    BROKEN,
    FALL,
    LEVEL,
    QUICK_US,
    REST,
    RISE,
    GasCurves,
    Int8,
    Rows,
)
from gasmon.alarms.neighbours import FLAT, Neighbours
from gasmon.alarms.quiet import Quiet
from gasmon.batch import Float64, Int64, ReadingBatch
from gasmon.domain import states

VALUE_KINDS = (
    *("over_limit", "cut_off", "low_limit", "low_cut_off", "over_range"),
    "rapid_rise",
)
"""Kinds of point that the value makes, at the reading that shows them."""

Curve = tuple[str, str]
"""(name of the plan, subject)."""


@dataclass(slots=True)
class _Seen:
    """What one curve showed.

    Attributes:
        like: times in which it may have been test gas, the last one perhaps open
            until its deadline [µs UTC].
        broken_us: when it was seen that it is not; None while it may be.
    """

    like: list[tuple[int, int]] = field(default_factory=list)
    broken_us: int | None = None


class Calibrations:
    """The points that are calibrated by plan."""

    def __init__(self) -> None:
        """None is."""
        self._windows: dict[Curve, Quiet] = {}
        self._row: Rows = np.empty(0, np.intp)
        self._names: list[Curve] = []
        self._curves = GasCurves.of(np.empty(0))
        self._last_us: Int64 = np.empty(0, np.int64)
        self._seen: dict[Curve, _Seen] = {}
        self._near = Neighbours()

    @property
    def is_idle(self) -> bool:
        """There is nothing to follow."""
        return not self._names

    def plan(
        self,
        windows: Iterable[Quiet],
        row_of: dict[str, int],
        near: Mapping[int, Iterable[int]],
    ) -> None:
        """Follow these windows; what is known of those that stay is kept.

        Args:
            windows: with a test gas, of points.
            row_of: subject → row of the point table; one that is not defined yet is
                not followed, so nothing of it is taken for test gas.
            near: rows of the neighbours, by row.
        """
        wanted = {
            (window.name, window.subject): window
            for window in windows
            if window.subject in row_of
        }
        self._windows = wanted
        if set(wanted) != set(self._names):
            self._follow_anew(wanted, row_of)
        self._near.watch(
            {n: near.get(row, ()) for n, row in enumerate(self._row.tolist())}
        )

    def _follow_anew(self, wanted: dict[Curve, Quiet], row_of: dict[str, int]) -> None:
        """Other curves than before; what is known of those that stay is kept."""
        before, curves = self._names, self._curves
        self._names = list(wanted)
        gas = [window.test_gas or np.inf for window in wanted.values()]
        fresh = GasCurves.of(np.asarray(gas, np.float64))
        last_us = np.full(len(gas), np.iinfo(np.int64).min)
        for new, name in enumerate(self._names):
            if name in before:
                old = before.index(name)
                fresh.copy(new, curves, old)
                last_us[new] = self._last_us[old]
        self._curves, self._last_us = fresh, last_us
        self._row = np.asarray([row_of[subject] for _, subject in wanted], np.intp)
        self._seen = {name: self._seen.get(name, _Seen()) for name in self._names}

    def follow(self, batch: ReadingBatch) -> None:
        """Look at readings, in their order."""
        watched = np.asarray([*self._row.tolist(), *self._near.curves_of], np.intp)
        hits = np.flatnonzero(np.isin(batch.row, watched))
        for hit in hits.tolist():
            value, at_us = float(batch.value[hit]), int(batch.at_us[hit])
            if np.isnan(value) or batch.state[hit] & states.NO_VALUE:
                continue
            self._take_neighbour(int(batch.row[hit]), at_us, value)
            at = np.flatnonzero((self._row == batch.row[hit]) & (self._last_us < at_us))
            if len(at):
                self._advance(at, np.full(len(at), at_us), np.full(len(at), value))

    def _take_neighbour(self, row: int, at_us: int, value: float) -> None:
        """A neighbour's reading ends what it shows not to be test gas."""
        curves = self._near.curves_of.get(row, [])
        if not curves:
            return
        self._near.take(row, at_us, value)
        oldest_us = at_us
        for curve in curves:
            if self._curves.phase[curve] in (RISE, LEVEL, FALL):
                oldest_us = min(oldest_us, int(self._curves.begun_us[curve]))
                self._break(curve, at_us)
        self._near.forget(row, oldest_us - QUICK_US)

    def _break(self, curve: int, now_us: int) -> None:
        """It is no test gas when a neighbour rose with it."""
        begun_us = int(self._curves.begun_us[curve])
        least = FLAT * float(self._curves.gas[curve])
        if not self._near.rose(curve, begun_us, least):
            return
        before = self._curves.phase[curve].copy()
        self._curves.phase[curve] = BROKEN
        self._note(self._seen[self._names[curve]], before, curve, now_us, 0)

    def _advance(self, at: Rows, at_us: Int64, value: Float64) -> None:
        before = self._curves.phase[at].copy()
        self._last_us[at] = at_us
        self._curves.advance(at, at_us, value)
        deadline_us = self._curves.deadline_us(at).tolist()
        for i, curve in enumerate(at.tolist()):
            name, now_us = self._names[curve], int(at_us[i])
            if not self._windows[name].from_us <= now_us:
                # Only what happens within the window counts; its past helps to see it.
                self._curves.phase[curve] = REST
                continue
            self._note(self._seen[name], before[i], curve, now_us, deadline_us[i])
            if before[i] == REST and self._curves.phase[curve] in (RISE, LEVEL):
                self._break(curve, now_us)

    def _note(
        self, seen: _Seen, before: Int8, curve: int, now_us: int, deadline_us: int
    ) -> None:
        was, phase = int(before), int(self._curves.phase[curve])
        if phase in (RISE, LEVEL, FALL):
            if was == REST:
                seen.like.append((now_us, deadline_us))
            else:
                seen.like[-1] = (seen.like[-1][0], deadline_us)
        elif was in (RISE, LEVEL, FALL):
            seen.like[-1] = (seen.like[-1][0], min(now_us, seen.like[-1][1]))
        if phase == BROKEN and seen.broken_us is None:
            seen.broken_us = now_us

    def cut(self, window: Quiet, tail_us: int = 0) -> list[Quiet]:
        """The parts of a calibration's window that hold.

        Args:
            tail_us: how long a part goes on after it, while nothing is broken: an
                alarm may end a little after its value is back.
        """
        seen = self._seen.get((window.name, window.subject), _Seen())
        end_us = window.until_us
        if seen.broken_us is not None:
            end_us = min(end_us, seen.broken_us)
        if window.alarm_kind is not None and window.alarm_kind not in VALUE_KINDS:
            parts = [(window.from_us, end_us)]
        else:
            parts = [(begin, until + tail_us) for begin, until in seen.like]
        return [
            replace(window, from_us=begin, until_us=min(until, end_us))
            for begin, until in parts
            if begin < min(until, end_us)
        ]


TAIL_US = QUICK_US
"""How long an alarm may outlive its test gas, for its off-delay [µs]. Ours."""
