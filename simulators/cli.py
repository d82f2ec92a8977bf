"""``gasmon-sim``: a simulated city, its list of mines, and a paced load.

Exit codes: 0 ok, 1 failed, 2 usage, 3 the broker is unreachable, 4 criteria not met.
"""

import argparse
import json
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from gasmon.errors import ConfigError, GasmonError
from simulators.airflow import ACTIVITY
from simulators.layout import (
    PLATFORM_COUNTIES,
    build_city,
    choose_mines,
    find_mine,
)
from simulators.link import Broker
from simulators.load import Load, LoadSettings
from simulators.plan import CityPlan
from simulators.run import CityRun, CitySettings


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
        prog="gasmon-sim", description="模拟煤矿网关 Simulated coal-mine gateways"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    city = commands.add_parser("city", help="模拟全市煤矿 run a city of mines")
    city.set_defaults(command=_city)
    _add_selection(city)
    _add_broker(city)
    city.add_argument("--cycle", type=_positive, default=15.0, metavar="S")
    city.add_argument("--duration", type=_positive, metavar="S")
    city.add_argument("--speed", type=_positive, default=1.0, metavar="X")
    city.add_argument("--activity", choices=list(ACTIVITY), default="normal")
    city.add_argument(
        "--incident",
        action="append",
        default=[],
        metavar="MINE|COUNTY",
        help="瓦斯升高 gas rises over 3 %% there after 10 s (repeatable)",
    )
    city.add_argument("--connections", choices=["per-mine", "shared"])
    city.add_argument("--ring", type=_count, default=240, metavar="FRAMES")
    city.add_argument(
        "--run", type=_from_zero, default=0, metavar="N", help="演练 drill"
    )
    _add_output(city)

    listing = commands.add_parser("list", help="列出煤矿 list the mines")
    listing.set_defaults(command=_list)
    _add_selection(listing)
    _add_output(listing)

    load = commands.add_parser("load", help="压力 paced load for benchmarks")
    load.set_defaults(command=_load)
    _add_broker(load)
    load.add_argument("--mines", type=_count, default=259, metavar="N")
    load.add_argument("--points", type=_count, default=58, metavar="N")
    load.add_argument("--cycle", type=_positive, default=5.0, metavar="S")
    load.add_argument("--duration", type=_positive, default=30.0, metavar="S")
    load.add_argument("--connections", type=_count, default=1, metavar="N")
    load.add_argument("--burst", action="store_true", help="同时 all mines at once")
    load.add_argument("--alarm-every", type=_from_zero, default=0, metavar="FRAMES")
    load.add_argument("--run", type=_from_zero, default=0, metavar="N")
    _add_output(load)
    return parser


def _add_selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mines", type=_count, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument(
        "--county", action="append", default=[], metavar="SLUG", help="repeatable"
    )


def _add_broker(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=_port, default=1883)
    parser.add_argument("--username")
    parser.add_argument("--password-file", type=Path, metavar="FILE")
    parser.add_argument("--tls-ca", type=Path, metavar="FILE")
    parser.add_argument(
        "--patience",
        type=_positive,
        default=30.0,
        metavar="S",
        help="等待消息服务器 how long to wait for the broker at the start",
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")


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
    run = CityRun(plan, _broker(args), settings, _speaker(args.quiet))
    _on_signals(run.stop)
    report = run.run()
    _print(report.as_dict(), args.json)
    return 0 if report.flushed and report.dropped == 0 else 1


def _list(args: argparse.Namespace) -> int:
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
    load = Load(_broker(args), settings, _speaker(args.quiet))
    _on_signals(load.stop)
    report = load.run_paced()
    _print(report, args.json)
    return 0 if report["flushed"] else 1


def _selected(args: argparse.Namespace) -> CityPlan:
    return choose_mines(build_city(args.seed), args.mines, tuple(args.county))


def _broker(args: argparse.Namespace) -> Broker:
    password = None
    if args.password_file is not None:
        try:
            password = args.password_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigError(f"password file: {error}") from None
    if args.tls_ca is not None and not args.tls_ca.is_file():
        raise ConfigError(f"file of the TLS authority: {args.tls_ca} is no file")
    return Broker(args.host, args.port, args.username, password, args.tls_ca)


def _speaker(quiet: bool) -> Callable[[str], None]:
    def say(line: str) -> None:
        if not quiet:
            print(f"[sim] {line}", file=sys.stderr, flush=True)

    return say


def _on_signals(stop: Callable[[], None]) -> None:
    def handler(_number: int, _frame: FrameType | None) -> None:
        stop()
        # A second signal ends the process at once, without the goodbye.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGTERM, handler)


def _print(report: dict[str, object], as_json: bool) -> None:
    if as_json:
        print(json.dumps(report, ensure_ascii=False), flush=True)
        return
    for name, value in report.items():
        print(f"{name}\t{value}")


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return value


def _from_zero(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 0 < value < 65_536:
        raise argparse.ArgumentTypeError(f"{text} is not a port, 1 to 65535")
    return value


if __name__ == "__main__":
    sys.exit(main())
