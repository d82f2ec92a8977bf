"""RelationRules: which rule set the relations of each mine are made by. Pure.

A relation has no version as a point has: its mine's relations are made anew when the
first moment is judged for which other rules count, so a change is no matter of when it
was told. A mine from which nothing comes keeps its relations as they are.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms.relation_kinds import RELATION_NAMES
from gasmon.alarms.rule_asked import Asked
from gasmon.alarms.rules import RuleSet
from gasmon.batch import Int64


class RelationRules:
    """Rule sets that say different things of relations, the oldest first.

    Attributes:
        of: number of the set that counts for each mine now, intp[m].
    """

    def __init__(self) -> None:
        self.of: NDArray[np.intp] = np.empty(0, np.intp)
        self._from_us: Int64 = np.empty(0, np.int64)
        self._asked: list[Asked] = []
        self._told: list[object] = []

    def grow(self, n: int) -> None:
        """Know ``n`` mines; of a new one the first moment decides."""
        self.of = np.r_[self.of, np.zeros(n - len(self.of), np.intp)]

    def follow(self, rules: RuleSet, level_rows: Sequence[int], from_us: int) -> None:
        """Other rules from an event time on.

        Args:
            level_rows: row of ``LevelTable`` by number of a rule.
            from_us: [µs UTC]; not before the change before it.
        """
        told = list(_of_relations(rules))
        if self._told and self._told[-1] == told:
            return
        self._told.append(told)
        self._asked.append(Asked(rules, level_rows))
        self._from_us = np.r_[self._from_us, np.int64(from_us)]

    def asked(self, mine: int) -> Asked:
        """What says which relations a mine has now."""
        return self._asked[int(self.of[mine])]

    def turn(self, mines: NDArray[np.integer], at_us: Int64) -> list[int]:
        """Let the rules of a moment count for each mine.

        Args:
            at_us: the moments, int64[k] [µs UTC].

        Returns:
            The mines whose relations must be made anew.
        """
        if len(self._asked) == 1:
            return []
        now = np.searchsorted(self._from_us, at_us, side="right") - 1
        behind = np.flatnonzero(self.of[mines] < now)
        self.of[mines[behind]] = now[behind]
        found: list[int] = mines[behind].tolist()
        return found


def _of_relations(rules: RuleSet) -> Iterator[object]:
    """All that a set says of relations, with where it stands."""
    for number, rule in enumerate(rules.rules):
        if rule.kind in RELATION_NAMES:
            yield number, rule, rule.where, rule.name, dict(rule.given_line)
