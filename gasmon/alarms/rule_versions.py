"""Versions of the rules: what is written down of a change, to be judged again.

A change of rules is a step of the engine's log like readings and marks; a snapshot
carries the versions that it still needs. Both keep the text of the site's file, so a
restart judges with the rules that were in force, not with those it finds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gasmon.alarms.rules import RuleSet, default_rules, parse_rules

KEPT = 8
"""Versions that a snapshot carries: readings from before the oldest of them are judged
by it. Ours; a mine's backlog is hours, a rule file changes a few times a year."""


@dataclass(frozen=True, slots=True)
class RuleChange:
    """From when a rule file counts.

    Attributes:
        from_us: first event time that is judged by it [µs UTC]; 0 = ever.
        name: of the file.
        text: its contents; empty for the shipped rules alone.
    """

    from_us: int
    name: str
    text: str

    @classmethod
    def of(cls, rules: RuleSet, from_us: int) -> "RuleChange":
        """The change to these rules."""
        return cls(from_us, rules.name, rules.text)

    def rules(self) -> RuleSet:
        """The rules that it changes to.

        Raises:
            ConfigError: what was right then is refused now, by another version.
        """
        return parse_rules(self.text, self.name) if self.text else default_rules()


def as_lists(history: Sequence[tuple[int, RuleSet]]) -> list[list[int | str]]:
    """The newest versions as JSON can hold them, oldest first."""
    return [[us, rules.name, rules.text] for us, rules in history[-KEPT:]]
