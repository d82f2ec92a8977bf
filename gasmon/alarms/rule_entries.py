"""The ``[[rule]]`` entries of a file: what each is for and what it says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isnan
from typing import Any

from gasmon.alarms import toml_fields
from gasmon.alarms.rule_bands import Band, read_bands
from gasmon.alarms.rule_kinds import KIND_SPECS
from gasmon.alarms.rule_lines import RuleLines
from gasmon.alarms.rule_match import Match, read_match
from gasmon.alarms.rule_spec import KindSpec, ParamSpec, Value
from gasmon.errors import ConfigError

RULE_KEYS = {
    "name",
    "kind",
    "match",
    "enabled",
    "with",
    "levels",
    "after_rise",
    "text",
    "source",
}
AFTER_RISE = "/after_rise"
"""What the family of a kind is called whose levels are for after a rise."""

_LANGUAGES = ("zh", "en")


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry, checked by itself.

    Attributes:
        name: its own, or its kind's; for people.
        file: name of the file, ``line`` of its ``[[rule]]``.
        enabled: None when it does not say.
        given: the parameters that it gives.
        given_line: in which line each of them stands.
        bands: empty when it leaves the levels to a less specific rule.
        after_rise: its levels are for a sensor break right after a rise only.
        text: (Chinese, English) that its alarms carry; empty when it leaves that to a
            less specific rule too.
        source: (Chinese, English) where its numbers come from; empty when nobody says.
        shipped: it is gasmon's own.
    """

    kind: str
    match: Match
    enabled: bool | None
    given: Mapping[str, Value]
    bands: tuple[Band, ...]
    after_rise: bool
    shipped: bool
    text: tuple[str, ...]
    # What decides nothing: two rules that differ in it alone are equal.
    name: str = field(compare=False)
    given_line: Mapping[str, int] = field(compare=False)
    source: tuple[str, ...] = field(compare=False)
    file: str = field(compare=False)
    line: int = field(compare=False)

    @property
    def family(self) -> str:
        """Rules of one family are put in order beside one another."""
        return f"{self.kind}{AFTER_RISE}" if self.after_rise else self.kind

    @property
    def where(self) -> str:
        """Where it stands, as errors say it."""
        return f"{self.file}:{self.line}"

    @property
    def rank(self) -> tuple[int, bool]:
        """The higher is the more specific; a site's rule beats an equal shipped one."""
        return self.match.rank, not self.shipped


def read_rules(
    tree: Mapping[str, Any], lines: RuleLines, file: str, *, shipped: bool
) -> tuple[Rule, ...]:
    """Read all ``[[rule]]`` of a file, each checked by itself.

    Raises:
        ConfigError: names file, line, rule and what is wrong.
    """
    found = tree.get("rule", [])
    if not isinstance(found, list):
        raise ConfigError(
            f"{file}:{lines.of('', key='rule')}: [[rule]]: {found!r} is not an array "
            "of tables"
        )
    return tuple(
        _Reader(row, number, lines, file).rule(shipped)
        for number, row in enumerate(found, 1)
    )


