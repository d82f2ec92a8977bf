"""``gasmon-sim``: a simulated city, scenarios, drills, a paced load, how real it is.

Exit codes: 0 ok, 1 failed, 2 usage, 3 the broker is unreachable, 4 criteria not met.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence

from gasmon.errors import GasmonError
from simulators import cli_compare, cli_drill, cli_files, cli_scenarios, cli_tape
from simulators.airflow import ACTIVITY
from simulators.cli_options import (
    add_broker,
    add_output,
    add_selection,
    broker_of,
    count,
    from_zero,
    on_signals,
    positive,
    show,
    speaker,
)
from simulators.cli_words import EXIT_CODES, explain
from simulators.layout import (
    PLATFORM_COUNTIES,
    build_city,
    choose_mines,
    find_mine,
)
from simulators.load import Load, LoadSettings
from simulators.plan import CityPlan
from simulators.run import CityRun, CitySettings
from simulators.speed import enlarged, measure


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    args = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = args.command
    try:
        return command(args)
    except GasmonError as error:
        print(f"gasmon-sim: {error}", file=sys.stderr)
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gasmon-sim",
        description="模拟煤矿网关 Simulated coal-mine gateways",
        epilog=EXIT_CODES,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    city = commands.add_parser("city", help="模拟全市煤矿 run a city of mines")
    city.set_defaults(command=_city)
    add_selection(city)
    add_broker(city)
    city.add_argument("--cycle", type=positive, default=15.0, metavar="S")
    city.add_argument("--duration", type=positive, metavar="S")
    city.add_argument("--speed", type=positive, default=1.0, metavar="X")
    city.add_argument("--activity", choices=list(ACTIVITY), default="normal")
    city.add_argument(
        "--incident",
        action="append",
        default=[],
        metavar="MINE|COUNTY",
        help="瓦斯升高 gas rises over 3 %% there after 10 s (repeatable)",
    )
    city.add_argument("--connections", choices=["per-mine", "shared"])
    city.add_argument("--ring", type=count, default=240, metavar="FRAMES")
    city.add_argument(
        "--run", type=from_zero, default=0, metavar="N", help="演练 drill"
    )
    add_output(city)

    cli_scenarios.add_parsers(commands)
    cli_drill.add_parsers(commands)
    cli_compare.add_parser(commands)
    cli_tape.add_parsers(commands)
    cli_files.add_parser(commands)

    listing = commands.add_parser("mines", help="列出煤矿 list the mines of the city")
    listing.set_defaults(command=_mines)
    add_selection(listing)
    add_output(listing)

    load = commands.add_parser("load", help="压力 paced load for benchmarks")
    load.set_defaults(command=_load)
    add_broker(load)
    load.add_argument("--mines", type=count, default=259, metavar="N")
    load.add_argument("--points", type=count, default=58, metavar="N")
    load.add_argument("--cycle", type=positive, default=5.0, metavar="S")
    load.add_argument("--duration", type=positive, default=30.0, metavar="S")
    load.add_argument("--connections", type=count, default=1, metavar="N")
    load.add_argument("--burst", action="store_true", help="同时 all mines at once")
    load.add_argument("--alarm-every", type=from_zero, default=0, metavar="FRAMES")
    load.add_argument("--run", type=from_zero, default=0, metavar="N")
    add_output(load)

    speed = commands.add_parser("speed", help="测速 how fast physics and frames are")
    speed.set_defaults(command=_speed)
    add_selection(speed)
    speed.add_argument("--points", type=count, metavar="N")
    speed.add_argument("--cycle", type=positive, default=15.0, metavar="S")
    speed.add_argument("--cycles", type=count, default=20, metavar="N")
    add_output(speed)
    explain(commands)
    return parser


def _city(args: argparse.Namespace) -> int:
    plan = _selected(args)
    names = list(args.incident)
    if args.activity == "busy":
        running = {mine.slug for mine in plan.mines}
        names += [slug for slug in PLATFORM_COUNTIES if slug in running]
    settings = CitySettings(
        cycle_s=args.cycle,
        duration_s=args.duration,
        speed=args.speed,
        activity=ACTIVITY[args.activity],
        incidents=tuple(dict.fromkeys(find_mine(plan, name) for name in names)),
        connections=1 if args.connections == "shared" else None,
        ring_frames=args.ring,
        run=args.run,
        patience_s=args.patience,
    )
    run = CityRun(plan, broker_of(args), settings, speaker(args.quiet))
    on_signals(run.stop)
    report = run.run()
    show(report.as_dict(), args.json)
    return 0 if report.flushed and report.dropped == 0 else 1


def _mines(args: argparse.Namespace) -> int:
    plan = _selected(args)
    rows: list[dict[str, object]] = [
        {
            "code": mine.code,
            "area": mine.area,
            "county": mine.slug,
            "name": mine.name,
            "kind": mine.kind,
            "drainage": mine.drainage,
            "points": len(mine.points),
        }
        for mine in plan.mines
    ]
    if args.json:
        summary = {"seed": plan.seed, "points": plan.n_points, "mines": rows}
        print(json.dumps(summary, ensure_ascii=False))
        return 0
    for row in rows:
        print("\t".join(str(value) for value in row.values()))
    return 0


def _load(args: argparse.Namespace) -> int:
    settings = LoadSettings(
        mines=args.mines,
        points=args.points,
        cycle_s=args.cycle,
        duration_s=args.duration,
        connections=args.connections,
        burst=args.burst,
        alarm_every=args.alarm_every,
        run=args.run,
        patience_s=args.patience,
    )
    load = Load(broker_of(args), settings, speaker(args.quiet))
    on_signals(load.stop)
    report = load.run_paced()
    show(report, args.json)
    return 0 if report["flushed"] else 1


def _speed(args: argparse.Namespace) -> int:
    plan = _selected(args)
    if args.points is not None:
        plan = enlarged(plan, args.points)
    show(measure(plan, args.cycle, args.cycles).as_dict(), args.json)
    return 0


def _selected(args: argparse.Namespace) -> CityPlan:
    return choose_mines(build_city(args.seed), args.mines, tuple(args.county))


if __name__ == "__main__":
    sys.exit(main())
