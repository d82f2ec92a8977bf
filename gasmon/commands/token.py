"""``gasmon token``: make, list and revoke the tokens of people and programs."""

import argparse
import json
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from gasmon import domain
from gasmon.alarms.lifecycle import TIERS
from gasmon.clock import SystemClock
from gasmon.commands.operator import operator
from gasmon.errors import BadRequest, ConfigError
from gasmon.settings import Settings
from gasmon.store import access
from gasmon.store.db import connect
from gasmon.units import from_datetime, iso_us, parse_duration_us

ALL = "all"
UNLIMITED_ROLES = ("administrator", "city_officer", "trainer")
"""Roles that see everything unless an area is named; any other must be told what it
may see, because a forgotten flag must not show a county the whole city."""


def add_parser(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare the command's flags."""
    token = commands.add_parser("token", help="tokens of people and programs")
    actions = token.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser(
        "create", parents=parents, help="make a token; it is shown this once"
    )
    create.add_argument("--name", required=True, help="who it is for")
    create.add_argument("--role", required=True, choices=access.ROLES)
    create.add_argument(
        "--area",
        action="append",
        default=[],
        metavar="AREA",
        help="code or slug of an area it may see; repeatable; 'all' for every area",
    )
    create.add_argument(
        "--mine",
        action="append",
        default=[],
        metavar="CODE",
        help="only this mine; repeatable",
    )
    create.add_argument(
        "--may",
        default="act",
        choices=access.MAY,
        help="what it is for, within the role: read, act (default) or administer",
    )
    create.add_argument(
        "--speaks-for",
        action="append",
        default=[],
        choices=TIERS,
        help="it is a node's, and brings what people of this tier did; repeatable",
    )
    create.add_argument(
        "--expires", metavar="DURATION", help="end of its life, e.g. 90d"
    )
    create.add_argument(
        "--out", type=Path, metavar="FILE", help="write it to a file of mode 0600"
    )
    actions.add_parser("list", parents=parents, help="what tokens there are")
    revoke = actions.add_parser("revoke", parents=parents, help="end a token at once")
    revoke.add_argument("which", metavar="ID|NAME", help="a number, or all of a name")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command."""
    action = {"create": _create, "list": _list, "revoke": _revoke}[args.action]
    try:
        return action(args, settings)
    except BadRequest as error:
        raise ConfigError(str(error)) from None


def _create(args: argparse.Namespace, settings: Settings) -> int:
    areas, mines = scope_of(args.role, args.area, args.mine)
    now_us = SystemClock().now_us()
    expires_us = None
    if args.expires is not None:
        try:
            expires_us = now_us + parse_duration_us(args.expires)
        except ValueError as error:
            raise ConfigError(f"--expires: {error}") from None
    with connect(settings.database) as conn:
        # The file first: a token that nobody could write down would be lost.
        handle = None if args.out is None else _open_private(args.out)
        token = access.create_token(
            conn,
            name=args.name,
            role=args.role,
            areas=areas,
            mines=mines,
            now_us=now_us,
            expires_us=expires_us,
            may=args.may,
            speaks_for=args.speaks_for,
            by=operator(),
        )
    if handle is not None:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(token + "\n")
    told = {
        "name": args.name,
        "role": args.role,
        "areas": areas,
        "mines": mines,
        "may": args.may,
        "speaks_for": args.speaks_for,
        "expires_at": None if expires_us is None else iso_us(expires_us),
        **({"file": str(args.out)} if args.out else {"token": token}),
    }
    if args.json:
        print(json.dumps(told, ensure_ascii=False))
    elif args.out:
        print(f"token of {args.name} written to {args.out}", file=sys.stderr)
    else:
        print(token)
    return 0


def scope_of(
    role: str, areas: list[str], mines: list[str]
) -> tuple[list[str] | None, list[str] | None]:
    """Codes of areas and mines from the flags; None means all.

    Raises:
        ConfigError: an area is unknown, or a role that sees a part is told none.
    """
    if not areas and not mines and role not in UNLIMITED_ROLES:
        raise ConfigError(
            f"role {role} sees what it is told: --area AREA, --mine CODE or --area all"
        )
    codes: list[str] | None = []
    for name in areas:
        if name == ALL:
            codes = None
            break
        try:
            code = domain.area_by(name).code
        except KeyError:
            if not (len(name) == 6 and name.isascii() and name.isdigit()):
                raise ConfigError(f"--area {name}: no such area") from None
            code = name
        assert codes is not None
        codes.append(code)
    if codes == []:
        codes = sorted({mine[:6] for mine in mines}) or None
    return codes, mines or None


def _open_private(path: Path) -> int:
    """Make a file that only its owner can read; replaces one of ours.

    Raises:
        ConfigError: it cannot be made.
    """
    try:
        path.unlink(missing_ok=True)
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ConfigError(f"--out {path}: {error.strerror}") from None


def _list(args: argparse.Namespace, settings: Settings) -> int:
    with connect(settings.database) as conn:
        tokens = access.list_tokens(conn)
    now_us = SystemClock().now_us()
    rows = [
        {
            "id": token.token_id,
            "name": token.name,
            "role": token.role,
            "areas": token.areas,
            "mines": token.mines,
            "may": token.may,
            "state": _state(token, now_us),
            "created_at": _iso(token.created_at),
            "expires_at": _iso(token.expires_at),
            "revoked_at": _iso(token.revoked_at),
            "last_used_at": _iso(token.last_used_at),
        }
        for token in tokens
    ]
    if args.json:
        print(json.dumps({"items": rows}, ensure_ascii=False))
        return 0
    print(
        f"{'id':>5}  {'name':<24} {'role':<16} {'may':<10} {'state':<8} "
        f"{'last used':<30} scope"
    )
    for row in rows:
        scope = ",".join(row["mines"] or row["areas"] or [ALL])  # type: ignore[arg-type]
        print(
            f"{row['id']:>5}  {row['name']:<24} {row['role']:<16} {row['may']:<10} "
            f"{row['state']:<8} "
            f"{row['last_used_at'] or 'never':<30} {scope}"
        )
    return 0


def _state(token: access.TokenInfo, now_us: int) -> str:
    if token.revoked_at is not None:
        return "revoked"
    if token.expires_at is not None and from_datetime(token.expires_at) <= now_us:
        return "expired"
    return "alive"


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else iso_us(from_datetime(moment))


def _revoke(args: argparse.Namespace, settings: Settings) -> int:
    with connect(settings.database) as conn:
        n_ended = access.revoke_tokens(
            conn, args.which, SystemClock().now_us(), operator()
        )
    if args.json:
        print(json.dumps({"revoked": n_ended}))
    else:
        print(f"{n_ended} revoked", file=sys.stderr)
    return 0
