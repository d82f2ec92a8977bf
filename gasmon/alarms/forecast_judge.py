"""One look at some mines: levels go on, old pre-warnings are settled, new ones said."""

from dataclasses import dataclass

import numpy as np

from gasmon.alarms import forecast_trial
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.forecast_budget import Budget
from gasmon.alarms.forecast_model import (
    EWMA,
    FORECAST,
    MODELS,
    PRODUCTION_S,
    Bools,
    Ints,
    Levels,
    contributions,
    inputs,
)
from gasmon.alarms.forecast_speak import (
    HORIZON_US,
    Outcome,
    Saying,
    Warned,
    chance,
    cleared,
    raised,
)
from gasmon.alarms.forecast_state import Held, TargetState, WorksState
from gasmon.alarms.forecast_targets import Targets
from gasmon.alarms.levels import NEVER_US
from gasmon.batch import Float64, Int64
from gasmon.points import PointTable
from gasmon.units import US_PER_S

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


@dataclass(frozen=True, slots=True)
class Seen:
    """Some targets as one look sees them; arrays of one length.

    Attributes:
        arrived: when the frame behind it arrived [µs UTC].
        value: NaN where none is known; ``limit`` NaN where nothing is forecast.
    """

    target: Ints
    at: Int64
    arrived: Int64
    value: Float64
    limit: Float64

    def select(self, members: Ints) -> "Seen":
        """Some of them."""
        return Seen(
            self.target[members],
            self.at[members],
            self.arrived[members],
            self.value[members],
            self.limit[members],
        )


