"""What is recorded of relations and the log does not tell yet, by mine.

As ``owing.py`` for points; what is judged here is a moment of a mine. A relation that
went on at once would move the time of its whole mine: frames of before that come again
would be judged as if they were of its beginning, and end what had not ended.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from gasmon.alarms import debounce
from gasmon.alarms.levels import NEVER_US
from gasmon.alarms.owing import Debt, Waiting
from gasmon.alarms.resuming import LivingAlarm
from gasmon.alarms.speak import Speech
from gasmon.batch import Index, Int64

if TYPE_CHECKING:
    from gasmon.alarms.relations import Relations


class OwedRelations(Waiting):
    """What is owed to the relations of an engine, by the index of their mine."""

    def before(
        self,
        relations: "Relations",
        mines: Index,
        at_us: Int64,
        arrived_us: Int64,
        speech: Speech,
    ) -> None:
        """Let what is over before these moments end, and what has begun live.

        Args:
            mines: that are about to be judged, intp[k]; ``at_us``: at which moment of
                each; ``arrived_us``: of the frame behind it, int64[k] [µs UTC].
        """
        for place in np.flatnonzero(np.isin(mines, list(self._of))).tolist():
            moment_us, arrived = int(at_us[place]), int(arrived_us[place])
            self._judge(relations, int(mines[place]), moment_us, arrived, speech)

    def begun(self, relations: "Relations", number: int, raised_us: int) -> bool:
        """Let one that begins now live as it is recorded.

        A clock mark that came before its frame moves the moment of the mine; when the
        frame comes again without that mark, the same alarm begins a moment earlier.

        Returns:
            False where its beginning is not owed, or is said with the same moment.
        """
        mine = int(relations.table.own["mine"][number])
        subject, kind = relations.table.relations[number].key
        owed = [
            debt.alarm
            for debt in self._of.get(mine, ())
            if (debt.alarm.subject, debt.alarm.kind) == (subject, kind)
            and (debt.cleared_us is None or debt.cleared_us >= raised_us)
        ]
        if not owed or any(alarm.raised_us == raised_us for alarm in owed):
            return False
        _resume(relations, min(owed, key=lambda alarm: alarm.raised_us))
        return True

    def numbers(self, relations: "Relations") -> list[int]:
        """The relations to which something is owed."""
        alarms = (debt.alarm for debt in self)
        return [relations.number_of(alarm.subject, alarm.kind) for alarm in alarms]

    def mark(self, relations: "Relations", mark_us: int, speech: Speech) -> None:
        """Wait no longer than ``OWED_US``."""
        if self.waited(mark_us):
            self.settle(relations, list(self._of), mark_us, speech)

    def settle(
        self,
        relations: "Relations",
        mines: Iterable[int],
        mark_us: int,
        speech: Speech,
    ) -> None:
        """Wait for nothing more of these mines: let the record count."""
        for mine in [mine for mine in mines if mine in self._of]:
            self._judge(relations, mine, NEVER_US, mark_us, speech)

    def _judge(
        self,
        relations: "Relations",
        mine: int,
        at_us: int,
        arrived_us: int,
        speech: Speech,
    ) -> None:
        kept: list[Debt] = []
        for debt in self._of[mine]:
            number = relations.number_of(debt.alarm.subject, debt.alarm.kind)
            # One that the definitions do not have any more is left to people.
            if number >= 0 and _is_kept(
                relations, number, debt, at_us, arrived_us, speech
            ):
                kept.append(debt)
        self._keep(mine, kept)


def _is_kept(
    relations: "Relations",
    number: int,
    debt: Debt,
    at_us: int,
    arrived_us: int,
    speech: Speech,
) -> bool:
    """Pay what is due of one relation; whether something is waited for yet."""
    alarm, cleared_us, lives = debt.alarm, debt.cleared_us, relations.lives
    one, arrived = np.asarray([number]), np.asarray([arrived_us])
    if cleared_us is not None and at_us > cleared_us:
        s = relations.table.state
        pending = int(s["phase"][number]) == debounce.PENDING
        if pending and int(s["since_us"][number]) <= cleared_us:
            # What had it begin came, what ended it is lost.
            _resume(relations, alarm)
        if _lives(relations, number, debt):
            # With the identity of the recorded end, as those of points.
            s["rank"][number] = alarm.rank
            lives.end(one, np.asarray([cleared_us]), arrived, speech)
        return False
    if at_us != NEVER_US:
        lives.mature(one, np.asarray([at_us]), arrived, speech)
    is_living = _lives(relations, number, debt)
    if at_us > alarm.raised_us and not is_living:
        _resume(relations, alarm)
        is_living = True
    return cleared_us is not None or not is_living


def _resume(relations: "Relations", alarm: LivingAlarm) -> None:
    relations.resume(
        alarm.subject, alarm.kind, alarm.raised_us, alarm.rank, alarm.unknown
    )


def _lives(relations: "Relations", number: int, debt: Debt) -> bool:
    s = relations.table.state
    is_living = int(s["phase"][number]) >= debounce.ACTIVE
    return is_living and int(s["raised_us"][number]) == debt.alarm.raised_us
