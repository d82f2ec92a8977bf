"""Rules as data: reads a rule file and decides which numbers apply to a point.

A rule file is TOML (``default_rules.toml`` is the model and documents each key).
Everything wrong with it is a ``ConfigError`` that names the entry.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise
from math import isnan, nan
from typing import Any

from gasmon import domain
from gasmon.alarms import toml_fields
from gasmon.alarms.events import RANK_NAMES
from gasmon.alarms.kinds import ALL_KINDS, STANDING_KINDS
from gasmon.alarms.toml_fields import duration_us, number, section
from gasmon.errors import ConfigError
from gasmon.points import LIMIT_FIELDS, PointDef

MAX_BANDS = 4
MAX_STEPS = 4

QUANTITIES = frozenset(
    {domain.UNKNOWN_QUANTITY}
    | {known.quantity for known in domain.sensor_types().values()}
    | {row.quantity for row in domain.limits()}
)
"""Every name that the quantity of a point can have."""

_TOP_KEYS = {"delays", "own_limits", "after_rise", "level", "limit"}
_LEVEL_KEYS = {"kind", "quantity", "place_class", "after_rise", "bands"}
_BAND_KEYS = {"factor", "at_least", "steps"}
_LIMIT_KEYS = {"quantity", "place_class", *LIMIT_FIELDS}


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


@dataclass(frozen=True, slots=True)
class LevelRow:
    """Which points it is for, and their bands; empty selectors fit everything."""

    kind: str
    quantity: frozenset[str]
    place_class: frozenset[str]
    after_rise: bool
    bands: tuple[Band, ...]

    def fits(self, kind: str, quantity: str, place_class: str | None) -> bool:
        return (
            self.kind == kind
            and (not self.quantity or quantity in self.quantity)
            and (not self.place_class or place_class in self.place_class)
        )


@dataclass(frozen=True, slots=True)
class RuleSet:
    """One rule file, checked.

    Attributes:
        levels: in the order of the file; the first that fits counts.
        legal: limits of the law by (place class, quantity), site overrides applied.
        stricter: quantities for which the law binds a mine's own limits.
        rise_fraction: share of the alarm limit that counts as "near".
        rise_within_us: how long before a fault a near value counts [µs].
    """

    levels: tuple[LevelRow, ...]
    legal: Mapping[tuple[str, str], tuple[float, ...]]
    stricter: frozenset[str]
    on_delay_us: int
    off_delay_us: int
    rise_fraction: float
    rise_within_us: int

    def level_of(
        self, kind: str, quantity: str, place_class: str | None, after_rise: bool
    ) -> int:
        """Index of the level row for a kind at a point.

        Raises:
            ConfigError: no row fits; a kind without a level is a fault.
        """
        for index, row in enumerate(self.levels):
            if row.after_rise and not after_rise:
                continue
            if row.fits(kind, quantity, place_class):
                return index
        raise ConfigError(f"no [[level]] for kind {kind!r}, quantity {quantity!r}")


@dataclass(frozen=True, slots=True)
class Resolved:
    """What applies to one version of one point, and where it comes from.

    Attributes:
        limits: the eight limits in the order of ``points.LIMIT_FIELDS``; NaN = none.
        rule: ``law:FACE_T2``, ``mine``, ``strictest:CH4`` or ``none``.
    """

    limits: tuple[float, ...]
    rule: str


SHIPPED = "default_rules.toml"


def _shipped_text() -> str:
    return files(__package__).joinpath(SHIPPED).read_text("utf-8")


def default_rules() -> RuleSet:
    """The rules that gasmon ships."""
    return parse_rules(_shipped_text(), SHIPPED)


def parse_rules(text: str, name: str) -> RuleSet:
    """Read a rule file.

    Args:
        text: TOML.
        name: what to call the file in errors.

    Raises:
        ConfigError: bad TOML, unknown key, bad value or a kind without a level.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: {error}") from None
    toml_fields.only(tree, _TOP_KEYS, name)
    delays, in_delays = section(tree, "delays", {"on", "off"}, name)
    own, in_own = section(tree, "own_limits", {"stricter"}, name)
    rise, in_rise = section(tree, "after_rise", {"fraction", "within"}, name)
    legal = _legal(toml_fields.rows(tree, "limit", _LIMIT_KEYS, name))
    places = frozenset(place for place, _ in legal)
    level_rows = toml_fields.rows(tree, "level", _LEVEL_KEYS, name)
    level_rows += _shipped_standing(level_rows)
    rules = RuleSet(
        levels=tuple(_level(row, places, where) for where, row in level_rows),
        legal=legal,
        stricter=toml_fields.names(own, "stricter", QUANTITIES, in_own),
        on_delay_us=duration_us(delays.get("on", "0s"), f"{in_delays} on"),
        off_delay_us=duration_us(delays.get("off", "0s"), f"{in_delays} off"),
        rise_fraction=number(rise, "fraction", 0.8, in_rise),
        rise_within_us=duration_us(rise.get("within", "5min"), f"{in_rise} within"),
    )
    for kind in ALL_KINDS:
        rules.level_of(kind, "", None, after_rise=False)
    return rules


def _shipped_standing(
    given: list[tuple[str, Mapping[str, Any]]],
) -> list[tuple[str, Mapping[str, Any]]]:
    """Shipped rows of the standing kinds that a file does not speak of.

    They are about clocks and about us; a site's file from before they existed must not
    keep ingest from starting.
    """
    missing = set(STANDING_KINDS) - {row.get("kind") for _, row in given}
    if not missing:
        return []
    tree = tomllib.loads(_shipped_text())
    rows = toml_fields.rows(tree, "level", _LEVEL_KEYS, SHIPPED)
    return [(where, row) for where, row in rows if row["kind"] in missing]


