"""Substations that are silent as a whole: one alarm, and their points are its children.

A substation that lost its cable or its power takes all its points with it. What one
alarm says need not be said by each of them, as with the link to a mine. Which
substation a point hangs on its definition says, else its number, as safety monitoring
systems count: ``001A03`` is channel A03 of substation 001.

Only points that somebody promises count, two of them at least; a point that was told
to be silent before keeps its own alarm. The first fresh reading of any of its points
ends it, and the silence of the others counts anew from then on.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms import debounce
from gasmon.alarms.breaks import BREAK_COLUMNS, Breaks
from gasmon.alarms.kinds import NO_DATA, SUBSTATION_BREAK
from gasmon.alarms.levels import NEVER_US, LevelTable
from gasmon.alarms.retired import CAUSE as RETIRED
from gasmon.alarms.speak import MOST_POINTS, Speech, last_said
from gasmon.alarms.state import LONG_AGO_US, PointState
from gasmon.batch import Index, Int32, Int64
from gasmon.points import PointDef, PointTable, substation_in
from gasmon.units import iso_us

LEAST_POINTS = 2
"""A single silent point says nothing of its substation."""


def substation_of(point: PointDef) -> str | None:
    """The identity of a point's substation; None where nothing tells of one.

    It is the mine, the system and the substation's number: both systems count from 1.
    """
    key = point.key
    number = point.substation or substation_in(key.no)
    return number and f"{key.mine}-{key.system}-{number}"


class Substations(Breaks):
    """What is known of substations, by number in the order in which they were met.

    Attributes:
        ids: identity by number.
        of: number of the substation of each point, int32[rows]; -1 without.
    """

    def __init__(self, state: PointState, levels: LevelTable) -> None:
        """Know none.

        Args:
            state: of points; ``folded`` of those that hang on a silent one is set.
        """
        super().__init__(SUBSTATION_BREAK, levels)
        self.ids: list[str] = []
        self.of: Int32 = np.empty(0, np.int32)
        self._state = state
        self._number: dict[str, int] = {}
        self._mines: list[int] = []
        self._table = PointTable()
        self._n_silent = 0

    def _mine(self, number: int) -> int:
        return self._mines[number]

    def _subject(self, number: int, speech: Speech) -> tuple[str, str]:
        return "substation", self.ids[number]

    def _unit(self, number: int, speech: Speech) -> str | None:
        """That of all its points, if it is one."""
        current = self._table.current
        units = {current[row].unit_slug for row in self.rows(number).tolist()}
        return units.pop() if len(units) == 1 else None

    def rows(self, number: int) -> NDArray[np.intp]:
        """The points of a substation, rising."""
        own = np.asarray(self._table.rows[self._mines[number]], np.intp)
        found: NDArray[np.intp] = own[self.of[own] == number]
        return found

    def adopt(self, table: PointTable, told: Iterable[int] = ()) -> None:
        """Know a larger table.

        Args:
            told: rows that were known and are defined anew; they may hang on another
                substation now.
        """
        self._table = table
        begin = len(self.of)
        rows = [*sorted({row for row in told if row < begin}), *range(begin, table.n)]
        more = np.full(table.n - begin, -1, np.int32)
        self.of = np.concatenate([self.of, more])
        numbers = np.fromiter((self._met(row) for row in rows), np.int32, len(rows))
        moved = np.asarray(rows, np.intp)[self.of[rows] != numbers]
        self.of[rows] = numbers
        self.grow_to(len(self.ids))
        # A point that comes to a silent one is silent with it, and one that leaves it
        # speaks for itself.
        of = self.of[moved]
        self._state.folded[moved] = (of >= 0) & (self.raised_us[of] != NEVER_US)

    def _met(self, row: int) -> int:
        """The number of a point's substation, a new one where it is met first."""
        name = substation_of(self._table.current[row])
        if name is None:
            return -1
        number = self._number.setdefault(name, len(self.ids))
        if number == len(self.ids):
            self.ids.append(name)
            self._mines.append(int(self._table.mine_of[row]))
        return number

    # What comes

    def hear(self, rows: Index, arrived_us: Int64, speech: Speech) -> None:
        """Fresh readings came of these points, in order."""
        if self._n_silent == 0:
            return
        for position in self._state.folded[rows].nonzero()[0].tolist():
            number, moment_us = int(self.of[rows[position]]), int(arrived_us[position])
            if self.raised_us[number] == NEVER_US:
                continue
            self.end(number, moment_us, {}, speech)
            s, own = self._state, self.rows(number)
            # The others are silent when they do not come for the whole time again.
            s.last_arrived_us[own] = np.maximum(s.last_arrived_us[own], moment_us)

    # Clock marks

    def mark(
        self,
        rows: NDArray[np.intp],
        since_us: Int64,
        gone: Sequence[int],
        mark_us: int,
        speech: Speech,
    ) -> NDArray[np.intp]:
        """The clock says ``mark_us``, and these points are silent by it.

        Args:
            rows: all that are silent although they are promised, without those that
                are folded, intp[k]; ``since_us``: since when, int64[k] [µs].
            gone: points that nobody promises any more.

        Returns:
            The points of substations that fell silent now, intp[m].
        """
        self.rise(mark_us, speech)
        if self._n_silent:
            self._end_retired(gone, mark_us, speech)
        of = self.of[rows]
        fresh = (of >= 0) & (self._state.phase[rows, NO_DATA] == debounce.IDLE)
        n_fresh = np.bincount(of[fresh], minlength=self.n)
        children = [rows[:0]]
        for number in np.flatnonzero(n_fresh >= LEAST_POINTS).tolist():
            hit = of == number
            listed = np.setdiff1d(self.rows(number), gone)
            if np.count_nonzero(hit) == len(listed) and self._is_on(
                number, mark_us, speech
            ):
                self._break(number, int(since_us[hit].max()), mark_us, speech)
                children.append(listed)
        return np.concatenate(children)

    def _is_on(self, number: int, mark_us: int, speech: Speech) -> bool:
        return self.asked_at(self._mine(number), mark_us, speech)[1] is not None

    def _break(self, number: int, silent_us: int, mark_us: int, speech: Speech) -> None:
        s, own = self._state, self.rows(number)
        heard_us = int(s.last_arrived_us[own].max())
        # Not by rows, which a restart may lay out anew.
        named = sorted(own.tolist(), key=lambda row: self._table.keys[row])
        points = [
            last_said(row, "silent", s, self._table) for row in named[:MOST_POINTS]
        ]
        why = {"cause": "silence", "heard_last": iso_us(heard_us), "points": points}
        self.begin(number, silent_us, mark_us, why, speech)
        self._fold(number)

    def _end_retired(self, gone: Sequence[int], mark_us: int, speech: Speech) -> None:
        """What hung on a substation was taken out of the definitions, or away."""
        for number in np.flatnonzero(self.raised_us != NEVER_US).tolist():
            if len(np.setdiff1d(self.rows(number), gone)) == 0:
                self.end(number, mark_us, {"cause": RETIRED}, speech)

    # What is remembered

    def _fold(self, number: int) -> None:
        self._state.folded[self.rows(number)] = True
        self._n_silent += 1

    def forget(self, number: int) -> None:
        """As if it had never been silent."""
        super().forget(number)
        self._state.folded[self.rows(number)] = False
        self._n_silent -= 1

    def resume_named(self, subject: str, raised_us: int, rank: int) -> None:
        """Go on with a break of ``substation:…`` that was told already.

        One whose points nobody defines any more stays open for people.
        """
        number = self.number_of(subject)
        if number is not None:
            self.resume(number, raised_us, rank)
            self._fold(number)

    def number_of(self, subject: str) -> int | None:
        """The number of ``substation:…``; None for one that is not known."""
        return self._number.get(subject.partition(":")[2])

    def living(self) -> dict[tuple[str, str], int]:
        """All that are silent: (kind, subject) → since when [µs UTC]."""
        return {
            (SUBSTATION_BREAK, f"substation:{self.ids[number]}"): raised_us
            for number, raised_us in enumerate(self.raised_us.tolist())
            if raised_us != NEVER_US
        }

    # Snapshots

    def arrays(self) -> tuple[list[str], dict[str, NDArray[Any]]]:
        """Identities of those that were ever silent, and their columns."""
        touched = np.flatnonzero(
            (self.raised_us != NEVER_US) | (self.ended_us != LONG_AGO_US)
        )
        columns = {name: getattr(self, name)[touched] for name in BREAK_COLUMNS}
        return [self.ids[number] for number in touched.tolist()], columns

    def load(self, ids: Sequence[str], columns: Mapping[str, NDArray[Any]]) -> None:
        """Go on from what ``arrays`` gave."""
        ours = [self._number.get(name, -1) for name in ids]
        known = [k for k, number in enumerate(ours) if number >= 0]
        numbers = [ours[k] for k in known]
        for name in BREAK_COLUMNS:
            getattr(self, name)[numbers] = columns[name][known]
        for number in np.flatnonzero(self.raised_us != NEVER_US).tolist():
            self._fold(number)
