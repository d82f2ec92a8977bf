"""``gasmon rules``: check a rule file, show what is in force, explain a point."""

import argparse
import json
from typing import Any

from gasmon.alarms.rule_entries import Rule
from gasmon.alarms.rule_limits import LAW_FILE, law
from gasmon.alarms.rule_objects import rules_object
from gasmon.alarms.rules import RuleSet
from gasmon.alarms.snapshot import fingerprint
from gasmon.commands.rule_files import check_and_show
from gasmon.commands.rule_story import add_explain, tell
from gasmon.commands.rule_words import levels_text, selects
from gasmon.pipeline.rulewatch import load_rules
from gasmon.points import LIMIT_FIELDS
from gasmon.settings import Settings


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
    add_explain(actions, parents)


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command."""
    given = args.rules if args.action == "explain" else args.file
    rules = load_rules(given or settings.engine.rules_file)
    act = {"check": _check, "show": _show, "explain": tell}[args.action]
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
        shown = rules_object(rules)
        print(json.dumps(shown, ensure_ascii=False, indent=1))
        return
    print("规则 Rules")
    for rule in rules.rules:
        print(f"{rule.where:<28} {rule.family:<26} {selects(rule)}")
        for line in (
            " · ".join(rule.text),
            _gives(rule),
            levels_text(rule.bands),
            " · ".join(dict.fromkeys(rule.source)),
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


def _gives(rule: Rule) -> str:
    given = [f"{name} = {value}" for name, value in rule.given.items()]
    return ", ".join((["停用 off"] if rule.enabled is False else []) + given)
