"""AlarmEngine: one ordered log in, alarm events out.

``tick`` is given what arrived since the last one: readings in arrival order, signs of
life between them, then clock marks. Readings of one point are judged in the order in
which they arrived, each in its own event time, so it makes no difference how the log
was cut into batches. A reading that is not newer than what was already judged for its
point is late (or a duplicate): it never takes anything back.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms import conditions
from gasmon.alarms.compiled import RuleTable
from gasmon.alarms.conditions import Bool, Readings, is_set
from gasmon.alarms.crossings import Crossing
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.falling_silent import doubt, tell_silent
from gasmon.alarms.forecast import ForecastEngine
from gasmon.alarms.kinds import N_VALUE_SLOTS
from gasmon.alarms.late import judge_late, note_first_after_gap
from gasmon.alarms.late_tell import settle_late
from gasmon.alarms.levels import NEVER_US
from gasmon.alarms.living import LivingAlarms
from gasmon.alarms.owing import Debt, Owed, sorted_out
from gasmon.alarms.quiet import QuietTable
from gasmon.alarms.relations import Relations, over_limit_units
from gasmon.alarms.resuming import LivingAlarm, resume
from gasmon.alarms.retired import Retirements, unpaused
from gasmon.alarms.rule_asked import Asked
from gasmon.alarms.rule_history import told_differently
from gasmon.alarms.rules import RuleSet
from gasmon.alarms.shape import Shape, look
from gasmon.alarms.silence import MineLinks, Sign, excuse
from gasmon.alarms.speak import Speech
from gasmon.alarms.state import LONG_AGO_US, PointState
from gasmon.alarms.substations import Substations
from gasmon.batch import Index, Int64, ReadingBatch
from gasmon.domain import states
from gasmon.points import PointDef, PointTable
from gasmon.units import US_PER_S


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the engine waits before it speaks of silence or distrusts a bit.

    Attributes:
        point_us: a point is silent after this while its mine goes on [µs].
        mine_us: a mine is silent after this [µs].
        calibration_us: an unplanned calibration bit hides the value this long [µs].
        late_us: late readings beyond a limit are told of as one record when no more
            of them came for this long [µs].
        gap_us: more than this between two clock marks was not lived through: we stood
            still or our clock was set [µs]. Without it every gap was.
    """

    point_us: int = 90 * US_PER_S
    mine_us: int = 60 * US_PER_S
    calibration_us: int = 1800 * US_PER_S
    late_us: int = 120 * US_PER_S
    gap_us: int = NEVER_US


