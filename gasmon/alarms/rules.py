"""Rules as data: reads a rule file and decides which numbers apply to a point.

A rule file is TOML (``default_rules.toml`` is the model and documents each key).
Everything wrong with it is a ``ConfigError`` that names the entry.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from math import isnan, nan
from typing import Any

from gasmon import domain
from gasmon.alarms.events import RANK_NAMES
from gasmon.alarms.kinds import ALL_KINDS
from gasmon.errors import ConfigError
from gasmon.points import LIMIT_FIELDS, PointDef
from gasmon.units import parse_duration_us

MAX_BANDS = 4
MAX_STEPS = 4

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
        for number, row in enumerate(self.levels):
            if row.after_rise and not after_rise:
                continue
            if row.fits(kind, quantity, place_class):
                return number
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


def default_rules() -> RuleSet:
    """The rules that gasmon ships."""
    text = files(__package__).joinpath("default_rules.toml").read_text("utf-8")
    return parse_rules(text, "default_rules.toml")


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
    _only(tree, _TOP_KEYS, name)
    delays = tree.get("delays", {})
    _only(delays, {"on", "off"}, f"{name} [delays]")
    own = tree.get("own_limits", {})
    _only(own, {"stricter"}, f"{name} [own_limits]")
    rise = tree.get("after_rise", {})
    _only(rise, {"fraction", "within"}, f"{name} [after_rise]")
    try:
        rules = RuleSet(
            levels=tuple(
                _level(row, f"{name} [[level]] {number}")
                for number, row in enumerate(tree.get("level", []), 1)
            ),
            legal=_legal(tree.get("limit", []), name),
            stricter=frozenset(own.get("stricter", ())),
            on_delay_us=parse_duration_us(delays.get("on", "0s")),
            off_delay_us=parse_duration_us(delays.get("off", "0s")),
            rise_fraction=float(rise.get("fraction", 0.8)),
            rise_within_us=parse_duration_us(rise.get("within", "5min")),
        )
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from None
    for kind in ALL_KINDS:
        rules.level_of(kind, "", None, after_rise=False)
    return rules


def _only(table: Mapping[str, Any], known: set[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}")


def _level(row: Mapping[str, Any], where: str) -> LevelRow:
    _only(row, _LEVEL_KEYS, where)
    kind = row.get("kind")
    if kind not in ALL_KINDS:
        raise ConfigError(f"{where}: unknown kind {kind!r}")
    bands = tuple(_band(band, where) for band in row.get("bands", ()))
    if not 1 <= len(bands) <= MAX_BANDS:
        raise ConfigError(f"{where}: {len(bands)} bands; 1 to {MAX_BANDS} are possible")
    return LevelRow(
        kind=kind,
        quantity=frozenset(row.get("quantity", ())),
        place_class=frozenset(row.get("place_class", ())),
        after_rise=bool(row.get("after_rise", False)),
        bands=bands,
    )


def _band(band: Mapping[str, Any], where: str) -> Band:
    _only(band, _BAND_KEYS, where)
    if ("factor" in band) == ("at_least" in band):
        raise ConfigError(f"{where}: a band needs either factor or at_least")
    steps = []
    for duration, colour in band.get("steps", ()):
        if colour not in RANK_NAMES:
            raise ConfigError(f"{where}: unknown level {colour!r}")
        steps.append((parse_duration_us(duration), RANK_NAMES.index(colour)))
    if not 1 <= len(steps) <= MAX_STEPS:
        raise ConfigError(f"{where}: {len(steps)} steps; 1 to {MAX_STEPS} are possible")
    if steps != sorted(steps):
        raise ConfigError(f"{where}: durations and levels of a band must rise")
    return Band(
        factor=float(band.get("factor", nan)),
        at_least=float(band.get("at_least", nan)),
        steps=tuple(steps),
    )


def _legal(
    overrides: list[Mapping[str, Any]], name: str
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
    for number, row in enumerate(overrides, 1):
        where = f"{name} [[limit]] {number}"
        _only(row, _LIMIT_KEYS, where)
        if "quantity" not in row:
            raise ConfigError(f"{where}: quantity is missing")
        values = tuple(float(row.get(field, nan)) for field in LIMIT_FIELDS)
        refuse_contradictions(values, where)
        legal[row.get("place_class", "ANY"), row["quantity"]] = _completed(values)
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
        _lower(o, w) if number < 4 else _higher(o, w)
        for number, (o, w) in enumerate(zip(own, law, strict=True))
    )
    follows_law = all(m == w or isnan(w) for m, w in zip(mixed, law, strict=True))
    return Resolved(_completed(mixed), rule if follows_law else "mine")


def _strictest(quantity: str, rules: RuleSet) -> tuple[float, ...] | None:
    rows = [legal for (_, name), legal in rules.legal.items() if name == quantity]
    if not rows:
        return None
    return tuple(
        (min if number < 4 else max)(
            (row[number] for row in rows if not isnan(row[number])), default=nan
        )
        for number in range(len(LIMIT_FIELDS))
    )
