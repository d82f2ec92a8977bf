"""The truth model: which alarms must exist, by the plain scalar rules.

It is given every reading that was ever made, in the order of the frames' numbers and
with nothing broken, and knows nothing of brokers, databases or restarts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import nan

from gasmon.alarms.engine import Patience
from gasmon.alarms.relation_kinds import RELATION_NAMES
from gasmon.alarms.rules import RuleSet
from gasmon.ingest.definitions import parse_points
from gasmon.ingest.topics import parse_topic, points_topic
from gasmon.points import PointDef, lay_out
from gasmon.units import US_PER_S
from simulators.gateway import definition
from simulators.plan import MinePlan
from tests.faults.script import Sample
from tests.scalar_engine import ScalarEngine

MOVING_KINDS = ("rapid_rise", "suspicious_data", "evasion")
"""They follow what came in time, so a frame that faults made late changes them."""

SILENT_KINDS = (
    *("link_break", "substation_break", "no_data"),
    *RELATION_NAMES,
    *MOVING_KINDS,
)
"""Judged by arrival, or of several points by the frame: no series of one point can tell
them; property tests look at them."""


@dataclass(frozen=True, order=True)
class AlarmKey:
    """Which alarm: subject and kind; its beginning tells it from others of the sort."""

    subject: str
    kind: str
    raised_us: int


@dataclass
class Alarm:
    """What must stand in the table, or stands there."""

    key: AlarmKey
    cleared_us: int | None
    rank: int
    peak: float | None

    def overlaps(self, other: Alarm) -> bool:
        """Whether both lived at some common moment."""
        ours = self.cleared_us if self.cleared_us is not None else 2**63
        theirs = other.cleared_us if other.cleared_us is not None else 2**63
        return self.key.raised_us <= theirs and other.key.raised_us <= ours


class Truth:
    """Judges complete series; goes on from round to round."""

    def __init__(
        self, mines: Iterable[MinePlan], rules: RuleSet, calibration_us: int
    ) -> None:
        versions: list[PointDef] = []
        known = []
        for mine in mines:
            told = parse_points(
                parse_topic(points_topic(mine.area, mine.code)),
                definition(mine, 1_790_000_000 * US_PER_S),
                1_790_000_000 * US_PER_S,
                lambda *_: None,
            )
            known.append(told.mine)
            versions += told.points
        table = lay_out(known, versions)
        patience = Patience(10**18, 10**18, calibration_us)
        self._row = {str(key): row for row, key in enumerate(table.keys)}
        self._engine = ScalarEngine(rules, table, versions, patience, 0)
        self._on_us = rules.on_delay_us
        self.alarms: dict[AlarmKey, Alarm] = {}

    def frame(
        self, mine: str, at_us: int, samples: Iterable[tuple[str, Sample]]
    ) -> None:
        """Judge one frame at its own time."""
        for no, (value, state) in samples:
            row = self._row[f"{mine}-01-{no}"]
            number = nan if value is None else value
            self._engine.reading(row, number, at_us, at_us, state)
        self._take()

    def wait(self, mine: str, until_us: int) -> None:
        """Let time alone pass: what is pending matures, durations go on."""
        for point in self._engine.points:
            if self._engine.table.keys[point.row].mine == mine:
                self._engine.mature(point, until_us, until_us)
        self._take()

    def cancelled(self) -> frozenset[AlarmKey]:
        """Alarms that would exist, had their delay matured before it was cancelled."""
        found = set()
        for point in self._engine.points:
            subject = f"point:{self._engine.table.keys[point.row]}"
            for kind, life in point.lives.items():
                found |= {
                    AlarmKey(subject, kind, since + self._on_us)
                    for since, _ in life.told
                }
        return frozenset(found - self.alarms.keys())

    def _take(self) -> None:
        for said in self._engine.said:
            if said.kind in SILENT_KINDS:
                continue
            key = AlarmKey(said.subject, said.kind, said.raised_at)
            if said.event == "raised":
                self.alarms[key] = Alarm(key, None, said.rank, said.peak)
            alarm = self.alarms[key]
            alarm.rank = max(alarm.rank, said.rank)
            alarm.peak = said.peak
            if said.event == "cleared":
                alarm.cleared_us = said.happened_at
        self._engine.said.clear()
