"""PlannedWork: what plans keep quiet, and what breaks through them. Pure.

The engine asks for each event whether a window covers it. Three things happen without
an event of the engine and are told here as an event ``broke_through``: a window that
ends while its alarm goes on, a value that passes the plan's ceiling within a level, and
a calibration that turns out to be no test gas. What was loud from the beginning in
spite of a plan says so in its explanation, so that misuse can be counted.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import Any

import numpy as np

from gasmon.alarms.calibrating import TAIL_US, Calibrations
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.neighbours import near
from gasmon.alarms.quiet import Quiet, QuietTable
from gasmon.batch import ReadingBatch
from gasmon.domain import states
from gasmon.points import PointKey, PointTable

BROKE_THROUGH = "broke_through"

OVER = "window_over"
LEVEL = "level"
CEILING = "ceiling"
NO_TEST_GAS = "no_test_gas"
UNKNOWN = "unknown_plan"

REASONS = (OVER, LEVEL, CEILING, NO_TEST_GAS, UNKNOWN)
"""Why something broke through: the window is over, a higher level, a value above the
ceiling, not like test gas, or a plan that is not known here any more."""


def is_silent(event: AlarmEvent) -> bool:
    """Planned work keeps it quiet, also at the mine itself."""
    return event.planned and event.quiet is not None and not event.late


def subjects_of(event: AlarmEvent) -> tuple[str, ...]:
    """What windows about an event may be about."""
    unit = (f"unit:{event.mine}/{event.unit}",) if event.unit else ()
    point = (event.subject,) if event.subject_type == "point" else ()
    return (*point, *unit, f"mine:{event.mine}")


@dataclass(slots=True)
class _Open:
    """An alarm that planned work keeps quiet, with its newest value and its time."""

    event: AlarmEvent
    value: float | None
    at_us: int

    @classmethod
    def of(cls, event: AlarmEvent) -> "_Open":
        return cls(event, event.value, event.happened_at_us)


class PlannedWork:
    """Between the windows as people filed them and the engine."""

    def __init__(self) -> None:
        """Nothing is planned."""
        self._given = QuietTable()
        self._points: PointTable | None = None
        self._plans: dict[str, tuple[Quiet, ...]] = {}
        self._calibrations = Calibrations()
        self._open: dict[str, _Open] = {}

    def begin(self, quiet: QuietTable, points: PointTable) -> None:
        """What is planned from now on.

        Args:
            points: says which rows the calibrated points have.
        """
        if quiet is self._given and points is self._points:
            return
        self._given, self._points = quiet, points
        planned = {
            subject: tuple(window for window in windows if window.planned)
            for subject, windows in quiet.by_subject.items()
        }
        self._plans = {subject: found for subject, found in planned.items() if found}
        calibrated = [
            window
            for windows in self._plans.values()
            for window in windows
            if window.test_gas is not None
        ]
        found = {w.subject: _row_of(points, w.subject) for w in calibrated}
        rows = {s: row for s, row in found.items() if row is not None}
        around = {row: near(points, row) for row in rows.values()}
        self._calibrations.plan(calibrated, rows, around)

    def follow(self, batch: ReadingBatch) -> None:
        """Look at readings before they are judged."""
        if not self._calibrations.is_idle:
            self._calibrations.follow(batch)
        for one in self._open.values():
            told = (batch.row == one.event.row) & ~np.isnan(batch.value)
            rows = np.flatnonzero(told & (batch.state & states.NO_VALUE == 0))
            if len(rows):
                worst = rows[np.argmax(batch.value[rows])]
                one.value, one.at_us = (
                    float(batch.value[worst]),
                    int(batch.at_us[worst]),
                )

    def table(self, tail_us: int = 0) -> QuietTable:
        """The windows that hold, for the engine.

        Args:
            tail_us: as in :meth:`Calibrations.cut`.
        """
        if self._calibrations.is_idle:
            return self._given
        return QuietTable.of(
            part
            for windows in self._given.by_subject.values()
            for window in windows
            for part in (
                [window]
                if window.test_gas is None
                else self._calibrations.cut(window, tail_us)
            )
        )

    def restore(self, alarm: AlarmEvent) -> None:
        """Go on with an open alarm that was quiet by plan before."""
        self._open[alarm.key] = _Open.of(alarm)

    def apply(self, events: Iterable[AlarmEvent]) -> None:
        """Take what was said, in order."""
        for event in events:
            if event.event == "cleared":
                self._open.pop(event.key, None)
            elif event.event not in ("raised", "level", BROKE_THROUGH):
                continue
            elif is_silent(event):
                self._open[event.key] = _Open.of(event)
            else:
                self._open.pop(event.key, None)

    def after(self, events: Sequence[AlarmEvent], now_us: int) -> list[AlarmEvent]:
        """What the engine said, and behind it what broke through.

        Args:
            now_us: wall time; windows end by it, also where no reading comes [µs UTC].
        """
        if not (self._plans or self._open):
            return list(events)
        said = []
        for event in events:
            said.append(self._explained(self._kept(event)))
            self.apply(said[-1:])
        table = self.table(TAIL_US)
        broken = [
            told
            for one in self._open.values()
            if (told := self._broken(one, table, now_us)) is not None
        ]
        self.apply(broken)
        return [*said, *broken]

    def _kept(self, event: AlarmEvent) -> AlarmEvent:
        """The event, as quiet as its alarm is: what is loud stays so to its end."""
        one = self._open.get(event.key)
        if one is None:
            if event.event != "raised" and is_silent(event):
                return replace(event, planned=False, quiet=None)
        elif event.event != "level":
            return replace(event, planned=True, quiet=one.event.quiet)
        return event

    def _explained(self, event: AlarmEvent) -> AlarmEvent:
        """Say of a loud event which plan it broke through."""
        if event.quiet is not None or event.event not in ("raised", "level"):
            return event
        for window in self._about(event):
            if window.from_us <= event.happened_at_us < window.until_us:
                why = _why(window, event.rank, event.value, event.happened_at_us)
                return replace(event, explain=_explain(event, window.name, why))
        return event

    def _broken(self, one: _Open, table: QuietTable, now_us: int) -> AlarmEvent | None:
        """The event of an alarm that nothing covers any more; None while it is."""
        event, value = one.event, one.value
        # The mine's clock may be ahead of ours.
        now_us = max(now_us, event.happened_at_us)
        if table.look_up(subjects_of(event), now_us, event.rank, value, event.kind):
            return None
        window = next((w for w in self._about(event) if w.name == event.quiet), None)
        why = UNKNOWN
        if window is not None:
            why = _why(window, event.rank, value, now_us)
            if why == OVER:
                now_us = max(window.until_us, event.happened_at_us)
        told = replace(
            event,
            event=BROKE_THROUGH,
            happened_at_us=now_us,
            arrived_at_us=now_us,
            decided_at_us=now_us,
            value=value,
            quiet=None,
            explain=_explain(event, event.quiet or "", why),
        )
        # Where too little is the danger, the worst is not above.
        if value is None or event.peak is None or event.kind.startswith("low"):
            return told
        if value <= event.peak:
            return told
        return replace(told, peak=value, peak_at_us=one.at_us)

    def _about(self, event: AlarmEvent) -> Iterator[Quiet]:
        """Plans about the subject and kind of an event, whatever their ceilings."""
        for subject in subjects_of(event):
            for window in self._plans.get(subject, ()):
                if window.alarm_kind in (None, event.kind):
                    yield window


def _why(window: Quiet, rank: int, value: float | None, at_us: int) -> str:
    if at_us >= window.until_us:
        return OVER
    if rank > window.rank_ceiling:
        return LEVEL
    if (nan if value is None else value) > window.value_ceiling:
        return CEILING
    return NO_TEST_GAS if window.test_gas is not None else UNKNOWN


def _explain(event: AlarmEvent, plan: str, why: str) -> dict[str, Any]:
    return {**event.explain, "broke_through": {"plan": plan, "why": why}}


def _row_of(points: PointTable, subject: str) -> int | None:
    """The row of a point's subject; None when it is not known."""
    mine, system, no = subject.removeprefix("point:").split("-", 2)
    return points.row_of(PointKey(mine, system, no))
