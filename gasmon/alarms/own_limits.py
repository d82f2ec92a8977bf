"""What a mine does to its own limits that somebody must look at. Pure.

A limit that a mine gives is never taken where the law's is stricter, so nothing is
hidden by a looser one; that a mine gives it is a finding all the same. And a limit that
is changed while an alarm of its point is open may be what ends the alarm.
"""

from collections.abc import Collection
from math import isnan, nan
from typing import NamedTuple

from gasmon.alarms.rule_limits import floor_at, higher, law, lower
from gasmon.alarms.rule_match import subject_of
from gasmon.points import LIMIT_FIELDS, MineDef, PointDef

DECIDING = (*LIMIT_FIELDS, "quantity", "place_class")
"""What of a definition decides a point's limits."""

N_UPPER = 4
"""The first four limits are above the ordinary; a lower one of them is stricter."""


class Looser(NamedTuple):
    """A limit that a mine gives looser than the law.

    Attributes:
        name: of ``points.LIMIT_FIELDS``.
        own: the mine's; ``legal``: the law's at that place [the point's unit].
    """

    name: str
    own: float
    legal: float


def looser_than_law(
    point: PointDef, mine: MineDef, stricter: Collection[str]
) -> tuple[Looser, ...]:
    """The limits of a definition that the law does not allow.

    Args:
        stricter: quantities for which the law binds (``RuleSet.stricter``).
    """
    if point.quantity not in stricter or point.retired:
        return ()
    legal = _legal(point, mine)
    return tuple(
        Looser(name, own, bound)
        for which, (name, bound) in enumerate(zip(LIMIT_FIELDS, legal, strict=True))
        if _is_looser(which, own := float(getattr(point, name)), bound)
    )


def _is_looser(which: int, own: float, bound: float) -> bool:
    """Whether a limit lies on the wrong side; one that is not given does not."""
    return own > bound if which < N_UPPER else own < bound


def _legal(point: PointDef, mine: MineDef) -> tuple[float, ...]:
    """The law's limits at a point; where nobody says where it is, the loosest."""
    subject = subject_of(point, mine)
    row = floor_at(subject.place_class, point.quantity, subject.mine_kind)
    if row is not None:
        return row.limits
    loosest = [nan] * len(LIMIT_FIELDS)
    for known in law().values():
        if known.quantity != point.quantity:
            continue
        for which, limit in enumerate(known.limits):
            # The looser of two is what the stricter of their opposites would be.
            pick = higher if which < N_UPPER else lower
            loosest[which] = pick(loosest[which], limit)
    return tuple(loosest)


class Changed(NamedTuple):
    """What a definition changed of what decides a point's limits."""

    name: str
    old: float | str | None
    new: float | str | None


def changes_of_limits(before: PointDef, now: PointDef) -> tuple[Changed, ...]:
    """Between two definitions; none where nothing decides a limit.

    A first definition of a point that only sent is no change.
    """
    if before is now or before.source == "provisional":
        return ()
    pairs = ((n, getattr(before, n), getattr(now, n)) for n in DECIDING)
    return tuple(
        Changed(name, _plain(old), _plain(new))
        for name, old, new in pairs
        if _plain(old) != _plain(new)
    )


def _plain(value: float | str | None) -> float | str | None:
    """A limit that is not given as none, which equals itself."""
    return None if isinstance(value, float) and isnan(value) else value
