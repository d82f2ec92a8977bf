"""``gasmon shift``: who has duty, signing on and off, hand-overs, load, over HTTP.

It asks the api and not the database, so that the token decides who signs: two people
hand over with two tokens.
"""

import argparse
import json
from typing import Any

from gasmon.alarms.lifecycle import TIERS
from gasmon.commands.asking import Api, open_api, server_flags
from gasmon.commands.shift_texts import (
    print_calendar,
    print_handover,
    print_heads,
    print_load,
    print_posts,
    shift_text,
)
from gasmon.errors import ConfigError
from gasmon.settings import Settings
from gasmon.shifts.handover import TABLE
from gasmon.shifts.slots import PRESETS


def add_parser(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare the command's flags."""
    shift = commands.add_parser("shift", help="who has duty, and handing it over")
    actions = shift.add_subparsers(dest="action", required=True, metavar="ACTION")
    both = [*parents, server_flags()]
    post = argparse.ArgumentParser(add_help=False)
    post.add_argument("--tier", required=True, choices=TIERS)
    post.add_argument(
        "--place", required=True, metavar="CODE", help="of the mine; code or slug"
    )
    at_post = [*both, post]
    now = actions.add_parser("now", parents=both, help="each post's shift and people")
    _add_post(now)
    calendar = actions.add_parser("calendar", parents=at_post, help="shifts of days")
    load = actions.add_parser("load", parents=at_post, help="alarms of each shift")
    for parser in (calendar, load):
        parser.add_argument("--from", dest="from_day", metavar="DAY", help="today")
        parser.add_argument("--days", type=int, default=1, help="at most 62")
    _add_setting(actions, at_post)
    actions.add_parser("sign-on", parents=at_post, help="you have duty now")
    actions.add_parser("sign-off", parents=at_post, help="you have no duty any more")
    handover = actions.add_parser("handover", parents=both, help="hand a shift over")
    _add_post(handover)
    handover.add_argument(
        "what", choices=("ls", "open", "show", *TABLE), help="default: ls", nargs="?",
        default="ls",
    )  # fmt: skip
    handover.add_argument("--id", type=int, help="of the hand-over; see ls")
    handover.add_argument("--text", default="", help="note, or why it is refused")
    handover.add_argument(
        "--before", action="store_true", help="open: of the shift before this one"
    )
    handover.add_argument("--limit", type=int, default=20, help="ls: at most 200")


def _add_post(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tier", choices=TIERS)
    parser.add_argument("--place", metavar="CODE", help="of the mine; code or slug")


def _add_setting(actions: Any, parents: list[argparse.ArgumentParser]) -> None:
    """What administrators set."""
    pattern = actions.add_parser("set-pattern", parents=parents, help="from a day on")
    day = actions.add_parser("set-day", parents=parents, help="one day that differs")
    for parser in (pattern, day):
        parser.add_argument(
            "--shifts",
            required=True,
            metavar="TEXT",
            help="'白班 08:00-20:00, 夜班 20:00-08:00', or one of "
            + ", ".join(PRESETS)
            + " and a time; empty ends the calendar",
        )
        parser.add_argument("--day", required=True, help="YYYY-MM-DD")
    day.add_argument("--reason", default="")
    assign = actions.add_parser("assign", parents=parents, help="who is to have duty")
    assign.add_argument("name", metavar="NAME")
    assign.add_argument("--shift", required=True, metavar="NAME", help="e.g. 夜班")
    assign.add_argument("--from", dest="from_day", required=True, metavar="DAY")
    assign.add_argument("--until", metavar="DAY", help="the last one")
    assign.add_argument("--instead-of", metavar="NAME", help="whose place it is")
    assign.add_argument("--reason", default="")
    unassign = actions.add_parser("unassign", parents=parents, help="take one back")
    unassign.add_argument("id", type=int, metavar="ID", help="see calendar")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command."""
    api = open_api(args, settings)
    actions = {
        "now": _now,
        "calendar": _calendar,
        "load": _load,
        "set-pattern": _set_pattern,
        "set-day": _set_day,
        "assign": _assign,
        "unassign": _unassign,
        "sign-on": _sign_on,
        "sign-off": _sign_off,
        "handover": _handover,
    }
    body = actions[args.action](api, args)
    if args.json:
        print(json.dumps(body, ensure_ascii=False))
    return 0


def _now(api: Api, args: argparse.Namespace) -> Any:
    page = api.get("/shifts", {"tier": args.tier, "place": args.place})
    if not args.json:
        print_posts(page["items"])
    return page


def _calendar(api: Api, args: argparse.Namespace) -> Any:
    query = {"from": args.from_day, "days": args.days}
    page = api.get(f"{_at_post(args)}/calendar", query)
    if not args.json:
        print_calendar(page)
    return page


def _load(api: Api, args: argparse.Namespace) -> Any:
    query = {"from": args.from_day, "days": args.days}
    page = api.get(f"{_at_post(args)}/load", query)
    if not args.json:
        print_load(page["items"])
    return page


def _set_pattern(api: Api, args: argparse.Namespace) -> Any:
    body = {"shifts": args.shifts, "from_day": args.day}
    return _said_shifts(args, api.post(f"{_at_post(args)}/pattern", body))


def _set_day(api: Api, args: argparse.Namespace) -> Any:
    body = {"shifts": args.shifts, "day": args.day, "reason": args.reason}
    return _said_shifts(args, api.post(f"{_at_post(args)}/day", body))


def _said_shifts(args: argparse.Namespace, body: Any) -> Any:
    if not args.json:
        for shift in body["shifts"]:
            print(shift_text(shift))
        if not body["shifts"]:
            print("无班次 no shifts from then on")
    return body


def _assign(api: Api, args: argparse.Namespace) -> Any:
    body = {
        "name": args.name,
        "shift": args.shift,
        "from_day": args.from_day,
        "until_day": args.until,
        "instead_of": args.instead_of,
        "reason": args.reason,
    }
    made = api.post(f"{_at_post(args)}/assignments", body)
    if not args.json:
        print(f"已排班 assigned #{made['assignment_id']}")
    return made


def _unassign(api: Api, args: argparse.Namespace) -> Any:
    gone = api.delete(f"{_at_post(args)}/assignments/{args.id}")
    if not args.json:
        print(f"已撤销 taken back #{gone['assignment_id']}")
    return gone


def _sign_on(api: Api, args: argparse.Namespace) -> Any:
    shift = api.post(f"{_at_post(args)}/sign-on", {})
    if not args.json:
        print(f"已签到 signed on: {shift_text(shift)}")
    return shift


def _sign_off(api: Api, args: argparse.Namespace) -> Any:
    body = api.post(f"{_at_post(args)}/sign-off", {})
    if not args.json:
        print("已签退 signed off")
    return body


def _handover(api: Api, args: argparse.Namespace) -> Any:
    if args.what == "ls":
        query = {"tier": args.tier, "place": args.place, "limit": args.limit}
        page = api.get("/handovers", query)
        if not args.json:
            print_heads(page["items"])
        return page
    if args.what == "open":
        which = "before" if args.before else "now"
        if args.tier is None or args.place is None:
            raise ConfigError("handover open: --tier and --place are wanted")
        body = {"tier": args.tier, "place": args.place, "shift": which}
        found = api.post("/handovers", body)
    elif args.id is None:
        raise ConfigError(f"handover {args.what}: --id is wanted; see: handover ls")
    elif args.what == "show":
        found = api.get(f"/handovers/{args.id}")
    else:
        found = api.post(f"/handovers/{args.id}/{args.what}", {"text": args.text})
    if not args.json:
        print_handover(found)
    return found


def _at_post(args: argparse.Namespace) -> str:
    return f"/shifts/{args.tier}/{args.place}"
