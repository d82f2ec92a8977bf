"""Silence of mines and points, judged by arrival times and clock marks.

Time that we did not live through is nobody's silence: where the clock jumps, what was
heard moves with it.

A mine that is not heard of for a set time (or whose last will arrives) has a broken
link: one alarm on the mine. A point is silent only *against its mine*: its mine goes on
sending and it does not. So a broken link is one alarm and not sixty, and nothing is
said of a point before its mine has been back for the whole time again.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms.kinds import LINK_BREAK
from gasmon.alarms.levels import NEVER_US, LevelTable
from gasmon.alarms.rule_asked import Asked
from gasmon.alarms.rule_match import subject_of
from gasmon.alarms.rule_spec import KindParams
from gasmon.alarms.speak import Speech, in_words
from gasmon.alarms.state import LONG_AGO_US
from gasmon.batch import Int32, Int64
from gasmon.units import US_PER_S, iso_us

Mines = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Sign:
    """A sign of life of a mine that is not a reading.

    Attributes:
        position: it came before the reading at this index of the batch.
        mine: mine index.
        online: False for a last will or a goodbye.
        arrived_us: when it came [µs UTC].
    """

    position: int
    mine: int
    online: bool
    arrived_us: int


LINK_COLUMNS: dict[str, tuple[Any, Any]] = {
    "heard_us": (np.int64, LONG_AGO_US),
    "session_us": (np.int64, LONG_AGO_US),
    "raised_us": (np.int64, NEVER_US),
    "since_us": (np.int64, NEVER_US),
    "ended_us": (np.int64, LONG_AGO_US),
    "due_us": (np.int64, NEVER_US),
    "rank": (np.int8, 0),
}
"""Dtype and starting value of each column."""


class MineLinks:
    """What is known of the link to each mine, by mine index.

    Attributes:
        heard_us: newest arrival of anything, int64[m].
        session_us: arrival since which it is heard without a break, int64[m].
        raised_us: since when its link is broken, NEVER_US when it is not, int64[m].
        since_us: from when the duration of that alarm counts, int64[m].
        ended_us: when its last break ended; the next begins later, int64[m].
        due_us: when the level of that alarm rises next, int64[m].
        rank: its level, int8[m].
    """

    heard_us: np.ndarray[Any, np.dtype[np.int64]]
    session_us: np.ndarray[Any, np.dtype[np.int64]]
    raised_us: np.ndarray[Any, np.dtype[np.int64]]
    since_us: np.ndarray[Any, np.dtype[np.int64]]
    ended_us: np.ndarray[Any, np.dtype[np.int64]]
    due_us: np.ndarray[Any, np.dtype[np.int64]]
    rank: np.ndarray[Any, np.dtype[np.int8]]

    def __init__(self, levels: LevelTable, silent_after_us: int) -> None:
        self.n = 0
        self._levels = levels
        self._graded: list[tuple[int, Asked]] = []
        self._silent_after_us = silent_after_us
        for name, (dtype, _) in LINK_COLUMNS.items():
            setattr(self, name, np.empty(0, dtype))

    def grade_by(self, asked: Asked, from_us: int) -> None:
        """Levels of other rules from a time on; one that was reached stays.

        Args:
            from_us: [µs UTC]; not before the change before it.
        """
        self._graded.append((from_us, asked))
        self.due_us = np.where(
            self.raised_us == NEVER_US,
            self.due_us,
            np.minimum(self.due_us, from_us),
        )

    def grow(self, n: int, now_us: int) -> None:
        """Know ``n`` mines; the silence of new ones counts from ``now_us``."""
        for name, (dtype, start) in LINK_COLUMNS.items():
            more = np.full(n - self.n, start, dtype)
            setattr(self, name, np.concatenate([getattr(self, name), more]))
        self.heard_us[self.n :] = now_us
        self.session_us[self.n :] = now_us
        self.n = n

    def hear(self, mines: Int32, arrived_us: Int64, speech: Speech) -> None:
        """Something came from these mines, in arrival order."""
        broken = self.raised_us[mines] != NEVER_US
        for position in np.flatnonzero(broken):
            mine = int(mines[position])
            if self.raised_us[mine] != NEVER_US:
                self._restore(mine, int(arrived_us[position]), speech)
        np.maximum.at(self.heard_us, mines, arrived_us)

    def _restore(self, mine: int, arrived_us: int, speech: Speech) -> None:
        raised = int(self.raised_us[mine])
        # A step back of the server's clock must not end an alarm before it began.
        ended = max(arrived_us, raised)
        why = {"silent_s": (ended - raised) / US_PER_S}
        rank = int(self.rank[mine])
        self._say("cleared", mine, (raised, ended, arrived_us), rank, why, speech)
        self.raised_us[mine] = self.since_us[mine] = NEVER_US
        self.ended_us[mine] = ended
        self.due_us[mine] = NEVER_US
        self.rank[mine] = 0
        self.session_us[mine] = arrived_us

    def break_(
        self, mine: int, happened_us: int, arrived_us: int, cause: str, speech: Speech
    ) -> bool:
        """The link is broken; returns whether that is news."""
        if self.raised_us[mine] != NEVER_US:
            return False
        happened_us = max(happened_us, int(self.ended_us[mine]) + 1)
        self.raised_us[mine] = self.since_us[mine] = happened_us
        rank, due = self._judge(mine, happened_us, speech)
        self.rank[mine], self.due_us[mine] = rank, due
        heard = int(self.heard_us[mine])
        why = {"cause": cause, "heard_last": iso_us(heard)}
        times_us = happened_us, happened_us, arrived_us
        self._say("raised", mine, times_us, rank, why, speech)
        return True

    def _graded_at(
        self, mine: int, now_us: int, speech: Speech
    ) -> tuple[int, KindParams]:
        """The level row of a mine's link at a moment, and what the rules say of it."""
        begun = (asked for us, asked in reversed(self._graded) if us <= now_us)
        asked = next(begun, self._graded[0][1])
        subject = subject_of(None, speech.table.mines[mine])
        params = asked.params(LINK_BREAK, subject)
        assert params is not None  # this kind is never off
        return asked.level_rows[params.level], params

    def _say(
        self,
        event: str,
        mine: int,
        times_us: tuple[int, int, int],
        rank: int,
        why: dict[str, Any],
        speech: Speech,
    ) -> None:
        row, params = self._graded_at(mine, times_us[1], speech)
        why |= {"level_rule": self._levels.number_of(row), **in_words(params.text)}
        code = speech.table.mines[mine].code
        who = ("mine", code)
        speech.about(event, (LINK_BREAK, "silence"), who, code, times_us, rank, why)

    def _judge(self, mine: int, now_us: int, speech: Speech) -> tuple[int, int]:
        since = np.full((1, self._levels.rank.shape[1]), NEVER_US)
        since[0, 0] = self.since_us[mine]
        # A change that is known already is looked at when it comes.
        change_us = (us for us, _ in self._graded if us > now_us)
        rank, due = self._levels.judge(
            np.asarray([self._graded_at(mine, now_us, speech)[0]], np.int16),
            since,
            np.asarray([now_us], np.int64),
            self.rank[mine : mine + 1],
        )
        return int(rank[0]), min(int(due[0]), *change_us, NEVER_US)

    def resume(self, mine: int, raised_us: int, rank: int) -> None:
        """Go on with a broken link that was told already."""
        self.raised_us[mine] = self.since_us[mine] = raised_us
        self.rank[mine], self.due_us[mine] = rank, raised_us

    def pass_over(self, skipped_us: int, mark_us: int) -> None:
        """Time that nobody lived through, or that is lived once more.

        Args:
            skipped_us: how much; negative when our clock went back [µs].
            mark_us: what the clock says after it [µs UTC].
        """
        excuse(self.heard_us, skipped_us, mark_us)
        excuse(self.session_us, skipped_us, mark_us)
        broken = np.flatnonzero(self.raised_us != NEVER_US)
        self.since_us[broken] += skipped_us
        ahead = broken[self.due_us[broken] != NEVER_US]
        self.due_us[ahead] += skipped_us

    def clamp(self, mark_us: int) -> None:
        """Nothing was heard after the clock's time now, whatever it was before."""
        for column in (self.heard_us, self.session_us):
            np.minimum(column, mark_us, out=column)

    def mark(self, mark_us: int, speech: Speech) -> list[int]:
        """The clock says ``mark_us``; returns the mines whose link broke now."""
        for mine in np.flatnonzero(self.due_us <= mark_us):
            while (due := int(self.due_us[mine])) <= mark_us:
                before = int(self.rank[mine])
                judged = self._judge(int(mine), due, speech)
                self.rank[mine], self.due_us[mine] = judged
                if int(self.rank[mine]) == before:
                    continue  # resumed at the level it already had
                raised, rank = int(self.raised_us[mine]), int(self.rank[mine])
                since, due = int(self.since_us[mine]), max(due, raised)
                why = {"lasting_s": (due - since) / US_PER_S}
                times_us = raised, due, mark_us
                self._say("level", int(mine), times_us, rank, why, speech)
        silent_us = self.heard_us + self._silent_after_us
        silent = np.flatnonzero((silent_us <= mark_us) & (self.raised_us == NEVER_US))
        return [
            int(mine)
            for mine in silent
            if self.break_(int(mine), int(silent_us[mine]), mark_us, "silence", speech)
        ]


