"""Closing rules as data: when an alarm is over for good.

A closing file is TOML (``closing_rules.toml`` is the model and documents each key).
Everything wrong with it is a ``ConfigError`` that names the entry. The shipped rows are
ours: only what was confirmed and has a cause is closed by hand, while ungraded and
planned alarms close by themselves.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gasmon.alarms.events import RANK_NAMES
from gasmon.alarms.lifecycle import Words
from gasmon.alarms.toml_fields import (
    duration_us,
    items,
    names,
    only,
    shipped_text,
    site_text,
)
from gasmon.errors import ConfigError

SHIPPED = "closing_rules.toml"
NEEDS = ("cleared", "confirmed", "cause")

_KEYS = {"name", "ranks", "kinds", "planned", "needs", "after"}

_LACKS = {
    "cleared": Words("报警未解除", "it is not cleared"),
    "confirmed": Words("无人确认当前等级", "nobody confirmed its present level"),
    "cause": Words("未记录原因", "no cause is recorded"),
}


@dataclass(frozen=True, slots=True)
class ClosingFacts:
    """What closing depends on.

    Attributes:
        cleared_for_us: time since it was cleared [µs]; None while it is open.
        confirmed: some tier confirmed its present level.
        cause: a record that stands names a cause.
    """

    kind: str
    rank: int
    planned: bool
    cleared_for_us: int | None
    confirmed: bool
    cause: bool


@dataclass(frozen=True, slots=True)
class ClosingRule:
    """One row.

    Attributes:
        ranks: levels it fits; empty means every one.
        kinds: kinds it fits; empty means every one.
        planned: only planned alarms.
        after_us: time since the alarm was cleared [µs].
    """

    name: str
    ranks: frozenset[int]
    kinds: frozenset[str]
    planned: bool
    needs: frozenset[str]
    after_us: int

    @property
    def asks_nobody(self) -> bool:
        """What it closes needs no confirmation, before or after."""
        return "confirmed" not in self.needs

    @property
    def fits_all(self) -> bool:
        """There is no alarm that it passes over."""
        return not (self.ranks or self.kinds or self.planned)

    def fits(self, facts: ClosingFacts) -> bool:
        """Whether this row is about such an alarm."""
        return (
            (not self.ranks or facts.rank in self.ranks)
            and (not self.kinds or facts.kind in self.kinds)
            and (facts.planned or not self.planned)
        )

    def lacks(self, facts: ClosingFacts) -> Words | None:
        """The first thing that is missing; None when the alarm may be closed."""
        if facts.cleared_for_us is None:
            return _LACKS["cleared"]
        if "confirmed" in self.needs and not facts.confirmed:
            return _LACKS["confirmed"]
        if "cause" in self.needs and not facts.cause:
            return _LACKS["cause"]
        return None


@dataclass(frozen=True, slots=True)
class ClosingRules:
    """All rows, in order; the last fits everything."""

    rows: tuple[ClosingRule, ...]

    def row_for(self, facts: ClosingFacts) -> ClosingRule:
        """The row that decides about an alarm."""
        return next(row for row in self.rows if row.fits(facts))

    def closes_by_itself(self, facts: ClosingFacts) -> ClosingRule | None:
        """The row that closes this alarm now without anybody's doing, or None."""
        row = self.row_for(facts)
        if row.lacks(facts) is not None:
            return None
        assert facts.cleared_for_us is not None, "what lacks nothing is cleared"
        return row if facts.cleared_for_us >= row.after_us else None


def default_closing() -> ClosingRules:
    """The rules that gasmon ships."""
    return parse_closing(shipped_text(SHIPPED), SHIPPED)


def load_closing(path: Path | None) -> ClosingRules:
    """The rules of a site; None gives the shipped ones.

    Raises:
        ConfigError: the file cannot be read, or as :func:`parse_closing`.
    """
    if path is None:
        return default_closing()
    return parse_closing(site_text(path, "life.closing_file"), path.name)


def parse_closing(text: str, name: str) -> ClosingRules:
    """Read a closing file.

    Args:
        text: TOML.
        name: what to call the file in errors.

    Raises:
        ConfigError: it is no TOML, a key or name is unknown, a value is impossible, or
            the last row does not fit every alarm.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: {error}") from None
    for key in tree:
        if key != "close":
            raise ConfigError(f"{name}: unknown section {key!r}")
    given = tree.get("close", [])
    if not isinstance(given, list):
        raise ConfigError(f"{name} [[close]]: {given!r} is not an array of tables")
    found = tuple(
        _rule(row, f"{name} [[close]] {number}") for number, row in enumerate(given, 1)
    )
    if not found or not found[-1].fits_all:
        raise ConfigError(f"{name}: the last [[close]] must fit every alarm")
    for number, row in enumerate(found[:-1], 1):
        if row.fits_all:
            raise ConfigError(f"{name}: [[close]] {number} hides the rows after it")
    return ClosingRules(found)


def _rule(row: Mapping[str, Any], where: str) -> ClosingRule:
    only(row, _KEYS, where)
    label = row.get("name")
    if not isinstance(label, str) or not 1 <= len(label) <= 40:
        raise ConfigError(f"{where}: name = {label!r} is not 1 to 40 characters")
    planned = row.get("planned", False)
    if not isinstance(planned, bool):
        raise ConfigError(f"{where}: planned = {planned!r} is not true or false")
    kinds = row.get("kinds", [])
    # Kinds are a site's own business: a rule file may know more than we ship.
    if not isinstance(kinds, list) or not all(isinstance(k, str) and k for k in kinds):
        raise ConfigError(f"{where}: kinds = {kinds!r} is not a list of names")
    items(row, "needs", len(NEEDS), where)
    needs = names(row, "needs", frozenset(NEEDS), where)
    if "cleared" not in needs:
        raise ConfigError(f"{where}: needs must name 'cleared'")
    ranks = names(row, "ranks", frozenset(RANK_NAMES), where)
    return ClosingRule(
        name=label,
        ranks=frozenset(RANK_NAMES.index(colour) for colour in ranks),
        kinds=frozenset(kinds),
        planned=planned,
        needs=needs,
        after_us=duration_us(row.get("after", "0s"), where),
    )
