"""``gasmon alarm``: see alarms, and do what people do with them, over HTTP.

It asks the api and not the database, so that the token decides who acts, and every
refusal is the same as on the page.
"""

import argparse
import json
from typing import Any

from gasmon.alarms.causes import CAUSES
from gasmon.alarms.events import RANK_NAMES_ZH
from gasmon.alarms.lifecycle import ACTIONS
from gasmon.commands.asking import Api, open_api, server_flags
from gasmon.errors import ConfigError
from gasmon.settings import Settings
from gasmon.units import parse_duration_us

COMMAND_OF = {"request_status": "status", "feed_back": "feedback"}
"""Actions that are called otherwise here, where names have no underscores."""

HELP = {
    "confirm": "your tier has seen it; several alarms at once are possible",
    "comment": "add a comment",
    "assign": "give it to somebody with duty",
    "verify": "its cause was verified",
    "handle": "what is being done",
    "request_status": "ask a lower tier for its status",
    "feed_back": "report how it stands",
    "shelve": "keep it quiet for a time",
    "unshelve": "end its shelf early",
    "withdraw": "take back a record of your tier; it stays in the journal",
    "correct": "correct a record of your tier; the old one stays",
    "close": "it is over for good",
}


def add_parser(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare the command's flags."""
    alarm = commands.add_parser("alarm", help="see alarms, confirm and handle them")
    actions = alarm.add_subparsers(dest="action", required=True, metavar="ACTION")
    both = [*parents, server_flags()]
    ls = actions.add_parser("ls", parents=both, help="list alarms")
    ls.add_argument(
        "--state",
        default="open",
        choices=("open", "cleared", "standing", "all"),
        help="standing: open, or cleared and not confirmed by your tier",
    )
    ls.add_argument("--unconfirmed", action="store_true", help="owed by your tier")
    ls.add_argument("--area", help="code or slug")
    ls.add_argument("--mine", metavar="CODE")
    ls.add_argument("--min-rank", type=int, default=0, choices=range(5))
    ls.add_argument("--limit", type=int, default=50, help="at most 500")
    ls.add_argument("--run", type=int, default=0, help="a drill's number; 0 is live")
    incidents = actions.add_parser(
        "incidents", parents=both, help="open ones: alarms of one unit or subject"
    )
    incidents.add_argument("--area", help="code or slug")
    incidents.add_argument("--mine", metavar="CODE")
    incidents.add_argument("--limit", type=int, default=100, help="at most 500")
    show = actions.add_parser("show", parents=both, help="one alarm with its journal")
    show.add_argument("alarm_id", type=int, metavar="ID")
    for name in ACTIONS:
        _add_action(actions, name, both)


def _add_action(
    actions: Any, name: str, parents: list[argparse.ArgumentParser]
) -> None:
    command = COMMAND_OF.get(name, name)
    parser = actions.add_parser(command, parents=parents, help=HELP[name])
    parser.set_defaults(api_action=name)
    if name == "confirm":
        parser.add_argument("alarm_ids", type=int, nargs="*", metavar="ID")
        parser.add_argument(
            "--incident", type=int, metavar="ID", help="all alarms of an incident"
        )
    else:
        parser.add_argument("alarm_id", type=int, metavar="ID")
    parser.add_argument("--text", default="", help="note, reason or report")
    parser.add_argument("--key", help="the same key is done once")
    if name in ("confirm", "verify", "handle", "correct"):
        parser.add_argument(
            "--cause", choices=tuple(CAUSES), metavar="CODE", help=", ".join(CAUSES)
        )
    if name == "assign":
        parser.add_argument("--to", required=True, metavar="NAME", help="a principal")
    if name == "request_status":
        parser.add_argument("--to", required=True, choices=("mine", "county"))
    if name in ("correct", "withdraw"):
        parser.add_argument(
            "--record", type=int, required=True, metavar="ID", help="see `show`"
        )
    if name == "shelve":
        parser.add_argument(
            "--for", dest="duration", required=True, metavar="DURATION", help="e.g. 2h"
        )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command."""
    api = open_api(args, settings)
    if args.action == "ls":
        return _ls(api, args)
    if args.action == "incidents":
        return _incidents(api, args)
    if args.action == "show":
        return _show(api, args)
    if args.api_action == "confirm":
        if (args.incident is None) == (not args.alarm_ids):
            raise ConfigError("confirm: alarms or --incident, one of both is wanted")
        if args.incident is not None:
            args.alarm_ids = _owed_of(api, args.incident)
        if args.incident is not None or len(args.alarm_ids) > 1:
            return _confirm_many(api, args)
    return _act(api, args)


def _ls(api: Api, args: argparse.Namespace) -> int:
    query = {
        "state": args.state,
        "area": args.area,
        "mine": args.mine,
        "min_rank": args.min_rank,
        "limit": args.limit,
        "run": args.run,
        "confirmed": "false" if args.unconfirmed else None,
    }
    page = api.get("/alarms", query)
    if args.json:
        print(json.dumps(page, ensure_ascii=False))
        return 0
    for row in page["items"]:
        level = RANK_NAMES_ZH[row["rank"]]
        print(
            f"{row['alarm_id']:>8}  {row['raised_at'][:19]}  {level}  "
            f"{row['state']:<26} {row['text']['zh']}"
        )
    print(f"{len(page['items'])}/{page['total']}")
    return 0


def _incidents(api: Api, args: argparse.Namespace) -> int:
    query = {"area": args.area, "mine": args.mine, "limit": args.limit}
    page = api.get("/incidents", query)
    if args.json:
        print(json.dumps(page, ensure_ascii=False))
        return 0
    for row in page["items"]:
        numbers = " ".join(f"#{number}" for number in row["alarms"])
        print(
            f"{row['incident_id']:>8}  {row['opened_at'][:19]}"
            f"  {RANK_NAMES_ZH[row['worst_rank']]}  {row['mine_name'] or row['area']}"
            f" {row['unit'] or row['subject']}: {', '.join(row['kinds'])}  {numbers}"
        )
    return 0


def _show(api: Api, args: argparse.Namespace) -> int:
    alarm = api.get(f"/alarms/{args.alarm_id}")
    life = api.get(f"/alarms/{args.alarm_id}/life")
    beside = api.get(f"/alarms/{args.alarm_id}/limit-changes")["items"]
    if args.json:
        shown = {"alarm": alarm, "life": life, "limit_changes": beside}
        print(json.dumps(shown, ensure_ascii=False))
        return 0
    print(alarm["text"]["zh"])
    print(alarm["text"]["en"])
    through = alarm["explain"].get("broke_through")
    if through:
        print(f"突破报备 broke through {through['plan']}: {through['why']}")
    _print_life(life)
    for row in beside:
        changed = f"{row['attribute']} {row['old'] or '-'} → {row['new'] or '-'}"
        print(f"  limits: {row['changed_at'][:19]}  {changed}  ({row['source']})")
    return 0


def _print_life(life: dict[str, Any]) -> None:
    print(f"{life['alarm_id']}: {life['state']}")
    for tier, record in life["tiers"].items():
        mark = record["confirmed"]
        seen = f"confirmed by {mark['by']} {mark['at'][:19]}" if mark else "unconfirmed"
        owes = ", owes its status" if record["owes_status"] else ""
        print(f"  {tier:<7} {record['phase']:<9} {seen}{owes}")
    for row in life["records"]:
        gone = "" if row["stands"] else " (withdrawn)"
        about = f" → {row['refers_to']}" if row["refers_to"] else ""
        words = (row["by"], row["tier"], _more(row), row["cause_code"], row["note"])
        said = " ".join(part for part in words if part)
        at = row["happened_at"][:19]
        print(f"  {row['record_id']:>8}  {at}  {row['event']}{about}{gone}  {said}")
        for one in row["doubts"]:
            print(f"{'':>12}存疑 doubt: {one['zh']} · {one['en']}")
    possible = [COMMAND_OF.get(n, n) for n, why in life["actions"].items() if not why]
    print(f"  possible now: {', '.join(possible) or 'nothing'}")


def _more(row: dict[str, Any]) -> str:
    """What a record says beside its text: level and value, to whom, until when."""
    if row["by"] is None:
        value = "" if row["value"] is None else f" {row['value']:g}"
        return RANK_NAMES_ZH[row["rank"]] + value
    to, why, end = (row["detail"].get(name) for name in ("to", "outcome", "until"))
    parts = (to and f"→ {to}", why, end and f"→ {end[:19]}")
    return " ".join(part for part in parts if part)


def _owed_of(api: Api, incident: int) -> list[int]:
    """Alarms of an incident that the asker's tier owes a confirmation of.

    All of them where it owes none: the server says of each who confirmed it.
    """
    numbers: list[int] = api.get(f"/incidents/{incident}")["alarms"]
    states = {number: api.get(f"/alarms/{number}")["state"] for number in numbers}
    return [n for n in numbers if states[n].endswith("unconfirmed")] or numbers


def _body(args: argparse.Namespace) -> dict[str, Any]:
    body: dict[str, Any] = {"text": args.text, "key": args.key}
    for member, flag in (
        ("cause_code", "cause"),
        ("to", "to"),
        ("refers_to", "record"),
    ):
        if getattr(args, flag, None) is not None:
            body[member] = getattr(args, flag)
    if args.api_action == "shelve":
        body["minutes"] = _minutes(args.duration)
    return body


def _minutes(text: str) -> int:
    try:
        us = parse_duration_us(text)
    except ValueError as error:
        raise ConfigError(f"--for: {error}") from None
    minutes, rest = divmod(us, 60_000_000)
    if rest:
        raise ConfigError(f"--for {text}: whole minutes are wanted")
    return minutes


def _act(api: Api, args: argparse.Namespace) -> int:
    ids = args.alarm_ids if args.api_action == "confirm" else [args.alarm_id]
    life = api.post(f"/alarms/{ids[0]}/actions/{args.api_action}", _body(args))
    if args.json:
        print(json.dumps(life, ensure_ascii=False))
    else:
        _print_life(life)
    return 0


def _confirm_many(api: Api, args: argparse.Namespace) -> int:
    """Confirm several; 1 when one of them could not be."""
    answer = api.post("/alarms/confirm", {**_body(args), "alarm_ids": args.alarm_ids})
    if args.json:
        print(json.dumps(answer, ensure_ascii=False))
    else:
        for row in answer["items"]:
            print(f"{row['alarm_id']:>8}  {row['detail'] or 'confirmed'}")
    return 0 if all(row["ok"] for row in answer["items"]) else 1
