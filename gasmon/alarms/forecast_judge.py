"""One look at some mines: levels go on, old pre-warnings are settled, new ones said."""

from dataclasses import dataclass

import numpy as np

from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.forecast_budget import Budget
from gasmon.alarms.forecast_model import (
    EWMA,
    FORECAST,
    PRODUCTION_S,
    Bools,
    Ints,
    Levels,
    contributions,
    inputs,
    probability,
)
from gasmon.alarms.forecast_speak import Saying, cleared, raised
from gasmon.alarms.forecast_state import Held, TargetState, WorksState
from gasmon.alarms.forecast_targets import Targets
from gasmon.alarms.levels import NEVER_US
from gasmon.batch import Float64, Int64
from gasmon.points import PointTable
from gasmon.units import US_PER_S

HORIZON_US = 600 * US_PER_S
"""A pre-warning is right when the limit is newly reached within this time."""

FRESH_US = 300 * US_PER_S
"""Reaching the limit is news only after this long below it."""

SETTLED_US = 90 * US_PER_S
"""Nothing is said sooner than this after the value came down from its limit."""

STALE_US = 90 * US_PER_S
"""An older value is no value; as long as a silent point is waited for live."""

FORGET_US = 600 * US_PER_S
"""After a longer gap the levels begin anew."""

SIGNAL_STALE_US = 3600 * US_PER_S
"""On/off signals may be told only when they change."""

MEMORY_ASKED = 30 * 144
"""The comparison with EWMA reaches back 30 days, at a test each 10 minutes."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one pre-warning ended.

    Attributes:
        target: number of the target; ``row`` its point; ``model`` who said it.
        ended_us: when the limit was reached, or when the time was over.
        hit: whether the limit was newly reached in time; None when the value was
            not known at the end.
        lead_s: from the pre-warning to the limit; None when it was not reached.
    """

    target: int
    row: int
    model: int
    limit: float
    raised_us: int
    ended_us: int
    hit: bool | None
    lead_s: float | None
    probability: float
    threshold: float


