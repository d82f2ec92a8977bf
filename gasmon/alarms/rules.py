"""Rules as data: reads a rule file and decides what applies to a subject.

A rule file is TOML (``default_rules.toml`` is the model; docs/alarm-rules.md documents
each key). What a site's file does not say is as shipped. Everything wrong with it is a
``ConfigError`` that names file, line and entry.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from gasmon.alarms import toml_fields
from gasmon.alarms.rule_bands import MAX_BANDS, MAX_STEPS, Band
from gasmon.alarms.rule_book import RuleBook, check
from gasmon.alarms.rule_entries import Rule, read_rules
from gasmon.alarms.rule_kinds import KIND_SPECS
from gasmon.alarms.rule_limits import (
    Resolved,
    check_limits,
    refuse_contradictions,
    resolve,
)
from gasmon.alarms.rule_lines import RuleLines
from gasmon.alarms.rule_match import QUANTITIES, subject_of
from gasmon.alarms.rule_points import ApprovedPoint, corrected, read_points
from gasmon.alarms.rule_spec import KindParams
from gasmon.alarms.toml_fields import duration_us, number, shipped_text
from gasmon.errors import ConfigError
from gasmon.points import MineDef, PointDef
from gasmon.units import parse_iso_us

__all__ = [
    "MAX_BANDS",
    "MAX_STEPS",
    "QUANTITIES",
    "Band",
    "Resolved",
    "Rule",
    "RuleSet",
    "default_rules",
    "parse_rules",
    "refuse_contradictions",
    "resolve",
]

TOP_KEYS = {
    "replace",
    "delays",
    "own_limits",
    "after_rise",
    "effective_from",
    "rule",
    "point",
}
SHIPPED = "default_rules.toml"

_BAD_TOML = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)")


@dataclass(frozen=True, slots=True)
class RuleSet:
    """One rule file over the shipped one, checked.

    Attributes:
        rules: shipped ones that the file left in force, then the file's.
        stricter: quantities for which the law binds a mine's own limits.
        on_delay_us: of the kinds with limits, where no rule gives it [µs];
            ``off_delay_us`` too.
        rise_fraction: share of the alarm limit that counts as "near".
        rise_within_us: how long before a fault a near value counts [µs].
        effective_from_us: from when it counts [µs UTC]; 0 = ever.
        name: of the file.
        text: its contents; empty for the shipped rules alone.
        points: what was approved about single points.
        book: the rules by kind; ``approved`` the points by key.
    """

    rules: tuple[Rule, ...]
    stricter: frozenset[str]
    on_delay_us: int
    off_delay_us: int
    rise_fraction: float
    rise_within_us: int
    points: tuple[ApprovedPoint, ...] = ()
    effective_from_us: int = field(default=0, compare=False)
    name: str = field(default=SHIPPED, compare=False)
    text: str = field(default="", compare=False, repr=False)
    book: RuleBook = field(init=False, compare=False, repr=False)
    approved: Mapping[str, ApprovedPoint] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        delays = {"on_delay": self.on_delay_us, "off_delay": self.off_delay_us}
        object.__setattr__(self, "book", RuleBook(self.rules, delays))
        object.__setattr__(self, "approved", {one.key: one for one in self.points})

    @property
    def levels(self) -> tuple[Rule, ...]:
        """What grades alarms, by level number: the rules themselves."""
        return self.rules

    def corrected(self, point: PointDef) -> PointDef:
        """A version of a point with what was approved in place of its mine's word."""
        return corrected(self.approved, point)

    def params(
        self,
        kind: str,
        point: PointDef | None,
        mine: MineDef,
        unit_slug: str | None = None,
    ) -> KindParams | None:
        """What the rules say of a kind at a point, or at a unit or a mine.

        Args:
            point: the point, for kinds of points; None for the others.
            unit_slug: the unit, for kinds of units.

        Returns:
            Parameters and level row; None where the kind is off.
        """
        point = point and self.corrected(point)
        return self.book.params(kind, subject_of(point, mine, unit_slug))


@cache
def default_rules() -> RuleSet:
    """The rules that gasmon ships."""
    return _read(shipped_text(SHIPPED), SHIPPED, None)


