"""Which subjects a rule is for, and which of two rules is the more specific."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gasmon import domain
from gasmon.alarms import toml_fields
from gasmon.alarms.rule_spec import SELECTOR_NAMES
from gasmon.errors import ConfigError
from gasmon.points import MineDef, PointDef

QUANTITIES = frozenset(
    {domain.UNKNOWN_QUANTITY}
    | {known.quantity for known in domain.sensor_types().values()}
    | {row.quantity for row in domain.limits()}
)
"""Every name that the quantity of a point can have."""

PLACES = frozenset(row.place_class for row in domain.limits()) - {"ANY"}
"""Every place class of the law's table."""

MINE_KINDS = ("low_gas", "high_gas", "outburst")
"""Kinds of mines, the strictest last."""

UNIT_KINDS = frozenset({"face", "heading", "return", "drainage", "other"})
"""Kinds of units (docs/payloads.md)."""

_MINE = re.compile(r"[0-9]{12}")
_POINT = re.compile(r"[0-9]{12}-[0-9]{2}-\S{1,8}")


@dataclass(frozen=True, slots=True)
class Subject:
    """What selectors look at; empty where it does not apply or nobody said.

    Attributes:
        mine_kind: a mine of unknown kind is judged as the strictest kind.
    """

    quantity: str = ""
    place_class: str = ""
    unit_kind: str = ""
    mine_kind: str = MINE_KINDS[-1]
    area: str = ""
    mine: str = ""
    point: str = ""


def subject_of(
    point: PointDef | None, mine: MineDef, unit_slug: str | None = None
) -> Subject:
    """The attributes of a point, or of a unit or mine when there is no point."""
    slug = point.unit_slug if point else unit_slug
    kinds = (unit.kind for unit in mine.units if unit.slug == slug)
    return Subject(
        quantity=point.quantity if point else "",
        place_class=(point.place_class or "") if point else "",
        unit_kind=next(kinds, ""),
        mine_kind=mine.kind if mine.kind in MINE_KINDS else MINE_KINDS[-1],
        area=mine.area,
        mine=mine.code,
        point=str(point.key) if point else "",
    )


@dataclass(frozen=True, slots=True)
class Match:
    """What a rule is for; an empty selector fits everything."""

    quantity: frozenset[str] = frozenset()
    place_class: frozenset[str] = frozenset()
    unit_kind: frozenset[str] = frozenset()
    mine_kind: frozenset[str] = frozenset()
    area: frozenset[str] = frozenset()
    mine: frozenset[str] = frozenset()
    point: frozenset[str] = frozenset()

    @property
    def rank(self) -> int:
        """How specific it is: a bit for each selector, the point's the highest."""
        return sum(
            1 << place
            for place, name in enumerate(SELECTOR_NAMES)
            if getattr(self, name)
        )

    def fits(self, subject: Subject) -> bool:
        """Whether the rule is for that subject."""
        return all(
            not chosen or getattr(subject, name) in chosen
            for name, chosen in self._chosen()
        )

    def meets(self, other: "Match") -> bool:
        """Whether some subject can fit both."""
        return all(
            not chosen or not getattr(other, name) or chosen & getattr(other, name)
            for name, chosen in self._chosen()
        )

    def covers(self, other: "Match") -> bool:
        """Whether every subject that fits the other fits this one."""
        return all(
            not chosen or (getattr(other, name) and getattr(other, name) <= chosen)
            for name, chosen in self._chosen()
        )

    def _chosen(self) -> list[tuple[str, frozenset[str]]]:
        return [(name, getattr(self, name)) for name in SELECTOR_NAMES]


def read_match(
    table: Mapping[str, Any], selectors: frozenset[str], where: str
) -> Match:
    """Read ``match`` of a rule.

    Args:
        table: selector → list of names.
        selectors: which ones the rule's kind can have.

    Raises:
        ConfigError: an unknown selector or name, or one that fits nothing.
    """
    toml_fields.only(table, set(SELECTOR_NAMES), where)
    found: dict[str, frozenset[str]] = {}
    for name, listed in table.items():
        if name not in selectors:
            raise ConfigError(f"{where}: a rule of this kind cannot select by {name}")
        for item in toml_fields.items(table, name, 10_000, where):
            if not isinstance(item, str):
                raise ConfigError(f"{where}: {name}: {item!r} is not a name")
        found[name] = frozenset(
            one for item in listed for one in _READ[name](item, f"{where}: {name}")
        )
    match = Match(**found)
    _refuse_empty(match, where)
    return match


def _refuse_empty(match: Match, where: str) -> None:
    """A mine outside its area, or a point outside its mine, would fit nothing."""
    for mine in match.mine:
        if match.area and mine[:6] not in match.area:
            raise ConfigError(f"{where}: mine {mine} is in none of the rule's areas")
    for point in match.point:
        if match.mine and point[:12] not in match.mine:
            raise ConfigError(f"{where}: point {point} is in none of the rule's mines")
        if match.area and point[:6] not in match.area:
            raise ConfigError(f"{where}: point {point} is in none of the rule's areas")


def _one_of(known: frozenset[str]) -> Callable[[str, str], list[str]]:
    def read(item: str, where: str) -> list[str]:
        if item not in known:
            raise ConfigError(f"{where}: unknown name {item!r}")
        return [item]

    return read


def _shaped(pattern: re.Pattern[str], words: str) -> Callable[[str, str], list[str]]:
    def read(item: str, where: str) -> list[str]:
        if not pattern.fullmatch(item):
            raise ConfigError(f"{where}: {item!r} is not {words}")
        return [item]

    return read


def _areas(item: str, where: str) -> list[str]:
    """The area; for a city, its counties, because mines belong to those."""
    try:
        area = domain.area_by(item)
    except KeyError:
        raise ConfigError(f"{where}: unknown area {item!r}") from None
    if area.platform != "city":
        return [area.code]
    return [one.code for one in domain.areas() if one.code[:4] == area.code[:4]]


_READ: dict[str, Callable[[str, str], list[str]]] = {
    "quantity": _one_of(QUANTITIES),
    "place_class": _one_of(PLACES),
    "unit_kind": _one_of(UNIT_KINDS),
    "mine_kind": _one_of(frozenset(MINE_KINDS)),
    "area": _areas,
    "mine": _shaped(_MINE, "12 digits"),
    "point": _shaped(_POINT, "mine-system-number"),
}
