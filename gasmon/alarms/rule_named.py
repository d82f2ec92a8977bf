"""Subjects of rules by the names that people write: a point, a unit or a mine."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from gasmon.alarms.rule_explain import Story, explain, explain_mine
from gasmon.alarms.rules import RuleSet
from gasmon.points import MineDef, PointDef

_SUBJECT = re.compile(r"([0-9]{12})(?:(-[0-9]{2}-\S{1,8})|/u/(\S+))?")

WHAT_IT_IS = (
    "a point is mine-system-number, such as 530627004499-01-001A01, "
    "a unit 530627004499/u/11121, a mine 530627004499"
)


class Named(NamedTuple):
    """What a name means.

    Attributes:
        mine: 12 digits.
        point: the whole key of a point, else None.
        unit: slug of a unit, else None.
    """

    mine: str
    point: str | None
    unit: str | None


def named(name: str) -> Named | None:
    """What is meant; None where it is no name of a subject."""
    found = _SUBJECT.fullmatch(name)
    if found is None:
        return None
    return Named(found[1], name if found[2] else None, found[3])


def story_of(
    rules: RuleSet, subject: Named, mine: MineDef, own: Sequence[PointDef]
) -> Story | None:
    """What applies to it, and why.

    Args:
        own: the newest versions of all points of the mine.

    Returns:
        None where the mine has no such point or unit.
    """
    if subject.point is not None:
        point = next((one for one in own if str(one.key) == subject.point), None)
        return None if point is None else explain(rules, point, mine)
    if subject.unit is not None and subject.unit not in _units(mine, own):
        return None
    return explain_mine(rules, mine, own, subject.unit)


def _units(mine: MineDef, own: Sequence[PointDef]) -> set[str]:
    told = {unit.slug for unit in mine.units}
    return told | {point.unit_slug for point in own if point.unit_slug is not None}
