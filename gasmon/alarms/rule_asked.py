"""What the rules say of units and mines, asked once for all that are alike. Pure."""

from collections.abc import Sequence

from gasmon.alarms.rule_match import Subject
from gasmon.alarms.rule_spec import KindParams
from gasmon.alarms.rules import RuleSet


class Asked:
    """The answers of one rule set, for kinds that are not about points.

    A city has thousands of units and a handful of kinds of them.

    Attributes:
        level_rows: row of ``LevelTable`` by number of a rule.
    """

    def __init__(self, rules: RuleSet, level_rows: Sequence[int]) -> None:
        """Nothing was asked yet."""
        self.level_rows = level_rows
        self._book = rules.book
        self._said: dict[tuple[str, ...], KindParams | None] = {}
        self._by: dict[str, tuple[bool, bool]] = {}

    def params(self, kind: str, subject: Subject) -> KindParams | None:
        """Parameters and level of a kind at a unit or mine; None where it is off."""
        if kind not in self._by:
            own = self._book.of_kind(kind)
            by_area = any(rule.match.area for rule in own)
            self._by[kind] = by_area, any(rule.match.mine for rule in own)
        by_area, by_mine = self._by[kind]
        key = (
            kind,
            subject.unit_kind,
            subject.mine_kind,
            subject.area if by_area else "",
            subject.mine if by_mine else "",
        )
        if key not in self._said:
            self._said[key] = self._book.params(kind, subject)
        return self._said[key]