def parse_rules(text: str, name: str) -> RuleSet:
    """Read a rule file that stands over the shipped rules.

    Args:
        text: TOML.
        name: what to call the file in errors.

    Raises:
        ConfigError: bad TOML, unknown key, bad value, or rules that contradict one
            another or the law.
    """
    return _read(text, name, default_rules())


def _read(text: str, name: str, shipped: RuleSet | None) -> RuleSet:
    tree, lines = _toml(text, name), RuleLines(text)
    for key in tree:
        if key not in TOP_KEYS:
            raise ConfigError(
                f"{name}:{lines.of(key, key=key)}: unknown key {key!r}; known: "
                f"{', '.join(sorted(TOP_KEYS))}"
            )
    own = read_rules(tree, lines, name, shipped=shipped is None)
    at = f"{name}:{lines.of('', key='replace')}"
    replaced = toml_fields.names(tree, "replace", frozenset(KIND_SPECS), at)
    before = shipped.rules if shipped else ()
    rules = (*(rule for rule in before if rule.kind not in replaced), *own)
    sections = _Sections(tree, lines, name)
    delays = sections.of("delays", {"on", "off"})
    own_limits = sections.of("own_limits", {"stricter"})
    rise = sections.of("after_rise", {"fraction", "within"})
    stricter = own_limits.names("stricter", QUANTITIES)
    if shipped:
        stricter |= shipped.stricter  # the law is a floor that no file takes away
    try:
        check(rules)
        check_limits(rules, stricter)
    except ConfigError as error:
        raise ConfigError(_named(str(error), name)) from None
    return RuleSet(
        rules=rules,
        stricter=stricter,
        on_delay_us=delays.duration_us("on", shipped.on_delay_us if shipped else 0),
        off_delay_us=delays.duration_us("off", shipped.off_delay_us if shipped else 0),
        rise_fraction=rise.number("fraction", shipped.rise_fraction if shipped else 0),
        rise_within_us=rise.duration_us(
            "within", shipped.rise_within_us if shipped else 0
        ),
        points=read_points(tree, lines, text, name),
        effective_from_us=_effective_from(tree, lines, name),
        name=name,
        text=text if shipped else "",
    )


def _named(text: str, name: str) -> str:
    """An error about no single line is about the file."""
    return text if re.match(r"\S+:\d+: ", text) else f"{name}: {text}"


def _toml(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said = _BAD_TOML.fullmatch(str(error))
        assert said  # the reader of TOML has no other form
        line = said[2] or len(text.splitlines())
        raise ConfigError(f"{name}:{line}: {said[1]}") from None


def _effective_from(tree: Mapping[str, Any], lines: RuleLines, name: str) -> int:
    """A time with its offset, as TOML has it or as a text [µs UTC]."""
    if "effective_from" not in tree:
        return 0
    found = tree["effective_from"]
    try:
        return parse_iso_us(found if isinstance(found, str) else found.isoformat())
    except (AttributeError, ValueError):
        raise ConfigError(
            f"{name}:{lines.of('', key='effective_from')}: effective_from = {found!r} "
            "is not a time such as 2026-11-01T08:00:00+08:00"
        ) from None


@dataclass(frozen=True, slots=True)
class _Section:
    """A table ``[name]`` of the file; empty when absent."""

    table: Mapping[str, Any]
    key: str
    file: str
    lines: RuleLines

    def at(self, name: str = "") -> str:
        return f"{self.file}:{self.lines.of(self.key, key=name)}: [{self.key}]"

    def names(self, name: str, known: frozenset[str]) -> frozenset[str]:
        return toml_fields.names(self.table, name, known, self.at(name))

    def number(self, name: str, absent: float) -> float:
        return number(self.table, name, absent, self.at(name))

    def duration_us(self, name: str, absent_us: int) -> int:
        if name not in self.table:
            return absent_us
        return duration_us(self.table[name], f"{self.at(name)} {name}")


@dataclass(frozen=True, slots=True)
class _Sections:
    """The tables of a file."""

    tree: Mapping[str, Any]
    lines: RuleLines
    file: str

    def of(self, key: str, known: set[str]) -> _Section:
        table = self.tree.get(key, {})
        section = _Section(table, key, self.file, self.lines)
        unknown = [k for k in table if k not in known] if type(table) is dict else []
        toml_fields.only(table, known, section.at(*unknown[:1]))
        return section
