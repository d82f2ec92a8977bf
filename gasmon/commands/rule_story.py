"""``gasmon rules explain``: which rules apply to a point, a unit or a mine, and why."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gasmon.alarms.rule_explain import (
    KindStory,
    Story,
    limit_lines,
)
from gasmon.alarms.rule_named import WHAT_IT_IS, named, story_of
from gasmon.alarms.rule_objects import story_object
from gasmon.alarms.rule_spec import SELECTOR_NAMES
from gasmon.alarms.rules import SHIPPED, RuleSet
from gasmon.clock import SystemClock
from gasmon.commands import points_files
from gasmon.commands.rule_words import levels_text, selects
from gasmon.commands.running import require_schema
from gasmon.errors import ConfigError
from gasmon.points import LIMIT_FIELDS, MineDef, PointDef
from gasmon.settings import Settings
from gasmon.store import points
from gasmon.store.db import connect
from gasmon.units import US_PER_S


def add_explain(actions: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare ``explain SUBJECT`` and its flags."""
    why = actions.add_parser(
        "explain",
        parents=parents,
        help="which rules apply to a point, a unit or a mine, and why",
    )
    why.add_argument(
        "subject",
        metavar="SUBJECT",
        help="mine-system-number of a point, MINE/u/UNIT, or the digits of a mine",
    )
    why.add_argument("--rules", type=Path, metavar="FILE", help="rule file")
    why.add_argument(
        "--points",
        type=Path,
        metavar="FILE",
        help="definitions (.csv or .jsonl) to look it up in, not the database",
    )


def tell(args: argparse.Namespace, settings: Settings, rules: RuleSet) -> None:
    """Print the story.

    Raises:
        ConfigError: it is no subject, or there is none of that name.
    """
    name = args.subject
    subject = named(name)
    if subject is None:
        raise ConfigError(f"{name}: {WHAT_IT_IS}")
    code = subject.mine
    found = _in_file(args, code) if args.points else _in_database(settings, code)
    where = args.points or "the database"
    if found is None:
        raise ConfigError(f"{name}: there is no such mine in {where}")
    story = story_of(rules, subject, *found)
    if story is None:
        what = "point" if subject.point else "unit"
        raise ConfigError(f"{name}: there is no such {what} in {where}")
    if args.json:
        print(json.dumps(story_object(name, rules, story), ensure_ascii=False))
    else:
        _print_story(name, rules, story)


Found = tuple[MineDef, Sequence[PointDef]]
"""A mine and the newest versions of its points."""


def _in_file(args: argparse.Namespace, code: str) -> Found | None:
    for definition in points_files.read(args.points, SystemClock().now_us()):
        if definition.mine.code == code:
            return definition.mine, definition.points
    return None


def _in_database(settings: Settings, code: str) -> Found | None:
    require_schema(settings)
    with connect(settings.database) as conn:
        mines = {mine.code: mine for mine in points.load_mines(conn)}
        versions = points.load_point_versions(conn, code)
    if code not in mines:
        return None
    # Of each key the newest comes last.
    newest = {point.key: point for point in versions}
    return mines[code], list(newest.values())


def _print_story(name: str, rules: RuleSet, story: Story) -> None:
    attributes = (f"{key}={getattr(story.subject, key) or '–'}"
                  for key in SELECTOR_NAMES[:-1])  # fmt: skip
    print(f"{name}  {' '.join(attributes)}")
    over = "" if rules.name == SHIPPED else f" + {SHIPPED}"
    print(f"规则文件 rule file: {rules.name}{over}")
    if story.limits is not None:
        print(f"限值 limits: {story.limits.rule}")
        for limit, number, origin in limit_lines(story.limits):
            print(f"  {limit:<13} {number:<8g} {origin}")
    for kind in story.kinds:
        print(f"{kind.kind}: {levels_text(kind.levels.bands) if kind.levels else OFF}")
        if kind.params:
            _print_params(kind)
        for rule in kind.used:
            print(f"  用 used  {rule.where}  {rule.name}: {selects(rule)}")
        for lost in kind.lost:
            print(f"  未用 not  {lost.rule.where}  {lost.rule.name}: "
                  f"{lost.why_zh} · {lost.why_en}")  # fmt: skip


OFF = "停用 off"
NO_POINTS = "没有所需测点 no points for it"


def _print_params(kind: KindStory) -> None:
    assert kind.params is not None
    if kind.params.text:
        print(f"  {' · '.join(kind.params.text)}")
    for key, value in kind.params.values.items():
        if key not in LIMIT_FIELDS:
            at = kind.params.given_by.get(key, "默认 default")
            shown = f"{value / US_PER_S:g}s" if isinstance(value, int) else value
            print(f"  {key} = {shown}  {at}")
    if kind.parts is not None:
        looked = (f"{part.role} {' '.join(part.points)}" for part in kind.parts)
        print(f"  测点 points: {', '.join(looked) or NO_POINTS}")
