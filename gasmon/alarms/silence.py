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

from gasmon.alarms.breaks import BREAK_COLUMNS, Breaks
from gasmon.alarms.kinds import LINK_BREAK
from gasmon.alarms.levels import NEVER_US, LevelTable
from gasmon.alarms.speak import Speech
from gasmon.alarms.state import LONG_AGO_US
from gasmon.batch import Index, Int32, Int64
from gasmon.units import iso_us

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
    **BREAK_COLUMNS,
}
"""Dtype and starting value of each column."""


class MineLinks(Breaks):
    """What is known of the link to each mine, by mine index.

    Attributes:
        heard_us: newest arrival of anything, int64[m].
        session_us: arrival since which it is heard without a break, int64[m].
    """

    columns = LINK_COLUMNS
    heard_us: np.ndarray[Any, np.dtype[np.int64]]
    session_us: np.ndarray[Any, np.dtype[np.int64]]

    def __init__(self, levels: LevelTable, silent_after_us: int) -> None:
        super().__init__(LINK_BREAK, levels)
        self._silent_after_us = silent_after_us

    def _mine(self, number: int) -> int:
        return number

    def _subject(self, number: int, speech: Speech) -> tuple[str, str]:
        return "mine", speech.table.mines[number].code

    def grow(self, n: int, now_us: int) -> None:
        """Know ``n`` mines; the silence of new ones counts from ``now_us``."""
        before = self.n
        self.grow_to(n)
        self.heard_us[before:] = now_us
        self.session_us[before:] = now_us

    def hear(self, mines: Index, arrived_us: Int64, speech: Speech) -> None:
        """Something came from these mines, in arrival order."""
        broken = self.raised_us[mines] != NEVER_US
        for position in broken.nonzero()[0]:
            mine, moment_us = int(mines[position]), int(arrived_us[position])
            if self.raised_us[mine] != NEVER_US:
                self.end(mine, moment_us, {}, speech)
                self.session_us[mine] = moment_us
        np.maximum.at(self.heard_us, mines, arrived_us)

    def break_(
        self, mine: int, happened_us: int, arrived_us: int, cause: str, speech: Speech
    ) -> bool:
        """The link is broken; returns whether that is news."""
        if self.raised_us[mine] != NEVER_US:
            return False
        heard = iso_us(int(self.heard_us[mine]))
        why = {"cause": cause, "heard_last": heard}
        self.begin(mine, happened_us, arrived_us, why, speech)
        return True

    def pass_over(self, skipped_us: int, mark_us: int) -> None:
        """Time that nobody lived through: nobody was silent meanwhile."""
        excuse(self.heard_us, skipped_us, mark_us)
        excuse(self.session_us, skipped_us, mark_us)
        super().pass_over(skipped_us, mark_us)

    def clamp(self, mark_us: int) -> None:
        """Nothing was heard after the clock's time now, whatever it was before."""
        for column in (self.heard_us, self.session_us):
            np.minimum(column, mark_us, out=column)

    def mark(self, mark_us: int, speech: Speech) -> list[int]:
        """The clock says ``mark_us``; returns the mines whose link broke now."""
        self.rise(mark_us, speech)
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
