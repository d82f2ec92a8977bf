"""Reading fields of a TOML file so that nothing mistyped is silently ignored.

Each function returns a checked value or raises a ``ConfigError`` that says where the
field stands and what is there.
"""

from collections.abc import Mapping
from importlib.resources import files
from math import isfinite
from pathlib import Path
from typing import Any

from gasmon.errors import ConfigError
from gasmon.units import parse_duration_us


def shipped_text(name: str) -> str:
    """A file that gasmon ships beside its rules."""
    return files(__package__).joinpath(name).read_text("utf-8")


def site_text(path: Path, setting: str) -> str:
    """A file of a site.

    Args:
        setting: that names the file, for the error.

    Raises:
        ConfigError: the file cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{setting} {path}: {error}") from None


def only(table: Any, known: set[str], where: str) -> None:
    """Check that it is a table and has no other keys."""
    if not isinstance(table, dict):
        raise ConfigError(f"{where}: {table!r} is not a table")
    for key in table:
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}")


def items(row: Mapping[str, Any], key: str, most: int, where: str) -> list[Any]:
    """A list of 1 to ``most`` entries."""
    found = row.get(key, [])
    if not isinstance(found, list):
        raise ConfigError(f"{where}: {key} = {found!r} is not a list")
    if not 1 <= len(found) <= most:
        raise ConfigError(f"{where}: {len(found)} {key}; 1 to {most} are possible")
    return found


def names(
    row: Mapping[str, Any], key: str, known: frozenset[str], where: str
) -> frozenset[str]:
    """A list of names, empty when absent; a mistyped one would fit nothing."""
    found = row.get(key, [])
    if not isinstance(found, list):
        raise ConfigError(f"{where}: {key} = {found!r} is not a list")
    for name in found:
        if not isinstance(name, str) or name not in known:
            raise ConfigError(f"{where}: unknown {key} {name!r}")
    return frozenset(found)


def number(row: Mapping[str, Any], key: str, absent: float, where: str) -> float:
    """A finite number, or ``absent``."""
    if key not in row:
        return absent
    found = row[key]
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise ConfigError(f"{where}: {key} = {found!r} is not a number")
    if not isfinite(found):
        raise ConfigError(f"{where}: {key} = {found!r} is not finite")
    return float(found)


def duration_us(text: Any, where: str) -> int:
    """A duration such as ``"5min"`` [µs]."""
    try:
        return parse_duration_us(text)
    except (TypeError, ValueError):
        raise ConfigError(
            f"{where}: {text!r} is not a duration such as '90s' or '5min'"
        ) from None
