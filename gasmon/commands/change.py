"""``gasmon change``: propose a change of a point's limits, decide on it, look at it.

Like ``gasmon plan`` it asks the api, so that the token decides who acts.
"""

import argparse
import json
from typing import Any

from gasmon.alarms.changes import CHANGE_ACTIONS
from gasmon.alarms.events import RANK_NAMES
from gasmon.commands.asking import open_api, server_flags
from gasmon.commands.deciding import (
    act,
    add_deciding,
    add_listing,
    list_all,
    print_records,
)
from gasmon.errors import ConfigError
from gasmon.points import LIMIT_FIELDS
from gasmon.settings import Settings

HELP = {
    "approve": "let it count; by somebody else than who proposed it",
    "refuse": "it may not; says why",
    "withdraw": "take it back before it counts; says why",
}


def add_parser(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare the command's flags."""
    change = commands.add_parser("change", help="propose a change of limits, decide")
    actions = change.add_subparsers(dest="action", required=True, metavar="ACTION")
    both = [*parents, server_flags()]
    _add_propose(actions, both)
    add_listing(actions, both, "change")
    show = actions.add_parser(
        "show", parents=both, help="one change with its back-test and records"
    )
    show.add_argument("number", type=int, metavar="ID")
    add_deciding(actions, both, {name: HELP[name] for name in CHANGE_ACTIONS})


def _add_propose(actions: Any, parents: list[argparse.ArgumentParser]) -> None:
    propose = actions.add_parser(
        "propose",
        parents=parents,
        help="propose a change of one point; without any the one before is taken back",
    )
    propose.add_argument("--mine", required=True, metavar="CODE")
    propose.add_argument(
        "--point", required=True, metavar="SYSTEM-NUMBER", help="e.g. 01-001A01"
    )
    propose.add_argument(
        "--limit",
        dest="limits",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="may be repeated; " + ", ".join(LIMIT_FIELDS),
    )
    propose.add_argument(
        "--place-class", default="", metavar="CLASS", help="where it really hangs"
    )
    propose.add_argument(
        "--retire",
        action="store_true",
        help="it is gone for good: what is still open of it may end",
    )
    propose.add_argument(
        "--from", dest="from_", metavar="TIME", help="default: from its approval on"
    )
    propose.add_argument("--reason", required=True)
    propose.add_argument("--key", help="the same key is done once")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command."""
    api = open_api(args, settings)
    if args.action == "ls":
        return list_all(api, "/limit-changes", args, _line)
    if args.action == "show":
        change = api.get(f"/limit-changes/{args.number}")
    elif args.action == "propose":
        change = api.post("/limit-changes", _body(args))
    else:
        change = act(api, f"/limit-changes/{args.number}", args)
    if args.json:
        print(json.dumps(change, ensure_ascii=False))
    else:
        _print(change)
    return 0


def _body(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "mine": args.mine,
        "point": args.point,
        "limits": dict(map(_limit, args.limits)),
        "place_class": args.place_class,
        "retire": args.retire,
        "from": args.from_,
        "reason": args.reason,
        "key": args.key,
    }


def _limit(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise ConfigError(f"--limit {text}: NAME=NUMBER is wanted") from None


def _line(change: dict[str, Any]) -> str:
    asked = [f"{n}={v:g}" for n, v in change["limits"].items()]
    asked += [f"place_class={change['place_class']}"] if change["place_class"] else []
    asked += ["报废 retire"] if change["retire"] else []
    return (
        f"{change['change_id']:>6}  {change['state_text']['zh']} {change['state']:<10}"
        f" {(change['from'] or '-')[:16]}  {change['mine_name']} {change['place']}"
        f" {change['point']}: {' '.join(asked) or '取消 taken back'}:"
        f" {change['reason']}"
    )


def _print(change: dict[str, Any]) -> None:
    print(_line(change))
    _print_back_test(change["back_test"])
    print_records(change)


def _print_back_test(test: dict[str, Any]) -> None:
    result = test["result"]
    if test["failure"]:
        print(f"  cannot count: {test['failure']}")
    elif result is None:
        print(f"  back-test over {test['days']} days: {test['progress']:.0%}")
    else:
        for name in sorted({*result["before"], *result["after"]}):
            old, new = (result[side].get(name, "-") for side in ("before", "after"))
            print(f"  {name:<13} {old} → {new}")
        places = result["place_class"]
        if places["before"] != places["after"]:
            print(f"  place_class   {places['before'] or '-'} → {places['after']}")
        print(
            f"  {result['n_readings']:,} readings, {(result['first'] or '-')[:16]} –"
            f" {(result['last'] or '-')[:16]}; {result['n_same']} alarms the same"
        )
        for sort in ("added", "removed", "other"):
            print(f"  {sort}: {_counted(result[sort])}")


def _counted(alarms: dict[str, Any]) -> str:
    kinds = (f"{c['n']} {c['kind']} {RANK_NAMES[c['rank']]}" for c in alarms["counts"])
    return f"{alarms['n']} ({', '.join(kinds)})" if alarms["n"] else "0"