class Judge:
    """Carries every target from look to look.

    Attributes:
        outcomes: decided pre-warnings, oldest first.
    """

    def __init__(
        self, targets: Targets, held: Held, budget: Budget, per_mine: bool, run: int
    ) -> None:
        self.outcomes: list[Outcome] = []
        self._targets = targets
        self._held = held
        self._budget = budget
        self._per_mine = per_mine
        self._run = run
        self._state = TargetState()
        self._works = WorksState()

    def grow(self, n_mines: int) -> None:
        """Follow the targets after they changed."""
        self._state.grow(self._targets.n)
        self._works.grow(self._targets.n_works)
        self._budget.grow(n_mines if self._per_mine else self._targets.n)

    def bytes_per_target(self) -> int:
        """Memory of one target, its share of the tables included [bytes]."""
        return TargetState.bytes_each() + 4 * 8 + 4 * 8

    def look(
        self,
        mines: Ints,
        at_us: Int64,
        arrived_us: Int64,
        table: PointTable,
        now_us: int,
        said: list[AlarmEvent],
    ) -> tuple[Ints, Int64, Float64, Float64]:
        """Look at these mines.

        Args:
            mines: each at most once, intp[m].
            at_us: event time of the look at each, int64[m]; ``arrived_us`` when
                the frame behind it arrived.
            said: events are appended to it.

        Returns:
            Targets with a good value, event times, values and log-odds.
        """
        self._see_works(mines, at_us)
        target, which = self._targets.by_mine.of(mines)
        saying = Saying(self._targets, table, self._run, now_us, said)
        at, arrived = at_us[which], arrived_us[which]
        s, limit = self._state, self._targets.limit[target]
        self._earn(target, at)
        slot = self._targets.slot[self._targets.row[target]]
        value = self._held.value[slot]
        good = ~np.isnan(value) & ~np.isnan(limit)
        good &= at - self._held.at_us[slot] < STALE_US
        over = good & (value >= limit)
        new = over & (s.below_us[target] <= at - FRESH_US)
        new &= at - s.good_us[target] <= FORGET_US
        waiting = s.open_us[target] != NEVER_US
        late = waiting & ~new & (at - s.open_us[target] >= HORIZON_US)
        self._test(target, at, new, good)
        for ends in (waiting & new, late):
            if ends.any():
                self._settle(target[ends], at[ends], arrived[ends], value[ends],
                             new[ends], good[ends], saying)  # fmt: skip
        keep = np.flatnonzero(good)
        target, at, arrived = target[keep], at[keep], arrived[keep]
        value, over = value[keep], over[keep]
        share, odds = self._score(target, at, value, over)
        ready = ~over & (s.open_us[target] == NEVER_US)
        ready &= at - s.below_us[target] >= SETTLED_US
        self._raise(target, at, arrived, value, share, odds, ready, saying)
        return target, at, value, odds

    def _see_works(self, mines: Ints, at_us: Int64) -> None:
        """Whether coal is cut now, and for how long it was not."""
        t, w = self._targets, self._works
        signal, which = t.signals_by_mine.of(mines)
        if len(signal) == 0:
            return
        at = at_us[which]
        slot = t.slot[t.signal_row[signal]]
        value, before = self._held.value[slot], self._held.before[slot]
        # A switch says 0 or 1; a counter of tonnes says so by rising.
        on = np.where(value <= 1.0, value > 0.5, value > before)
        known = ~np.isnan(value) & (at - self._held.at_us[slot] < SIGNAL_STALE_US)
        works, first = np.unique(t.signal_works[signal], return_index=True)
        now = np.full(w.n, -1.0)
        np.maximum.at(now, t.signal_works[signal][known], on[known].astype(float))
        is_on, when = now[works], at[first]
        took_s = (when - np.maximum(w.step_us[works], when - FORGET_US)) / US_PER_S
        faded = -np.expm1(-took_s / PRODUCTION_S)
        old = np.where(np.isnan(w.share[works]), is_on, w.share[works])
        share = old + faded * (is_on - old)
        w.share[works] = np.where(is_on < 0, np.nan, share)
        w.on[works] = np.where(is_on < 0, np.nan, is_on)
        w.on_us[works] = np.where(is_on > 0, when, w.on_us[works])
        w.step_us[works] = when

    def _groups(self, target: Ints) -> Ints:
        return self._targets.mine[target] if self._per_mine else target

    def _earn(self, target: Ints, at: Int64) -> None:
        s = self._state
        took = at - np.maximum(s.step_us[target], at - FORGET_US)
        took[s.step_us[target] <= 0] = 0
        s.step_us[target] = at
        groups, first = np.unique(self._groups(target), return_index=True)
        self._budget.earn(groups, took[first] / US_PER_S)

    def _score(
        self, target: Ints, at: Int64, value: Float64, over: Bools
    ) -> tuple[Float64, Float64]:
        """Carry the levels on and score; returns contributions and log-odds."""
        s, t, w = self._state, self._targets, self._works
        gap = at - s.good_us[target]
        anew = gap > FORGET_US
        took_s = np.minimum(gap, FORGET_US) / US_PER_S
        old = Levels(s.value[target], s.running[target].T, s.low[target])
        after, first = old.after(value, took_s), Levels.begun(value)
        levels = Levels(
            value,
            np.where(anew, first.running, after.running),
            np.where(anew, first.low, after.low),
        )
        s.value[target], s.low[target] = levels.value, levels.low
        s.running[target] = levels.running.T
        s.good_us[target] = at
        begun = anew | (s.below_us[target] == NEVER_US)
        s.below_us[target] = np.where(
            over, NEVER_US, np.where(begun, at, s.below_us[target])
        )
        s.reached_us[target] = np.where(over, at, s.reached_us[target])
        works = t.works[target]
        known = works >= 0
        n_all = max(w.n, 1)
        on, two = np.full(n_all, np.nan), np.full(n_all, np.nan)
        since = np.zeros(n_all, np.int64)
        on[: w.n], two[: w.n], since[: w.n] = w.on, w.share, w.on_us
        seen = inputs(
            levels,
            t.limit[target],
            (at - s.reached_us[target]).astype(float),
            np.where(known, on[works], np.nan),
            np.where(known, two[works], np.nan),
            (at - since[works]).astype(float),
        )
        share, odds = contributions(seen, t.model[target])
        _, ewma = contributions(seen, np.full(len(target), EWMA))
        ask = ~over & (s.asked_us[target] == NEVER_US)
        ask &= at - s.below_us[target] >= SETTLED_US
        asked = target[ask]
        s.asked_us[asked] = at[ask]
        s.asked_odds[asked] = np.column_stack([odds[ask], ewma[ask]])
        return share, odds

    def _test(self, target: Ints, at: Int64, new: Bools, good: Bools) -> None:
        """Compare what was said ten minutes ago, and what EWMA said, with the truth."""
        s = self._state
        asked = s.asked_us[target]
        done = (asked != NEVER_US) & (new | (at - asked >= HORIZON_US))
        if not done.any():
            return
        t = target[done]
        s.asked_us[t] = NEVER_US
        known = good[done] & (at[done] - asked[done] <= 2 * HORIZON_US)
        t, truth = t[known], new[done][known]
        loss = np.logaddexp(0.0, np.where(truth[:, None], -1, 1) * s.asked_odds[t])
        s.n_asked[t] += 1
        share = 1.0 / np.minimum(s.n_asked[t], MEMORY_ASKED)
        s.lost[t] += share * (loss[:, 0] - loss[:, 1] - s.lost[t])

    def _settle(
        self,
        target: Ints,
        at: Int64,
        arrived: Int64,
        value: Float64,
        hit: Bools,
        good: Bools,
        saying: Saying,
    ) -> None:
        """Pre-warnings that came true, or whose time is over; few at a time."""
        s = self._state
        # Where nothing is known at the end nobody can say that it was false.
        self._budget.settle(self._groups(target[good]), hit[good])
        for k, number in enumerate(target.tolist()):
            opened = int(s.open_us[number])
            outcome = Outcome(
                target=number,
                row=int(self._targets.row[number]),
                model=int(self._targets.model[number]),
                limit=float(self._targets.limit[number]),
                raised_us=opened,
                ended_us=int(at[k]),
                hit=bool(hit[k]) if good[k] else None,
                lead_s=(int(at[k]) - opened) / US_PER_S if hit[k] else None,
                probability=float(probability(s.open_odds[number])),
                threshold=float(probability(s.open_threshold[number])),
            )
            self.outcomes.append(outcome)
            if outcome.model == FORECAST:
                saying.say(cleared(outcome), int(arrived[k]), float(value[k]))
        s.open_us[target] = NEVER_US

    def _raise(
        self,
        target: Ints,
        at: Int64,
        arrived: Int64,
        value: Float64,
        share: Float64,
        odds: Float64,
        ready: Bools,
        saying: Saying,
    ) -> None:
        """Say what is surer than it has to be; in each group the surest one."""
        s = self._state
        groups = self._groups(target)
        open_now: Float64 = np.zeros(len(groups))
        if self._per_mine and len(groups):
            waiting = np.bincount(groups, s.open_us[target] != NEVER_US)
            open_now = waiting[groups].astype(np.float64)
        threshold = self._budget.threshold(groups, open_now)
        index = np.flatnonzero(ready & (odds >= threshold))
        if len(index) == 0:
            return
        order = index[np.lexsort((target[index], -odds[index]))]
        surest = order[np.unique(groups[order], return_index=True)[1]]
        for k in np.sort(surest).tolist():
            number = int(target[k])
            s.open_us[number] = at[k]
            s.open_odds[number], s.open_threshold[number] = odds[k], threshold[k]
            if self._targets.model[number] != FORECAST:
                continue
            told = raised(
                number, int(at[k]), float(odds[k]), float(threshold[k]), share[k],
                self._budget.told(int(groups[k])), float(s.lost[number]),
                int(s.n_asked[number]),
            )  # fmt: skip
            saying.say(told, int(arrived[k]), float(value[k]))
