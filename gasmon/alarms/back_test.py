"""What a change of limits would have added and removed: two engines, one past. Pure.

Both judge the stored readings of one unit (or of one point that has none), one by the
limits of today and one by those that are proposed, and their alarms are laid side by
side. As if everything had come in time: readings are given in the order of their event
times, and nothing is quiet.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

from gasmon.alarms.engine import AlarmEngine
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.rules import RuleSet, resolve
from gasmon.batch import ReadingBatch
from gasmon.points import LIMIT_FIELDS, MineDef, PointDef, PointTable, lay_out
from gasmon.units import iso_us

FIRST_LISTED = 100
"""Alarms of each sort that a result names; all are counted. Ours: who approves reads
them."""


@dataclass(slots=True)
class _Alarm:
    """One alarm of one of the two engines.

    Attributes:
        ended_us: None while it stands [µs UTC].
    """

    subject: str
    kind: str
    raised_us: int
    rank: int
    limit: float | None
    peak: float | None
    ended_us: int | None = None

    @property
    def slot(self) -> tuple[str, str]:
        """Alarms of one slot are never at the same time."""
        return self.subject, self.kind

    def overlaps(self, other: "_Alarm") -> bool:
        """Whether both stood at some moment."""
        ends = (self.ended_us, other.ended_us)
        return (ends[0] is None or ends[0] >= other.raised_us) and (
            ends[1] is None or ends[1] >= self.raised_us
        )

    def shown(self) -> dict[str, Any]:
        """For people."""
        return {
            "subject": self.subject,
            "kind": self.kind,
            "rank": self.rank,
            "raised_at": iso_us(self.raised_us),
            "cleared_at": None if self.ended_us is None else iso_us(self.ended_us),
            "limit": self.limit,
            "peak": self.peak,
        }


class _Side:
    """One engine, and what it said."""

    def __init__(
        self, table: PointTable, versions: Sequence[PointDef], rules: RuleSet
    ) -> None:
        self._engine = AlarmEngine(rules)
        self._engine.adopt(table, versions, 0)
        self._alarms: dict[str, _Alarm] = {}

    def feed(self, batch: ReadingBatch, mark_us: int) -> None:
        for event in self._engine.tick(batch, now_us=mark_us, marks=(mark_us,)):
            self._note(event)

    def _note(self, event: AlarmEvent) -> None:
        alarm = self._alarms.setdefault(
            event.key,
            _Alarm(
                *(event.subject, event.kind, event.raised_at_us),
                *(event.rank, event.limit, event.peak),
            ),
        )
        alarm.rank = max(alarm.rank, event.rank)
        alarm.peak = alarm.peak if event.peak is None else event.peak
        if event.event == "cleared":
            alarm.ended_us = event.happened_at_us

    def by_slot(self) -> dict[tuple[str, str], list[_Alarm]]:
        found: dict[tuple[str, str], list[_Alarm]] = {}
        for alarm in self._alarms.values():
            found.setdefault(alarm.slot, []).append(alarm)
        return found


class BackTest:
    """Both engines, from the first reading to the last.

    Attributes:
        table: rows of the points whose readings it wants.
    """

    def __init__(
        self,
        mine: MineDef,
        versions: Sequence[PointDef],
        before: RuleSet,
        after: RuleSet,
    ) -> None:
        """Know points and rules; nothing is judged yet.

        Args:
            versions: of the points, oldest first of each.
            before: the rules of today; ``after``: with the change.
        """
        self.table = lay_out((mine,), versions)
        self._sides = [_Side(self.table, versions, rules) for rules in (before, after)]
        self._n_readings = 0
        self._span_us: tuple[int, int] | None = None

    def feed(self, batch: ReadingBatch, mark_us: int) -> None:
        """Judge more readings, in the order of their event times.

        Args:
            mark_us: the moment up to which they reach [µs UTC].
        """
        if batch.n:
            first = int(batch.at_us[0]) if self._span_us is None else self._span_us[0]
            self._span_us = (first, int(batch.at_us[-1]))
            self._n_readings += batch.n
        for side in self._sides:
            side.feed(batch, mark_us)

    def result(self) -> dict[str, Any]:
        """What the change would have made different, as JSON can hold it.

        ``added`` are alarms that only the change raises, ``removed`` those that only
        the limits of today raise, ``other`` those whose time or level it changes.
        """
        before, after = (side.by_slot() for side in self._sides)
        added = _without(after, before)
        removed = _without(before, after)
        other, n_same = _compared(after, before)
        first, last = self._span_us or (None, None)
        return {
            "n_readings": self._n_readings,
            "first": None if first is None else iso_us(first),
            "last": None if last is None else iso_us(last),
            "added": _told(added),
            "removed": _told(removed),
            "other": _told(other),
            "n_same": n_same,
        }


_BySlot = dict[tuple[str, str], list[_Alarm]]


def _without(these: _BySlot, those: _BySlot) -> list[_Alarm]:
    """Alarms of one side at whose time the other side had none in their slot."""
    return [
        alarm
        for slot, alarms in these.items()
        for alarm in alarms
        if not any(alarm.overlaps(other) for other in those.get(slot, ()))
    ]


def _compared(after: _BySlot, before: _BySlot) -> tuple[list[_Alarm], int]:
    """Alarms that both sides have: those that differ, and how many do not."""
    other, n_same = [], 0
    for slot, alarms in after.items():
        known = before.get(slot, [])
        for alarm in alarms:
            meets = [one for one in known if alarm.overlaps(one)]
            if not meets:
                continue
            same = any(
                (one.raised_us, one.ended_us, one.rank)
                == (alarm.raised_us, alarm.ended_us, alarm.rank)
                for one in meets
            )
            n_same += same
            if not same:
                other.append(alarm)
    return other, n_same


def _told(alarms: Iterable[_Alarm]) -> dict[str, Any]:
    listed = sorted(alarms, key=lambda a: (-a.rank, a.raised_us))
    counts = Counter((alarm.kind, alarm.rank) for alarm in listed)
    return {
        "n": len(listed),
        "counts": [
            {"kind": kind, "rank": rank, "n": n}
            for (kind, rank), n in sorted(counts.items())
        ],
        "items": [alarm.shown() for alarm in listed[:FIRST_LISTED]],
    }


def why_impossible(
    point: PointDef, mine: MineDef, after: RuleSet, wanted: dict[str, float]
) -> str | None:
    """Why limits would not count at a point as they are wanted; None when they would.

    Args:
        point: its newest version.
        after: the rules with the change in them.
        wanted: value by name of a limit.
    """
    found = resolve(point, after, mine)
    for which, name in enumerate(LIMIT_FIELDS):
        if name in wanted and found.limits[which] != wanted[name]:
            return (
                f"{name} {wanted[name]:g} would not count: {found.limits[which]:g} from"
                f" {found.origin[which]} does"
            )
    return None


def limits_of(point: PointDef, mine: MineDef, rules: RuleSet) -> dict[str, float]:
    """The limits that a point is judged by, by name; none that it has not."""
    limits = resolve(point, rules, mine).limits
    named = zip(LIMIT_FIELDS, limits, strict=True)
    return {name: limit for name, limit in named if not isnan(limit)}
