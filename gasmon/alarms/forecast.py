"""ForecastEngine: says that methane will reach its limit, and counts how often it lied.

One ordered log of readings goes in, pre-warnings come out: events of kind ``forecast``
without a level. A mine is looked at once in each stretch of GRID_S, at the first frame
that falls into it, in event time; what the readings in between say is kept for the
next look. Only readings decide, so it makes no difference how the log was cut, as long
as no frame is cut in two. No Python loop runs over points.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.forecast_budget import Budget
from gasmon.alarms.forecast_judge import Judge, Outcome
from gasmon.alarms.forecast_model import Ints
from gasmon.alarms.forecast_state import Held
from gasmon.alarms.forecast_targets import Targets
from gasmon.alarms.rules import RuleSet
from gasmon.alarms.state import LONG_AGO_US
from gasmon.batch import Float64, Int64, ReadingBatch
from gasmon.domain import states
from gasmon.points import PointKey, PointTable
from gasmon.units import US_PER_S

GRID_S = 30
GRID_US = GRID_S * US_PER_S


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at one look; kept only when somebody wants to score.

    Attributes:
        target: numbers of the targets that had a good value, intp[k].
        at_us: event time of the look, int64[k].
        value: float64[k]; ``odds`` the log-odds of each, float64[k].
    """

    target: Ints
    at_us: Int64
    value: Float64
    odds: Float64


class ForecastEngine:
    """Forecasts the methane of faces, headings and returns.

    Attributes:
        targets: what is forecast.
        budget: the false alarms in hand of each group.
        outcomes: pre-warnings that were decided since ``take_outcomes``.
        looks: every look, when kept.
        n_late: readings older than what was known of their point.
    """

    def __init__(
        self,
        rules: RuleSet,
        *,
        per_day: float = 1.0,
        per_mine: bool = True,
        scored: Mapping[PointKey, Sequence[float]] | None = None,
        run: int = 0,
    ) -> None:
        """Begin knowing nothing.

        Args:
            rules: gives each point its alarm limit.
            per_day: false alarms a day that each mine (or point) may have.
            per_mine: the mine's points share one budget; otherwise each its own.
            scored: limits to use instead for these points, each with the baselines
                beside it; every look is kept.
        """
        self.targets = Targets(rules, scored or {})
        self.table = PointTable()
        self.budget = Budget(per_day)
        self.looks: list[Look] | None = [] if scored else None
        self.n_late = 0
        self._held = Held()
        self._judge = Judge(self.targets, self._held, self.budget, per_mine, run)
        self._bin = np.empty(0, np.int64)

    @property
    def outcomes(self) -> list[Outcome]:
        """Pre-warnings that were decided, oldest first."""
        return self._judge.outcomes

    def take_outcomes(self) -> list[Outcome]:
        """The outcomes so far, which are then forgotten here."""
        taken = self._judge.outcomes
        self._judge.outcomes = []
        return taken

    def adopt(self, table: PointTable) -> None:
        """Know a larger table, or new versions of points in it.

        A forecast looks ahead, so it always goes by the newest version. A point whose
        limit changes keeps its levels.

        Args:
            table: an extension of the present one; rows keep their meaning.
        """
        known = self.table.current
        changed = [
            row
            for row, point in enumerate(table.current)
            if row >= len(known) or known[row] is not point
        ]
        self.table = table
        if changed:
            self.targets.rebuild(table, changed)
        self._held.grow(self.targets.n_slots)
        self._judge.grow(len(table.mines))
        more = len(table.mines) - len(self._bin)
        self._bin = np.r_[self._bin, np.full(more, LONG_AGO_US // GRID_US)]

    def tick(self, batch: ReadingBatch, now_us: int) -> list[AlarmEvent]:
        """Look at what arrived.

        Args:
            batch: readings in arrival order, whole frames.
            now_us: stamped as ``decided_at_us``; decides nothing [µs UTC].

        Returns:
            Pre-warnings raised and cleared, in the order of decision.
        """
        said: list[AlarmEvent] = []
        if batch.n == 0 or self.targets.n == 0:
            return said
        wanted = np.flatnonzero(self.targets.slot[batch.row] >= 0)
        if len(wanted) == 0:
            return said
        for readings in self._frames_in_turn(batch.select(wanted)):
            mine_of = self.table.mine_of[readings.row].astype(np.intp)
            mines, first = np.unique(mine_of, return_index=True)
            at_us = readings.at_us[first]
            self._hold(readings)
            due = at_us // GRID_US > self._bin[mines]
            if not due.any():
                continue
            mines, first = mines[due], first[due]
            self._bin[mines] = at_us[due] // GRID_US
            look = self._judge.look(
                mines, at_us[due], readings.arrived_us[first], self.table, now_us, said
            )
            if self.looks is not None:
                self.looks.append(Look(*look))
        return said

    def _frames_in_turn(self, batch: ReadingBatch) -> Iterator[ReadingBatch]:
        """Cut a batch so that each mine has at most one frame in each part.

        A frame here is a run of readings of one mine with one time and one arrival.
        """
        mine = self.table.mine_of[batch.row]
        edge = np.ones(batch.n, np.bool_)
        edge[1:] = (
            (mine[1:] != mine[:-1])
            | (batch.at_us[1:] != batch.at_us[:-1])
            | (batch.arrived_us[1:] != batch.arrived_us[:-1])
        )
        first = np.flatnonzero(edge)
        if len(np.unique(mine[first])) == len(first):
            yield batch
            return
        frame_of = np.cumsum(edge) - 1
        order = np.argsort(mine[first], kind="stable")
        sorted_mines = mine[first][order]
        begins = np.flatnonzero(np.r_[True, sorted_mines[1:] != sorted_mines[:-1]])
        lengths = np.diff(np.r_[begins, len(order)])
        turn = np.empty(len(order), np.intp)
        turn[order] = np.arange(len(order)) - np.repeat(begins, lengths)
        turn_of = turn[frame_of]
        by_turn = np.argsort(turn_of, kind="stable")
        ends = np.cumsum(np.bincount(turn_of))
        begin = 0
        for end in ends:
            yield batch.select(by_turn[begin:end])
            begin = int(end)

    def _hold(self, readings: ReadingBatch) -> None:
        """Keep the newest value of each point; late ones change nothing."""
        held = self._held
        slot = self.targets.slot[readings.row]
        fresh = readings.at_us > held.at_us[slot]
        if not fresh.all():
            self.n_late += int(np.count_nonzero(~fresh))
            readings, slot = readings.select(np.flatnonzero(fresh)), slot[fresh]
        unusable = (readings.state & (states.NO_VALUE | states.CALIBRATION)) != 0
        known = held.value[slot]
        held.before[slot] = np.where(np.isnan(known), held.before[slot], known)
        held.value[slot] = np.where(unusable, np.nan, readings.value)
        held.at_us[slot] = readings.at_us

    def bytes_per_target(self) -> int:
        """Memory of one forecast point with one limit [bytes]."""
        return self._judge.bytes_per_target() + Held.bytes_each() + 4
