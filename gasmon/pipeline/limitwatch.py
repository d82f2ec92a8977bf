"""What mines do to their own limits, as conditions that stand (pure)."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from gasmon.alarms.kinds import (
    LIMITS_CHANGED,
    LIMITS_LOOSER,
    N_VALUE_SLOTS,
    POINT_KINDS,
)
from gasmon.alarms.levels import NEVER_US
from gasmon.alarms.own_limits import (
    Changed,
    Looser,
    changes_of_limits,
    looser_than_law,
)
from gasmon.alarms.rules import RuleSet
from gasmon.pipeline.evaluate import Evaluator, Judged
from gasmon.points import MineDef, PointDef, PointKey
from gasmon.units import US_PER_MIN

FIRST_LIMITS = 5
"""Limits that an event names; all are counted."""

HELD_US = 10 * US_PER_MIN
"""A change stands so long at least [µs]: it may have ended the alarm at once. Ours."""

Found = tuple[str, str, dict[str, Any]]
"""Kind, code of the mine, numbers for people."""


class LimitWatch:
    """Looks at definitions when they come, and at what they did while it stands."""

    def __init__(self, evaluator: Evaluator) -> None:
        """Nothing is known yet."""
        self._evaluator = evaluator
        self._seen: tuple[tuple[PointDef, ...], tuple[MineDef, ...]] = ((), ())
        self._rules: RuleSet | None = None
        self._looser: dict[PointKey, tuple[Looser, ...]] = {}
        self._changed: dict[PointKey, tuple[tuple[Changed, ...], int]] = {}
        self._stood: dict[str, tuple[dict[str, Any], int]] = {}

    def go_on(self, mine: str, explain: dict[str, Any], raised_us: int) -> None:
        """Hold what stood of a mine's changes when a former process ended.

        Which points it was about is not known in full any more, so it stands while an
        alarm of any of the mine's values is open: too long rather than too short.

        Args:
            explain: what was told of it.
            raised_us: when it began [µs UTC].
        """
        self._stood[mine] = (explain, raised_us + HELD_US)

    def note(self, judged: Judged, now_us: int) -> None:
        """Of a turn's definitions, those that change limits of an open alarm.

        An alarm that the definition itself raised was not open before; one that it
        ended was.
        """
        if not judged.definitions:
            return
        events = [e for e in judged.events if e.kind in POINT_KINDS[:N_VALUE_SLOTS]]
        raised = {e.subject_id for e in events if e.event == "raised"}
        ended = {e.subject_id for e in events if e.event == "cleared"}
        points, index = self._seen[0], self._evaluator.book.table.index
        for _, standing in judged.definitions:
            for point in standing:
                row, subject = index[point.key], str(point.key)
                was_open = self._is_open(row) and subject not in raised
                if row >= len(points) or not (was_open or subject in ended):
                    continue
                changes = changes_of_limits(points[row], point)
                if changes:
                    self._changed[point.key] = (changes, now_us + HELD_US)

    def _is_open(self, row: int) -> bool:
        """Whether an alarm of its value lives."""
        raised_us = self._evaluator.engine.state.raised_us[row, :N_VALUE_SLOTS]
        return bool((raised_us != NEVER_US).any())

    def look(self, now_us: int) -> Iterator[Found]:
        """What holds now, mine by mine."""
        self._follow()
        by_mine: dict[str, list[list[Any]]] = {}
        for key, limits in self._looser.items():
            listed = by_mine.setdefault(key.mine, [])
            listed += [[key.no, *one] for one in limits]
        for mine, listed in by_mine.items():
            yield LIMITS_LOOSER, mine, _told(listed, ("no", "limit", "own", "legal"))
        by_mine = {}
        index = self._evaluator.book.table.index
        for key, (changes, until_us) in list(self._changed.items()):
            if now_us >= until_us and not self._is_open(index[key]):
                del self._changed[key]
                continue
            listed = by_mine.setdefault(key.mine, [])
            listed += [[key.no, *one] for one in changes]
        for mine, listed in by_mine.items():
            yield LIMITS_CHANGED, mine, _told(listed, ("no", "limit", "old", "new"))
        for mine, (explain, until_us) in list(self._stood.items()):
            if now_us >= until_us and not self._mine_is_open(mine):
                del self._stood[mine]
            elif mine not in by_mine:
                yield LIMITS_CHANGED, mine, explain

    def _mine_is_open(self, mine: str) -> bool:
        """Whether an alarm of any value of a mine lives."""
        table = self._evaluator.book.table
        if mine not in table.mine_index:
            return False
        rows = np.flatnonzero(table.mine_of == table.mine_index[mine])
        return any(map(self._is_open, rows.tolist()))

    def _follow(self) -> None:
        """Judge again the points whose definition, mine or rules are others now."""
        table, rules = self._evaluator.book.table, self._evaluator.engine.rules.rules
        points, mines = self._seen
        if table.current is points and table.mines is mines and rules is self._rules:
            return
        known, known_mines = len(points), len(mines)
        all_anew = self._rules is None or rules.stricter != self._rules.stricter
        for row, number in enumerate(table.mine_of.tolist()):
            point = table.current[row]
            mine = table.mines[number]
            same_mine = number < known_mines and mines[number] is mine
            if not all_anew and row < known and points[row] is point and same_mine:
                continue
            found = looser_than_law(point, mine, rules.stricter)
            if found:
                self._looser[point.key] = found
            else:
                self._looser.pop(point.key, None)
        self._seen, self._rules = (table.current, table.mines), rules


def _told(listed: list[list[Any]], names: tuple[str, ...]) -> dict[str, Any]:
    first = [dict(zip(names, one, strict=True)) for one in listed[:FIRST_LIMITS]]
    return {"limits": len(listed), "first": first}
