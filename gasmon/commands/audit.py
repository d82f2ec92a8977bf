"""``gasmon audit``: who did what, at the server."""

import argparse
import json
from typing import Any

from gasmon.commands.time_flag import time_us
from gasmon.errors import BadRequest, ConfigError
from gasmon.settings import Settings
from gasmon.store import audit
from gasmon.store.audit import EVERYTHING, Wanted
from gasmon.store.db import connect


def add_parser(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare the command's flags."""
    command = commands.add_parser("audit", help="who did what")
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    ls = actions.add_parser("ls", parents=parents, help="the newest first")
    ls.add_argument("--principal", metavar="NAME", help="what this one did")
    ls.add_argument(
        "--did",
        metavar="ACTION",
        help="an action (user.retire) or all about a thing (user)",
    )
    ls.add_argument("--subject", metavar="NAME", help="what was done to this one")
    ls.add_argument("--outcome", choices=("done", "refused"))
    ls.add_argument("--from", dest="from_", metavar="TIME", help="recorded at or after")
    ls.add_argument("--to", metavar="TIME", help="recorded before")
    ls.add_argument("--before", type=int, metavar="ID", help="go on before this row")
    ls.add_argument("--limit", type=int, default=100, help="at most 1000")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command."""
    wanted = Wanted(
        args.principal,
        args.did,
        args.subject,
        args.outcome,
        time_us("--from", args.from_),
        time_us("--to", args.to),
    )
    try:
        with connect(settings.database, autocommit=True) as conn:
            rows, following = audit.rows(
                conn, EVERYTHING, wanted, before=args.before, limit=args.limit
            )
    except BadRequest as error:
        raise ConfigError(f"--{error}") from None
    if args.json:
        print(json.dumps({"items": rows, "next": following}, ensure_ascii=False))
        return 0
    for row in rows:
        detail = json.dumps(row["detail"], ensure_ascii=False) if row["detail"] else ""
        print(
            f"{row['audit_id']:>8}  {row['recorded_at'][:19]}  "
            f"{row['principal'] or '?':<20} {row['action']:<18} {row['outcome']:<8} "
            f"{row['subject'] or '':<20} {detail}"
        )
    if following is not None:
        print(f"--before {following}")
    return 0
