"""``gasmon-sim list``, ``show`` and ``run``: scenarios and what must come of them."""

import argparse
import json
from pathlib import Path
from typing import Any

from simulators.causes import KINDS
from simulators.cli_options import (
    add_broker,
    add_output,
    broker_of,
    on_signals,
    positive,
    speaker,
    token_in,
)
from simulators.places import Places, find_places
from simulators.platform import Platform
from simulators.play import Player, Stage, at_speed
from simulators.scenario import LEVELS, Expected, Scenario, Target, load, shipped
from simulators.verdict import as_dict, as_lines

NOT_MET = 4


def add_parsers(commands: Any) -> None:
    """Declare the three commands."""
    listing = commands.add_parser("list", help="列出场景 list the scenarios")
    listing.set_defaults(command=_list)
    add_output(listing)

    show = commands.add_parser("show", help="场景内容 what happens in a scenario")
    show.set_defaults(command=_show)
    show.add_argument("scenario", metavar="SCENARIO")
    add_output(show)

    run = commands.add_parser("run", help="运行场景 play scenarios on a running gasmon")
    run.set_defaults(command=_run)
    run.add_argument("scenarios", metavar="SCENARIO", nargs="+")
    run.add_argument("--url", default="http://127.0.0.1:8123")
    run.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        required=True,
    )
    run.add_argument(
        "--dispatcher-token-file",
        type=Path,
        metavar="FILE",
    )
    run.add_argument("--speed", type=positive, metavar="X")
    run.add_argument("--seed", type=int, metavar="N")
    add_broker(run)
    add_output(run)


def _list(args: argparse.Namespace) -> int:
    found = [load(name) for name in shipped()]
    if args.json:
        rows = [
            {
                "name": s.name,
                "zh": s.zh,
                "en": s.en,
                "duration_s": s.duration_s,
                "speed": s.speed,
            }
            for s in found
        ]
        print(json.dumps({"scenarios": rows}, ensure_ascii=False))
        return 0
    for s in found:
        print(f"{s.name}\t{s.duration_s:g} s\t×{s.speed:g}\t{s.zh}\t{s.en}")
    return 0


def _show(args: argparse.Namespace) -> int:
    scenario = load(args.scenario)
    places = find_places(scenario)
    story = _story(scenario, places)
    if args.json:
        print(json.dumps(story, ensure_ascii=False))
        return 0
    print(f"{scenario.zh}  {scenario.en}\n{scenario.about}\n")
    print("煤矿 mines")
    for name, codes in story["mines"].items():
        print(f"  {name}: {', '.join(codes)}")
    for title, key in (
        ("起因 causes", "causes"),
        ("报备 planned work", "plans"),
        ("应出现 must come", "expected"),
        ("可出现 may come", "allowed"),
    ):
        print(title)
        for line in story[key]:
            print(f"  {line}")
    return 0


def _story(scenario: Scenario, places: Places) -> dict[str, Any]:
    """What happens, in words."""
    causes = []
    for cause in scenario.causes:
        params = " ".join(f"{name}={value:g}" for name, value in cause.params.items())
        causes.append(
            f"{cause.at_s:g}–{cause.until_s:g} s {cause.kind} {_where(cause.target)}"
            f" {params}: {KINDS[cause.kind].what}"
        )
    plans = [
        f"{p.at_s:g} s: {p.work} {_where(p.target)} {p.from_s:g}–{p.until_s:g} s"
        for p in scenario.plans
    ]
    return {
        "name": scenario.name,
        "zh": scenario.zh,
        "en": scenario.en,
        "seed": scenario.seed,
        "duration_s": scenario.duration_s,
        "speed": scenario.speed,
        "mines": {
            name: [places.plan.mines[i].code for i in found]
            for name, found in places.chosen.items()
        },
        "causes": causes,
        "plans": plans,
        "expected": [_words(expected) for expected in scenario.expected],
        "allowed": [_words(expected) for expected in scenario.allowed],
    }


def _where(target: Target) -> str:
    return " ".join((target.mines, target.unit, *target.places)).replace("  ", " ")


def _words(expected: Expected) -> str:
    levels = "/".join(LEVELS[rank] for rank in expected.levels) or "any level"
    often = f"{expected.least} to {expected.most} of " if expected.most > 1 else ""
    words = (
        f"{expected.from_s:g}–{expected.to_s:g} s {often}{'|'.join(expected.kinds)} "
        f"{_where(expected.target)} {levels}"
    )
    return f"{words}: {expected.text}" if expected.text else words


def _run(args: argparse.Namespace) -> int:
    broker = broker_of(args)
    platform = Platform(args.url, token_in(args.token_file, "token file"))
    dispatcher = None
    if args.dispatcher_token_file is not None:
        token = token_in(args.dispatcher_token_file, "dispatcher's token file")
        dispatcher = Platform(args.url, token)
    players = []
    for name in args.scenarios:
        scenario = at_speed(load(name), args.speed)
        places = find_places(scenario, args.seed)
        players.append(Player(scenario, places, broker, platform, dispatcher))
    stage = Stage(players, speaker(args.quiet), args.patience)
    on_signals(stage.stop)
    verdicts = stage.play()
    met = len(verdicts) == len(players) and all(v.is_met for v in verdicts)
    if args.json:
        report = {"met": met, "scenarios": [as_dict(v) for v in verdicts]}
        print(json.dumps(report, ensure_ascii=False), flush=True)
    else:
        for verdict in verdicts:
            print("\n".join(as_lines(verdict)), flush=True)
    return 0 if met else NOT_MET
