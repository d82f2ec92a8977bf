"""``gasmon plan``: file planned work, decide on it, and see what it came to.

Like ``gasmon alarm`` it asks the api, so that the token decides who acts.
"""

import argparse
import json
from typing import Any

from gasmon.alarms.events import RANK_NAMES_ZH
from gasmon.alarms.plans import PLAN_ACTIONS, PLANNABLE, WORKS
from gasmon.commands.asking import Api, open_api, server_flags
from gasmon.commands.deciding import (
    act,
    add_deciding,
    add_listing,
    list_all,
    print_records,
)
from gasmon.settings import Settings

HELP = {
    "approve": "let it be quiet within its window",
    "refuse": "it may not; says why",
    "withdraw": "take it back, or end it early; says why",
}


def add_parser(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare the command's flags."""
    plan = commands.add_parser("plan", help="file planned work, approve or refuse it")
    actions = plan.add_subparsers(dest="action", required=True, metavar="ACTION")
    both = [*parents, server_flags()]
    _add_file(actions, both)
    ls = add_listing(actions, both, "plan")
    ls.add_argument("--current", action="store_true", help="those that are not over")
    show = actions.add_parser("show", parents=both, help="one plan with its records")
    show.add_argument("number", type=int, metavar="ID")
    add_deciding(actions, both, {name: HELP[name] for name in PLAN_ACTIONS})
    stats = actions.add_parser(
        "stats", parents=both, help="what planned work came to, mine by mine"
    )
    stats.add_argument("--from", dest="from_", required=True, metavar="TIME")
    stats.add_argument("--to", required=True, metavar="TIME", help="not included")


def _add_file(actions: Any, parents: list[argparse.ArgumentParser]) -> None:
    file = actions.add_parser("file", parents=parents, help="file planned work")
    file.add_argument("--mine", required=True, metavar="CODE")
    file.add_argument("--work", required=True, choices=tuple(WORKS))
    file.add_argument(
        "--point",
        dest="points",
        action="append",
        default=[],
        metavar="SYSTEM-NUMBER",
        help="e.g. 01-001A01; may be repeated",
    )
    file.add_argument(
        "--unit", dest="units", action="append", default=[], metavar="SLUG"
    )
    file.add_argument("--whole-mine", action="store_true")
    file.add_argument(
        "--kind",
        dest="kinds",
        action="append",
        default=[],
        choices=PLANNABLE,
        metavar="KIND",
        help="kinds of alarm instead of those of the work: " + ", ".join(PLANNABLE),
    )
    file.add_argument("--from", dest="from_", required=True, metavar="TIME")
    file.add_argument("--until", required=True, metavar="TIME", help="not included")
    file.add_argument(
        "--max-rank", type=int, default=2, choices=range(4), help="default 2, yellow"
    )
    file.add_argument("--max-value", type=float, help="in the points' unit")
    file.add_argument("--test-gas", type=float, help="calibration: its content")
    file.add_argument("--reason", required=True)
    file.add_argument("--key", help="the same key is done once")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command."""
    api = open_api(args, settings)
    if args.action == "ls":
        current = "true" if args.current else None
        return list_all(api, "/plans", args, _line, current=current)
    if args.action == "stats":
        return _stats(api, args)
    if args.action == "show":
        plan = api.get(f"/plans/{args.number}")
    elif args.action == "file":
        plan = api.post("/plans", _body(args))
    else:
        plan = act(api, f"/plans/{args.number}", args)
    if args.json:
        print(json.dumps(plan, ensure_ascii=False))
    else:
        _print(plan)
    return 0


def _body(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "mine": args.mine,
        "work": args.work,
        "points": args.points,
        "units": args.units,
        "whole_mine": args.whole_mine,
        "alarm_kinds": args.kinds,
        "from": args.from_,
        "until": args.until,
        "rank_ceiling": args.max_rank,
        "value_ceiling": args.max_value,
        "test_gas": args.test_gas,
        "reason": args.reason,
        "key": args.key,
    }


def _line(plan: dict[str, Any]) -> str:
    return (
        f"{plan['plan_id']:>6}  {plan['state_text']['zh']} {plan['state']:<9} "
        f"{plan['from'][:16]} – {plan['until'][:16]}  {plan['mine_name']} "
        f"{plan['work_text']['zh']} {plan['work']}: {plan['reason']}"
    )


def _print(plan: dict[str, Any]) -> None:
    print(_line(plan))
    ceiling = RANK_NAMES_ZH[plan["rank_ceiling"]]
    print(f"  {', '.join(plan['subjects'])}")
    print(f"  {', '.join(plan['alarm_kinds'])}")
    print(
        f"  up to {ceiling} {plan['level_ceiling']}, value"
        f" {plan['value_ceiling'] or '-'}, test gas {plan['test_gas'] or '-'}"
    )
    print_records(plan)


def _stats(api: Api, args: argparse.Namespace) -> int:
    found = api.get("/plans/statistics", {"from": args.from_, "to": args.to})
    if args.json:
        print(json.dumps(found, ensure_ascii=False))
        return 0
    for row in found["items"]:
        share = row["planned_share"]
        broken = sum(row["broke_through"].values())
        print(
            f"{row['mine']} {row['mine_name']}: {row['filed']} filed,"
            f" {row['approved']} approved, {row['planned']}/{row['alarms']} alarms"
            f" planned{'' if share is None else f' ({share:.0%})'},"
            f" {broken} broke through, {row['misused_plans']} misused"
        )
    return 0
