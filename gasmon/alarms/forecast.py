"""ForecastEngine: says that methane will reach its limit, and counts how often it lied.

One ordered log of readings goes in, pre-warnings come out: events of kind ``forecast``
without a level. A mine is looked at once in each stretch of GRID_S, at the first frame
that falls into it, in event time; what the readings in between say is kept for the
next look. Only readings decide, so it makes no difference how the log was cut, as long
as no frame is cut in two. No Python loop runs over points.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.forecast_budget import Budget
from gasmon.alarms.forecast_judge import Judge
from gasmon.alarms.forecast_model import FORECAST, MODELS, Ints
from gasmon.alarms.forecast_speak import Outcome, Warned
from gasmon.alarms.forecast_state import Held, MineState, TargetState
from gasmon.alarms.forecast_targets import Targets
from gasmon.alarms.kinds import ADVISORY_KIND, FORECAST_KIND
from gasmon.alarms.levels import NEVER_US
from gasmon.alarms.rules import RuleSet
from gasmon.alarms.state import possible
from gasmon.batch import Float64, Int32, Int64, ReadingBatch
from gasmon.domain import states
from gasmon.points import PointDef, PointKey, PointTable
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
        table: the points it knows; ``adopt`` changes it.
        budget: the false alarms in hand of each group.
        held: the newest value of each point that is looked at.
        mines: what it remembers of each mine; ``judge`` what of each target.
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
            per_day: false alarms a day that each mine (or point) may have; with 0
                nothing is said.
            per_mine: the mine's points share one budget; otherwise each its own.
            scored: limits to use instead for these points; every look is kept.
        """
        self.targets = Targets(rules, scored or {})
        self.table = PointTable()
        self.budget = Budget(per_day)
        self.looks: list[Look] | None = [] if scored else None
        self.n_late = 0
        self.held = Held()
        self.mines = MineState()
        self.judge = Judge(self.targets, self.held, self.budget, per_mine, run)
        self._new: list[PointDef] = []

    @property
    def outcomes(self) -> list[Outcome]:
        """Pre-warnings that were decided, oldest first; see ``take``."""
        return self.judge.outcomes

    def take(self) -> list[Warned]:
        """Pre-warnings since the last time, which are then forgotten here.

        Outcomes are forgotten too, unless somebody keeps the looks to score them.
        """
        taken, self.judge.warned = self.judge.warned, []
        if self.looks is None:
            self.judge.outcomes = []
        return taken

    def adopt(
        self, table: PointTable, versions: Iterable[PointDef] | None = None
    ) -> None:
        """Know a larger table, or new versions of points in it.

        A point whose limit changes keeps its levels. Which points are forecast, and
        which signals tell of production, is decided by the newest version.

        Args:
            table: an extension of the present one; rows keep their meaning.
            versions: what is new, oldest first; without them the newest version of
                each point that became different.
        """
        if versions is None:
            known = self.table.current
            versions = [
                point
                for row, point in enumerate(table.current)
                if row >= len(known) or known[row] is not point
            ]
        self.table = table
        self._new += versions

    def again(self, rows: Int32, from_us: int) -> None:
        """Ask anew which limits these points have from an event time on [µs UTC]."""
        if len(rows):
            self.settle_in()
            self.targets.again(self.table, rows.tolist(), from_us)
            self.settle_in()

    def change_rules(self, rules: RuleSet, from_us: int) -> None:
        """Take the limits of other rules from an event time on [µs UTC]."""
        self.settle_in()
        self.targets.rules = rules
        self.again(np.arange(self.table.n, dtype=np.int32), from_us)

    def settle_in(self) -> None:
        """Take over what was adopted: once for many mines that tell their points."""
        if self._new:
            self.targets.rebuild(self.table, self._new)
            self._new = []
        self.held.grow(self.targets.n_slots)
        self.mines.grow(len(self.table.mines))
        self.judge.grow(len(self.table.mines))

    def resume(self, kind: str, row: int, raised_us: int) -> None:
        """Go on with what was open when the process ended."""
        self.settle_in()
        number = self.targets.number_of(row)
        self.settle_in()
        state = self.judge.state
        opened = state.open_us if kind == FORECAST_KIND else state.advisory_us
        opened[number] = raised_us

    def forget(self, kind: str, row: int) -> None:
        """As if it had never been said."""
        self.resume(kind, row, NEVER_US)

    def living(self) -> dict[tuple[str, int], int]:
        """What is open now: since when, by kind and row."""
        self.settle_in()
        own = np.flatnonzero(self.targets.model == FORECAST)
        row, state = self.targets.row[own], self.judge.state
        found = {}
        for kind, column in (
            (FORECAST_KIND, state.open_us),
            (ADVISORY_KIND, state.advisory_us),
        ):
            for k in np.flatnonzero(column[own] != NEVER_US).tolist():
                found[kind, int(row[k])] = int(column[own[k]])
        return found

    def mark(self, mark_us: int, now_us: int) -> list[AlarmEvent]:
        """Time goes on: end what waits for mines that are silent.

        Args:
            mark_us: the clock mark [µs UTC].
            now_us: stamped as ``decided_at_us``.
        """
        reached_us = mark_us - self.mines.lag_us
        return self.judge.silent(reached_us, mark_us, self.table, now_us)

    def pass_over(self, passed_us: int) -> None:
        """Our clock moved without as much time passing: that of mines did not."""
        self.mines.lag_us += passed_us

    def tick(self, batch: ReadingBatch, now_us: int) -> list[AlarmEvent]:
        """Look at what arrived.

        Args:
            batch: readings in arrival order, whole frames.
            now_us: stamped as ``decided_at_us``; decides nothing [µs UTC].

        Returns:
            Pre-warnings raised and cleared, in the order of decision.
        """
        said: list[AlarmEvent] = []
        if self._new:
            self.settle_in()
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
            due = at_us // GRID_US > self.mines.bin[mines]
            if not due.any():
                continue
            mines, at_us, arrived_us = (
                mines[due], at_us[due], readings.arrived_us[first[due]],
            )  # fmt: skip
            self.mines.bin[mines] = at_us // GRID_US
            self.mines.lag_us[mines] = arrived_us - at_us
            look = self.judge.look(mines, at_us, arrived_us, self.table, now_us, said)
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
        held = self.held
        slot = self.targets.slot[readings.row]
        fresh = readings.at_us > held.at_us[slot]
        once = np.unique(slot, return_index=True)[1]
        if len(once) < len(slot):
            # Of two values of one moment the first counts, as for the alarms.
            first = np.zeros(len(slot), np.bool_)
            first[once] = True
            fresh &= first
        if not fresh.all():
            self.n_late += int(np.count_nonzero(~fresh))
            readings, slot = readings.select(np.flatnonzero(fresh)), slot[fresh]
        unusable = (readings.state & (states.NO_VALUE | states.CALIBRATION)) != 0
        known = held.value[slot]
        held.before[slot] = np.where(np.isnan(known), held.before[slot], known)
        held.value[slot] = np.where(unusable, np.nan, possible(readings.value))
        held.at_us[slot] = readings.at_us

    def bytes_per_target(self) -> int:
        """Memory of one forecast point, its baselines and its held value [bytes]."""
        per_model = TargetState.bytes_each() + 2 * Budget.bytes_each()
        return len(MODELS) * per_model + Held.bytes_each() + self.targets.bytes_each()
