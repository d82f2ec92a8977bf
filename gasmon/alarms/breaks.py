"""Breaks: what sends nothing any more as a whole, and how bad that is by now.

The alarm of a mine or a substation that is silent. Nothing here looks at points; who
decides that something is silent, or back, says so (silence.py, substations.py).
"""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from gasmon.alarms.levels import NEVER_US, OFF, LevelTable
from gasmon.alarms.rule_asked import Asked
from gasmon.alarms.rule_match import subject_of
from gasmon.alarms.rule_spec import KindParams
from gasmon.alarms.speak import Speech, in_words
from gasmon.alarms.state import LONG_AGO_US
from gasmon.units import US_PER_S

BREAK_COLUMNS: dict[str, tuple[Any, Any]] = {
    "raised_us": (np.int64, NEVER_US),
    "since_us": (np.int64, NEVER_US),
    "ended_us": (np.int64, LONG_AGO_US),
    "due_us": (np.int64, NEVER_US),
    "rank": (np.int8, 0),
}
"""Dtype and starting value of each column."""


class Breaks(ABC):
    """By number of what can be silent.

    Attributes:
        columns: the columns of whoever builds on this, and those above.
        raised_us: since when it is silent, NEVER_US when it is not, int64[m].
        since_us: from when the duration of that alarm counts, int64[m].
        ended_us: when its last break ended; the next begins later, int64[m].
        due_us: when the level of that alarm rises next, int64[m].
        rank: its level, int8[m].
    """

    columns = BREAK_COLUMNS
    raised_us: np.ndarray[Any, np.dtype[np.int64]]
    since_us: np.ndarray[Any, np.dtype[np.int64]]
    ended_us: np.ndarray[Any, np.dtype[np.int64]]
    due_us: np.ndarray[Any, np.dtype[np.int64]]
    rank: np.ndarray[Any, np.dtype[np.int8]]

    def __init__(self, kind: str, levels: LevelTable) -> None:
        """Know nothing that can be silent yet.

        Args:
            kind: of its alarms.
        """
        self.n = 0
        self._kind = kind
        self._levels = levels
        self._graded: list[tuple[int, Asked]] = []
        for name, (dtype, _) in self.columns.items():
            setattr(self, name, np.empty(0, dtype))

    def grow_to(self, n: int) -> None:
        """Have ``n`` of them."""
        for name, (dtype, start) in self.columns.items():
            more = np.full(n - self.n, start, dtype)
            setattr(self, name, np.concatenate([getattr(self, name), more]))
        self.n = n

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

    def begin(
        self,
        number: int,
        happened_us: int,
        arrived_us: int,
        why: dict[str, Any],
        speech: Speech,
    ) -> None:
        """It is silent since ``happened_us`` [µs UTC]; ``why`` explains it."""
        # Two of one subject must not have one key.
        happened_us = max(happened_us, int(self.ended_us[number]) + 1)
        self.raised_us[number] = self.since_us[number] = happened_us
        rank, due_us = self._judge(number, happened_us, speech)
        self.rank[number], self.due_us[number] = rank, due_us
        self._say("raised", number, happened_us, arrived_us, why, speech)

    def end(
        self, number: int, arrived_us: int, why: dict[str, Any], speech: Speech
    ) -> None:
        """Something came again."""
        raised_us = int(self.raised_us[number])
        # A step back of the server's clock must not end an alarm before it began.
        ended_us = max(arrived_us, raised_us)
        why = {**why, "silent_s": (ended_us - raised_us) / US_PER_S}
        self._say("cleared", number, ended_us, arrived_us, why, speech)
        self.forget(number)
        self.ended_us[number] = ended_us

    def forget(self, number: int) -> None:
        """As if it had never been silent."""
        self.raised_us[number] = self.since_us[number] = NEVER_US
        self.due_us[number], self.rank[number] = NEVER_US, 0

    def rise(self, mark_us: int, speech: Speech) -> None:
        """The clock says ``mark_us``: levels that are due by it are reached."""
        for number in np.flatnonzero(self.due_us <= mark_us).tolist():
            while (due_us := int(self.due_us[number])) <= mark_us:
                before = int(self.rank[number])
                judged = self._judge(number, due_us, speech)
                self.rank[number], self.due_us[number] = judged
                if int(self.rank[number]) == before:
                    continue  # resumed at the level it already had
                since_us = int(self.since_us[number])
                due_us = max(due_us, int(self.raised_us[number]))
                why = {"lasting_s": (due_us - since_us) / US_PER_S}
                self._say("level", number, due_us, mark_us, why, speech)

    def resume(self, number: int, raised_us: int, rank: int) -> None:
        """Go on with a break that was told already."""
        self.raised_us[number] = self.since_us[number] = raised_us
        self.rank[number], self.due_us[number] = rank, raised_us

    def pass_over(self, skipped_us: int, mark_us: int) -> None:
        """Time that nobody lived through, or that is lived once more.

        Args:
            skipped_us: how much; negative when our clock went back [µs].
            mark_us: what the clock says after it [µs UTC].
        """
        broken = np.flatnonzero(self.raised_us != NEVER_US)
        self.since_us[broken] += skipped_us
        ahead = broken[self.due_us[broken] != NEVER_US]
        self.due_us[ahead] += skipped_us

    def asked_at(
        self, mine: int, now_us: int, speech: Speech
    ) -> tuple[int, KindParams | None]:
        """The level row of a mine's breaks at a moment, and what the rules say.

        Returns:
            ``OFF`` and None where the kind is off.
        """
        begun = (asked for us, asked in reversed(self._graded) if us <= now_us)
        asked = next(begun, self._graded[0][1])
        params = asked.params(self._kind, subject_of(None, speech.table.mines[mine]))
        return (
            (OFF, None) if params is None else (asked.level_rows[params.level], params)
        )

    def _judge(self, number: int, now_us: int, speech: Speech) -> tuple[int, int]:
        since = np.full((1, self._levels.rank.shape[1]), NEVER_US)
        since[0, 0] = self.since_us[number]
        # A change that is known already is looked at when it comes.
        change_us = (us for us, _ in self._graded if us > now_us)
        rank, due_us = self._levels.judge(
            np.asarray(
                [self.asked_at(self._mine(number), now_us, speech)[0]], np.int16
            ),
            since,
            np.asarray([now_us], np.int64),
            self.rank[number : number + 1],
        )
        return int(rank[0]), min(int(due_us[0]), *change_us, NEVER_US)

    def _say(
        self,
        event: str,
        number: int,
        happened_us: int,
        arrived_us: int,
        why: dict[str, Any],
        speech: Speech,
    ) -> None:
        mine = self._mine(number)
        row, params = self.asked_at(mine, happened_us, speech)
        words = in_words(params.text) if params else {}
        why = {**why, "level_rule": self._levels.number_of(row), **words}
        times_us = int(self.raised_us[number]), happened_us, arrived_us
        speech.about(
            event,
            (self._kind, "silence"),
            self._subject(number, speech),
            speech.table.mines[mine].code,
            times_us,
            int(self.rank[number]),
            why,
            self._unit(number, speech),
        )

    @abstractmethod
    def _mine(self, number: int) -> int:
        """Index of its mine."""

    @abstractmethod
    def _subject(self, number: int, speech: Speech) -> tuple[str, str]:
        """Type and identity of the subject of its alarms."""

    def _unit(self, number: int, speech: Speech) -> str | None:
        """Slug of the unit that it is part of, if it is."""
        return None
