"""Approved changes of limits as rules behind those of the site's file. Pure.

A change is for one point and becomes ``[[rule]]`` entries that are more specific than
what a site's file usually says. So it goes the way of every change of rules: it has
versions by event time, is a step of the engine's log with its text, and is in
snapshots. What a text says of changes begins with ``MARK``; the part before is the
site's file, byte for byte.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gasmon.alarms.rule_kinds import LIMIT_KINDS
from gasmon.alarms.rule_points import MARK, ApprovedPoint
from gasmon.alarms.rules import RuleSet, default_rules, parse_rules
from gasmon.errors import ConfigError

UNNAMED = "approved changes"
"""The name of rules that have no file of a site in them."""


@dataclass(frozen=True, slots=True)
class LimitChange:
    """An approved change of one point: of its limits, its place class, or its end.

    Attributes:
        number: of the change.
        point: ``mine-system-number``.
        from_us: first event time that it counts for [µs UTC].
        limits: name (``points.LIMIT_FIELDS``) and value in the point's unit.
        place_class: instead of what the mine says; empty leaves that.
        retired: the point is gone for good.

    One without any of these takes back the change before it.
    """

    number: int
    point: str
    from_us: int
    limits: tuple[tuple[str, float], ...] = ()
    place_class: str = ""
    retired: bool = False

    @property
    def head(self) -> str:
        """The line that its entries begin with."""
        return f"# change {self.number} of {self.point}\n"


def in_force(changes: Iterable[LimitChange], at_us: int) -> tuple[LimitChange, ...]:
    """The newest change of each point that counts at an event time, by number."""
    newest: dict[str, LimitChange] = {}
    for change in sorted(changes, key=lambda c: (c.from_us, c.number)):
        if change.from_us <= at_us:
            newest[change.point] = change
    return tuple(sorted(newest.values(), key=lambda c: c.number))


def rule_text(changes: Iterable[LimitChange]) -> str:
    """Changes as the end of a rule file; empty when there are none."""
    parts = [change.head + "".join(_entries(change)) for change in changes]
    return MARK + "".join(parts) if parts else ""


def _entries(change: LimitChange) -> Iterable[str]:
    if change.place_class or change.retired:
        yield ApprovedPoint(change.point, change.place_class, change.retired).text
    given = dict(change.limits)
    for kind in LIMIT_KINDS:
        names = [param.name for param in kind.params if param.name in given]
        if names:
            numbers = ", ".join(f"{name} = {given[name]!r}" for name in names)
            yield (
                f'[[rule]]\nname = "change {change.number}"\nkind = "{kind.name}"\n'
                f'match = {{ mine = ["{change.point[:12]}"],'
                f' point = ["{change.point}"] }}\nwith = {{ {numbers} }}\n'
            )


def parts_of(text: str) -> tuple[str, str]:
    """The site's part of a text, and that of approved changes."""
    site, mark, approved = text.partition(MARK)
    return site, mark + approved


def with_changes(site: RuleSet, approved: str) -> RuleSet:
    """A site's rules with approved changes instead of those that are in them.

    Args:
        approved: made by ``rule_text``, or found by ``parts_of``.

    Raises:
        ConfigError: a change contradicts the site's rules.
    """
    text, before = parts_of(site.text)
    if approved == before:
        return site
    if not text and not approved:
        return default_rules()
    return parse_rules(text + approved, site.name if text else UNNAMED)


def that_fit(
    site: RuleSet, changes: Sequence[LimitChange]
) -> tuple[tuple[LimitChange, ...], str | None]:
    """Those that can be put behind a site's rules, and what is wrong with the others.

    One that became impossible, because the site's file is another now, must not keep
    the others from counting.
    """
    try:
        with_changes(site, rule_text(changes))
        return tuple(changes), None
    except ConfigError:
        pass
    kept: list[LimitChange] = []
    wrong: list[str] = []
    for change in changes:
        try:
            with_changes(site, rule_text([*kept, change]))
            kept.append(change)
        except ConfigError as error:
            wrong.append(f"change {change.number} of {change.point}: {error}")
    return tuple(kept), "; ".join(wrong)
