"""Living alarms: how the slots of points begin, rise, are doubted and end.

``AlarmEngine`` decides which readings and moments are looked at; this room changes
the state of the slots they touch and says so. Everything works on arrays of rows, of
which only the few that raise something or already live are handed in.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms import conditions, debounce
from gasmon.alarms.compiled import RuleTable
from gasmon.alarms.conditions import Bool, Readings, is_set
from gasmon.alarms.crossing_notes import note_crossings
from gasmon.alarms.held import held
from gasmon.alarms.kinds import (
    BY_LINE,
    DOUBTED_SLOTS,
    EVASION,
    N_SLOTS,
    N_VALUE_SLOTS,
    NO_DATA,
    OVER_LIMIT,
    SENSOR_BREAK,
    SWITCH,
)
from gasmon.alarms.late_book import LateBook
from gasmon.alarms.levels import NEVER_US
from gasmon.alarms.peaks import enter_bands, is_steady, note_peaks
from gasmon.alarms.regrade import regrade
from gasmon.alarms.rule_profiles import METHANE
from gasmon.alarms.rules import MAX_BANDS
from gasmon.alarms.speak import Speech
from gasmon.alarms.state import LONG_AGO_US, PointState
from gasmon.alarms.told import Told
from gasmon.batch import Float64, Index, Int64, ReadingBatch


class LivingAlarms:
    """The slots of every point and the rules they live by."""

    def __init__(self, state: PointState, rules: RuleTable) -> None:
        self.state = state
        self.rules = rules
        self.told = Told()
        self.late = LateBook()

    def judge(
        self,
        batch: ReadingBatch,
        line: Index,
        r: Readings,
        raising: NDArray[np.uint16],
        speech: Speech,
        slots: Iterable[int] = range(N_SLOTS),
    ) -> None:
        """Take the slots of busy points one step on."""
        s, rows = self.state, batch.index
        concerned = raising | s.busy[rows]
        asked = int(np.bitwise_or.reduce(concerned))
        for slot in slots:
            if not asked >> slot & 1:
                continue
            hit = (concerned & np.uint16(1 << slot)).nonzero()[0]
            part, raises = batch.select(hit), is_set(raising[hit], 1 << slot)
            if slot >= N_VALUE_SLOTS:
                steady = is_steady(
                    s, self.rules, slot, part, line[hit], raises, r.good[hit]
                )
                if np.count_nonzero(steady):
                    moves = (~steady).nonzero()[0]
                    hit, part, raises = hit[moves], part.select(moves), raises[moves]
            if len(hit):
                self._slot(slot, part, line[hit], r.select(hit), raises, speech)
        s.due_us[rows] = s.slot_due_us[rows].min(axis=1)

    def _slot(
        self,
        slot: int,
        batch: ReadingBatch,
        line: Index,
        r: Readings,
        raise_: Bool,
        speech: Speech,
    ) -> None:
        s, rows, at = self.state, batch.index, batch.at_us
        on = off = np.zeros(len(rows), np.int64)
        begun = at  # without delays nothing is pending or clearing for a while
        if slot < N_VALUE_SLOTS:
            on, off = self.rules.on_us(line, slot), self.rules.off_us(line, slot)
            begun = s.since_us[rows, slot]
        known = conditions.known_of(slot, r)
        before = s.phase[rows, slot]
        step = debounce.step(
            before,
            begun,
            at,
            raise_,
            conditions.end_of(slot, held(s, self.rules, slot, rows, r)) & ~raise_,
            known,
            on,
            off,
        )
        s.phase[rows, slot] = step.phase
        if slot < N_VALUE_SLOTS:
            s.since_us[rows, slot] = step.since_us
        if slot == OVER_LIMIT:
            enter_bands(s, self.rules, rows, at, line, r)
        if slot in BY_LINE:
            note_crossings(
                s, slot, batch, line, raise_, known, before, step.raised, speech
            )
        cancelled = (before == debounce.PENDING) & (step.phase == debounce.IDLE)
        for position in cancelled.nonzero()[0]:
            row = int(rows[position])
            self.told.add(row, slot, int(begun[position]), int(at[position]))
        pending = step.phase == debounce.PENDING
        s.slot_due_us[rows, slot] = np.where(pending, step.since_us + on, NEVER_US)
        living = (step.phase >= debounce.ACTIVE) & ~step.raised
        note_peaks(s, slot, rows, at, r, living)
        if slot in DOUBTED_SLOTS:
            self._doubt(slot, batch, r.good, living, speech)
        if step.raised.any():
            new = step.raised.nonzero()[0]
            self.begin(slot, batch.select(new), at[new], line[new], speech)
        if living.any():
            old = living.nonzero()[0]
            regrade(s, self.rules, slot, rows[old], line[old])
            self.rise(slot, batch.select(old), at[old], speech)
        ended = step.cleared_us.nonzero()[0]
        if len(ended) and slot < N_VALUE_SLOTS:
            # What is found late before this end was over by then.
            self.late.know_notable(batch.select(ended))
        for position in ended:
            self._end(
                slot, batch, int(position), int(step.cleared_us[position]), speech
            )
        self.mark_busy(slot, rows)

    def mark_busy(self, slot: int, rows: Index) -> None:
        s, mask = self.state, np.uint16(1 << slot)
        idle = s.phase[rows, slot] == debounce.IDLE
        s.busy[rows] = np.where(idle, s.busy[rows] & ~mask, s.busy[rows] | mask)
        if slot == OVER_LIMIT:
            s.band_us[rows[idle]] = NEVER_US

    def _doubt(
        self,
        slot: int,
        batch: ReadingBatch,
        good: Bool,
        living: Bool,
        speech: Speech,
    ) -> None:
        """A living alarm whose value is not known holds, and says so."""
        s, rows = self.state, batch.index
        changed = living & (s.unknown[rows, slot] == good)
        for position in changed.nonzero()[0]:
            row = int(rows[position])
            s.unknown[row, slot] = not good[position]
            speech.point(
                "known" if good[position] else "unknown",
                slot,
                row,
                int(batch.at_us[position]),
                int(batch.arrived_us[position]),
                float(batch.value[position]),
            )

    def begin(
        self,
        slot: int,
        batch: ReadingBatch,
        raised_us: Int64,
        line: Index,
        speech: Speech,
        *,
        peak: tuple[Float64, Int64] | None = None,
    ) -> None:
        """Alarms that begin now.

        Args:
            batch: what is said of each; ``raised_us``: since when, int64[k] [µs].
            line: rule line that raised each.
            peak: the worst values so far and their times, [k] each; None takes the
                newest good value, if the alarm's own stretch has one yet.
        """
        s, rows = self.state, batch.index
        if slot == NO_DATA:
            # It begins by arrival or by a bit. Two must not have one key.
            raised_us = np.maximum(raised_us, s.silence_ended_us[rows] + 1)
        if slot == EVASION:
            line = s.line[rows, slot]  # as it was noted when the value still rose
        s.phase[rows, slot] = debounce.ACTIVE
        s.raised_us[rows, slot] = raised_us
        s.line[rows, slot] = line
        s.rank[rows, slot] = 0
        s.unknown[rows, slot] = False
        if slot == SWITCH:
            s.switch_kind[rows] = self.rules.shapes.switch[self.rules.lines.shape[line]]
        if slot < N_VALUE_SLOTS:
            if peak is None:
                own = s.good_at_us[rows] >= s.since_us[rows, slot]
                worst = np.where(own, s.good_value[rows], np.nan)
                worst_at = np.where(own, s.good_at_us[rows], LONG_AGO_US)
            else:
                worst, worst_at = peak
            s.peak[rows, slot] = worst
            s.peak_at_us[rows, slot] = worst_at
        level = self.rules.lines.level[line, slot]
        if slot == SENSOR_BREAK:
            near_us = batch.at_us - s.near_at_us[rows]
            near = near_us <= self.rules.lines.rise_within_us[line]
            near &= is_set(self.rules.lines.flags[line], METHANE)
            level = np.where(near, self.rules.lines.level[line, N_SLOTS], level)
        s.level[rows, slot] = level
        rank, due = self.rules.levels.judge(
            level, self._since(slot, rows), raised_us, s.rank[rows, slot]
        )
        s.rank[rows, slot], s.slot_due_us[rows, slot] = rank, due
        for position, row in enumerate(rows):
            speech.point(
                "raised",
                slot,
                int(row),
                int(raised_us[position]),
                int(batch.arrived_us[position]),
                float(batch.value[position]),
            )

    def _since(self, slot: int, rows: Index) -> Int64:
        """When each band of the level row was entered, int64[k, bands]."""
        since = np.full((len(rows), MAX_BANDS), NEVER_US)
        since[:, 0] = self.state.raised_us[rows, slot]
        if slot == OVER_LIMIT:
            # A pending delay counts for nothing: durations run from the raise.
            bands = self.state.band_us[rows]
            since[:, 1:] = np.where(
                bands == NEVER_US, NEVER_US, np.maximum(bands, since[:, :1])
            )
        return since

    def rise(
        self, slot: int, batch: ReadingBatch, now_us: Int64, speech: Speech
    ) -> None:
        """Let the level of living alarms rise; it never falls."""
        s, rows = self.state, batch.index
        before = s.rank[rows, slot]
        rank, due = self.rules.levels.judge(
            s.level[rows, slot], self._since(slot, rows), now_us, before
        )
        s.rank[rows, slot], s.slot_due_us[rows, slot] = rank, due
        for position in (rank > before).nonzero()[0]:
            speech.point(
                "level",
                slot,
                int(rows[position]),
                int(now_us[position]),
                int(batch.arrived_us[position]),
                float(batch.value[position]),
            )

    def _end(
        self,
        slot: int,
        batch: ReadingBatch,
        position: int,
        at_us: int,
        speech: Speech,
        cause: str | None = None,
    ) -> None:
        s, row = self.state, int(batch.row[position])
        raised_us = int(s.raised_us[row, slot])
        # A delay may mature on our clock before an older good reading arrives, and
        # silence begins by arrival: nothing may end before it began.
        at_us = max(at_us, raised_us)
        if slot in BY_LINE:
            on_us = 0
            if slot < N_VALUE_SLOTS:
                on_us = int(self.rules.on_us(s.line[row, slot], slot))
            self.told.add(row, slot, raised_us - on_us, at_us)
        if slot == NO_DATA:
            s.silence_ended_us[row] = at_us
        arrived, value = int(batch.arrived_us[position]), float(batch.value[position])
        s.unknown[row, slot] = False
        speech.point("cleared", slot, row, at_us, arrived, value, cause=cause)
        s.raised_us[row, slot] = NEVER_US
        s.slot_due_us[row, slot] = NEVER_US
        s.rank[row, slot] = 0

    def end(
        self,
        slot: int,
        one: ReadingBatch,
        cleared_us: int,
        speech: Speech,
        cause: str | None = None,
    ) -> None:
        """One living alarm that is over since then, by a reading or for a cause."""
        self._end(slot, one, 0, cleared_us, speech, cause)
        self.state.phase[one.row, slot] = debounce.IDLE
        self.mark_busy(slot, one.row)

    def fire(
        self,
        rows: Index,
        until_us: Int64,
        arrived_us: Int64,
        speech: Speech,
        *,
        clock_us: Int64 | None = None,
    ) -> None:
        """Let delays and levels mature that are due by ``until_us`` of their row.

        Args:
            clock_us: for silence instead, which is reckoned in our time; None when
                that is not asked for.
        """
        s = self.state
        for slot in range(N_SLOTS):
            limit_us = until_us
            if slot == NO_DATA and clock_us is not None:
                limit_us = clock_us
            while True:
                due = s.slot_due_us[rows, slot]
                hit = (due <= limit_us).nonzero()[0]
                if len(hit) == 0:
                    break
                self._mature(slot, rows[hit], due[hit], arrived_us[hit], speech)
        s.due_us[rows] = s.slot_due_us[rows].min(axis=1)

    def _mature(
        self,
        slot: int,
        rows: Index,
        due_us: Int64,
        arrived_us: Int64,
        speech: Speech,
    ) -> None:
        s = self.state
        batch = self.as_batch(rows, due_us, arrived_us)
        pending = s.phase[rows, slot] == debounce.PENDING
        if pending.any():
            new = pending.nonzero()[0]
            line = self.rules.version_at(batch.row[new], due_us[new])
            self.begin(slot, batch.select(new), due_us[new], line, speech)
        if not pending.all():
            old = (~pending).nonzero()[0]
            self.rise(slot, batch.select(old), due_us[old], speech)

    def as_batch(self, rows: Index, at_us: Int64, arrived_us: Int64) -> ReadingBatch:
        """What was last known of these points, at moments of the clock.

        A newest reading that says nothing of the gas counts as no value.
        """
        good = self.state.good_at_us[rows] == self.state.last_at_us[rows]
        return ReadingBatch(
            row=rows.astype(np.int32),
            value=np.where(good, self.state.last_value[rows], np.nan),
            at_us=at_us,
            arrived_us=arrived_us,
            state=self.state.last_state[rows],
        )

    def doubt_rows(self, rows: Index, mark_us: int, speech: Speech) -> None:
        """Nothing comes from these points: their living alarms hold, unknown."""
        for slot in DOUBTED_SLOTS:
            living = self.state.phase[rows, slot] >= debounce.ACTIVE
            if not living.any():
                continue
            # As with an unknown reading, an end that was under way begins anew.
            self.state.phase[rows[living], slot] = debounce.ACTIVE
            times = np.full(int(living.sum()), mark_us, np.int64)
            batch = self.as_batch(rows[living], times, times)
            nothing = np.zeros(batch.n, np.bool_)
            self._doubt(slot, batch, nothing, ~nothing, speech)
