"""Escalation rules as data: how long nobody may answer, and who must act then.

An escalation file is TOML (``default_escalation.toml`` is the model and documents each
key). Everything wrong with it is a ``ConfigError`` that names file, line and entry.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gasmon import domain
from gasmon.alarms.events import RANK_NAMES
from gasmon.alarms.lifecycle import TIERS
from gasmon.alarms.rule_lines import RuleLines
from gasmon.alarms.toml_fields import (
    duration_us,
    names,
    only,
    shipped_text,
    site_text,
)
from gasmon.errors import ConfigError

SHIPPED = "default_escalation.toml"
DELIVERED = "delivered"
WITHOUT = ("confirmed", "handled", DELIVERED)
"""What a step waits for in vain."""

CHANNEL_KINDS = ("webhook", "mail", "sms")
"""Kinds of channel that a step may call besides names of single ones."""

RULE_KEYS = ("name", "ranks", "kinds", "areas", "planned", "goes_on", "source", "step")
STEP_KEYS = ("without", "after", "tier", "channels")
DURATIONS = ("nearly_due", "fold", "status_report")
REPORT_CHANNELS = "report_channels"
TOP_KEYS = (*DURATIONS, REPORT_CHANNELS)
MOST_STEPS = 20
"""Steps of one rule; each is looked at for each alarm that nobody answered."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a rule.

    Attributes:
        key: what it is called in the database. Made of what it waits for, of its tier
            and of its place among equal ones, so that neither another name of its rule
            nor another time makes it happen again for an alarm that it happened to.
        without: what nobody did, or what did not happen, of ``WITHOUT``.
        after_us: for how long [µs].
        tier: who must act then, of ``lifecycle.TIERS``.
        channels: names or kinds of the channels that are called.
    """

    key: str
    without: str
    after_us: int
    tier: str
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EscalationRule:
    """One row.

    Attributes:
        ranks: levels it fits; empty means every one.
        kinds: kinds it fits; empty means every one.
        areas: codes; empty means every one, a prefecture's covers its counties.
        planned: only alarms that planned work keeps quiet.
        goes_on: steps come also when the value is back.
        line: of its header in the file.
    """

    name: str
    ranks: frozenset[int]
    kinds: frozenset[str]
    areas: frozenset[str]
    planned: bool
    goes_on: bool
    source: str
    steps: tuple[Step, ...]
    line: int

    @property
    def fits_all(self) -> bool:
        """There is no alarm that it passes over."""
        return not (self.ranks or self.kinds or self.areas or self.planned)

    def fits(self, kind: str, area: str, rank: int, planned: bool) -> bool:
        """Whether this row is about such an alarm."""
        here = not self.areas or not self.areas.isdisjoint({area, area[:4] + "00"})
        return (
            here
            and (not self.ranks or rank in self.ranks)
            and (not self.kinds or kind in self.kinds)
            and (planned or not self.planned)
        )


@dataclass(frozen=True, slots=True)
class EscalationRules:
    """All rows, in order; the last fits everything.

    Attributes:
        name: of the file.
        nearly_us: a step counts as nearly due this long before [µs].
        fold_us: one incident calls by the same step once in this time [µs].
        report_us: a status report is due after this, while handling [µs]; 0: never.
        report_channels: names or kinds of the channels that remind of it.
    """

    name: str
    rows: tuple[EscalationRule, ...]
    nearly_us: int
    fold_us: int
    report_us: int
    report_channels: tuple[str, ...] = ()

    def row_for(self, kind: str, area: str, rank: int, planned: bool) -> EscalationRule:
        """The row that decides about an alarm at a level."""
        return next(row for row in self.rows if row.fits(kind, area, rank, planned))


def default_escalation() -> EscalationRules:
    """The rules that gasmon ships."""
    return parse_escalation(shipped_text(SHIPPED), SHIPPED)


def load_escalation(path: Path | None) -> EscalationRules:
    """The rules of a site; None gives the shipped ones.

    Raises:
        ConfigError: the file cannot be read, or as :func:`parse_escalation`.
    """
    if path is None:
        return default_escalation()
    return parse_escalation(site_text(path, "escalation.rules_file"), path.name)


def parse_escalation(text: str, name: str) -> EscalationRules:
    """Read an escalation file.

    Args:
        text: TOML.
        name: what to call the file in errors.

    Raises:
        ConfigError: it is no TOML, a key or name is unknown, a value is impossible, or
            the last row does not fit every alarm; names file and line.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: {error}") from None
    return _Reader(tree, RuleLines(text), name).rules()


