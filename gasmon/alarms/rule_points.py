"""What two people approved about single points, beside their limits. Pure.

A mine's definitions say what a point is. Two things of it are too grave to be the
mine's word alone: its place class, by which the law's limits and the levels are chosen,
and that a point which the mine names no more is gone for good, so that what is still
open of it may end. Both are ``[[point]]`` entries behind ``MARK``, where approved
changes stand; nobody writes them into a site's file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gasmon.alarms.rule_lines import RuleLines
from gasmon.alarms.rule_match import PLACES
from gasmon.alarms.toml_fields import only
from gasmon.errors import ConfigError
from gasmon.points import PointDef

MARK = "\n# gasmon: approved changes of limits\n"
"""What a rule text says of approved changes begins with it; the part before is the
site's file, byte for byte."""

_KEYS = {"key", "place_class", "retired"}


@dataclass(frozen=True, slots=True)
class ApprovedPoint:
    """What was approved about one point.

    Attributes:
        key: ``mine-system-number``.
        place_class: instead of what the mine says; empty leaves that.
        retired: it is gone for good, once its mine names it no more.
    """

    key: str
    place_class: str = ""
    retired: bool = False

    @property
    def text(self) -> str:
        """As an entry of a rule text."""
        lines = [f'[[point]]\nkey = "{self.key}"\n']
        if self.place_class:
            lines.append(f'place_class = "{self.place_class}"\n')
        if self.retired:
            lines.append("retired = true\n")
        return "".join(lines)


def read_points(
    tree: Mapping[str, Any], lines: RuleLines, text: str, file: str
) -> tuple[ApprovedPoint, ...]:
    """The ``[[point]]`` entries of a rule text.

    Raises:
        ConfigError: one stands in the site's own part, names nothing that is known, or
            is there twice; names the line.
    """
    given = tree.get("point", [])
    before = text.partition(MARK)[0].count("\n") + 1
    found: dict[str, ApprovedPoint] = {}
    if not isinstance(given, list):
        raise ConfigError(
            f"{file}:{lines.of('point')}: [[point]] is no array of tables"
        )
    for number, row in enumerate(given, 1):
        where = f"{file}:{lines.of('point', number)}: [[point]] {number}"
        if MARK not in text or lines.of("point", number) <= before:
            raise ConfigError(f"{where}: changes of points are approved, not written")
        only(row, _KEYS, where)
        one = ApprovedPoint(
            str(row.get("key", "")),
            row.get("place_class", ""),
            row.get("retired", False),
        )
        if one.place_class and one.place_class not in PLACES:
            raise ConfigError(f"{where}: unknown place class {one.place_class!r}")
        if one.key in found:
            raise ConfigError(f"{where}: {one.key} is there twice")
        found[one.key] = one
    return tuple(found.values())


def corrected(approved: Mapping[str, ApprovedPoint], point: PointDef) -> PointDef:
    """A version of a point with what was approved instead of what its mine says."""
    one = approved.get(str(point.key)) if approved else None
    if one is None or not one.place_class:
        return point
    return replace(point, place_class=one.place_class)
