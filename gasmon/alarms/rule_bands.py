"""Levels in a rule file: bands of values with the level that each duration earns."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import nan
from typing import Any

from gasmon.alarms import toml_fields
from gasmon.alarms.events import RANK_NAMES
from gasmon.alarms.toml_fields import duration_us, number
from gasmon.errors import ConfigError

MAX_BANDS = 4
MAX_STEPS = 4

BAND_KEYS = {"factor", "at_least", "steps"}


@dataclass(frozen=True, slots=True)
class Band:
    """One range of values with the level that each duration in it earns.

    Attributes:
        factor: lower end relative to the point's own limit; NaN when absolute.
        at_least: lower end in the point's unit; NaN when relative.
        steps: (duration [µs], rank), durations rising.
    """

    factor: float
    at_least: float
    steps: tuple[tuple[int, int], ...]


def read_bands(
    row: Mapping[str, Any], key: str, most: int, where: str
) -> tuple[Band, ...]:
    """Read the bands under ``key``; the first begins at the limit.

    Args:
        most: how many there may be.

    Raises:
        ConfigError: a band is wrong, or levels do not rise.
    """
    bands = tuple(_band(b, where) for b in toml_fields.items(row, key, most, where))
    if bands[0].factor != 1.0:
        raise ConfigError(f"{where}: the first band begins at the limit: factor = 1.0")
    for below, above in pairwise(bands):
        for name in ("factor", "at_least"):
            lower, upper = getattr(below, name), getattr(above, name)
            if upper <= lower:
                raise ConfigError(
                    f"{where}: a band from {name} {upper:g} after one from {lower:g}"
                )
        if above.steps[-1][1] < below.steps[-1][1]:
            raise ConfigError(
                f"{where}: levels do not rise: a higher band earns at most "
                f"{RANK_NAMES[above.steps[-1][1]]}, the one below it "
                f"{RANK_NAMES[below.steps[-1][1]]}"
            )
    return bands


def _band(band: Any, where: str) -> Band:
    toml_fields.only(band, BAND_KEYS, where)
    if ("factor" in band) == ("at_least" in band):
        raise ConfigError(f"{where}: a band needs either factor or at_least")
    steps = []
    for step in toml_fields.items(band, "steps", MAX_STEPS, where):
        if not isinstance(step, list) or len(step) != 2:
            raise ConfigError(f"{where}: {step!r} is not [duration, level]")
        duration, colour = step
        if colour not in RANK_NAMES:
            raise ConfigError(f"{where}: unknown level {colour!r}")
        steps.append((duration_us(duration, where), RANK_NAMES.index(colour)))
    for (before_us, rank), (after_us, above) in pairwise(steps):
        if after_us <= before_us or above <= rank:
            raise ConfigError(f"{where}: durations and levels of a band must rise")
    return Band(
        factor=number(band, "factor", nan, where),
        at_least=number(band, "at_least", nan, where),
        steps=tuple(steps),
    )