@dataclass(slots=True)
class _Reader:
    """A file on its way to EscalationRules."""

    tree: Mapping[str, Any]
    lines: RuleLines
    file: str
    n_steps: int = 0

    def at(self, table: str, number: int, key: str = "") -> str:
        """How errors call a place: file, line, entry."""
        line = self.lines.of(table, number, key)
        entry = f": [[{table}]] {number}" if table else ""
        return f"{self.file}:{line}{entry}"

    def rules(self) -> EscalationRules:
        for key in self.tree:
            if key not in (*TOP_KEYS, "escalate"):
                raise ConfigError(f"{self.at('', 0, key)}: unknown key {key!r}")
        given = self.tree.get("escalate", [])
        if not isinstance(given, list):
            raise ConfigError(
                f"{self.at('', 0, 'escalate')}: [[escalate]] is not an array of tables"
            )
        rows = tuple(self._rule(row, number) for number, row in enumerate(given, 1))
        if not rows or not rows[-1].fits_all:
            raise ConfigError(
                f"{self.at('escalate', len(rows))}: the last [[escalate]] must fit"
                " every alarm"
            )
        for number, row in enumerate(rows[:-1], 1):
            if row.fits_all:
                raise ConfigError(
                    f"{self.at('escalate', number)}: hides the rows after it"
                )
        nearly_us, fold_us, report_us = (self._top(key) for key in DURATIONS)
        at_channels = self.at("", 0, REPORT_CHANNELS)
        channels = _list(self.tree, REPORT_CHANNELS, at_channels)
        return EscalationRules(self.file, rows, nearly_us, fold_us, report_us, channels)

    def _top(self, key: str) -> int:
        if key not in self.tree:
            raise ConfigError(f"{self.file}: {key} is missing")
        where = f"{self.at('', 0, key)}: {key}"
        return duration_us(self.tree[key], where)

    def _rule(self, row: Any, number: int) -> EscalationRule:
        def where(key: str = "") -> str:
            return self.at("escalate", number, key)

        self._only(row, RULE_KEYS, "escalate", number)
        # Kinds are a site's own business: a rule file may know more than we ship.
        kinds = _list(row, "kinds", where("kinds"))
        colours = names(row, "ranks", frozenset(RANK_NAMES), where("ranks"))
        known = {n: a.code for a in domain.areas() for n in (a.code, a.slug)}
        areas = names(row, "areas", frozenset(known), where("areas"))
        source = row.get("source", "")
        if not isinstance(source, str):
            raise ConfigError(f"{where('source')}: source = {source!r} is no text")
        return EscalationRule(
            name=self._name(row, where("name")),
            ranks=frozenset(RANK_NAMES.index(colour) for colour in colours),
            kinds=frozenset(kinds),
            areas=frozenset(known[area] for area in areas),
            planned=_flag(row, "planned", where("planned")),
            goes_on=_flag(row, "goes_on", where("goes_on")),
            source=source,
            steps=self._steps(row, number),
            line=self.lines.of("escalate", number),
        )

    def _only(self, row: Any, known: tuple[str, ...], table: str, number: int) -> None:
        """Refuse what is no table, or the first key that is not known."""
        unknown = [k for k in row if k not in known] if type(row) is dict else []
        only(row, set(known), self.at(table, number, *unknown[:1]))

    def _name(self, row: Mapping[str, Any], where: str) -> str:
        found = row.get("name")
        if not isinstance(found, str) or not 1 <= len(found) <= 40:
            raise ConfigError(f"{where}: name = {found!r} is not 1 to 40 characters")
        return found

    def _steps(self, row: Mapping[str, Any], number: int) -> tuple[Step, ...]:
        given = row.get("step", [])
        where = self.at("escalate", number, "step")
        if not isinstance(given, list):
            raise ConfigError(f"{where}: step is not an array of tables")
        if len(given) > MOST_STEPS:
            raise ConfigError(
                f"{where}: {len(given)} steps; at most {MOST_STEPS} are possible"
            )
        found: list[Step] = []
        for table in given:
            self.n_steps += 1
            found.append(self._step(table, self.n_steps, found))
        return tuple(found)

    def _step(self, row: Any, number: int, before: list[Step]) -> Step:
        self._only(row, STEP_KEYS, "escalate.step", number)

        def one_of(key: str, known: tuple[str, ...]) -> str:
            found = row.get(key)
            if found not in known:
                raise ConfigError(
                    f"{self.at('escalate.step', number, key)}: {key} = {found!r} is"
                    f" none of {', '.join(known)}"
                )
            return str(found)

        without, tier = one_of("without", WITHOUT), one_of("tier", TIERS)
        at_after = self.at("escalate.step", number, "after")
        after_us = duration_us(row.get("after"), f"{at_after}: after")
        channels = _list(row, "channels", self.at("escalate.step", number, "channels"))
        equal = sum((s.without, s.tier) == (without, tier) for s in before)
        key = f"{without}/{tier}/{equal + 1}"
        return Step(key, without, after_us, tier, channels)


def _list(row: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    found = row.get(key, [])
    if not isinstance(found, list) or not all(isinstance(n, str) and n for n in found):
        raise ConfigError(f"{where}: {key} = {found!r} is no list of names")
    return tuple(found)


def _flag(row: Mapping[str, Any], key: str, where: str) -> bool:
    found = row.get(key, False)
    if not isinstance(found, bool):
        raise ConfigError(f"{where}: {key} = {found!r} is not true or false")
    return found