def excuse(arrivals: Int64, skipped_us: int, mark_us: int) -> None:
    """Move arrivals with the clock: what nobody listened to is not silence.

    Args:
        arrivals: changed in place [µs UTC].
        skipped_us: time that was not lived through; back is clamped elsewhere [µs].
        mark_us: what came before it cannot have come later than this [µs UTC].
    """
    if skipped_us > 0:
        moved = np.minimum(arrivals + skipped_us, np.maximum(arrivals, mark_us))
        arrivals[:] = moved


def silent_points(
    last_arrived_us: Int64,
    mine_of: Int32,
    links: MineLinks,
    silent_after_us: int,
) -> tuple[NDArray[np.intp], Int64]:
    """Points that do not come although their mine does.

    Args:
        last_arrived_us: newest arrival by point, int64[n] [µs].
        mine_of: mine index by point, int32[n].
        silent_after_us: how long is too long [µs].

    Returns:
        Rows, intp[k], and since when each counts as silent, int64[k] [µs].
    """
    if links.n == 0:
        return np.empty(0, np.intp), np.empty(0, np.int64)
    base = np.maximum(last_arrived_us, links.session_us[mine_of])
    due = base + silent_after_us
    rows = np.flatnonzero(due <= links.heard_us[mine_of])
    return rows, due[rows]
