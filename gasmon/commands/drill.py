"""``gasmon drill``: declare a drill, end it, and see what came of it.

It asks the api, so that the token decides who declares. What plays in a drill comes
over MQTT from elsewhere; this command only says that its run is to be taken.
"""

import argparse
import json
from typing import Any

from gasmon.clock import SystemClock
from gasmon.commands.asking import Api, open_api, server_flags
from gasmon.errors import ConfigError
from gasmon.settings import Settings
from gasmon.units import iso_us, parse_duration_us, parse_iso_us

STATE_ZH = {"declared": "已申报", "running": "进行中", "ended": "已结束"}


def add_parser(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare the command's flags."""
    drill = commands.add_parser("drill", help="declare drills, end them, see them")
    actions = drill.add_subparsers(dest="action", required=True, metavar="ACTION")
    both = [*parents, server_flags()]
    ls = actions.add_parser("ls", parents=both, help="list drills")
    ls.add_argument("--area", help="code or slug")
    ls.add_argument("--current", action="store_true", help="those that are not over")
    ls.add_argument("--limit", type=int, default=50, help="at most 500")
    ls.add_argument(
        "--refused", action="store_true", help="what came for runs that are none"
    )
    _add_begin(actions, both)
    show = actions.add_parser("show", parents=both, help="one drill and its mines")
    show.add_argument("run", type=int, metavar="RUN")
    _add_score(actions, both)
    end = actions.add_parser("end", parents=both, help="end a drill now")
    end.add_argument("run", type=int, metavar="RUN")
    end.add_argument("--reason", required=True)


def _add_begin(actions: Any, parents: list[argparse.ArgumentParser]) -> None:
    begin = actions.add_parser("begin", parents=parents, help="declare a drill")
    begin.add_argument("scenario", metavar="SCENARIO", help="its name, for the record")
    begin.add_argument(
        "--area", dest="areas", action="append", required=True, help="code or slug"
    )
    begin.add_argument("--from", dest="from_", metavar="TIME", help="default: now")
    ending = begin.add_mutually_exclusive_group(required=True)
    ending.add_argument("--until", metavar="TIME", help="it ends by itself then")
    ending.add_argument("--for", dest="for_", metavar="DURATION", help="e.g. 90min")
    begin.add_argument("--title", default="")
    begin.add_argument(
        "--unannounced", action="store_true", help="hidden from those who are tested"
    )
    begin.add_argument(
        "--goes-on-at-real-alarm",
        action="store_true",
        help="a real alarm is told as ever, but does not end the drill",
    )
    begin.add_argument(
        "--participant", dest="participants", action="append", default=[]
    )
    begin.add_argument("--note", default="")
    begin.add_argument("--key", help="the same key is done once")


def _add_score(actions: Any, parents: list[argparse.ArgumentParser]) -> None:
    score = actions.add_parser("score", parents=parents, help="record its score")
    score.add_argument("run", type=int, metavar="RUN")
    score.add_argument("--sheet", required=True, help="name of the criteria")
    score.add_argument("--points", type=float, required=True, metavar="N")
    score.add_argument("--of", type=float, required=True, metavar="N")
    verdict = score.add_mutually_exclusive_group(required=True)
    verdict.add_argument("--passed", action="store_true")
    verdict.add_argument("--failed", action="store_true")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command."""
    api = open_api(args, settings)
    if args.action == "ls":
        return _list(api, args)
    if args.action == "begin":
        drill = api.post("/drills", _body(args))
    elif args.action == "end":
        drill = api.post(f"/drills/{args.run}/end", {"reason": args.reason})
    elif args.action == "score":
        drill = api.post(f"/drills/{args.run}/score", _score(args))
    else:
        drill = api.get(f"/drills/{args.run}")
    if args.json:
        print(json.dumps(drill, ensure_ascii=False))
    else:
        _print(drill)
    return 0


def _body(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "scenario": args.scenario,
        "title": args.title,
        "areas": args.areas,
        "announced": not args.unannounced,
        "from": args.from_,
        "until": args.until or _after(args),
        "stop_on_real_alarm": not args.goes_on_at_real_alarm,
        "participants": args.participants,
        "note": args.note,
        "key": args.key,
    }


def _score(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "sheet": args.sheet,
        "points": args.points,
        "of_points": args.of,
        "passed": args.passed,
    }


def _after(args: argparse.Namespace) -> str:
    """The end that ``--for`` means, from the beginning or from now."""
    try:
        long_us = parse_duration_us(args.for_)
        now_us = SystemClock().now_us()
        from_us = now_us if args.from_ is None else parse_iso_us(args.from_)
    except ValueError as error:
        raise ConfigError(f"--for {args.for_}: {error}") from None
    return iso_us(from_us + long_us)


def _list(api: Api, args: argparse.Namespace) -> int:
    if args.refused:
        page = api.get("/drills/refused")
    else:
        current = "true" if args.current else None
        query = {"area": args.area, "limit": args.limit, "current": current}
        page = api.get("/drills", query)
    if args.json:
        print(json.dumps(page, ensure_ascii=False))
        return 0
    for row in page["items"]:
        print(_refused_line(row) if args.refused else _line(row))
    return 0


def _refused_line(row: dict[str, Any]) -> str:
    return (
        f"{row['run']:>6}  {row['reason']:<16} {row['n']} ×"
        f"  {row['first_at'][:19]} – {row['last_at'][:19]}"
    )


def _line(drill: dict[str, Any]) -> str:
    hidden = "" if drill["announced"] else " 不预告 unannounced"
    return (
        f"{drill['run']:>6}  {STATE_ZH[drill['state']]} {drill['state']:<8} "
        f"{drill['from'][:16]} – {drill['until'][:16]}  {','.join(drill['areas'])}"
        f"  演练 {drill['scenario']}{hidden}  {drill['declared_by']}"
    )


def _print(drill: dict[str, Any]) -> None:
    print(_line(drill))
    if drill["title"]:
        print(f"  {drill['title']}")
    print(f"  {drill['topic_root']}/…  {', '.join(drill['participants']) or '-'}")
    judged = ", ".join(judge["owner"] for judge in drill["judged_by"])
    print(f"  判断进程 judged by: {judged or '还没有 nobody yet'}")
    for mine in drill["mines"]:
        print(f"  {mine['mine']} {mine['mine_name']}: {mine['points']} points")
    print(f"  报警 alarms: {drill['alarms']}, 未解除 open {drill['open_alarms']}")
    for real in drill["real_alarms"]:
        print(f"  真实报警 real alarm {real['alarm_id']} {real['at'][:19]}")
    if drill["end_text"]:
        text = drill["end_text"]
        print(f"  {drill['ended_at'][:19]} {text['zh']} {text['en']}")
        print(f"  {drill['ended_by'] or 'gasmon'}: {drill['end_reason'] or '-'}")
    if drill["score"]:
        score = drill["score"]
        word = "通过 passed" if score["passed"] else "未通过 not passed"
        print(
            f"  评分 score {score['points']:g}/{score['of_points']:g} {word}"
            f" ({score['sheet']}, {score['by']})"
        )
