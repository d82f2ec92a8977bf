"""The profiles of all mines, as the site's file has them (TOML, pure).

```toml
[default]                     # of mines that are not named; the national one else
[mine.530627004499]
encoding = "gbk"
record_separator = "^"
```
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gasmon.errors import ConfigError
from gasmon.ingest.upload.profile import Profile, profile_from


@dataclass(frozen=True, slots=True)
class Profiles:
    """How each mine writes.

    Attributes:
        default: of mines without one of their own.
        by_mine: by code, 12 digits.
    """

    default: Profile = field(default_factory=Profile)
    by_mine: Mapping[str, Profile] = field(default_factory=dict)

    def of(self, mine: str) -> Profile:
        """The profile that counts for a mine."""
        return self.by_mine.get(mine, self.default)


def parse_profiles(text: str, name: str) -> Profiles:
    """Read a file of profiles.

    Args:
        text: its content.
        name: what to call it in errors.

    Raises:
        ConfigError: no TOML, an unknown section or setting, an impossible value, or a
            mine that is not twelve digits; names it.
    """
    try:
        tree = tomllib.loads(text)
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from None
    unknown = sorted(set(tree) - {"default", "mine"})
    if unknown:
        raise ConfigError(
            f"{name}: {unknown[0]} is unknown, there are default and mine"
        )
    mines = tree.get("mine", {})
    if not isinstance(mines, dict):
        raise ConfigError(f"{name}: mine is {mines!r}, not [mine.<code>]")
    by_mine = {}
    for code, settings in mines.items():
        if not (len(code) == 12 and code.isascii() and code.isdigit()):
            raise ConfigError(f"{name}: mine {code!r} is not twelve digits")
        by_mine[code] = _profile(name, f"mine.{code}", settings)
    return Profiles(_profile(name, "default", tree.get("default", {})), by_mine)


def _profile(name: str, section: str, settings: Any) -> Profile:
    if not isinstance(settings, dict):
        raise ConfigError(f"{name}: {section} is {settings!r}, not a section")
    try:
        return profile_from(settings)
    except ValueError as error:
        raise ConfigError(f"{name}: [{section}] {error}") from None