class AlarmEngine:
    """Judges readings against the rules in force at their own time.

    Attributes:
        table: the points it knows; ``adopt`` changes it.
        state: what it remembers of each point; ``links`` of each mine.
        substations: which of them are silent as a whole.
        forecast: looks ahead at methane, if wanted; it decides no alarm.
        owed: what the record knows more after a restart; nothing nearly always.
        mark_us: the newest clock mark [µs UTC].
        crossed: crossings of the last ``tick`` by which no alarm began.
        n_late: readings that were not newer than what was judged before.
    """

    def __init__(
        self,
        rules: RuleSet,
        patience: Patience | None = None,
        run: int = 0,
        forecast: ForecastEngine | None = None,
    ) -> None:
        self.patience = patience or Patience()
        self.run = run
        self.forecast = forecast
        self.table = PointTable()
        self.rules = RuleTable(rules)
        self.state = PointState()
        self.retired = Retirements()
        self.alarms = LivingAlarms(self.state, self.rules)
        self.owed = Owed()
        self.mark_us = LONG_AGO_US
        self.n_late = 0
        self.crossed: list[Crossing] = []
        self.links = MineLinks(self.rules.levels, self.patience.mine_us)
        self.substations = Substations(self.state, self.rules.levels)
        self.relations = Relations(
            self.state, self.rules.levels, self.links, self.patience.point_us
        )
        self._follow_rules(0)

    def adopt(
        self, table: PointTable, versions: Iterable[PointDef], now_us: int
    ) -> None:
        """Know a larger table and these new versions of points.

        Args:
            table: an extension of the present one; rows keep their meaning.
            versions: versions to add, oldest first; every new row needs one.
            now_us: from when the silence of new points and mines counts [µs].
        """
        anew = told_differently(self.table, table)
        self.table, told = table, list(versions)
        if len(anew):
            self.rules.again(anew, now_us, table)
        rows = [table.index[point.key] for point in told]
        mines = [table.mines[table.mine_of[row]] for row in rows]
        self.rules.add_all(rows, told, mines)
        self.retired.note(rows, told)
        self.state.grow(table.n, now_us)
        self.links.grow(len(table.mines), now_us)
        self.substations.adopt(table, rows)
        changed = {table.mine_index[point.key.mine] for point in told}
        self.relations.define(table, changed)
        if self.forecast is not None:
            self.forecast.adopt(table, told)
            self.forecast.again(anew, now_us)

    def change_rules(self, rules: RuleSet, from_us: int) -> None:
        """Judge by other rules from an event time on; what lives goes on.

        A reading is judged by the rules in force at its own time, and a relation by
        those at the moment that is judged. An alarm that lives when its point comes
        next goes on under the numbers then: it ends by them, and its level rises by
        them and never falls.

        Args:
            from_us: [µs UTC]; not before the change before it. Readings of this time
                that were judged already are not judged again.
        """
        from_us = self.rules.change(rules, from_us, self.table)
        self._follow_rules(from_us)
        if self.forecast is not None:
            self.forecast.change_rules(rules, from_us)

    def _follow_rules(self, from_us: int) -> None:
        rules = self.rules
        asked = Asked(rules.rules, rules.level_rows)
        self.links.grade_by(asked, from_us)
        self.substations.grade_by(asked, from_us)
        self.relations.rules.follow(rules.rules, rules.level_rows, from_us)

    def resume(self, alarms: Iterable[LivingAlarm]) -> None:
        """Go on with alarms that were open when the process ended, silently.

        A reading from before an alarm began is late for its point from here on: sent
        again after a restart it must not end what came after it.
        """
        resume(self, alarms)

    def owe(self, debts: Iterable[Debt], since_us: int = NEVER_US) -> None:
        """Wait for what was recorded ahead of frames to come, and for nothing else.

        Args:
            since_us: the clock mark since which it is waited [µs].
        """
        of_points, of_relations = sorted_out(self, debts)
        self.owed.begin(of_points, since_us)
        self.relations.owed.begin(of_relations, since_us)

    def tick(
        self,
        batch: ReadingBatch,
        *,
        now_us: int,
        marks: Sequence[int] = (),
        signs: Sequence[Sign] = (),
        quiet: QuietTable | None = None,
    ) -> list[AlarmEvent]:
        """Judge what arrived.

        Args:
            batch: readings in arrival order.
            now_us: stamped as ``decided_at_us``; decides nothing [µs UTC].
            marks: clock marks after the batch, rising [µs UTC].
            signs: births and last wills, by position in the batch.
            quiet: what keeps alarms from waking people; none when not given.

        Returns:
            Events in the order in which they were decided.
        """
        quiet = quiet or QuietTable()
        speech = Speech(self.table, self.rules, self.state, quiet, self.run, now_us)
        begin = 0
        for sign in signs:
            self._readings(batch, begin, sign.position, speech)
            begin = sign.position
            self._sign(sign, speech)
        self._readings(batch, begin, batch.n, speech)
        for mark_us in marks:
            self._mark(int(mark_us), speech)
        self.crossed = speech.crossed
        return speech.said

    # Readings

    def _readings(
        self, batch: ReadingBatch, begin: int, end: int, speech: Speech
    ) -> None:
        if begin == end:
            return
        if (begin, end) != (0, batch.n):
            batch = batch.select(np.arange(begin, end))
        mines = self.table.mine_of[batch.index].astype(np.intp)
        self.links.hear(mines, batch.arrived_us, speech)
        for frames in self.relations.frames(batch, mines, speech):
            for index in frames.rounds():
                one = frames if len(index) == frames.n else frames.select(index)
                self._round(one, speech)
            self.relations.changeovers.settle(self.alarms, speech)
        if self.forecast is not None:
            speech.said += self.forecast.tick(batch, speech.now_us)

    def _round(self, batch: ReadingBatch, speech: Speech) -> None:
        """Judge at most one reading a point."""
        s, rows, at = self.state, batch.index, batch.at_us
        before = s.last_at_us[rows]
        fresh = at > before
        if np.count_nonzero(fresh) < batch.n:
            stale = (~fresh).nonzero()[0]
            self.n_late += len(stale)
            patience_us = self.patience.calibration_us
            judge_late(self.alarms, batch.select(stale), patience_us, speech)
            batch = batch.select(fresh.nonzero()[0])
            if batch.n == 0:
                return
            rows, at, before = batch.index, batch.at_us, before[fresh]
        # Only news counts as hearing: a sensor whose sample times stand still, or were
        # set back with its substation's clock, tells nothing that could be alarmed on.
        arrived = np.maximum(s.last_arrived_us[rows], batch.arrived_us)
        s.last_arrived_us[rows] = arrived
        self.substations.hear(rows, batch.arrived_us, speech)
        # What is judged after a mark cannot have arrived before it.
        s.lag_us[rows] = np.maximum(batch.arrived_us, self.mark_us) - at
        if self.owed:
            self.owed.end(self.alarms, batch, speech)
        due = s.due_us[rows] <= at
        if np.count_nonzero(due):
            self.alarms.fire(rows[due], at[due], batch.arrived_us[due], speech)
        if self.owed:
            self.owed.go_on(self.alarms, batch)
        line = self.rules.version_at(rows, at)
        readings = self._interpret(batch, rows, line)
        raising = conditions.raise_bits(readings, self.rules.lines.kinds[line])
        raising = unpaused(self.retired, batch, raising)
        spare = self.relations.changeovers.spare
        raising = spare(self.rules, batch, readings, raising)
        note_first_after_gap(self.alarms, batch, line, readings, before)
        if self.alarms.late.held:
            by_value = is_set(raising, (1 << N_VALUE_SLOTS) - 1)
            self.alarms.late.release(rows[by_value])
        self._remember(batch, rows, line, readings)
        self.relations.take(batch, readings.good)
        busy = (raising | s.busy[rows]).nonzero()[0]
        if len(busy):
            self.alarms.judge(
                batch.select(busy),
                line[busy],
                readings.select(busy),
                raising[busy],
                speech,
            )

    def _interpret(self, batch: ReadingBatch, rows: Index, line: Index) -> Readings:
        """What the values and state bits mean, before any limit is looked at."""
        s, lines = self.state, self.rules.lines
        calibrating = is_set(batch.state, states.CALIBRATION)
        were = s.calibration_us[rows] != NEVER_US
        if np.count_nonzero(calibrating | were):
            begun = np.minimum(s.calibration_us[rows], batch.at_us)
            s.calibration_us[rows] = np.where(calibrating, begun, NEVER_US)
            calibrating &= batch.at_us - begun < self.patience.calibration_us

        def shape_of(good: Bool) -> Shape:
            return look(s, self.rules, batch, rows, line, good)

        return conditions.interpret(
            batch.value, batch.state, lines, line, calibrating, shape_of
        )

    def _remember(
        self, batch: ReadingBatch, rows: Index, line: Index, r: Readings
    ) -> None:
        s = self.state
        s.last_at_us[rows] = batch.at_us
        s.last_value[rows] = batch.value
        s.last_state[rows] = batch.state
        good = r.good.nonzero()[0]
        known = rows[good]
        s.good_at_us[known] = batch.at_us[good]
        s.good_value[known] = batch.value[good]
        near = r.good & (batch.value >= self.rules.lines.rise[line])
        if np.count_nonzero(near):
            s.near_at_us[rows[near]] = batch.at_us[near]

    # Silence

    def _sign(self, sign: Sign, speech: Speech) -> None:
        if sign.online:
            mines = np.asarray([sign.mine], np.int32)
            self.links.hear(mines, np.asarray([sign.arrived_us]), speech)
        elif self.links.break_(
            sign.mine, sign.arrived_us, sign.arrived_us, "last_will", speech
        ):
            # What is owed may come yet: a will waits behind nothing at a broker.
            rows = [row for row in self.table.rows[sign.mine] if row not in self.owed]
            doubt(self.alarms, np.asarray(rows, np.intp), sign.arrived_us, speech)

    def _mark(self, mark_us: int, speech: Speech) -> None:
        n_said = len(speech.said)
        self._points_mark(mark_us, speech)
        self.relations.mark(mark_us, over_limit_units(speech, n_said), speech)

    def _points_mark(self, mark_us: int, speech: Speech) -> None:
        s, n = self.state, self.state.n
        self._pass_over(mark_us)
        self.links.clamp(mark_us)
        s.last_arrived_us[:n] = np.minimum(s.last_arrived_us[:n], mark_us)
        self.mark_us = mark_us
        settle_late(self.alarms, mark_us, self.patience.late_us, speech)
        if self.owed:
            rows = self.owed.mark(self.alarms, mark_us, speech)
            broken = self.links.raised_us[self.table.mine_of[rows]] != NEVER_US
            doubt(self.alarms, rows[broken], mark_us, speech)
        waiting = np.flatnonzero(s.due_us[:n] != NEVER_US)
        reached = self._reached(waiting, mark_us)
        hit = s.due_us[waiting] <= np.maximum(reached, mark_us)
        if hit.any():
            times = np.full(int(hit.sum()), mark_us, np.int64)
            self.alarms.fire(waiting[hit], reached[hit], times, speech, clock_us=times)
        for mine in self.links.mark(mark_us, speech):
            self._doubt_mine(mine, mark_us, speech)
        if self.forecast is not None:
            speech.said += self.forecast.mark(mark_us, speech.now_us)
        tell_silent(self, mark_us, speech)

    def _pass_over(self, mark_us: int) -> None:
        """A gap before a mark that nobody lived through, or a step back."""
        passed_us = mark_us - self.mark_us
        if self.mark_us == LONG_AGO_US or 0 <= passed_us <= self.patience.gap_us:
            return
        self.pass_over(passed_us, mark_us, self.patience.gap_us if passed_us > 0 else 0)

    def pass_over(self, passed_us: int, mark_us: int, lived_us: int = 0) -> None:
        """Our clock moved without as much time passing: nothing is silent for it.

        Args:
            passed_us: by how much it moved; negative when it went back [µs].
            mark_us: what it says now [µs UTC].
            lived_us: of that, what counts for silence, so that a process that stands
                still again and again does not wait for ever [µs].
        """
        s, n = self.state, self.state.n
        self.links.pass_over(passed_us - lived_us, mark_us)
        self.substations.pass_over(passed_us - lived_us, mark_us)
        excuse(s.last_arrived_us[:n], passed_us - lived_us, mark_us)
        # The time of mines stands still until they are heard, or silent.
        s.lag_us[:n] += passed_us
        self.relations.pass_over(passed_us)
        for waiting in (self.owed, self.relations.owed):
            waiting.pass_over(passed_us - lived_us)
        if self.forecast is not None:
            self.forecast.pass_over(passed_us)

    def _reached(self, rows: NDArray[np.intp], mark_us: int) -> Int64:
        """How far the time of these points has come, int64[k] [µs UTC].

        Delays and durations run in the time of a mine, which goes on between two
        readings as ours does. When nothing comes any more, ours alone counts.
        """
        s = self.state
        lag = s.lag_us[rows]
        silent = self.links.raised_us[self.table.mine_of[rows]] != NEVER_US
        silent |= s.is_silent(rows)
        return mark_us - np.where(silent, np.minimum(lag, 0), lag)

    def _doubt_mine(self, mine: int, mark_us: int, speech: Speech) -> None:
        rows = np.asarray(self.table.rows[mine], np.intp)
        if self.owed:
            self.owed.settle(self.alarms, rows.tolist(), mark_us, speech)
        if self.relations.owed:
            self.relations.owed.settle(self.relations, [mine], mark_us, speech)
        doubt(self.alarms, rows, mark_us, speech)
