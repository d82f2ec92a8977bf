"""TOML with line numbers, so that a fault in a scenario is found where it stands.

``tomllib`` forgets where it read something. Scenarios are flat: tables and arrays of
tables with one key on a line, so the lines are found by a second look at the text.
"""

import re
import tomllib
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from gasmon.errors import ConfigError

_HEADER = re.compile(r"\s*\[\[?\s*(\w+)\s*\]\]?")
_KEY = re.compile(r"\s*(\w+)\s*=")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|min|h)")
_UNIT_S = {"s": 1.0, "min": 60.0, "h": 3600.0}


def shipped_in(folder: str) -> list[str]:
    """Names of the files of one kind that come with gasmon, in order."""
    return sorted(
        item.name.removesuffix(".toml")
        for item in files("simulators").joinpath(folder).iterdir()
        if item.name.endswith(".toml")
    )


def find_source(name: str, folder: str, what: str) -> tuple[str, str, str]:
    """The text of a shipped file by its name, or of an operator's by its path.

    Args:
        what: what it is, for messages.

    Returns:
        Text, name of the file for messages, what it is called.

    Raises:
        ConfigError: there is none, or it cannot be read.
    """
    path = Path(name)
    if path.suffix == ".toml":
        try:
            return path.read_text("utf-8"), name, path.stem
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{name}: {error}") from None
    known = shipped_in(folder)
    if name not in known:
        raise ConfigError(f"no {what} {name!r}; there are {', '.join(known)}")
    source = files("simulators").joinpath(folder, f"{name}.toml")
    return source.read_text("utf-8"), f"{name}.toml", name


@dataclass(slots=True)
class Table:
    """One table of a file; every value that is taken is checked.

    Attributes:
        file: name of the file, for messages.
        line: where the table begins.
        lines: where each key stands.
    """

    file: str
    line: int
    values: dict[str, Any]
    lines: dict[str, int] = field(default_factory=dict)

    def error(self, why: str, key: str = "") -> ConfigError:
        """What is wrong, with file and line."""
        line = self.lines.get(key, self.line)
        return ConfigError(f"{self.file}:{line}: {why}")

    def text(self, key: str, default: str | None = None) -> str:
        """A text; without a default it must be there."""
        value = self._take(key, default)
        if not isinstance(value, str) or not value.strip():
            raise self.error(f"{key} = {value!r}: a text is wanted", key)
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """A finite number."""
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(f"{key} = {value!r}: a number is wanted", key)
        if not abs(value) < 1e9:
            raise self.error(f"{key} = {value!r}: too large", key)
        return float(value)

    def whole(self, key: str, default: int | None = None) -> int:
        """A whole number, 0 or more."""
        value = self.number(key, default)
        if value < 0 or value != int(value):
            raise self.error(f"{key} = {value:g}: a number 0, 1, 2 … is wanted", key)
        return int(value)

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self._take(key, default)
        if not isinstance(value, bool):
            raise self.error(f"{key} = {value!r}: true or false is wanted", key)
        return value

    def seconds(self, key: str, default: str | None = None) -> float:
        """A duration such as ``"90s"``, ``"5min"``, ``"2h"`` [s]."""
        value = self._take(key, default)
        found = _DURATION.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            raise self.error(f'{key} = {value!r}: such as "90s" or "5min"', key)
        return float(found[1]) * _UNIT_S[found[2]]

    def choice(self, key: str, of: tuple[str, ...], default: str | None = None) -> str:
        """One of some words."""
        value = self.text(key, default)
        if value not in of:
            raise self.error(f"{key} = {value!r}: one of {', '.join(of)}", key)
        return value

    def words(self, key: str, default: tuple[str, ...] | None = None) -> list[str]:
        """A word or a list of words."""
        value = self._take(key, None if default is None else list(default))
        value = [value] if isinstance(value, str) else value
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise self.error(f"{key} = {value!r}: a word or a list of words", key)
        return value

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        return key in self.values

    def done(self) -> None:
        """Every key must have been asked for.

        Raises:
            ConfigError: one was not, so nobody knows what it means.
        """
        for key in self.values:
            raise self.error(f"unknown key {key!r}", key)

    def _take(self, key: str, default: Any) -> Any:
        value = self.values.pop(key, default)
        if value is None:
            raise self.error(f"{key} is missing")
        return value


def read_tables(text: str, file: str) -> dict[str, list[Table]]:
    """The tables of a scenario by name, in their order.

    Raises:
        ConfigError: it is no TOML, or has something outside of a table.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: {error}") from None
    places = _places(text)
    tables: dict[str, list[Table]] = {}
    for name, found in tree.items():
        rows = found if isinstance(found, list) else [found]
        if not all(isinstance(row, dict) for row in rows):
            raise ConfigError(f"{file}: {name} stands outside of a table")
        for at, row in enumerate(rows):
            known = places.get(name, [])
            line, lines = known[at] if at < len(known) else (1, {})
            tables.setdefault(name, []).append(Table(file, line, row, lines))
    return tables


def _places(text: str) -> dict[str, list[tuple[int, dict[str, int]]]]:
    """Line of each table's head and of each key in it, by name and order."""
    places: dict[str, list[tuple[int, dict[str, int]]]] = {}
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if head := _HEADER.match(line):
            lines = {}
            places.setdefault(head[1], []).append((number, lines))
        elif key := _KEY.match(line):
            lines.setdefault(key[1], number)
    return places
