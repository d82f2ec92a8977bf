"""RuleBook: all rules of a set by kind, and what they say of one subject together.

For each kind the rules that fit a subject are put in order, the most specific first
(point, mine, area, kind of mine, kind of unit, place class, quantity, nothing; a
site's before a shipped one that is as specific). Each thing that a rule can give
(levels, each parameter, on or off, a text) comes from the first of them that gives it,
so a rule for one mine only says what is different there.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations

from gasmon.alarms.rule_entries import Rule
from gasmon.alarms.rule_kinds import KIND_SPECS, LIMIT_KINDS
from gasmon.alarms.rule_match import Match, Subject
from gasmon.alarms.rule_spec import KindParams, KindSpec, Value
from gasmon.errors import ConfigError


class RuleBook:
    """The rules of a set.

    Attributes:
        rules: the shipped ones, then the site's, in the order of their files.
    """

    def __init__(
        self, rules: Iterable[Rule], delays: Mapping[str, Value] | None = None
    ) -> None:
        """Put rules in order.

        Args:
            delays: what ``on_delay`` and ``off_delay`` of the kinds with limits are
                where no rule gives them [µs]; without it their defaults.
        """
        self.rules = tuple(rules)
        self._delays = {kind.name: delays or {} for kind in LIMIT_KINDS}
        self._of_kind: dict[str, list[Rule]] = {}
        for rule in self.rules:
            self._of_kind.setdefault(rule.family, []).append(rule)
        for own in self._of_kind.values():
            own.sort(key=lambda rule: rule.rank, reverse=True)
        self._number = {id(rule): n for n, rule in enumerate(self.rules)}

    def of_kind(self, kind: str) -> tuple[Rule, ...]:
        """All rules of a kind, the most specific first."""
        return tuple(self._of_kind.get(kind, ()))

    def fitting(self, kind: str, subject: Subject) -> tuple[Rule, ...]:
        """The rules of a kind that are for a subject, the most specific first."""
        return tuple(r for r in self.of_kind(kind) if r.match.fits(subject))

    def number_of(self, rule: Rule) -> int:
        """Its place in ``rules``."""
        return self._number[id(rule)]

    def params(self, kind: str, subject: Subject) -> KindParams | None:
        """What the rules say of a kind at a subject; None where the kind is off."""
        fitting = self.fitting(kind, subject)
        enabled = next((r.enabled for r in fitting if r.enabled is not None), True)
        graded = next((r for r in fitting if r.bands), None)
        if not enabled or graded is None:
            return None
        values: dict[str, Value] = {}
        given_by: dict[str, str] = {}
        delays = self._delays.get(graded.kind, {})
        for param in KIND_SPECS[graded.kind].params:
            giver = next((r for r in fitting if param.name in r.given), None)
            if giver is not None:
                values[param.name] = giver.given[param.name]
                line = giver.given_line[param.name]
                given_by[param.name] = f"{giver.file}:{line}"
            elif param.name in delays:
                values[param.name] = delays[param.name]
                given_by[param.name] = "[delays]"
            else:
                assert param.default is not None  # check() saw to it
                values[param.name] = param.default
        return KindParams(
            kind=kind,
            level=self.number_of(graded),
            values=values,
            given_by=given_by,
            rule=f"{fitting[0].name} ({fitting[0].where})",
            text=next((r.text for r in fitting if r.text), ()),
        )

    def level(self, kind: str, subject: Subject) -> int:
        """Index of the rule that grades a kind that is on at a subject."""
        fitting = self.fitting(kind, subject)
        return next(self.number_of(rule) for rule in fitting if rule.bands)


def check(rules: Iterable[Rule]) -> None:
    """Check rules against one another.

    Raises:
        ConfigError: two rules of equal rank fit one subject, or a rule lacks levels
            or a parameter that nothing more general gives.
    """
    by_kind: dict[str, list[Rule]] = {}
    for rule in rules:
        by_kind.setdefault(rule.family, []).append(rule)
    for own in by_kind.values():
        _refuse_overlaps(own)
        for rule in own:
            _refuse_gaps(rule, own, KIND_SPECS[rule.kind])
    for spec in KIND_SPECS.values():
        general = [r for r in by_kind.get(spec.name, ()) if not r.match.rank]
        if spec.always and not any(rule.bands for rule in general):
            raise ConfigError(
                f"no rule of kind {spec.name} with levels fits everything: it must "
                "not be left without"
            )


def _refuse_overlaps(own: list[Rule]) -> None:
    for first, second in combinations(own, 2):
        if first.rank == second.rank and first.match.meets(second.match):
            raise ConfigError(
                f"{second.where}: rule {second.name} and the one in line "
                f"{first.line} ({first.name}) are as specific and fit the same "
                f"{_shared(first.match, second.match)}"
            )


def _shared(first: Match, second: Match) -> str:
    """What both select, for a person: ``quantity CH4``."""
    names = (name for name in first.__slots__ if getattr(first, name))
    shared = [
        f"{name} {min(getattr(first, name) & getattr(second, name))}" for name in names
    ]
    return ", ".join(shared) or "subjects: neither selects anything"


def covering(rule: Rule, own: Iterable[Rule]) -> Iterator[Rule]:
    """The rules that fit wherever this one does, itself among them."""
    return (other for other in own if other.match.covers(rule.match))


def _refuse_gaps(rule: Rule, own: list[Rule], spec: KindSpec) -> None:
    if rule.enabled is False:
        return
    around = list(covering(rule, own))
    if not any(other.bands for other in around):
        raise ConfigError(
            f"{rule.where}: rule {rule.name}: neither it nor a more general rule of "
            f"kind {spec.name} has levels"
        )
    for param in spec.params:
        if param.default is None and not any(param.name in r.given for r in around):
            raise ConfigError(
                f"{rule.where}: rule {rule.name}: neither it nor a more general rule "
                f"gives {param.name}"
            )
