"""What is recorded of points and the log does not tell yet: owed by frames to come.

Events are recorded ahead of the readings that made them. After a kill between the two
the engine goes on from a log that ends before them, and the broker sends those readings
again. So the engine stays as the log left it, and what the record knows more is a debt:

- the readings come: the engine says the same events again, and nothing is owed;
- a reading from after the recorded event comes first: those that made it will not come,
  and the alarm begins or ends as it is recorded before that reading is judged;
- nothing comes for ``OWED_US``, or silence is told of the point: the same. A gateway's
  last will is no such silence: the broker may repeat frames behind it.

To begin or end it at once would bring the engine to a moment behind readings that are
still to come: they would begin an alarm anew that is over, or count as late.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from gasmon.alarms import debounce
from gasmon.alarms.kinds import N_VALUE_SLOTS, NO_DATA, SLOT_OF
from gasmon.alarms.levels import NEVER_US
from gasmon.alarms.living import LivingAlarms
from gasmon.alarms.relation_kinds import RELATION_NAMES
from gasmon.alarms.resuming import LivingAlarm, go_on
from gasmon.alarms.speak import Speech
from gasmon.alarms.state import PointState
from gasmon.batch import Index, ReadingBatch
from gasmon.units import US_PER_S

if TYPE_CHECKING:
    from gasmon.alarms.engine import AlarmEngine

OWED_US = 45 * US_PER_S
"""What is owed is waited for this long [µs], by clock marks. Ours: over three times the
longest hold after a reconnect (``ingest.order.HOLD_S``, 12 s), less than the silence
that breaks a link (60 s)."""

OWED_KINDS = frozenset(
    (*(kind for kind, slot in SLOT_OF.items() if slot != NO_DATA), *RELATION_NAMES)
)
"""Kinds that readings of a point or frames of a mine begin and end; silence is told by
the clock."""


@dataclass(frozen=True, slots=True)
class Debt:
    """A recorded beginning or end of an alarm of a point or relation.

    Attributes:
        alarm: as it is recorded.
        cleared_us: when it ended; None for a beginning, of one that is open [µs].
    """

    alarm: LivingAlarm
    cleared_us: int | None = None

    def lives(self, s: PointState) -> bool:
        """Whether the engine has this very alarm."""
        row, slot = self.alarm.row, SLOT_OF[self.alarm.kind]
        raised_us = int(s.raised_us[row, slot])
        is_living = int(s.phase[row, slot]) >= debounce.ACTIVE
        return is_living and raised_us == self.alarm.raised_us

    def as_list(self, point_of: Callable[[int], object]) -> list[Any]:
        """As JSON holds it.

        Args:
            point_of: what stands for a row.
        """
        a = self.alarm
        point = [a.subject] if a.subject else point_of(a.row)
        peak = None if isnan(a.peak) else a.peak
        told = [point, a.kind, a.raised_us, a.rank, peak, a.peak_at_us, a.unknown]
        return [*told, self.cleared_us]

    @classmethod
    def of(cls, told: Sequence[Any], row_of: Callable[[Any], int]) -> "Debt | None":
        """The debt that ``as_list`` wrote; None of a point that is not known.

        Args:
            row_of: the row that something stands for; -1 for an unknown point.
        """
        point, kind, raised_us, rank, peak, peak_at_us, unknown, cleared_us = told
        row, subject = -1, ""
        if isinstance(point, list) and len(point) == 1:
            (subject,) = point
        elif (row := row_of(point)) < 0:
            return None
        peak = nan if peak is None else peak
        alarm = LivingAlarm(
            kind, row, -1, raised_us, rank, peak, peak_at_us, unknown, subject
        )
        return cls(alarm, cleared_us)


def debts_of(
    listed: Iterable[Sequence[Any]], row_of: Callable[[Any], int]
) -> Iterator[Debt]:
    """Those of ``as_list``, without points that are not known any more."""
    found = (Debt.of(told, row_of) for told in listed)
    return (debt for debt in found if debt is not None)


class Waiting:
    """Debts by whom they are of; false when there is none.

    Attributes:
        since_us: the first clock mark since it is waited [µs]; NEVER_US before it.
    """

    def __init__(self) -> None:
        """Nothing is waited for."""
        self._of: dict[int, list[Debt]] = {}
        self.since_us = NEVER_US

    def __bool__(self) -> bool:
        return bool(self._of)

    def __contains__(self, number: object) -> bool:
        """Whether something is owed to this one."""
        return number in self._of

    def __iter__(self) -> Iterator[Debt]:
        for debts in self._of.values():
            yield from debts

    def begin(
        self, debts: Iterable[tuple[int, Debt]], since_us: int = NEVER_US
    ) -> None:
        """Wait for these from now on, and for nothing else.

        Args:
            debts: each with the number of whom it is of.
        """
        self._of, self.since_us = {}, since_us
        for number, debt in debts:
            self._of.setdefault(number, []).append(debt)

    def pass_over(self, passed_us: int) -> None:
        """Our clock moved without as much time passing [µs]."""
        if self.since_us != NEVER_US:
            self.since_us += passed_us

    def waited(self, mark_us: int) -> bool:
        """Whether a clock mark is ``OWED_US`` behind the first one."""
        self.since_us = min(self.since_us, mark_us)
        return mark_us - self.since_us >= OWED_US

    def _keep(self, number: int, debts: list[Debt]) -> None:
        if debts:
            self._of[number] = debts
        else:
            self._of.pop(number, None)


class Owed(Waiting):
    """What is owed to the points of an engine, by row."""

    def end(self, alarms: LivingAlarms, batch: ReadingBatch, speech: Speech) -> None:
        """End what had ended before these readings; before delays mature by them.

        Args:
            batch: about to be judged, at most one reading a point.
        """
        for row, at in self._concerned(batch.index):
            at_us, arrived_us = int(batch.at_us[at]), int(batch.arrived_us[at])
            self._end(alarms, row, at_us, arrived_us, speech)

    def go_on(self, alarms: LivingAlarms, batch: ReadingBatch) -> None:
        """Let live what had begun before these readings; after delays matured.

        Call ``end`` before it: what is left of ends is not over yet.
        """
        for row, at in self._concerned(batch.index):
            self._go_on(alarms, row, int(batch.at_us[at]))

    def mark(self, alarms: LivingAlarms, mark_us: int, speech: Speech) -> Index:
        """Wait no longer than ``OWED_US``; returns rows that are waited for no more."""
        rows = list(self._of) if self.waited(mark_us) else []
        self.settle(alarms, rows, mark_us, speech)
        return np.asarray(rows, np.intp)

    def settle(
        self,
        alarms: LivingAlarms,
        rows: Iterable[int],
        mark_us: int,
        speech: Speech,
    ) -> None:
        """Wait for nothing more of these points: let the record count."""
        for row in [row for row in rows if row in self._of]:
            self._end(alarms, row, NEVER_US, mark_us, speech)
            self._go_on(alarms, row, NEVER_US)

    def _concerned(self, rows: Index) -> list[tuple[int, int]]:
        """Rows of which something is owed, and their positions."""
        hit = np.flatnonzero(np.isin(rows, list(self._of)))
        return list(zip(rows[hit].tolist(), hit.tolist(), strict=True))

    def _end(
        self,
        alarms: LivingAlarms,
        row: int,
        at_us: int,
        arrived_us: int,
        speech: Speech,
    ) -> None:
        """Ends are waited for until their time is over: the alarm may begin yet."""
        s, kept = alarms.state, []
        for debt in self._of.get(row, ()):
            cleared_us = debt.cleared_us
            if cleared_us is None or at_us <= cleared_us:
                kept.append(debt)
                continue
            slot = SLOT_OF[debt.alarm.kind]
            if _is_pending(s, row, slot, cleared_us):
                # What had it begin came, what ended it is lost.
                go_on(s, alarms.rules, debt.alarm)
            if not debt.lives(s):
                continue
            # It is said with the identity of the recorded end: whoever heard the
            # beginning once more must hear the end, and nobody else does.
            s.rank[row, slot] = debt.alarm.rank
            one = alarms.as_batch(
                np.asarray([row], np.intp),
                np.asarray([cleared_us], np.int64),
                np.asarray([arrived_us], np.int64),
            )
            alarms.end(slot, one, cleared_us, speech)
            s.due_us[row] = s.slot_due_us[row].min()
        self._keep(row, kept)

    def _go_on(self, alarms: LivingAlarms, row: int, at_us: int) -> None:
        kept: list[Debt] = []
        for debt in self._of.get(row, ()):
            lives, is_open = debt.lives(alarms.state), debt.cleared_us is None
            if at_us > debt.alarm.raised_us and not lives:
                # One that is over, too, is not to begin later than it is recorded.
                go_on(alarms.state, alarms.rules, debt.alarm)
                lives = True
            if not (is_open and lives):
                kept.append(debt)
        self._keep(row, kept)


def _is_pending(s: PointState, row: int, slot: int, until_us: int) -> bool:
    """Whether a delay of one slot began by then; only kinds with limits have any."""
    if slot >= N_VALUE_SLOTS or int(s.phase[row, slot]) != debounce.PENDING:
        return False
    return int(s.since_us[row, slot]) <= until_us


def sorted_out(
    engine: "AlarmEngine", debts: Iterable[Debt]
) -> tuple[list[tuple[int, Debt]], list[tuple[int, Debt]]]:
    """Debts of points by row, and of relations by the index of their mine."""
    of_points, of_relations = [], []
    for debt in debts:
        if debt.alarm.subject:
            mine = mine_of(engine, debt.alarm.subject)
            of_relations.append((mine, debt))
        else:
            of_points.append((debt.alarm.row, debt))
    return of_points, [each for each in of_relations if each[0] >= 0]


def mine_of(engine: "AlarmEngine", subject: str) -> int:
    """The index of the mine that ``unit:…`` or ``mine:…`` is in; -1 if unknown."""
    return engine.table.mine_index.get(subject.partition(":")[2][:12], -1)
