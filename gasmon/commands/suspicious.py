"""``gasmon suspicious``: which mines' data looks as if somebody made it."""

import argparse
import json
from typing import Any

from gasmon.clock import SystemClock
from gasmon.commands.area_flag import area_code
from gasmon.commands.running import require_schema
from gasmon.errors import ConfigError
from gasmon.settings import Settings
from gasmon.store.db import connect
from gasmon.store.scope import Scope
from gasmon.store.suspicion import mines_of, suspicion_of
from gasmon.units import US_PER_H, parse_iso_us

MOST_HOURS = 168


def add_parser(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare the command's flags."""
    parser = commands.add_parser(
        "suspicious",
        parents=parents,
        help="which mines' data looks made: the most suspicious first",
    )
    parser.add_argument("--area", metavar="AREA", help="code or name of an area")
    parser.add_argument("--mine", metavar="CODE", help="12 digits")
    parser.add_argument(
        "--hours", type=float, default=24.0, metavar="N", help="default: 24"
    )
    parser.add_argument("--to", metavar="TIME", help="end of these hours; default: now")
    parser.add_argument(
        "--all", action="store_true", help="mines of which nothing was found, too"
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command."""
    if not 0 < args.hours <= MOST_HOURS:
        raise ConfigError(f"--hours {args.hours:g}: 0 to {MOST_HOURS} is wanted")
    to_us = SystemClock().now_us() if args.to is None else _time(args.to)
    from_us = to_us - round(args.hours * US_PER_H)
    require_schema(settings)
    with connect(settings.database, autocommit=True) as conn:
        wanted = mines_of(
            conn, Scope(None, None), area=area_code(args.area), code=args.mine
        )
        if args.mine and not wanted:
            raise ConfigError(f"--mine {args.mine}: there is no such mine")
        found = [suspicion_of(conn, mine, from_us, to_us) for mine in wanted]
    found = [one for one in found if one["score"] or args.all]
    found.sort(key=lambda one: (-one["score"], one["mine"]))
    if args.json:
        print(json.dumps({"items": found}, ensure_ascii=False))
        return 0
    print(f"{len(wanted)} 个煤矿 mines, {args.hours:g} h")
    if not found:
        print("没有发现疑似伪数据 nothing looks made")
    for one in found:
        _print(one)
    return 0


def _time(text: str) -> int:
    try:
        return parse_iso_us(text)
    except ValueError:
        raise ConfigError(f"--to {text}: a time in ISO 8601 is wanted") from None


def _print(one: dict[str, Any]) -> None:
    """A mine for people: its score, then each point with what shows it."""
    print(f"\n{one['score']:>3}  {one['mine']} {one['mine_name']}")
    for finding in one["findings"]:
        _print_finding(finding)
    for point in one["points"]:
        print(f"  {point['score']:>3}  {point['no']} {point['place']}")
        for finding in point["findings"]:
            _print_finding(finding)


def _print_finding(finding: dict[str, Any]) -> None:
    text = finding["text"]
    numbers = json.dumps(finding["numbers"], ensure_ascii=False)
    print(
        f"       {text['zh']} {text['en']}: {finding['from'][:19]} – "
        f"{finding['to'][:19]}  {numbers}"
    )
