"""A scenario: mines, causes over time, and the alarms that must come of them.

docs/scenarios.md describes the file. Everything is checked when it is read; a fault is
a ``ConfigError`` with file and line.
"""

import math
import re
from dataclasses import dataclass

from gasmon.errors import ConfigError
from simulators.causes import KINDS
from simulators.toml_source import Table, find_source, read_tables, shipped_in

LEVELS = ("ungraded", "blue", "yellow", "orange", "red")
"""Levels of alarms by rank."""

_UNIT = re.compile(r"(face|heading|return|drainage|main)([1-9]?)")
_MOST_S = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Choice:
    """Some mines of the city, called by one name.

    Attributes:
        county: slug.
        kind: ``low_gas``, ``high_gas``, ``outburst`` or empty for any.
        count: how many.
        skip: how many fitting mines to pass over first, so that scenarios that run
            together have mines of their own.
    """

    name: str
    county: str
    kind: str
    count: int
    skip: int


@dataclass(frozen=True, slots=True)
class Target:
    """Where something is.

    Attributes:
        mines: name of a choice.
        unit: ``face``, ``heading2`` … the n-th unit of a kind; empty for the mine.
        places: place classes or four-digit sensor types; empty for the unit.
    """

    mines: str
    unit: str
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cause:
    """Something that happens.

    Attributes:
        at_s, until_s: from when to when, since the begin [s].
        ramp_s: until it has its full strength [s].
    """

    name: str
    kind: str
    target: Target
    at_s: float
    until_s: float
    ramp_s: float
    params: dict[str, float]


@dataclass(frozen=True, slots=True)
class Expected:
    """An alarm that must, or may, be seen.

    Attributes:
        kinds: of alarms; one of them.
        levels: ranks, one of which it must have in the end; empty for any.
        from_s, to_s: when it begins, since the begin of the scenario [s].
        least, most: how many of them in all the mines of the target together.
        planned, late: as the platform must mark it; None for whatever.
        by_arrival: it begins when the platform decides so by its own clock.
        text: the reader's reason, or how it is called.
        cause: name of that of which it must come; empty where it may.
    """

    kinds: tuple[str, ...]
    target: Target
    levels: tuple[int, ...]
    from_s: float
    to_s: float
    least: int
    most: int
    planned: bool | None
    late: bool | None
    by_arrival: bool
    text: str
    line: int
    cause: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Planned work that is filed and approved over HTTP before it begins."""

    target: Target
    work: str
    at_s: float
    from_s: float
    until_s: float
    test_gas: float | None


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario, as its file says.

    Attributes:
        speed: simulated seconds per real second.
        cycle_s: between two frames of a mine [s of simulated time].
    """

    name: str
    zh: str
    en: str
    about: str
    seed: int
    duration_s: float
    cycle_s: float
    speed: float
    mines: tuple[Choice, ...]
    causes: tuple[Cause, ...]
    plans: tuple[Plan, ...]
    expected: tuple[Expected, ...]
    allowed: tuple[Expected, ...]


def shipped() -> list[str]:
    """Names of the scenarios that come with gasmon, in order."""
    return shipped_in("scenarios")


def load(name: str) -> Scenario:
    """A shipped scenario by its name, or one in a file.

    Raises:
        ConfigError: there is none, or something in it is wrong; names file and line.
    """
    return parse(*find_source(name, "scenarios", "scenario"))


def parse(text: str, file: str, name: str) -> Scenario:
    """Read a scenario.

    Args:
        file: name for messages.
        name: what it is called.

    Raises:
        ConfigError: something is wrong; names file and line.
    """
    tables = read_tables(text, file)
    known = ("scenario", "mines", "cause", "plan", "expect", "may")
    for key, found in tables.items():
        if key not in known:
            raise found[0].error(f"unknown table {key!r}; there are {', '.join(known)}")
    heads = tables.get("scenario", [])
    if len(heads) != 1:
        raise ConfigError(
            f"{file}: one table [scenario] is wanted, there are {len(heads)}"
        )
    head = heads[0]
    duration_s = head.seconds("duration")
    if not 10 <= duration_s <= _MOST_S:
        raise head.error("duration: 10 s to 6 h are wanted", "duration")
    mines = tuple(_choice(table) for table in tables.get("mines", []))
    names = {choice.name for choice in mines}
    if not mines:
        raise head.error("no [[mines]]: a scenario takes place somewhere")
    read = _Reader(names, duration_s)
    causes = tuple(read.cause(t) for t in tables.get("cause", []))
    read.causes = {cause.name: cause for cause in causes}
    scenario = Scenario(
        name=name,
        zh=head.text("zh"),
        en=head.text("en"),
        about=head.text("about"),
        seed=head.whole("seed", 1),
        duration_s=duration_s,
        cycle_s=head.seconds("cycle", "15s"),
        speed=head.number("speed", 10),
        mines=mines,
        causes=causes,
        plans=tuple(read.plan(t) for t in tables.get("plan", [])),
        expected=tuple(read.expected(t, must=True) for t in tables.get("expect", [])),
        allowed=tuple(read.expected(t, must=False) for t in tables.get("may", [])),
    )
    if not 1 <= scenario.speed <= 100:
        raise head.error("speed: 1 to 100 is wanted", "speed")
    if not 1 <= scenario.cycle_s <= 60:
        raise head.error("cycle: 1 s to 60 s are wanted", "cycle")
    head.done()
    return scenario


