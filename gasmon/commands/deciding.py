"""What ``gasmon plan`` and ``gasmon change`` share: listing, showing, deciding.

Both ask the api and not the database, so that the token decides who acts.
"""

import argparse
import json
from collections.abc import Callable, Mapping
from typing import Any

from gasmon.commands.asking import Api

Row = dict[str, Any]


def add_listing(actions: Any, parents: list[argparse.ArgumentParser], what: str) -> Any:
    """Declare ``ls`` with what every list is filtered by; returns its parser."""
    ls = actions.add_parser("ls", parents=parents, help=f"list {what}s")
    ls.add_argument("--area", help="code or slug")
    ls.add_argument("--mine", metavar="CODE")
    ls.add_argument("--limit", type=int, default=50, help="at most 500")
    return ls


def add_deciding(
    actions: Any, parents: list[argparse.ArgumentParser], helps: Mapping[str, str]
) -> None:
    """Declare the actions on one, by name with their help; only approving is silent."""
    for name, said in helps.items():
        parser = actions.add_parser(name, parents=parents, help=said)
        parser.add_argument("number", type=int, metavar="ID")
        parser.add_argument("--reason", default="", required=name != "approve")
        parser.add_argument("--key", help="the same key is done once")


def act(api: Api, path: str, args: argparse.Namespace) -> Any:
    """Do what :func:`add_deciding` declared with the one at ``path``."""
    body = {"reason": args.reason, "key": args.key}
    return api.post(f"{path}/actions/{args.action}", body)


def list_all(
    api: Api,
    path: str,
    args: argparse.Namespace,
    line: Callable[[Row], str],
    **more: str | None,
) -> int:
    """Print a page of them, a line each."""
    query = {"area": args.area, "mine": args.mine, "limit": args.limit, **more}
    page = api.get(path, query)
    if args.json:
        print(json.dumps(page, ensure_ascii=False))
        return 0
    for row in page["items"]:
        print(line(row))
    return 0


def print_records(row: Row) -> None:
    """What happened to it, and what the asker can do now."""
    for record in row["records"]:
        print(
            f"  {record['at'][:19]}  {record['event']:<9}  {record['by']}"
            f" ({record['role']})  {record['reason']}"
        )
    possible = [name for name, why in row["actions"].items() if why is None]
    print(f"  possible now: {', '.join(possible) or 'nothing'}")
