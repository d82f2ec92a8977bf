"""``gasmon user``: accounts of people, at the server.

Whoever runs this reads the database's password and needs none of gasmon's. Over HTTP
administrators do the same within their areas.
"""

import argparse
import json
import logging
import sys
from typing import Any

from gasmon.clock import SystemClock
from gasmon.commands.operator import operator
from gasmon.commands.token import ALL, scope_of
from gasmon.errors import (
    BadRequest,
    ConfigError,
    DependencyError,
    NotFound,
    StateConflict,
)
from gasmon.settings import Settings
from gasmon.store import access, sessions, users
from gasmon.store.audit import EVERYTHING
from gasmon.store.db import Connection, connect
from gasmon.store.links import page_of
from gasmon.store.users import Rights
from gasmon.units import US_PER_H, iso_us

log = logging.getLogger(__name__)

ROLES = tuple(role for role in access.ROLES if role != users.PROGRAM_ROLE)


def add_parser(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare the command's flags."""
    user = commands.add_parser("user", help="accounts of people")
    actions = user.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, help_text: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = actions.add_parser(
            name, parents=parents, help=help_text
        )
        return parser

    first = action("first", "a one-time link for the first administrator")
    first.add_argument("name", nargs="?", default=users.FIRST_NAME, metavar="NAME")
    add = action("add", "make a user; prints a one-time link")
    set_role = action("set-role", "another role, areas or mines")
    for parser in (add, set_role):
        parser.add_argument("name", metavar="NAME")
        _add_rights(parser)
    action("ls", "all users")
    show = action("show", "one user with its log-ins")
    reset = action("reset", "void the password at once; prints a one-time link")
    retire = action("retire", "end a user for good; nothing is deleted")
    opened = action("sessions", "log-ins of a user, and ending them")
    for parser in (show, reset, retire, opened):
        parser.add_argument("name", metavar="NAME")
    ending = opened.add_mutually_exclusive_group()
    ending.add_argument(
        "--end", type=int, action="append", metavar="ID", help="this one; repeatable"
    )
    ending.add_argument("--end-all", action="store_true", help="all of them")


def _add_rights(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--role", required=True, choices=ROLES)
    parser.add_argument(
        "--area",
        action="append",
        default=[],
        metavar="AREA",
        help="code or slug of an area it may see; repeatable; 'all' for every area",
    )
    parser.add_argument(
        "--mine",
        action="append",
        default=[],
        metavar="CODE",
        help="only this mine; repeatable",
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command."""
    actions = {
        "first": _first,
        "add": _add,
        "ls": _ls,
        "show": _show,
        "set-role": _set_role,
        "reset": _reset,
        "retire": _retire,
        "sessions": _sessions,
    }
    try:
        with connect(settings.database, autocommit=True) as conn:
            return actions[args.action](conn, args, settings)
    except BadRequest as error:
        raise ConfigError(str(error)) from None


def link_for_first(
    conn: Connection, name: str, settings: Settings, now_us: int
) -> dict[str, Any]:
    """Make the first administrator; gives what is to be told.

    Raises:
        StateConflict: an administrator can log in already.
    """
    life_us = _link_life_us(settings)
    link = users.add_first(conn, name, operator(), now_us=now_us, life_us=life_us)
    return _told(settings, name, link, now_us + life_us)


def offer_first(settings: Settings) -> dict[str, Any] | None:
    """A link for the first administrator of a new site; None when there is one.

    An older offer that nobody took ends.
    """
    try:
        with connect(settings.database, autocommit=True) as conn:
            return link_for_first(
                conn, users.FIRST_NAME, settings, SystemClock().now_us()
            )
    except StateConflict:
        return None
    except DependencyError as error:
        log.warning("whether there is an administrator is not known: %s", error)
        return None


def _link_life_us(settings: Settings) -> int:
    return round(settings.accounts.link_hours * US_PER_H)


def _told(settings: Settings, name: str, link: str, expires_us: int) -> dict[str, Any]:
    return {
        "name": name,
        "link": page_of(settings.api, link),
        "expires_at": iso_us(expires_us),
    }


def _print_link(args: argparse.Namespace, told: dict[str, Any]) -> int:
    if args.json:
        print(json.dumps(told, ensure_ascii=False))
        return 0
    print(told["link"])
    print(
        f"{told['name']} 凭此链接设置密码，仅一次有效 sets a password with it once, "
        f"until {told['expires_at']}",
        file=sys.stderr,
    )
    return 0


def _first(conn: Connection, args: argparse.Namespace, settings: Settings) -> int:
    now_us = SystemClock().now_us()
    return _print_link(args, link_for_first(conn, args.name, settings, now_us))


def _rights(args: argparse.Namespace) -> Rights:
    return Rights(args.role, *scope_of(args.role, args.area, args.mine))


def _add(conn: Connection, args: argparse.Namespace, settings: Settings) -> int:
    now_us, life_us = SystemClock().now_us(), _link_life_us(settings)
    link = users.add(
        conn, args.name, _rights(args), operator(), now_us=now_us, life_us=life_us
    )
    return _print_link(args, _told(settings, args.name, link, now_us + life_us))


def _reset(conn: Connection, args: argparse.Namespace, settings: Settings) -> int:
    now_us, life_us = SystemClock().now_us(), _link_life_us(settings)
    link = users.reset(conn, args.name, operator(), now_us=now_us, life_us=life_us)
    return _print_link(args, _told(settings, args.name, link, now_us + life_us))


def _set_role(conn: Connection, args: argparse.Namespace, settings: Settings) -> int:
    rights, now_us = _rights(args), SystemClock().now_us()
    users.set_rights(conn, args.name, rights, operator(), now_us=now_us)
    told = {"name": args.name, **rights.told()}
    if args.json:
        print(json.dumps(told, ensure_ascii=False))
    else:
        print(f"{args.name}: {args.role} {_scope_text(told)}", file=sys.stderr)
    return 0


def _retire(conn: Connection, args: argparse.Namespace, settings: Settings) -> int:
    ended = users.retire(conn, args.name, operator(), now_us=SystemClock().now_us())
    if args.json:
        print(json.dumps({"name": args.name, **ended}, ensure_ascii=False))
    else:
        print(
            f"{args.name} retired; {ended['sessions']} log-ins and "
            f"{ended['tokens']} tokens ended",
            file=sys.stderr,
        )
    return 0


def _ls(conn: Connection, args: argparse.Namespace, settings: Settings) -> int:
    rows = _listed(conn, settings, None)
    if args.json:
        print(json.dumps({"items": rows}, ensure_ascii=False))
        return 0
    print(f"{'name':<24} {'role':<16} {'state':<12} {'last log-in':<30} scope")
    for row in rows:
        print(
            f"{row['name']:<24} {row['role']:<16} {_state(row):<12} "
            f"{row['last_log_in'] or 'never':<30} {_scope_text(row)}"
        )
    return 0


def _show(conn: Connection, args: argparse.Namespace, settings: Settings) -> int:
    row, opened = _one(conn, args.name, settings)
    if args.json:
        print(json.dumps({**row, "open": opened}, ensure_ascii=False))
        return 0
    for name, value in {**row, "state": _state(row), "scope": _scope_text(row)}.items():
        print(f"{name:<16} {'' if value is None else value}")
    _print_sessions(opened)
    return 0


def _sessions(conn: Connection, args: argparse.Namespace, settings: Settings) -> int:
    if args.end_all or args.end:
        chosen = None if args.end_all else args.end
        n_ended = users.end_sessions(conn, args.name, chosen, operator())
        if args.json:
            print(json.dumps({"ended": n_ended}))
        else:
            print(f"{n_ended} ended", file=sys.stderr)
        return 0 if n_ended or args.end_all else 1
    _, opened = _one(conn, args.name, settings)
    if args.json:
        print(json.dumps({"items": opened}, ensure_ascii=False))
    else:
        _print_sessions(opened)
    return 0


def _listed(
    conn: Connection, settings: Settings, name: str | None
) -> list[dict[str, Any]]:
    life = sessions.life_of(settings.api)
    return users.list_users(conn, EVERYTHING, life, SystemClock().now_us(), name)


def _one(
    conn: Connection, name: str, settings: Settings
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    rows = _listed(conn, settings, name)
    if not rows:
        raise NotFound(f"no user {name!r}")
    life = sessions.life_of(settings.api)
    now_us = SystemClock().now_us()
    return rows[0], sessions.list_of(conn, rows[0]["id"], life, now_us)


def _print_sessions(opened: list[dict[str, Any]]) -> None:
    print(f"{'session':>8}  {'since':<20} {'last seen':<20} {'from':<40} by")
    for row in opened:
        print(
            f"{row['session_id']:>8}  {row['created_at'][:19]:<20} "
            f"{row['last_seen_at'][:19]:<20} {row['address'] or '?':<40} {row['by']}"
        )


def _state(row: dict[str, Any]) -> str:
    if row["retired_at"] is not None:
        return "retired"
    if row["password_set_at"] is not None:
        return "password"
    if row["link_until"] is not None:
        return "link"
    return "token" if row["tokens"] else "no way in"


def _scope_text(row: dict[str, Any]) -> str:
    return ",".join(row["mines"] or row["areas"] or [ALL])
