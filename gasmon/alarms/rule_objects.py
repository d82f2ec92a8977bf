"""Rules as JSON holds them, for the command, the API and the page: one shape."""

from typing import Any

from gasmon.alarms.events import RANK_NAMES
from gasmon.alarms.rule_bands import Band
from gasmon.alarms.rule_entries import Rule
from gasmon.alarms.rule_explain import KindStory, Story, limit_lines
from gasmon.alarms.rule_limits import LAW_FILE, law
from gasmon.alarms.rule_spec import SELECTOR_NAMES
from gasmon.alarms.rules import RuleSet
from gasmon.domain import limits, quantity_of, sensor_types
from gasmon.points import LIMIT_FIELDS
from gasmon.units import US_PER_S


def rules_object(rules: RuleSet) -> dict[str, Any]:
    """All of a rule set, durations in seconds, and the limits of the law."""
    return {
        "file": rules.name,
        "on_delay_s": rules.on_delay_us / US_PER_S,
        "off_delay_s": rules.off_delay_us / US_PER_S,
        "stricter": sorted(rules.stricter),
        "rise_fraction": rules.rise_fraction,
        "rise_within_s": rules.rise_within_us / US_PER_S,
        "rules": [_rule_object(rule) for rule in rules.rules],
        "law": _law_objects(),
        "names": names(),
    }


def names() -> dict[str, dict[str, dict[str, str]]]:
    """What places and quantities are called in the tables of the law."""
    places = {row.place_class: row for row in limits()}
    quantities = {
        quantity_of(code): type_
        for code, type_ in reversed(sensor_types().items())
        if quantity_of(code)
    }
    return {
        "place_class": {
            name: {"zh": row.place_zh, "en": row.place_en}
            for name, row in places.items()
        },
        "quantity": {
            # What the law limits in one kind of place only is no sensor's name.
            **{
                row.quantity: {"zh": row.place_zh, "en": row.place_en}
                for row in limits()
            },
            **{
                name: {"zh": type_.name_zh, "en": type_.name_en}
                for name, type_ in quantities.items()
            },
        },
    }


def story_object(name: str, rules: RuleSet, story: Story) -> dict[str, Any]:
    """What applies to a subject, and why."""
    told: dict[str, Any] = {
        "subject": name,
        "file": rules.name,
        "attributes": {key: getattr(story.subject, key) for key in SELECTOR_NAMES[:-1]},
    }
    if story.limits is not None:
        told["limits_from"] = story.limits.rule
        told["limits"] = {
            key: {"value": value, "at": origin}
            for key, value, origin in limit_lines(story.limits)
        }
    return {**told, "kinds": [_kind_object(kind) for kind in story.kinds]}


def _band_object(band: Band) -> dict[str, Any]:
    """A band with its steps, durations in seconds."""
    relative = band.factor == band.factor
    lower = {"factor": band.factor} if relative else {"at_least": band.at_least}
    steps = [[us / US_PER_S, RANK_NAMES[rank]] for us, rank in band.steps]
    return {**lower, "steps_s": steps}


def _rule_object(rule: Rule) -> dict[str, Any]:
    chosen = {name: sorted(getattr(rule.match, name)) for name in SELECTOR_NAMES}
    return {
        "name": rule.name,
        "kind": rule.kind,
        "at": rule.where,
        "shipped": rule.shipped,
        "match": {name: listed for name, listed in chosen.items() if listed},
        "enabled": rule.enabled is not False,
        "with": dict(rule.given),
        "levels": [_band_object(band) for band in rule.bands],
        "after_rise": rule.after_rise,
        "text": _in_both(rule.text),
        "source": _in_both(rule.source),
    }


def _in_both(texts: tuple[str, ...]) -> dict[str, str]:
    """(Chinese, English) by language; nothing for nothing."""
    return dict(zip(("zh", "en"), texts, strict=False))


def _law_objects() -> list[dict[str, Any]]:
    return [
        {
            "place_class": row.place,
            "quantity": row.quantity,
            "mine_kinds": sorted(row.mine_kinds),
            "at": f"{LAW_FILE}:{row.line}",
            **{
                name: value
                for name, value in zip(LIMIT_FIELDS, row.limits, strict=True)
                if value == value
            },
        }
        for row in law().values()
    ]


def _kind_object(story: KindStory) -> dict[str, Any]:
    params, levels = story.params, story.levels
    told: dict[str, Any] = {
        "kind": story.kind,
        "on": params is not None,
        "text": _in_both(params.text if params else ()),
        "levels_at": levels.where if levels else None,
        "levels": [_band_object(band) for band in levels.bands] if levels else [],
        "with": {
            name: {"value": value, "at": params.given_by.get(name)}
            for name, value in (params.values if params else {}).items()
            if params and name not in LIMIT_FIELDS
        },
        "used": [{"at": r.where, "name": r.name} for r in story.used],
        "lost": [
            {"at": lost.rule.where, "name": lost.rule.name, "why": lost.why_en,
             "why_zh": lost.why_zh}
            for lost in story.lost
        ],
    }  # fmt: skip
    if story.parts is not None:
        told["looks_at"] = [
            {"role": part.role, "points": list(part.points)} for part in story.parts
        ]
    return told
