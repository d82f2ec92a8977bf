"""What the class of a place decides: which limits, and which class is the looser."""

from functools import cache
from math import isnan

from gasmon.domain import LegalLimit, limits


@cache
def quantities() -> frozenset[str]:
    """Quantities whose legal limits depend on the class of the place."""
    return frozenset(row.quantity for row in limits() if row.place_class != "ANY")


def is_looser(quantity: str, old: str | None, new: str | None) -> bool:
    """Whether the law allows more at a place of the new class than of the old one.

    Args:
        old, new: classes; None is nobody knows, which gets the strictest limit.
    """
    if old is None or new is None:
        return False
    rows = {row.place_class: row for row in limits() if row.quantity == quantity}
    before, after = rows.get(old), rows.get(new)
    if before is None:
        return False
    if after is None:
        return True
    return any(
        _is_gone_or_past(before, after, name, sign)
        for name, sign in (("alarm_high", 1), ("cut_high", 1), ("alarm_low", -1))
    )


def _is_gone_or_past(
    before: LegalLimit, after: LegalLimit, name: str, sign: int
) -> bool:
    was, now = _number(before, name), _number(after, name)
    return not isnan(was) and (isnan(now) or sign * now > sign * was)


def _number(row: LegalLimit, name: str) -> float:
    found = getattr(row, name)
    return float("nan") if found is None else float(found)
