"""Why a rule applies to a point: what counts, where it stands, and what lost.

Asks what the engine asks (``RuleSet.params``, ``resolve``), so it cannot tell another
story than the alarms do.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan

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
class KindStory:
    """What the rules say of one kind at one point.

    Attributes:
        kind: its name; ``sensor_break/after_rise`` stands by itself.
        params: None where it is off.
        levels: the rule that grades it; None where it is off.
        used: the rules from which something is used, the most specific first.
        lost: the others of the kind.
    """

    kind: str
    params: KindParams | None
    levels: Rule | None
    used: tuple[Rule, ...]
    lost: tuple[Lost, ...]


@dataclass(frozen=True, slots=True)
class PointStory:
    """What applies to a point and why."""

    subject: Subject
    limits: Resolved
    kinds: tuple[KindStory, ...]


def explain(rules: RuleSet, point: PointDef, mine: MineDef) -> PointStory:
    """What applies to one version of a point and why."""
    subject = subject_of(point, mine)
    limits = resolve(point, rules, mine)
    stories = []
    for spec in KINDS:
        if spec.subject != "point":
            continue
        stories.append(_story(rules, spec.name, subject, limits))
        if rules.book.of_kind(spec.name + AFTER_RISE):
            stories.append(_story(rules, spec.name + AFTER_RISE, subject, limits))
    return PointStory(subject, limits, tuple(stories))


def _story(
    rules: RuleSet, family: str, subject: Subject, limits: Resolved
) -> KindStory:
    kind = family.removesuffix(AFTER_RISE)
    params = rules.book.params(family, subject)
    fitting = rules.book.fitting(family, subject)
    levels = rules.levels[params.level] if params else None
    used = [rule for rule in fitting if rule is levels or rule.enabled is False]
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


def _counts(rule: Rule, name: str, limits: Resolved) -> bool:
    """Whether what a rule gives is used; of limits only where it is the strictest."""
    if name not in LIMIT_FIELDS:
        return True
    origin = limits.origin[LIMIT_FIELDS.index(name)]
    return origin == f"{rule.file}:{rule.given_line[name]}"


def _outdone(
    rule: Rule, fitting: tuple[Rule, ...], limits: Resolved
) -> tuple[str, str]:
    """Why nothing of a rule is used that is for this point."""
    zh, en = [], []
    if rule.bands:
        above = next(other for other in fitting if other.bands)
        zh.append(f"等级由更具体的规则给出（{above.where}）")
        en.append(f"levels come from the more specific {above.where}")
    for name in rule.given:
        giver = next(other for other in fitting if name in other.given)
        if giver is not rule:
            at = f"{giver.file}:{giver.given_line[name]}"
            zh.append(f"{name} 由更具体的规则给出（{at}）")
            en.append(f"{name} comes from the more specific {at}")
        else:
            which = LIMIT_FIELDS.index(name)
            counts = f"{limits.limits[which]:g}, {limits.origin[which]}"
            zh.append(f"{name} {rule.given[name]} 不采用（采用 {counts}）")
            en.append(f"{name} {rule.given[name]} gives way to {counts}")
    return "；".join(zh) or "没有给出内容", "; ".join(en) or "it gives nothing"


def _unfit(rule: Rule, subject: Subject) -> tuple[str, str]:
    for name in reversed(SELECTOR_NAMES):
        chosen = getattr(rule.match, name)
        has = getattr(subject, name)
        if chosen and has not in chosen:
            listed = ", ".join(sorted(chosen)[:6]) + (" …" if len(chosen) > 6 else "")
            return (
                f"{name} 为 {has or '无'}，规则选 {listed}",
                f"{name} is {has or 'not set'}, it selects {listed}",
            )
    raise AssertionError(f"{rule.where} fits")


def limit_lines(limits: Resolved) -> Iterator[tuple[str, float, str]]:
    """Name, value and origin of each limit that is set."""
    for name, value, origin in zip(
        LIMIT_FIELDS, limits.limits, limits.origin, strict=True
    ):
        if not isnan(value):
            yield name, value, origin
