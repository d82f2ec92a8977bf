"""Criteria and injects of a drill, as the operator's file says them.

docs/drills.md describes the file. Everything is checked when it is read; a fault is a
``ConfigError`` with file and line.
"""

from dataclasses import dataclass
from random import Random

from gasmon.errors import ConfigError
from simulators.scenario import LEVELS
from simulators.toml_source import Table, find_source, read_tables, shipped_in

MEASURES = ("alarms", "detection", "record", "delivery", "inject")
"""What a criterion looks at: whether the expected alarms came and no others; how soon
the platform told of them; what people recorded; how far each event came; what people
recorded after an inject."""

SCOPES = ("each", "first", "any")
"""Of which alarms: every one, the first that was told, or whichever was quickest."""

TIERS = ("mine", "county", "city")
EVENTS = ("confirmed", "commented", "assigned", "verified", "handled", "fed_back")
STEPS = ("sent", "received", "stored", "drawn", "sounded", "confirmed")
ROLES = ("platform", "room")
INJECTS = ("call", "false_report")
_SINCE = {
    "detection": (("cause", "raised"), "cause"),
    "record": (("cause", "alarm"), "alarm"),
}
"""Where the time of a measure may begin, and where it does if nothing is said."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One line of a sheet.

    Attributes:
        within_s: how soon [s of the drill]; not used by ``alarms``.
        points: what it is worth when it is met for all; in proportion where for some.
        must: the drill is not passed without it.
        scope: which alarms, one of ``SCOPES``.
        least_rank: only alarms that reached this level.
        since: where the time begins: ``cause``, ``raised`` (in the mine's time) or
            ``alarm`` (when the platform could tell of it).
        events: records that count; of ``record`` and ``inject``.
        tier: whose records; empty for anybody's.
        words: one of them must stand in the record's text; empty for any text.
        step, role: of ``delivery``.
        inject: name of the inject that begins the time; of ``inject``.
    """

    name: str
    zh: str
    en: str
    measure: str
    within_s: float
    points: float
    must: bool
    scope: str
    least_rank: int
    since: str
    events: tuple[str, ...]
    tier: str
    words: tuple[str, ...]
    step: str
    role: str
    inject: str


@dataclass(frozen=True, slots=True)
class Inject:
    """Something that the leader of the drill does or says at a time.

    Attributes:
        at_s: since the begin of the drill [s].
        jitter_s: as much later at most, by the seed of the drill [s].
        to: whom.
    """

    name: str
    kind: str
    at_s: float
    jitter_s: float
    to: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class SheetFile:
    """A file of criteria and injects.

    Attributes:
        pass_share: share of the points that is needed, 0 to 1.
    """

    name: str
    zh: str
    en: str
    pass_share: float
    criteria: tuple[Criterion, ...]
    injects: tuple[Inject, ...]


def shipped() -> list[str]:
    """Names of the files that come with gasmon, in order."""
    return shipped_in("sheets")


def load(name: str) -> SheetFile:
    """A shipped file by its name, or an operator's by its path.

    Raises:
        ConfigError: there is none, or something in it is wrong; names file and line.
    """
    return parse(*find_source(name, "sheets", "sheet"))


def parse(text: str, file: str, name: str) -> SheetFile:
    """Read criteria and injects.

    Raises:
        ConfigError: something is wrong; names file and line.
    """
    tables = read_tables(text, file)
    for key, found in tables.items():
        if key not in ("sheet", "criterion", "inject"):
            raise found[0].error(
                f"unknown table {key!r}; there are sheet, criterion, inject"
            )
    heads = tables.get("sheet", [])
    if len(heads) != 1:
        raise ConfigError(
            f"{file}: one table [sheet] is wanted, there are {len(heads)}"
        )
    head = heads[0]
    pass_share = head.number("pass_pct", 80) / 100
    if not 0 <= pass_share <= 1:
        raise head.error("pass_pct: 0 to 100 is wanted", "pass_pct")
    zh, en = head.text("zh"), head.text("en")
    head.done()
    injects = tuple(_inject(table) for table in tables.get("inject", []))
    names = {inject.name for inject in injects}
    criteria = tuple(_criterion(t, names) for t in tables.get("criterion", []))
    if not criteria:
        raise head.error("no [[criterion]]: by what is the drill judged?")
    for rows, what in ((criteria, "criterion"), (injects, "inject")):
        twice = {a.name for a in rows if sum(a.name == b.name for b in rows) > 1}
        if twice:
            raise ConfigError(f"{file}: two tables [[{what}]] are called {min(twice)}")
    return SheetFile(name, zh, en, pass_share, criteria, injects)


def _inject(table: Table) -> Inject:
    inject = Inject(
        name=table.text("name"),
        kind=table.choice("kind", INJECTS),
        at_s=table.seconds("at"),
        jitter_s=table.seconds("jitter", "0s"),
        to=table.text("to"),
        zh=table.text("zh"),
        en=table.text("en"),
    )
    table.done()
    return inject


def _criterion(table: Table, injects: set[str]) -> Criterion:
    measure = table.choice("measure", MEASURES)
    reads = measure in ("record", "inject")
    inject = table.text("inject") if measure == "inject" else ""
    if inject and inject not in injects:
        raise table.error(f"no [[inject]] is called {inject!r}", "inject")
    delivers = measure == "delivery"
    criterion = Criterion(
        name=table.text("name"),
        zh=table.text("zh"),
        en=table.text("en"),
        measure=measure,
        within_s=0.0 if measure == "alarms" else table.seconds("within"),
        points=table.number("points"),
        must=table.flag("must", False),
        scope="each"
        if measure in ("alarms", "inject")
        else table.choice("scope", SCOPES, "each"),
        least_rank=0
        if measure in ("alarms", "inject")
        else LEVELS.index(table.choice("level", LEVELS, "ungraded")),
        since=table.choice("since", *_SINCE[measure]) if measure in _SINCE else "",
        events=_known(table, "events", EVENTS) if reads else (),
        tier=table.choice("tier", (*TIERS, "any"), "any").replace("any", "")
        if reads
        else "",
        words=tuple(table.words("words", ())) if reads else (),
        step=table.choice("step", STEPS) if delivers else "",
        role=table.choice("role", ROLES) if delivers else "",
        inject=inject,
    )
    table.done()
    if criterion.points < 0:
        raise table.error("points: 0 or more are wanted", "points")
    return criterion


def _known(table: Table, key: str, of: tuple[str, ...]) -> tuple[str, ...]:
    words = table.words(key)
    for word in words:
        if word not in of:
            raise table.error(f"{key}: {word!r}: one of {', '.join(of)}", key)
    if not words:
        raise table.error(f"{key}: at least one of {', '.join(of)}", key)
    return tuple(words)


def timed(injects: tuple[Inject, ...], seed: int) -> list[tuple[float, Inject]]:
    """When each inject is given, by the seed of the drill; the earliest first.

    Returns:
        (seconds since the begin, inject).
    """
    # One draw per inject whatever its jitter, so that one of them changes no other.
    rng = Random(seed)
    return sorted(
        ((inject.at_s + rng.random() * inject.jitter_s, inject) for inject in injects),
        key=lambda item: (item[0], item[1].name),
    )
