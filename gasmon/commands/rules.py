"""``gasmon rules``: check a rule file, show what is in force, explain a point."""

import argparse
import json
import re
from pathlib import Path
from typing import Any

from gasmon.alarms.events import RANK_NAMES
from gasmon.alarms.rule_bands import Band
from gasmon.alarms.rule_entries import Rule
from gasmon.alarms.rule_explain import KindStory, PointStory, explain, limit_lines
from gasmon.alarms.rule_limits import LAW_FILE, law
from gasmon.alarms.rule_spec import SELECTOR_NAMES
from gasmon.alarms.rules import SHIPPED, RuleSet
from gasmon.alarms.snapshot import fingerprint
from gasmon.clock import SystemClock
from gasmon.commands import points_files
from gasmon.commands.rule_files import check_and_show
from gasmon.commands.running import require_schema
from gasmon.errors import ConfigError
from gasmon.pipeline.rulewatch import load_rules
from gasmon.points import LIMIT_FIELDS, MineDef, PointDef
from gasmon.settings import Settings
from gasmon.store import points
from gasmon.store.db import connect
from gasmon.units import US_PER_MIN, US_PER_S

_POINT = re.compile(r"([0-9]{12})-([0-9]{2})-(\S{1,8})")


def add_parser(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare the command's flags."""
    parser = commands.add_parser("rules", help="check, show and explain alarm rules")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check_and_show(
        actions,
        parents,
        check="read a rule file and say what is wrong with it, with the line",
        show="list every rule in force and the limits of the law",
        setting="engine.rules_file",
    )
    why = actions.add_parser(
        "explain", parents=parents, help="which rules apply to a point, and why"
    )
    why.add_argument("point", metavar="POINT", help="mine-system-number")
    why.add_argument("--rules", type=Path, metavar="FILE", help="rule file")
    why.add_argument(
        "--points",
        type=Path,
        metavar="FILE",
        help="definitions (.csv or .jsonl) to look the point up in, not the database",
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command."""
    given = args.rules if args.action == "explain" else args.file
    rules = load_rules(given or settings.engine.rules_file)
    act = {"check": _check, "show": _show, "explain": _explain}[args.action]
    act(args, settings, rules)
    return 0


def _check(args: argparse.Namespace, _settings: Settings, rules: RuleSet) -> None:
    own = sum(not rule.shipped for rule in rules.rules)
    facts = {
        "file": rules.name,
        "ok": True,
        "rules": len(rules.rules),
        "own_rules": own,
        "fingerprint": fingerprint(rules),
    }
    if args.json:
        print(json.dumps(facts, ensure_ascii=False))
        return
    print(
        f"{rules.name}: 正确 ok, {len(rules.rules)} 条规则 rules "
        f"({own} 条本地 of the site)"
    )


def _show(args: argparse.Namespace, _settings: Settings, rules: RuleSet) -> None:
    if args.json:
        shown = {
            "file": rules.name,
            "on_delay_s": rules.on_delay_us / US_PER_S,
            "off_delay_s": rules.off_delay_us / US_PER_S,
            "stricter": sorted(rules.stricter),
            "rise_fraction": rules.rise_fraction,
            "rise_within_s": rules.rise_within_us / US_PER_S,
            "rules": [_rule_object(rule) for rule in rules.rules],
            "law": _law_objects(),
        }
        print(json.dumps(shown, ensure_ascii=False, indent=1))
        return
    print("规则 Rules")
    for rule in rules.rules:
        print(f"{rule.where:<28} {rule.family:<26} {_selects(rule)}")
        for line in (
            " · ".join(rule.text),
            _gives(rule),
            _levels_text(rule.bands),
            rule.source,
        ):
            if line:
                print(f"{'':<28}   {line}")
    print(f"\n法定限值 Limits of the law ({LAW_FILE})")
    for row in law().values():
        limits = (
            f"{name} {value:g}"
            for name, value in zip(LIMIT_FIELDS, row.limits, strict=True)
            if value == value
        )
        print(f"{row.line:>4}  {row.place:<20} {row.quantity:<13} {', '.join(limits)}")


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
        "text": dict(zip(("zh", "en"), rule.text, strict=False)),
        "source": rule.source,
    }


def _band_object(band: Band) -> dict[str, Any]:
    relative = band.factor == band.factor
    lower = {"factor": band.factor} if relative else {"at_least": band.at_least}
    steps = [[us / US_PER_S, RANK_NAMES[rank]] for us, rank in band.steps]
    return {**lower, "steps_s": steps}


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


def _selects(rule: Rule) -> str:
    chosen = (
        f"{name}={','.join(sorted(getattr(rule.match, name)))}"
        for name in SELECTOR_NAMES
        if getattr(rule.match, name)
    )
    return " ".join(chosen) or "全部 everything"


def _gives(rule: Rule) -> str:
    given = [f"{name} = {value}" for name, value in rule.given.items()]
    return ", ".join((["停用 off"] if rule.enabled is False else []) + given)


def _levels_text(bands: tuple[Band, ...]) -> str:
    texts = []
    for band in bands:
        steps = ", ".join(
            RANK_NAMES[rank] + (f" ≥{us / US_PER_MIN:g} min" if us else "")
            for us, rank in band.steps
        )
        if len(bands) == 1:
            return steps
        relative = band.factor == band.factor
        texts.append(f"{f'{band.factor:g} A' if relative else f'{band.at_least:g}'}: "
                     f"{steps}")  # fmt: skip
    return "; ".join(texts)


def _explain(args: argparse.Namespace, settings: Settings, rules: RuleSet) -> None:
    named = _POINT.fullmatch(args.point)
    if named is None:
        raise ConfigError(
            f"{args.point}: a point is mine-system-number, such as "
            "530627004499-01-001A01"
        )
    found = _in_file(args) if args.points else _in_database(args, settings, named[1])
    if found is None:
        where = args.points or "the database"
        raise ConfigError(f"{args.point}: there is no such point in {where}")
    point, mine = found
    story = explain(rules, point, mine)
    if args.json:
        print(json.dumps(_story_object(args.point, rules, story), ensure_ascii=False))
    else:
        _print_story(args.point, rules, story)


def _in_file(args: argparse.Namespace) -> tuple[PointDef, MineDef] | None:
    for definition in points_files.read(args.points, SystemClock().now_us()):
        for point in definition.points:
            if str(point.key) == args.point:
                return point, definition.mine
    return None


def _in_database(
    args: argparse.Namespace, settings: Settings, code: str
) -> tuple[PointDef, MineDef] | None:
    require_schema(settings)
    with connect(settings.database) as conn:
        mines = {mine.code: mine for mine in points.load_mines(conn)}
        versions = points.load_point_versions(conn, code)
    own = [point for point in versions if str(point.key) == args.point]
    if not own:
        return None
    return max(own, key=lambda point: point.effective_from_us), mines[code]


def _story_object(name: str, rules: RuleSet, story: PointStory) -> dict[str, Any]:
    return {
        "point": name,
        "file": rules.name,
        "attributes": {key: getattr(story.subject, key) for key in SELECTOR_NAMES[:-1]},
        "limits_from": story.limits.rule,
        "limits": {
            key: {"value": value, "at": origin}
            for key, value, origin in limit_lines(story.limits)
        },
        "kinds": [_kind_object(kind) for kind in story.kinds],
    }


def _kind_object(story: KindStory) -> dict[str, Any]:
    params, levels = story.params, story.levels
    return {
        "kind": story.kind,
        "on": params is not None,
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


def _print_story(name: str, rules: RuleSet, story: PointStory) -> None:
    attributes = (f"{key}={getattr(story.subject, key) or '–'}"
                  for key in SELECTOR_NAMES[:-1])  # fmt: skip
    print(f"{name}  {' '.join(attributes)}")
    over = "" if rules.name == SHIPPED else f" + {SHIPPED}"
    print(f"规则文件 rule file: {rules.name}{over}")
    print(f"限值 limits: {story.limits.rule}")
    for limit, number, origin in limit_lines(story.limits):
        print(f"  {limit:<13} {number:<8g} {origin}")
    for kind in story.kinds:
        print(f"{kind.kind}: {_state_text(kind)}")
        given = kind.params.values if kind.params else {}
        for key, value in given.items():
            if kind.params and key not in LIMIT_FIELDS:
                at = kind.params.given_by.get(key, "默认 default")
                print(f"  {key} = {value}  {at}")
        for rule in kind.used:
            print(f"  用 used  {rule.where}  {rule.name}: {_selects(rule)}")
        for lost in kind.lost:
            print(f"  未用 not  {lost.rule.where}  {lost.rule.name}: "
                  f"{lost.why_zh} · {lost.why_en}")  # fmt: skip


def _state_text(kind: KindStory) -> str:
    if kind.levels is None:
        return "停用 off"
    return _levels_text(kind.levels.bands)