class _Reader:
    """One table on its way to a Rule."""

    def __init__(self, row: Any, number: int, lines: RuleLines, file: str) -> None:
        self.row, self.number, self.lines, self.file = row, number, lines, file
        toml_fields.only(row, RULE_KEYS, self.at(*self._unknown()))

    def _unknown(self) -> list[str]:
        return [k for k in self.row if k not in RULE_KEYS][:1] if self._is_table else []

    @property
    def _is_table(self) -> bool:
        return isinstance(self.row, dict)

    def line(self, *keys: str) -> int:
        """The line of the deepest of these keys that has one."""
        paths = [".".join(keys[:n]) for n in range(len(keys), 0, -1)]
        head = self.lines.of("rule", self.number)
        for path in paths:
            line = self.lines.of("rule", self.number, path)
            if line != head:
                return line
        return head

    def at(self, *keys: str) -> str:
        """How errors call the place: file, line, rule."""
        named = self.row.get("name") if self._is_table else None
        name = named if isinstance(named, str) else str(self.number)
        return f"{self.file}:{self.line(*keys)}: rule {name}"

    def rule(self, shipped: bool) -> Rule:
        kind = self.row.get("kind")
        spec = KIND_SPECS.get(kind) if isinstance(kind, str) else None
        if spec is None:
            raise ConfigError(f"{self.at('kind')}: unknown kind {kind!r}")
        bands: tuple[Band, ...] = ()
        if "levels" in self.row:
            bands = read_bands(self.row, "levels", spec.max_bands, self.at("levels"))
        given = self._given(spec)
        return Rule(
            name=self._text("name", spec.name),
            kind=spec.name,
            match=self._match(spec),
            enabled=self._enabled(spec),
            given=given,
            given_line={name: self.line("with", name) for name in given},
            bands=bands,
            after_rise=self._after_rise(spec),
            text=self._texts("text"),
            source=self._source(),
            file=self.file,
            line=self.line(),
            shipped=shipped,
        )

    def _match(self, spec: KindSpec) -> Match:
        where = self.at("match")
        return read_match(self.row.get("match", {}), spec.selectors, where)

    def _enabled(self, spec: KindSpec) -> bool | None:
        enabled = self.row.get("enabled")
        if enabled is None:
            return None
        if not isinstance(enabled, bool):
            raise ConfigError(f"{self.at('enabled')}: enabled = {enabled!r} is no bool")
        if spec.always and not enabled:
            raise ConfigError(f"{self.at('enabled')}: {spec.name} cannot be turned off")
        return enabled

    def _after_rise(self, spec: KindSpec) -> bool:
        after_rise = self.row.get("after_rise", False)
        if after_rise not in (False, spec.name == "sensor_break"):
            raise ConfigError(
                f"{self.at('after_rise')}: after_rise = {after_rise!r} is for "
                "sensor_break"
            )
        return bool(after_rise)

    def _text(self, key: str, absent: str) -> str:
        found = self.row.get(key, absent)
        if not isinstance(found, str):
            raise ConfigError(f"{self.at(key)}: {key} = {found!r} is not a text")
        return found

    def _source(self) -> tuple[str, ...]:
        """A site may say it in one language: that stands for both."""
        if isinstance(self.row.get("source"), dict):
            return self._texts("source")
        said = self._text("source", "")
        return (said,) * len(_LANGUAGES) if said else ()

    def _texts(self, key: str) -> tuple[str, ...]:
        texts = self.row.get(key)
        if texts is None:
            return ()
        where = self.at(key)
        toml_fields.only(texts, set(_LANGUAGES), where)
        for language in _LANGUAGES:
            if not isinstance(texts.get(language), str) or not texts[language]:
                raise ConfigError(f"{where}: {key} needs both zh and en")
        return tuple(texts[language] for language in _LANGUAGES)

    def _given(self, spec: KindSpec) -> dict[str, Value]:
        table = self.row.get("with", {})
        known = {param.name: param for param in spec.params}
        unknown = [k for k in table if k not in known] if type(table) is dict else []
        toml_fields.only(table, set(known), self.at("with", *unknown[:1]))
        return {
            name: read_param(known[name], table, self.at("with", name))
            for name in table
        }


def read_param(param: ParamSpec, table: Mapping[str, Any], where: str) -> Value:
    """Read one parameter.

    Raises:
        ConfigError: not of its type, or out of its range or choices.
    """
    name, found = param.name, table[param.name]
    if param.type == "number":
        value = toml_fields.number(table, name, 0.0, where)
        _check_range(param, value, f"{value:g}", where)
        return value
    if param.type == "duration":
        lasting_us = toml_fields.duration_us(found, f"{where}: {name}")
        _check_range(param, lasting_us, repr(found), where)
        return lasting_us
    if param.type == "names":
        names = toml_fields.items(table, name, 1_000, where)
    else:
        names = [found]
    for one in names:
        if not isinstance(one, str) or (param.choices and one not in param.choices):
            known = f"; known: {', '.join(sorted(param.choices))}"
            raise ConfigError(
                f"{where}: {name}: unknown name {one!r}{known if param.choices else ''}"
            )
    return tuple(names) if param.type == "names" else str(found)


def _check_range(param: ParamSpec, value: float, shown: str, where: str) -> None:
    if isnan(value) or not param.least <= value <= param.most:
        unit = " us" if param.type == "duration" else ""
        raise ConfigError(
            f"{where}: {param.name} = {shown} is not within "
            f"{param.least:g} to {param.most:g}{unit}"
        )
