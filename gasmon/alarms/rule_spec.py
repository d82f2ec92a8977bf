"""What a kind of alarm is called in a rule file and which parameters it takes.

A kind is a row in a table, not a class: its ``KindSpec`` says what a rule may give it,
and the conditions that use the numbers stand elsewhere. Every spec is collected in
rule_kinds.py, so a file is checked against all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Literal

Value = float | int | str | tuple[str, ...]
"""A number, a duration [µs], a name, or names."""

ParamType = Literal["number", "duration", "name", "names"]
SubjectType = Literal["point", "unit", "mine", "link"]

SELECTOR_NAMES = (
    "quantity",
    "place_class",
    "unit_kind",
    "mine_kind",
    "area",
    "mine",
    "point",
)
"""By what a rule selects, the least specific first."""

SELECTORS: Mapping[SubjectType, frozenset[str]] = {
    "point": frozenset(SELECTOR_NAMES),
    "unit": frozenset({"unit_kind", "mine_kind", "area", "mine"}),
    "mine": frozenset({"mine_kind", "area", "mine"}),
    "link": frozenset(),
}
"""By what each type of subject can be selected."""


@dataclass(frozen=True, slots=True)
class ParamSpec:
    """One parameter of a kind.

    Attributes:
        name: as a rule file has it; a number's unit is the point's unless its name
            ends in one (``rise_pct_per_min``).
        type: ``number`` is a float, ``duration`` an int [µs] (written ``"5min"``),
            ``name`` a str, ``names`` a tuple of str.
        default: when no rule gives it; a duration's in µs. None = required.
        least, most: inclusive range of a number, or of a duration [µs].
        choices: the names that are possible; empty = any.
    """

    name: str
    type: ParamType
    default: Value | None = None
    least: float = -inf
    most: float = inf
    choices: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class KindSpec:
    """One kind of alarm, as rule files see it.

    Attributes:
        name: as in events.
        subject: what it is about; decides which selectors its rules may have.
        params: what ``with`` may give.
        always: it cannot be turned off, and some rule must fit everything.
        max_bands: ranges of values with levels of their own.
    """

    name: str
    subject: SubjectType
    params: tuple[ParamSpec, ...] = ()
    always: bool = False
    max_bands: int = 1

    @property
    def selectors(self) -> frozenset[str]:
        """Names that ``match`` of its rules may have."""
        return SELECTORS[self.subject]

    def param(self, name: str) -> ParamSpec | None:
        """The parameter of that name, or None."""
        return next((p for p in self.params if p.name == name), None)


@dataclass(frozen=True, slots=True)
class KindParams:
    """What the rules say of one kind at one subject.

    Attributes:
        kind: its name.
        level: index of its level row in ``RuleSet.levels``.
        values: each parameter of the kind; what no rule gives is the default.
        given_by: for each parameter that a rule gave, where: ``site.toml:41``.
        rule: where the most specific rule that fits stands, with its name.
        text: what an alarm says of itself, Chinese and English; empty when no rule
            that fits has a text.
    """

    kind: str
    level: int
    values: Mapping[str, Value]
    given_by: Mapping[str, str]
    rule: str
    text: tuple[str, ...] = ()

    def number(self, name: str) -> float:
        """A parameter of type number."""
        found = self.values[name]
        assert isinstance(found, float)
        return found

    def duration_us(self, name: str) -> int:
        """A parameter of type duration [µs]."""
        found = self.values[name]
        assert isinstance(found, int)
        return found

    def name(self, name: str) -> str:
        """A parameter of type name."""
        found = self.values[name]
        assert isinstance(found, str)
        return found

    def names(self, name: str) -> tuple[str, ...]:
        """A parameter of type names."""
        found = self.values[name]
        assert isinstance(found, tuple)
        return found