def _level(row: Mapping[str, Any], places: frozenset[str], where: str) -> LevelRow:
    kind = row.get("kind")
    if kind not in ALL_KINDS:
        raise ConfigError(f"{where}: unknown kind {kind!r}")
    # Only an over-limit has a value that climbs through bands.
    most = MAX_BANDS if kind == "over_limit" else 1
    found = toml_fields.items(row, "bands", most, where)
    bands = tuple(_band(band, where) for band in found)
    if bands[0].factor != 1.0:
        raise ConfigError(f"{where}: the first band begins at the limit: factor = 1.0")
    after_rise = row.get("after_rise", False)
    if after_rise not in (False, kind == "sensor_break"):
        raise ConfigError(f"{where}: after_rise = {after_rise!r} is for sensor_break")
    return LevelRow(
        kind=kind,
        quantity=toml_fields.names(row, "quantity", QUANTITIES, where),
        place_class=toml_fields.names(row, "place_class", places, where),
        after_rise=after_rise,
        bands=bands,
    )


def _band(band: Any, where: str) -> Band:
    toml_fields.only(band, _BAND_KEYS, where)
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


def _legal(
    overrides: list[tuple[str, Mapping[str, Any]]],
) -> dict[tuple[str, str], tuple[float, ...]]:
    legal: dict[tuple[str, str], tuple[float, ...]] = {
        (row.place_class, row.quantity): (
            row.alarm_high,
            row.clear_high,
            row.cut_high,
            row.restore_high,
            row.alarm_low,
            row.alarm_low,
            nan,
            nan,
        )
        for row in domain.limits()
    }
    for where, row in overrides:
        quantity, place = row.get("quantity"), row.get("place_class", "ANY")
        if not isinstance(quantity, str) or quantity not in QUANTITIES:
            raise ConfigError(f"{where}: unknown or missing quantity {quantity!r}")
        if not isinstance(place, str):
            raise ConfigError(f"{where}: place_class = {place!r} is not a name")
        values = tuple(number(row, field, nan, where) for field in LIMIT_FIELDS)
        refuse_contradictions(values, where)
        legal[place, quantity] = _completed(values)
    return legal


def refuse_contradictions(limits: tuple[float, ...], where: str) -> None:
    """Check that limits do not contradict one another; NaN ones are not looked at.

    Raises:
        ConfigError: names the pair and both numbers.
    """
    named = dict(zip(LIMIT_FIELDS, limits, strict=True))
    for lower, upper in (
        ("clear_high", "alarm_high"),
        ("restore_high", "cut_high"),
        ("alarm_high", "cut_high"),
        ("alarm_low", "clear_low"),
        ("cut_low", "restore_low"),
        ("cut_low", "alarm_low"),
        ("alarm_low", "alarm_high"),
    ):
        if named[lower] > named[upper]:
            raise ConfigError(
                f"{where}: {lower} {named[lower]:g} is above {upper} {named[upper]:g}"
            )


def _lower(a: float, b: float) -> float:
    """The lower of two limits; one that is not given does not count."""
    return b if isnan(a) else a if isnan(b) else min(a, b)


def _higher(a: float, b: float) -> float:
    """The higher of two limits; one that is not given does not count."""
    return b if isnan(a) else a if isnan(b) else max(a, b)


def _completed(limits: tuple[float, ...]) -> tuple[float, ...]:
    """Where an end is not given, an alarm ends where it began."""
    alarm, clear, cut, restore, low, clear_low, cut_low, restore_low = limits
    return (
        alarm,
        _lower(clear, alarm) if not isnan(alarm) else nan,
        cut,
        _lower(restore, cut) if not isnan(cut) else nan,
        low,
        _higher(clear_low, low) if not isnan(low) else nan,
        cut_low,
        _higher(restore_low, cut_low) if not isnan(cut_low) else nan,
    )


def resolve(point: PointDef, rules: RuleSet) -> Resolved:
    """Which limits one version of a point is judged with.

    The law's row is found by place class and quantity, else by quantity. A point
    that has neither a place class nor limits of its own gets the strictest legal
    limit of its quantity, until somebody says where it hangs.
    """
    own = tuple(float(getattr(point, field)) for field in LIMIT_FIELDS)
    has_own = not all(isnan(limit) for limit in own)
    law = rules.legal.get((point.place_class or "", point.quantity))
    rule = f"law:{point.place_class}"
    if law is None:
        law = rules.legal.get(("ANY", point.quantity))
        rule = f"law:{point.quantity}"
    if law is None and not has_own:
        law = _strictest(point.quantity, rules)
        rule = f"strictest:{point.quantity}"
    if law is None:
        return Resolved(_completed(own), "mine" if has_own else "none")
    if not has_own:
        return Resolved(_completed(law), rule)
    if point.quantity not in rules.stricter:
        mixed = tuple(o if not isnan(o) else w for o, w in zip(own, law, strict=True))
        return Resolved(_completed(mixed), "mine")
    mixed = tuple(
        _lower(o, w) if which < 4 else _higher(o, w)
        for which, (o, w) in enumerate(zip(own, law, strict=True))
    )
    follows_law = all(m == w or isnan(w) for m, w in zip(mixed, law, strict=True))
    return Resolved(_completed(mixed), rule if follows_law else "mine")


def _strictest(quantity: str, rules: RuleSet) -> tuple[float, ...] | None:
    rows = [legal for (_, name), legal in rules.legal.items() if name == quantity]
    if not rows:
        return None
    return tuple(
        (min if which < 4 else max)(
            (row[which] for row in rows if not isnan(row[which])), default=nan
        )
        for which in range(len(LIMIT_FIELDS))
    )
