"""Why a rule applies to a point, a unit or a mine: what counts, and what lost.

Asks what the engine asks (``RuleBook.params``, ``resolve``, ``relations_of``), so it
cannot tell another story than the alarms do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import isnan

from gasmon.alarms.relation_kinds import RELATION_NAMES
from gasmon.alarms.relation_roles import Member, relations_of
from gasmon.alarms.rule_asked import Asked
from gasmon.alarms.rule_entries import AFTER_RISE, Rule
from gasmon.alarms.rule_kinds import KIND_SPECS, KINDS
from gasmon.alarms.rule_limits import Resolved, resolve
from gasmon.alarms.rule_match import Subject, subject_of
from gasmon.alarms.rule_spec import SELECTOR_NAMES, KindParams
from gasmon.alarms.rules import RuleSet
from gasmon.points import LIMIT_FIELDS, MineDef, PointDef


@dataclass(frozen=True, slots=True)
class Lost:
    """A rule of the kind from which nothing is used, and why."""

    rule: Rule
    why_zh: str
    why_en: str


@dataclass(frozen=True, slots=True)
class Part:
    """What one point, or two of them together, is to a relation.

    Attributes:
        role: what it is there, as in explanations of events.
        points: numbers of the point and of the one that it is compared with, if any.
    """

    role: str
    points: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KindStory:
    """What the rules say of one kind at one point, unit or mine.

    Attributes:
        kind: its name; ``sensor_break/after_rise`` stands by itself.
        params: None where it is off.
        levels: the rule that grades it; None where it is off.
        used: the rules from which something is used, the most specific first.
        lost: the others of the kind.
        parts: which points it looks at; None where it is no relation. Without any it
            cannot speak: what it needs is not defined there.
    """

    kind: str
    params: KindParams | None
    levels: Rule | None
    used: tuple[Rule, ...]
    lost: tuple[Lost, ...]
    parts: tuple[Part, ...] | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """What applies to a subject and why.

    Attributes:
        limits: of a point; None of a unit or a mine.
    """

    subject: Subject
    limits: Resolved | None
    kinds: tuple[KindStory, ...]


def explain(rules: RuleSet, point: PointDef, mine: MineDef) -> Story:
    """What applies to one version of a point and why."""
    subject = subject_of(rules.corrected(point), mine)
    limits = resolve(point, rules, mine)
    stories = []
    for spec in KINDS:
        if spec.subject != "point":
            continue
        stories.append(_story(rules, spec.name, subject, limits))
        if rules.book.of_kind(spec.name + AFTER_RISE):
            stories.append(_story(rules, spec.name + AFTER_RISE, subject, limits))
    return Story(subject, limits, tuple(stories))


def explain_mine(
    rules: RuleSet, mine: MineDef, points: Sequence[PointDef], unit: str | None = None
) -> Story:
    """What applies to a mine, or to one of its units, and why.

    Args:
        points: the newest versions of all points of the mine.
        unit: its slug; None for the mine itself.
    """
    subject = subject_of(None, mine, unit)
    parts = _parts(rules, mine, points, unit)
    stories = []
    for spec in KINDS:
        if spec.subject != ("unit" if unit else "mine"):
            continue
        story = _story(rules, spec.name, subject, None)
        if spec.name in RELATION_NAMES:
            story = replace(story, parts=parts.get(spec.name, ()))
        stories.append(story)
    return Story(subject, None, tuple(stories))


def _parts(
    rules: RuleSet, mine: MineDef, points: Sequence[PointDef], unit: str | None
) -> dict[str, tuple[Part, ...]]:
    """Which points each relation of the unit or mine looks at, by kind."""
    members = [Member(row, p) for row, p in enumerate(points) if not p.retired]
    asked = Asked(rules, range(len(rules.rules)))
    return {
        relation.kind: tuple(
            Part(
                term.role,
                tuple(points[r].key.no for r in (term.row, term.other) if r >= 0),
            )
            for clause in relation.clauses
            for term in clause.terms
        )
        for relation in relations_of(mine, members, asked)
        if relation.unit == unit
    }


def _story(
    rules: RuleSet, family: str, subject: Subject, limits: Resolved | None
) -> KindStory:
    kind = family.removesuffix(AFTER_RISE)
    params = rules.book.params(family, subject)
    fitting = rules.book.fitting(family, subject)
    levels = rules.levels[params.level] if params else None
    used = [rule for rule in fitting if rule is levels or rule.enabled is False]
    used += [rule for rule in fitting if rule.text][:1]
    for param in KIND_SPECS[kind].params:
        giver = next((rule for rule in fitting if param.name in rule.given), None)
        if giver and _counts(giver, param.name, limits):
            used.append(giver)
    # Equal rules may stand in two places, so they are told apart by themselves.
    chosen, fit = {id(rule) for rule in used}, {id(rule) for rule in fitting}
    lost = [
        Lost(
            rule,
            *(
                _outdone(rule, fitting, limits)
                if id(rule) in fit
                else _unfit(rule, subject)
            ),
        )
        for rule in rules.book.of_kind(family)
        if id(rule) not in chosen
    ]
    used = [rule for rule in fitting if id(rule) in chosen]
    return KindStory(family, params, levels, tuple(used), tuple(lost))


def _counts(rule: Rule, name: str, limits: Resolved | None) -> bool:
    """Whether what a rule gives is used; of limits only where it is the strictest."""
    if limits is None or name not in LIMIT_FIELDS:
        return True
    origin = limits.origin[LIMIT_FIELDS.index(name)]
    return origin == f"{rule.file}:{rule.given_line[name]}"


def _outdone(
    rule: Rule, fitting: tuple[Rule, ...], limits: Resolved | None
) -> tuple[str, str]:
    """Why nothing of a rule is used that is for this subject."""
    zh, en = [], []
    if rule.bands:
        above = next(other for other in fitting if other.bands)
        zh.append(f"等级由更具体的规则给出（{above.where}）")
        en.append(f"levels come from the more specific {above.where}")
    if rule.text:
        above = next(other for other in fitting if other.text)
        zh.append(f"文字由更具体的规则给出（{above.where}）")
        en.append(f"the text comes from the more specific {above.where}")
    for name in rule.given:
        giver = next(other for other in fitting if name in other.given)
        if giver is not rule:
            at = f"{giver.file}:{giver.given_line[name]}"
            zh.append(f"{name} 由更具体的规则给出（{at}）")
            en.append(f"{name} comes from the more specific {at}")
        else:
            assert limits is not None  # what else is given counts
            which = LIMIT_FIELDS.index(name)
            counts = f"{limits.limits[which]:g}, {limits.origin[which]}"
            zh.append(f"{name} {rule.given[name]} 不采用（采用 {counts}）")
            en.append(f"{name} {rule.given[name]} gives way to {counts}")
    return "；".join(zh) or "没有给出内容", "; ".join(en) or "it gives nothing"


def _unfit(rule: Rule, subject: Subject) -> tuple[str, str]:
    name, chosen, has = next(
        (name, chosen, has)
        for name in reversed(SELECTOR_NAMES)
        if (chosen := getattr(rule.match, name))
        and (has := getattr(subject, name)) not in chosen
    )
    listed = ", ".join(sorted(chosen)[:6]) + (" …" if len(chosen) > 6 else "")
    return (
        f"{name} 为 {has or '无'}，规则选 {listed}",
        f"{name} is {has or 'not set'}, it selects {listed}",
    )


def limit_lines(limits: Resolved) -> Iterator[tuple[str, float, str]]:
    """Name, value and origin of each limit that is set."""
    for name, value, origin in zip(
        LIMIT_FIELDS, limits.limits, limits.origin, strict=True
    ):
        if not isnan(value):
            yield name, value, origin
