"""Limits of a point: the law's, the rule file's and the mine's own, and which counts.

The law's are ``domain/limits.csv`` (AQ 1029-2019, table 1), each with the kinds of
mines that it is for. They are the floor: a rule file that is looser is refused, and a
mine's own limits count only where they are stricter, for the quantities in
``[own_limits] stricter``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from math import isnan, nan
from typing import TYPE_CHECKING

from gasmon import domain
from gasmon.alarms.rule_book import RuleBook, covering
from gasmon.alarms.rule_entries import Rule
from gasmon.alarms.rule_kinds import LIMIT_KINDS
from gasmon.alarms.rule_match import MINE_KINDS, Subject, subject_of
from gasmon.errors import ConfigError
from gasmon.points import LIMIT_FIELDS, MineDef, PointDef

if TYPE_CHECKING:
    from gasmon.alarms.rules import RuleSet

Limits = tuple[float, ...]

LAW_FILE = "gasmon/domain/limits.csv"
MINE_ITSELF = "mine"

_NONE: Limits = (nan,) * len(LIMIT_FIELDS)


@dataclass(frozen=True, slots=True)
class LawRow:
    """One row of the law, as the eight limits.

    Attributes:
        mine_kinds: the kinds of mines that it binds.
        line: in ``LAW_FILE``; 0 for one that was put together from several.
    """

    place: str
    quantity: str
    limits: Limits
    mine_kinds: frozenset[str] = frozenset(MINE_KINDS)
    line: int = 0


@dataclass(frozen=True, slots=True)
class Resolved:
    """What applies to one version of one point, and where it comes from.

    Attributes:
        limits: the eight limits in the order of ``points.LIMIT_FIELDS``; NaN = none.
        rule: ``law:FACE_T2``, ``mine``, ``rule:NAME``, ``strictest:CH4`` or ``none``.
        origin: where each comes from: a file and line, ``mine``, or "" for none; an
            end that is the limit itself comes from where the limit does.
    """

    limits: Limits
    rule: str
    origin: tuple[str, ...] = ("",) * len(LIMIT_FIELDS)


@cache
def law() -> Mapping[tuple[str, str], LawRow]:
    """Rows of the law by (place class, quantity)."""
    rows = [
        LawRow(
            place=row.place_class,
            quantity=row.quantity,
            limits=(
                row.alarm_high,
                row.clear_high,
                row.cut_high,
                row.restore_high,
                row.alarm_low,
                row.alarm_low,
                nan,
                nan,
            ),
            mine_kinds=_bound(row.applies_to),
            line=line,
        )
        for line, row in enumerate(domain.limits(), 2)
    ]
    return {(row.place, row.quantity): row for row in rows}


def _bound(applies_to: str) -> frozenset[str]:
    """Kinds of mines in ``applies_to``; drainage is in mines of every kind."""
    named = frozenset(applies_to.split("+")) & frozenset(MINE_KINDS)
    return named or frozenset(MINE_KINDS)


def strictest(quantity: str) -> LawRow | None:
    """The strictest legal limits of a quantity anywhere, or None."""
    return _put_together("ANY", [r for r in law().values() if r.quantity == quantity])


@cache
def _loosest_of_family(place: str, quantity: str, mine_kind: str) -> LawRow | None:
    """The loosest limits that bind places of a family, such as FACE or HEADING."""
    family = place.partition("_")[0]
    rows = [
        row
        for row in law().values()
        if row.place.partition("_")[0] == family
        and row.quantity == quantity
        and mine_kind in row.mine_kinds
    ]
    return _put_together(family, rows, loosest=True)


def _put_together(
    place: str, rows: list[LawRow], *, loosest: bool = False
) -> LawRow | None:
    if not rows:
        return None
    limits = tuple(
        (min if (which < 4) != loosest else max)(
            (row.limits[which] for row in rows if not isnan(row.limits[which])),
            default=nan,
        )
        for which in range(len(LIMIT_FIELDS))
    )
    return LawRow(place, rows[0].quantity, limits)


def floor_at(place: str, quantity: str, mine_kind: str) -> LawRow | None:
    """What the law binds a place to in a mine of that kind.

    A row that is not for that kind of mine gives way to the loosest one of the same
    family of places that is (ours: an intake of a mine with little gas may be judged
    as a face, not without any limit).
    """
    row = law().get((place, quantity)) or law().get(("ANY", quantity))
    if row is None or mine_kind in row.mine_kinds:
        return row
    return _loosest_of_family(place, quantity, mine_kind) or row


def lower(a: float, b: float) -> float:
    """The lower of two limits; one that is not given does not count."""
    return b if isnan(a) else a if isnan(b) else min(a, b)


def higher(a: float, b: float) -> float:
    """The higher of two limits; one that is not given does not count."""
    return b if isnan(a) else a if isnan(b) else max(a, b)


def completed(limits: Limits) -> Limits:
    """Where an end is not given, an alarm ends where it began."""
    alarm, clear, cut, restore, low, clear_low, cut_low, restore_low = limits
    return (
        alarm,
        lower(clear, alarm) if not isnan(alarm) else nan,
        cut,
        lower(restore, cut) if not isnan(cut) else nan,
        low,
        higher(clear_low, low) if not isnan(low) else nan,
        cut_low,
        higher(restore_low, cut_low) if not isnan(cut_low) else nan,
    )


def given_limits(book: RuleBook, subject: Subject) -> tuple[Limits, list[str], str]:
    """Limits that the rules of a file give a subject.

    Returns:
        The eight limits, where each stands, and the name of the most specific rule
        that gives one.
    """
    limits, origin, names = list(_NONE), [""] * len(LIMIT_FIELDS), []
    for kind in LIMIT_KINDS:
        fitting = book.fitting(kind.name, subject)
        for param in kind.params:
            if param.name not in LIMIT_FIELDS:
                continue
            which = LIMIT_FIELDS.index(param.name)
            rule = next((r for r in fitting if param.name in r.given), None)
            if rule is not None:
                limits[which] = _given(rule, param.name)
                origin[which] = f"{rule.file}:{rule.given_line[param.name]}"
                names.append((rule.rank, rule.name))
    return tuple(limits), origin, max(names)[1] if names else ""


def resolve(point: PointDef, rules: "RuleSet", mine: MineDef | None = None) -> Resolved:
    """Which limits one version of a point is judged with.

    The law's row is found by place class and quantity, else by quantity. A point
    that has neither a place class nor limits of its own gets the strictest legal
    limit of its quantity, until somebody says where it hangs.

    Args:
        mine: the point's mine; None is one of which nothing is known.
    """
    point = rules.corrected(point)
    subject = subject_of(point, mine or MineDef(point.key.mine, point.key.mine[:6]))
    own = tuple(float(getattr(point, field)) for field in LIMIT_FIELDS)
    given, given_at, name = given_limits(rules.book, subject)
    has_own = not all(map(isnan, own))
    row, label = _law_for(subject, has_own or bool(name), has_own)
    bound = row.limits if row else _NONE
    law_at = f"{LAW_FILE}:{row.line}" if row and row.line else LAW_FILE
    limits, origin = list(bound), ["" if isnan(w) else law_at for w in bound]
    binding = row is not None and point.quantity in rules.stricter
    for told, places in ((given, given_at), (own, [MINE_ITSELF] * len(own))):
        for which, limit in enumerate(told):
            before = limits[which]
            pick = lower if which < 4 else higher
            if isnan(limit) or (binding and pick(before, limit) == before):
                continue
            limits[which], origin[which] = limit, places[which]
    differs = any(
        limit != w and not isnan(w) for limit, w in zip(limits, bound, strict=True)
    )
    if differs or not binding:
        if MINE_ITSELF in origin:
            label = MINE_ITSELF
        elif set(origin) & set(filter(None, given_at)):
            label = f"rule:{name}"
    return Resolved(completed(tuple(limits)), label, _completed_origin(origin))


def _given(rule: Rule, name: str) -> float:
    value = rule.given[name]
    assert isinstance(value, float)
    return value


def _law_for(subject: Subject, given: bool, has_own: bool) -> tuple[LawRow | None, str]:
    """The row that counts and what to call it."""
    place, quantity = subject.place_class, subject.quantity
    row = law().get((place, quantity)) or law().get(("ANY", quantity))
    if row is None:
        # A rule's limit alone does not say where the point hangs.
        row = None if has_own else strictest(quantity)
        return row, f"strictest:{quantity}" if row else "none"
    if given and subject.mine_kind not in row.mine_kinds:
        row = floor_at(place, quantity, subject.mine_kind) or row
    anywhere = row.place == "ANY" != place
    return row, f"law:{quantity if anywhere else row.place}"


def _completed_origin(origin: list[str]) -> tuple[str, ...]:
    whole = list(origin)
    for limit in range(0, len(whole), 2):
        whole[limit + 1] = (whole[limit + 1] or whole[limit]) if whole[limit] else ""
    return tuple(whole)


def refuse_contradictions(limits: Limits, where: str) -> None:
    """Check that limits do not contradict one another; NaN ones are not looked at.

    Raises:
        ConfigError: names the pair and both numbers.
    """
    named = dict(zip(LIMIT_FIELDS, limits, strict=True))
    for below, above in (
        ("clear_high", "alarm_high"),
        ("restore_high", "cut_high"),
        # Power may only return once the gas is no longer at an alarm.
        ("restore_high", "alarm_high"),
        ("alarm_high", "cut_high"),
        ("alarm_low", "clear_low"),
        ("cut_low", "restore_low"),
        ("cut_low", "alarm_low"),
        ("alarm_low", "alarm_high"),
    ):
        if named[below] > named[above]:
            raise ConfigError(
                f"{where}: {below} {named[below]:g} is above {above} {named[above]:g}"
            )


def check_limits(rules: Iterable[Rule], stricter: frozenset[str]) -> None:
    """Check the limits that rules give, together with what lies around them.

    Raises:
        ConfigError: limits that contradict one another or are looser than the law.
    """
    own = [r for r in rules if r.kind in {kind.name for kind in LIMIT_KINDS}]
    for rule in reversed(own):  # of two that contradict each other, the later one
        fields = [name for name in rule.given if name in LIMIT_FIELDS]
        if not fields:
            continue
        line = min(rule.given_line[name] for name in fields)
        where = f"{rule.file}:{line}: rule {rule.name}"
        if not (rule.match.quantity or rule.match.point):
            raise ConfigError(f"{where}: limits need a quantity or a point in match")
        around = sorted(covering(rule, own), key=lambda r: r.rank)
        merged = {name: r for r in around for name in r.given}
        limits = [
            _given(merged[name], name) if name in merged else nan
            for name in LIMIT_FIELDS
        ]
        refuse_contradictions(tuple(limits), where)
        for name in fields:
            at = f"{rule.file}:{rule.given_line[name]}: rule {rule.name}"
            for quantity in sorted(rule.match.quantity & stricter):
                _refuse_looser(rule, name, quantity, at)


def _refuse_looser(rule: Rule, name: str, quantity: str, where: str) -> None:
    which, value = LIMIT_FIELDS.index(name), _given(rule, name)
    kinds = sorted(rule.match.mine_kind or MINE_KINDS)
    if rule.match.place_class:
        for place in sorted(rule.match.place_class):
            for kind in kinds:
                row = floor_at(place, quantity, kind)
                if row and _looser(which, value, row.limits[which]):
                    raise ConfigError(
                        f"{where}: {name} {value:g} is looser than the law's "
                        f"{row.limits[which]:g} at {place} of a mine that is {kind}"
                    )
        return
    # Where places are not named the law of each point's place counts beside it; what
    # is looser than the law of every place has no meaning.
    rows = [row for row in law().values() if row.quantity == quantity]
    whole = _put_together("ANY", rows, loosest=True)
    if whole and _looser(which, value, whole.limits[which]):
        raise ConfigError(
            f"{where}: {name} {value:g} is looser than the law's "
            f"{whole.limits[which]:g} for {quantity} at any place"
        )


def _looser(which: int, value: float, bound: float) -> bool:
    return value > bound if which < 4 else value < bound
