"""``gasmon change``: propose a change of a point's limits, decide on it, look at it.

Like ``gasmon plan`` it asks the api, so that the token decides who acts.
"""

import argparse
import json
from typing import Any

from gasmon.alarms.changes import CHANGE_ACTIONS
from gasmon.alarms.events import RANK_NAMES
from gasmon.commands.asking import Api, open_api, server_flags
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
    ls = actions.add_parser("ls", parents=both, help="list changes")
    ls.add_argument("--area", help="code or slug")
    ls.add_argument("--mine", metavar="CODE")
    ls.add_argument("--limit", type=int, default=50, help="at most 500")
    show = actions.add_parser(
        "show", parents=both, help="one change with its back-test and records"
    )
    show.add_argument("change_id", type=int, metavar="ID")
    for name in CHANGE_ACTIONS:
        parser = actions.add_parser(name, parents=both, help=HELP[name])
        parser.add_argument("change_id", type=int, metavar="ID")
        parser.add_argument("--reason", default="", required=name != "approve")
        parser.add_argument("--key", help="the same key is done once")


def _add_propose(actions: Any, parents: list[argparse.ArgumentParser]) -> None:
    propose = actions.add_parser(
        "propose", parents=parents, help="propose a change of one point's limits"
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
        help="may be repeated; none takes back the change before it; "
        + ", ".join(LIMIT_FIELDS),
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
        return _ls(api, args)
    if args.action == "show":
        change = api.get(f"/limit-changes/{args.change_id}")
    elif args.action == "propose":
        change = api.post("/limit-changes", _body(args))
    else:
        body = {"reason": args.reason, "key": args.key}
        path = f"/limit-changes/{args.change_id}/actions/{args.action}"
        change = api.post(path, body)
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


def _ls(api: Api, args: argparse.Namespace) -> int:
    query = {"area": args.area, "mine": args.mine, "limit": args.limit}
    page = api.get("/limit-changes", query)
    if args.json:
        print(json.dumps(page, ensure_ascii=False))
        return 0
    for change in page["items"]:
        print(_line(change))
    return 0


def _line(change: dict[str, Any]) -> str:
    limits = " ".join(f"{n}={v:g}" for n, v in change["limits"].items())
    return (
        f"{change['change_id']:>6}  {change['state_text']['zh']} {change['state']:<10}"
        f" {(change['from'] or '-')[:16]}  {change['mine_name']} {change['place']}"
        f" {change['point']}: {limits or '取消 taken back'}: {change['reason']}"
    )


def _print(change: dict[str, Any]) -> None:
    print(_line(change))
    _print_back_test(change["back_test"])
    for row in change["records"]:
        print(
            f"  {row['at'][:19]}  {row['event']:<9}  {row['by']} ({row['role']})"
            f"  {row['reason']}"
        )
    possible = [name for name, why in change["actions"].items() if why is None]
    print(f"  possible now: {', '.join(possible) or 'nothing'}")


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
        print(
            f"  {result['n_readings']:,} readings, {(result['first'] or '-')[:16]} –"
            f" {(result['last'] or '-')[:16]}; {result['n_same']} alarms the same"
        )
        for sort in ("added", "removed", "other"):
            print(f"  {sort}: {_counted(result[sort])}")


def _counted(alarms: dict[str, Any]) -> str:
    kinds = (f"{c['n']} {c['kind']} {RANK_NAMES[c['rank']]}" for c in alarms["counts"])
    return f"{alarms['n']} ({', '.join(kinds)})" if alarms["n"] else "0"
