"""A small world for engine tests: mines, points, a log and the two ways to run it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, fields, replace
from math import nan
from typing import Any

import numpy as np

from gasmon.alarms.crossings import Crossing
from gasmon.alarms.engine import AlarmEngine, Patience
from gasmon.alarms.events import AlarmEvent
from gasmon.alarms.quiet import QuietTable
from gasmon.alarms.rules import RuleSet, parse_rules
from gasmon.alarms.silence import Sign
from gasmon.batch import ReadingBatch
from gasmon.points import MineDef, PointDef, PointKey, PointTable, UnitDef, lay_out
from gasmon.units import US_PER_S
from tests.rule_texts import NO_PRE_WARNING
from tests.scalar_engine import ScalarEngine

START_US = 1_790_000_000 * US_PER_S
"""When the worlds begin: an ordinary day in 2026 [µs]."""

PLAIN_RULES = parse_rules(NO_PRE_WARNING, "plain.toml")
"""The shipped rules without the pre-warning that comes with each over-limit."""


@dataclass(frozen=True)
class Reading:
    """A reading as an entry of the log."""

    row: int
    value: float
    at_us: int
    arrived_us: int
    state: int = 0


@dataclass(frozen=True)
class Life:
    """A birth or a last will of a mine."""

    mine: int
    online: bool
    arrived_us: int


@dataclass(frozen=True)
class Mark:
    """A clock mark."""

    at_us: int


Entry = Reading | Life | Mark


def batch_of(readings: Sequence[Reading]) -> ReadingBatch:
    """Readings as a batch."""
    return ReadingBatch(
        row=np.asarray([r.row for r in readings], np.int32),
        value=np.asarray([r.value for r in readings], np.float64),
        at_us=np.asarray([r.at_us for r in readings], np.int64),
        arrived_us=np.asarray([r.arrived_us for r in readings], np.int64),
        state=np.asarray([r.state for r in readings], np.int32),
    )


@dataclass(frozen=True)
class World:
    """Points with their versions under one rule file."""

    rules: RuleSet
    table: PointTable
    versions: tuple[PointDef, ...]
    patience: Patience = field(default_factory=Patience)

    @classmethod
    def of(
        cls,
        *versions: PointDef,
        rules: RuleSet | None = None,
        patience: Patience | None = None,
        units: tuple[UnitDef, ...] = (),
    ) -> World:
        mines = sorted({point.key.mine for point in versions})
        table = lay_out(
            [MineDef(code, code[:6], units=units) for code in mines], versions
        )
        return cls(rules or PLAIN_RULES, table, versions, patience or Patience())

    def engine(self) -> AlarmEngine:
        """A new engine that knows this world since its start."""
        engine = AlarmEngine(self.rules, self.patience)
        engine.adopt(self.table, self.versions, START_US)
        return engine

    def scalar(self) -> ScalarEngine:
        """The reference engine for the same world."""
        return ScalarEngine(
            self.rules, self.table, list(self.versions), self.patience, START_US
        )


def point(
    no: str = "001A01",
    *,
    mine: str = "530627000001",
    quantity: str = "CH4",
    place_class: str | None = "FACE_T1",
    **attributes: Any,
) -> PointDef:
    """A point with sensible defaults: methane at a coal face."""
    key = PointKey(mine, "01", no)
    return PointDef(key, quantity=quantity, place_class=place_class, **attributes)


def feed(
    engine: AlarmEngine,
    log: Sequence[Entry],
    cuts: Collection[int] = (),
    quiet: QuietTable | None = None,
    crossed: list[Crossing] | None = None,
) -> list[AlarmEvent]:
    """Give a log to an engine in as few ticks as its order allows, cut further.

    Args:
        cuts: positions in the log before which a new tick begins.
        crossed: takes the crossings by which no alarm began.
    """
    said: list[AlarmEvent] = []
    readings: list[Reading] = []
    signs: list[Sign] = []
    marks: list[int] = []

    def tick() -> None:
        if readings or signs or marks:
            said.extend(
                engine.tick(
                    batch_of(readings),
                    now_us=START_US,
                    marks=marks,
                    signs=signs,
                    quiet=quiet,
                )
            )
            if crossed is not None:
                crossed.extend(engine.crossed)
            readings.clear()
            signs.clear()
            marks.clear()

    for number, entry in enumerate(log):
        if number in cuts or (marks and not isinstance(entry, Mark)):
            tick()
        if isinstance(entry, Reading):
            readings.append(entry)
        elif isinstance(entry, Life):
            signs.append(
                Sign(len(readings), entry.mine, entry.online, entry.arrived_us)
            )
        else:
            marks.append(entry.at_us)
    tick()
    return said


def feed_scalar(engine: ScalarEngine, log: Sequence[Entry]) -> None:
    """Give a log to the reference engine, entry by entry."""
    for entry in log:
        if isinstance(entry, Reading):
            engine.reading(
                entry.row, entry.value, entry.at_us, entry.arrived_us, entry.state
            )
        elif isinstance(entry, Life):
            engine.sign(entry.mine, entry.online, entry.arrived_us)
        else:
            engine.mark(entry.at_us)


def comparable(said: Sequence[AlarmEvent]) -> list[tuple[str, str]]:
    """Events without the time of decision, in an order of their own."""
    plain = [replace(event, decided_at_us=0) for event in said]
    return sorted((event.event_id, repr(event)) for event in plain)


def facts(said: Sequence[Any]) -> list[tuple[str, ...]]:
    """What both engines must agree on, of events of either."""
    rows = []
    for event in said:
        if isinstance(event, AlarmEvent):
            row = (
                event.event, event.kind, event.subject, event.rule,
                event.raised_at_us, event.happened_at_us, event.arrived_at_us,
                event.rank, event.value, event.limit, event.peak,
                event.peak_at_us, event.late,
            )  # fmt: skip
        else:
            row = tuple(getattr(event, f.name) for f in fields(event))
        rows.append(tuple(repr(item) for item in row))
    return sorted(rows)


def crossings(world: World, crossed: Sequence[Crossing]) -> list[tuple[Any, ...]]:
    """Crossings as the reference engine has them, in an order of their own."""
    keys = world.table.keys
    return sorted(
        (
            (f"point:{keys[c.row]}", c.kind, c.rule, c.at_us, c.arrived_us, c.value,
             c.limit, c.held_by, c.late)
            for c in crossed
        ),
        key=repr,
    )  # fmt: skip


def at(seconds: float) -> int:
    """A moment after the start of the world [µs]."""
    return START_US + round(seconds * US_PER_S)


def live(row: int, value: float | None, seconds: float, state: int = 0) -> Reading:
    """A reading that arrives at once; None is no value."""
    moment = at(seconds)
    number = nan if value is None else value
    return Reading(row, number, moment, moment, state)


def mark(seconds: float) -> Mark:
    """A clock mark some seconds after the start."""
    return Mark(at(seconds))