def _choice(table: Table) -> Choice:
    choice = Choice(
        name=table.text("name"),
        county=table.text("county"),
        kind=table.choice("kind", ("low_gas", "high_gas", "outburst", "any"), "any"),
        count=table.whole("count", 1),
        skip=table.whole("skip", 0),
    )
    table.done()
    if choice.count < 1:
        raise table.error("count: at least one mine", "count")
    return choice


class _Reader:
    """Reads the tables that refer to mines and causes."""

    def __init__(self, mines: set[str], duration_s: float) -> None:
        self._mines = mines
        self._duration_s = duration_s
        self.causes: dict[str, Cause] = {}

    def cause(self, table: Table) -> Cause:
        kind = table.choice("kind", tuple(KINDS))
        known = KINDS[kind]
        target = self._target(table)
        _fits(table, known.acts_on, target)
        at_s = table.seconds("at")
        until_s = self._duration_s
        if table.has("for"):
            until_s = at_s + table.seconds("for")
        if at_s >= self._duration_s:
            raise table.error("at: the scenario is over by then", "at")
        params = {}
        for param, default in known.params.items():
            given = None if math.isnan(default) else default
            params[param] = table.number(param, given)
        cause = Cause(
            name=table.text("name", kind),
            kind=kind,
            target=target,
            at_s=at_s,
            until_s=until_s,
            ramp_s=table.seconds("ramp", "0s"),
            params=params,
        )
        table.done()
        return cause

    def plan(self, table: Table) -> Plan:
        plan = Plan(
            target=self._target(table),
            work=table.text("work"),
            at_s=table.seconds("at", "0s"),
            from_s=table.seconds("from"),
            until_s=table.seconds("until"),
            test_gas=table.number("test_gas") if table.has("test_gas") else None,
        )
        table.done()
        _fits(table, "point", plan.target)
        if not plan.at_s < plan.until_s or not plan.from_s < plan.until_s:
            raise table.error(
                "until: a plan ends after it is filed and begins", "until"
            )
        return plan

    def expected(self, table: Table, *, must: bool) -> Expected:
        levels = table.words("level", ())
        for level in levels:
            if level not in LEVELS:
                raise table.error(
                    f"level {level!r}: one of {', '.join(LEVELS)}", "level"
                )
        begin_s = 0.0
        name = ""
        if table.has("cause"):
            name = table.text("cause")
            if name not in self.causes:
                raise table.error(f"no cause is called {name!r}", "cause")
            begin_s = self.causes[name].at_s
        elif must:
            raise table.error("cause is missing: what does the alarm come of?")
        from_s = begin_s + table.seconds("after", "0s")
        within = table.seconds("within") if must or table.has("within") else None
        to_s = self._duration_s if within is None else begin_s + within
        if not from_s <= to_s:
            raise table.error("within: it ends before it begins (after)", "within")
        least = table.whole("least", 1) if must else 0
        most = table.whole("most", max(1, least) if must else 1_000_000)
        if not least <= most or (must and least < 1):
            raise table.error("least: 1 or more, and not more than most", "least")
        expected = Expected(
            kinds=tuple(table.words("kind")),
            target=self._target(table),
            levels=tuple(LEVELS.index(level) for level in levels),
            from_s=from_s,
            to_s=to_s,
            least=least,
            most=most,
            planned=table.flag("planned", False) if table.has("planned") else None,
            late=table.flag("late", False) if table.has("late") else None,
            by_arrival=table.flag("by_arrival", False),
            text=table.text("why") if not must or table.has("why") else "",
            line=table.line,
            cause=name,
        )
        table.done()
        return expected

    def _target(self, table: Table) -> Target:
        mines = table.text("mines")
        if mines not in self._mines:
            raise table.error(f"no [[mines]] is called {mines!r}", "mines")
        unit = table.text("unit") if table.has("unit") else ""
        if unit and not _UNIT.fullmatch(unit):
            raise table.error(
                f"unit = {unit!r}: face, heading, return, drainage or main, "
                "the second of them with a 2",
                "unit",
            )
        return Target(mines, unit, tuple(table.words("place", ())))


def _fits(table: Table, acts_on: str, target: Target) -> None:
    """A cause needs as much of a target as it acts on, and no more."""
    wanted = {"mine": 0, "working": 1, "point": 2}[acts_on]
    given = 2 if target.places else 1 if target.unit else 0
    if given != wanted and not (acts_on == "point" and given == 1):
        words = ("mines alone", "mines and unit", "mines, unit and place")[wanted]
        raise table.error(f"it acts on a {acts_on}: {words} are wanted")