class Judge:
    """Carries every target from look to look.

    Attributes:
        state: what it remembers of each target; ``works`` of production signals.
        outcomes: decided pre-warnings, oldest first.
        warned: pre-warnings said, those of the baselines too.
    """

    def __init__(
        self, targets: Targets, held: Held, budget: Budget, per_mine: bool, run: int
    ) -> None:
        self.outcomes: list[Outcome] = []
        self.warned: list[Warned] = []
        self.state = TargetState()
        self.works = WorksState()
        self._targets = targets
        self._held = held
        self._budget = budget
        self._per_mine = per_mine
        self._run = run

    def grow(self, n_mines: int) -> None:
        """Follow the targets after they changed."""
        self.state.grow(self._targets.n)
        self.works.grow(self._targets.n_works)
        # A baseline has a budget of its own: it must not spend the forecast's.
        self._budget.grow(n_mines * len(MODELS) if self._per_mine else self._targets.n)

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
        t, s = self._targets, self.state
        target, which = t.by_mine.of(mines)
        at = at_us[which]
        slot = t.slot[t.row[target]]
        limit = t.limits_at(target, at)
        seen = Seen(target, at, arrived_us[which], self._held.value[slot], limit)
        saying = Saying(t, table, self._run, now_us, said)
        self._earn(target, at)
        good = ~np.isnan(seen.value) & ~np.isnan(limit)
        good &= at - self._held.at_us[slot] < STALE_US
        over = good & (seen.value >= limit)
        new = over & (s.below_us[target] <= at - FRESH_US)
        new &= at - s.good_us[target] <= FORGET_US
        waiting = s.open_us[target] != NEVER_US
        late = waiting & ~new & (at - s.open_us[target] >= HORIZON_US)
        forecast_trial.test(s, target, at, seen.arrived, seen.value, new, good, saying)
        for ends in (waiting & new, late):
            if ends.any():
                index = np.flatnonzero(ends)
                self.settle(seen.select(index), new[index], good[index], saying)
        keep = np.flatnonzero(good)
        seen, over = seen.select(keep), over[keep]
        share, odds = self._score(seen, over)
        target = seen.target
        ready = ~over & (s.open_us[target] == NEVER_US)
        ready &= seen.at - s.below_us[target] >= SETTLED_US
        self._raise(seen, share, odds, ready, saying)
        return target, seen.at, seen.value, odds

    def silent(
        self, reached_us: Int64, mark_us: int, table: PointTable, now_us: int
    ) -> list[AlarmEvent]:
        """End pre-warnings of mines from which nothing comes any more.

        Args:
            reached_us: how far the time of each mine has come, int64[mines].
        """
        said: list[AlarmEvent] = []
        opened = np.flatnonzero(self.state.open_us != NEVER_US)
        end_us = self.state.open_us[opened] + HORIZON_US
        over = reached_us[self._targets.mine[opened]] >= end_us + STALE_US
        if over.any():
            target, at = opened[over], end_us[over]
            nothing = np.full(len(target), np.nan)
            seen = Seen(
                target, at, np.full(len(target), mark_us), nothing,
                self._targets.limits_at(target, at),
            )  # fmt: skip
            no = np.zeros(len(target), np.bool_)
            saying = Saying(self._targets, table, self._run, now_us, said)
            self.settle(seen, no, no, saying)
        return said

    def settle(self, seen: Seen, hit: Bools, good: Bools, saying: Saying) -> None:
        """Pre-warnings that came true, or whose time is over; few at a time."""
        s, target = self.state, seen.target
        # Where nothing is known at the end nobody can say that it was false.
        self._budget.settle(self._groups(target[good]), hit[good])
        for k, number in enumerate(target.tolist()):
            opened = int(s.open_us[number])
            outcome = Outcome(
                target=number,
                row=int(self._targets.row[number]),
                model=int(self._targets.model[number]),
                limit=float(seen.limit[k]),
                raised_us=opened,
                ended_us=int(seen.at[k]),
                hit=bool(hit[k]) if good[k] else None,
                lead_s=(int(seen.at[k]) - opened) / US_PER_S if hit[k] else None,
                probability=chance(s.open_odds[number]),
                threshold=chance(s.open_threshold[number]),
            )
            self.outcomes.append(outcome)
            if outcome.model == FORECAST:
                saying.say(cleared(outcome), int(seen.arrived[k]), float(seen.value[k]))
        s.open_us[target] = NEVER_US

    def _see_works(self, mines: Ints, at_us: Int64) -> None:
        """Whether coal is cut now, and for how long it was not."""
        t, w = self._targets, self.works
        signal, which = t.signals_by_mine.of(mines)
        if len(signal) == 0:
            return
        at = at_us[which]
        slot = t.slot[t.signal_row[signal]]
        value, before = self._held.value[slot], self._held.before[slot]
        # A switch says 0 or 1; a counter of tonnes says so by rising.
        on = np.where(value <= 1.0, value > 0.5, value > before)
        known = ~np.isnan(value) & (at - self._held.at_us[slot] < SIGNAL_STALE_US)
        works, first, place = np.unique(
            t.signal_works[signal], return_index=True, return_inverse=True
        )
        is_on, when = np.full(len(works), -1.0), at[first]
        np.maximum.at(is_on, place[known], on[known].astype(float))
        took_s = (when - np.maximum(w.step_us[works], when - FORGET_US)) / US_PER_S
        faded = -np.expm1(-took_s / PRODUCTION_S)
        old = np.where(np.isnan(w.share[works]), is_on, w.share[works])
        share = old + faded * (is_on - old)
        w.share[works] = np.where(is_on < 0, np.nan, share)
        w.on[works] = np.where(is_on < 0, np.nan, is_on)
        w.on_us[works] = np.where(is_on > 0, when, w.on_us[works])
        w.step_us[works] = when

    def _groups(self, target: Ints) -> Ints:
        if not self._per_mine:
            return target
        return self._targets.mine[target] * len(MODELS) + self._targets.model[target]

    def _earn(self, target: Ints, at: Int64) -> None:
        s = self.state
        took = at - np.maximum(s.step_us[target], at - FORGET_US)
        took[s.step_us[target] <= 0] = 0
        s.step_us[target] = at
        groups, place = np.unique(self._groups(target), return_inverse=True)
        longest = np.zeros(len(groups))
        np.maximum.at(longest, place, took / US_PER_S)
        self._budget.earn(groups, longest)

    def _score(self, seen: Seen, over: Bools) -> tuple[Float64, Float64]:
        """Carry the levels on and score; returns contributions and log-odds."""
        s, t, target, at = self.state, self._targets, seen.target, seen.at
        levels = self._levels(seen)
        begun = s.below_us[target] == NEVER_US
        begun |= at - s.good_us[target] > FORGET_US
        s.good_us[target] = at
        s.below_us[target] = np.where(
            over, NEVER_US, np.where(begun, at, s.below_us[target])
        )
        s.reached_us[target] = np.where(over, at, s.reached_us[target])
        known = inputs(
            levels,
            seen.limit,
            (at - s.reached_us[target]).astype(float),
            *self._production(target, at),
        )
        share, odds = contributions(known, t.model[target])
        _, ewma = contributions(known, np.full(len(target), EWMA))
        may = ~over & (at - s.below_us[target] >= SETTLED_US)
        forecast_trial.ask(s, target, at, t.model[target], may, odds, ewma)
        return share, odds

    def _levels(self, seen: Seen) -> Levels:
        s, target, value = self.state, seen.target, seen.value
        gap = seen.at - s.good_us[target]
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
        return levels

    def _production(self, target: Ints, at: Int64) -> tuple[Float64, Float64, Float64]:
        """On or off, the running share, and the time since coal was last cut."""
        w, works = self.works, self._targets.works[target]
        if w.n == 0:
            unknown = np.full(len(target), np.nan)
            return unknown, unknown, unknown
        known = works >= 0
        return (
            np.where(known, w.on[works], np.nan),
            np.where(known, w.share[works], np.nan),
            (at - w.on_us[works]).astype(float),
        )

    def _raise(
        self, seen: Seen, share: Float64, odds: Float64, ready: Bools, saying: Saying
    ) -> None:
        """Say what is surer than it has to be; in each group the surest one."""
        s, t, target = self.state, self._targets, seen.target
        groups = self._groups(target)
        open_now: Float64 = np.zeros(len(groups))
        if self._per_mine and len(groups):
            waiting = np.bincount(groups, s.open_us[target] != NEVER_US)
            open_now = waiting[groups].astype(np.float64)
        threshold = self._budget.threshold(groups, open_now)
        index = np.flatnonzero(ready & (odds >= threshold))
        if len(index) == 0:
            return
        # By name where they are equally sure: rows have another order elsewhere.
        order = index[np.lexsort((t.name[target[index]], -odds[index]))]
        surest = order[np.unique(groups[order], return_index=True)[1]]
        for k in np.sort(surest).tolist():
            number = int(target[k])
            s.open_us[number] = seen.at[k]
            s.open_odds[number], s.open_threshold[number] = odds[k], threshold[k]
            warned = self._warned(number, float(seen.limit[k]))
            self.warned.append(warned)
            if t.model[number] != FORECAST:
                continue
            told = raised(
                number, warned, share[k], self._budget.told(int(groups[k])),
                float(s.lost[number]), int(s.n_asked[number]),
            )  # fmt: skip
            saying.say(told, int(seen.arrived[k]), float(seen.value[k]))

    def _warned(self, number: int, limit: float) -> Warned:
        s, model = self.state, int(self._targets.model[number])
        return Warned(
            row=int(self._targets.row[number]),
            model=MODELS[model],
            raised_us=int(s.open_us[number]),
            limit=limit,
            horizon_s=HORIZON_US // US_PER_S,
            probability=chance(s.open_odds[number]),
            threshold=chance(s.open_threshold[number]),
            last_value=float(s.value[number]),
            ewma_1min=float(s.running[number, 0]),
            advisory=model == FORECAST and bool(s.advisory_us[number] != NEVER_US),
        )
