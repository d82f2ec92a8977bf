"""``gasmon platform``: what a platform says back, queued in its receiver's file.

Needs neither network nor token: whoever runs ``gasmon receive`` on the same file sends
it, now or when the line is back. docs/receiver.md has the promises.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gasmon.alarms.causes import CAUSES
from gasmon.alarms.lifecycle import ACTIONS
from gasmon.alarms.receipts import REPORTED
from gasmon.clock import SystemClock
from gasmon.errors import ConfigError
from gasmon.remote.keeping import position_in
from gasmon.remote.replies import Commanded, Replies, open_beside
from gasmon.settings import Settings
from gasmon.units import iso_us

LOOK_S = 0.2
"""How often ``--wait`` looks for the answer [s]."""


def add_parser(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare the command's flags."""
    platform = commands.add_parser(
        "platform", help="say back: receipts, confirmations, what was done"
    )
    subs = platform.add_subparsers(dest="action", required=True, metavar="ACTION")
    file = argparse.ArgumentParser(add_help=False)
    file.add_argument(
        "--state", type=Path, required=True, metavar="FILE", help="the receiver's file"
    )
    both = [*parents, file]
    status = subs.add_parser("status", parents=both, help="what is held and owed")
    status.add_argument("--limit", type=int, default=20, help="commands shown")
    report = subs.add_parser("report", parents=both, help="a step happened to events")
    report.add_argument("step", choices=REPORTED)
    report.add_argument("ids", nargs="+", metavar="ID", help="of the events")
    act = subs.add_parser("act", parents=both, help="confirm, handle, feed back …")
    act.add_argument("alarm_id", type=int, metavar="ALARM_ID")
    act.add_argument("what", choices=tuple(ACTIONS), metavar="ACTION")
    act.add_argument("--text", help="note, reason or report")
    act.add_argument("--cause", choices=tuple(CAUSES), metavar="CODE")
    act.add_argument("--to", metavar="NAME", help="assign, request_status")
    act.add_argument("--record", type=int, metavar="ID", help="correct, withdraw")
    act.add_argument("--minutes", type=int, help="shelve")
    act.add_argument("--key", default="", help="the same key is done once")
    act.add_argument(
        "--wait", type=float, default=0.0, metavar="S", help="for the server's answer"
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command."""
    with open_beside(args.state) as (db, replies):
        if args.action == "status":
            receipts, commands = replies.n_owed()
            done = replies.commands(args.limit)
            told = {
                "position": position_in(db),
                "receipts_owed": receipts,
                "commands_owed": commands,
                "commands": [asdict(one) for one in done],
            }
            return _show_status(told, done, as_json=args.json)
        if args.action == "report":
            return _report(args, replies)
        return _act(args, replies)


def _show_status(
    told: dict[str, Any], commands: list[Commanded], *, as_json: bool
) -> int:
    if as_json:
        print(json.dumps(told, ensure_ascii=False))
        return 0
    epoch, seq = told["position"] or ("-", 0)
    print(f"位置 position {epoch} {seq}")
    print(f"待报回执 receipts owed {told['receipts_owed']}")
    print(f"待办指令 commands owed {told['commands_owed']}")
    for one in commands:
        print(_line(one))
    return 0


def _line(one: Commanded) -> str:
    if one.status is None:
        end = f"待发送 waiting, sent {one.n_sent} times"
    else:
        record = "" if one.record_id is None else f" #{one.record_id}"
        end = f"{one.status}{record} {one.detail or ''}".rstrip()
    at = iso_us(one.queued_us)[:19]
    return f"{at}  {one.key}  {one.alarm_id} {one.action}  {end}"


def _report(args: argparse.Namespace, replies: Replies) -> int:
    unknown = replies.report(args.step, args.ids, SystemClock().now_us())
    if args.json:
        print(json.dumps({"owed": len(args.ids) - len(unknown), "unknown": unknown}))
    for event_id in unknown:
        print(f"no event {event_id!r} in {args.state}", file=sys.stderr)
    return 1 if unknown else 0


def _act(args: argparse.Namespace, replies: Replies) -> int:
    if args.alarm_id < 1:
        raise ConfigError(f"ALARM_ID {args.alarm_id} is below 1")
    body = {
        "text": args.text,
        "cause_code": args.cause,
        "to": args.to,
        "refers_to": args.record,
        "minutes": args.minutes,
    }
    given = {name: value for name, value in body.items() if value is not None}
    now_us = SystemClock().now_us()
    key = replies.command(args.alarm_id, args.what, now_us, args.key, **given)
    one = _answer_to(replies, key, args.wait)
    if args.json:
        print(json.dumps(asdict(one), ensure_ascii=False))
    else:
        print(_line(one))
    return 1 if one.status is not None and one.status >= 400 else 0


def _answer_to(replies: Replies, key: str, wait_s: float) -> Commanded:
    """The command, once it was answered or the wait is over."""
    until_s = time.monotonic() + wait_s
    while True:
        one = replies.command_of(key)
        assert one is not None, "it was queued a moment ago"
        if one.status is not None or time.monotonic() >= until_s:
            return one
        time.sleep(LOOK_S)
