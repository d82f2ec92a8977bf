"""``gasmon-sim drill`` and ``score``: hold a drill, and judge one that was held."""

import argparse
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from gasmon.errors import ConfigError
from simulators import criteria
from simulators.cli_drill_end import end
from simulators.cli_drill_report import folder, name_of, report, tell
from simulators.cli_options import (
    add_broker,
    add_output,
    broker_of,
    count,
    on_signals,
    positive,
    speaker,
    token_in,
)
from simulators.drill import Drill, DrillSettings, Keep
from simulators.drill_places import drill_places
from simulators.drill_platform import DrillPlatform
from simulators.drill_record import Call, read, write
from simulators.drill_seen import Setup
from simulators.drill_trace import Trace, keep
from simulators.platform import Platform
from simulators.scenario import load
from simulators.toml_source import find_source

STANDARD = "standard"
"""The sheet if none is named."""


def add_parsers(commands: Any) -> None:
    """Declare the two commands."""
    drill = commands.add_parser("drill", help="演练 hold a drill on a running gasmon")
    drill.set_defaults(command=_drill)
    drill.add_argument("scenario", metavar="SCENARIO", nargs="?")
    drill.add_argument("--county", metavar="SLUG|CODE")
    drill.add_argument(
        "--end",
        type=count,
        metavar="RUN",
        help="结束程序已中断的演练并评分 end a drill whose program died, and score it",
    )
    drill.add_argument("--participants", nargs="+", default=[], metavar="NAME")
    drill.add_argument("--platforms", nargs="+", default=[], metavar="NAME")
    drill.add_argument(
        "--unannounced", action="store_true", help="不预先通知 nobody sees it before"
    )
    drill.add_argument("--lead", type=_lead, default=0.0, metavar="S")
    drill.add_argument(
        "--spare",
        type=positive,
        default=600.0,
        metavar="S",
        help="本命令中断后由平台结束 gasmon ends it so much later if this command died",
    )
    drill.add_argument(
        "--on-real-alarm", choices=["stop", "go-on"], default="stop", help="真实报警"
    )
    drill.add_argument("--seed", type=int, default=1, metavar="N")
    drill.add_argument("--url", default="http://127.0.0.1:8123")
    drill.add_argument("--token-file", type=Path, required=True, metavar="FILE")
    _add_sheet(drill, None)
    add_broker(drill)
    add_output(drill)

    again = commands.add_parser("score", help="重新评分 score a drill that was held")
    again.set_defaults(command=_score)
    again.add_argument("record", type=Path, metavar="drill-N.json")
    _add_sheet(again, STANDARD)
    add_output(again)


def _add_sheet(parser: argparse.ArgumentParser, default: str | None) -> None:
    parser.add_argument(
        "--sheet",
        default=default,
        metavar="NAME|FILE.toml",
        help="评分标准 criteria",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("drills"), metavar="DIR", help="报告 reports"
    )


def _lead(text: str) -> float:
    return 0.0 if text == "0" else positive(text)


def _drill(args: argparse.Namespace) -> int:
    if args.end is not None:
        if args.scenario or args.county:
            raise ConfigError("--end RUN: it has its scenario and county already")
        return end(args)
    if not (args.scenario and args.county):
        raise ConfigError("drill: SCENARIO and --county are wanted, or --end RUN")
    return _hold(args)


def _hold(args: argparse.Namespace) -> int:
    sheet = args.sheet or STANDARD
    sheet_file = criteria.load(sheet)
    # People live in real time, and so does what they are trained on.
    scenario = replace(load(args.scenario), speed=1.0)
    token = token_in(args.token_file, "token file")
    platform = DrillPlatform(Platform(args.url, token))
    known = platform.mines_of(args.county)
    settings = DrillSettings(
        county=args.county,
        seed=args.seed,
        announced=not args.unannounced,
        lead_s=args.lead,
        stop_on_real_alarm=args.on_real_alarm == "stop",
        participants=tuple(args.participants),
        platforms=tuple(args.platforms),
        patience_s=args.patience,
        spare_s=args.spare,
    )
    drill = Drill(
        scenario,
        drill_places(scenario, args.county, known, args.seed),
        sheet_file,
        settings,
        broker_of(args),
        platform,
        speaker(args.quiet),
        _keeper(args, sheet, known),
    )
    folder(args.out)
    on_signals(drill.stop)
    record = drill.hold()
    name = name_of(record)
    write(record, args.out / f"{name}.json")
    # From here on the record says it all.
    (args.out / f"{name}.open").unlink(missing_ok=True)
    code = report(record, sheet_file, args.out, as_json=args.json)
    tell(platform, record, sheet_file)
    return code


def _keeper(
    args: argparse.Namespace, sheet: str, known: Sequence[Mapping[str, Any]]
) -> Keep:
    """Writes what is needed to end the drill without us."""
    scenario_source = find_source(args.scenario, "scenarios", "scenario")
    sheet_source = find_source(sheet, "sheets", "sheet")
    mines = tuple({k: str(m[k]) for k in ("code", "name", "kind")} for m in known)

    def kept(setup: Setup, calls: tuple[Call, ...], played_s: float) -> None:
        trace = Trace(
            run=setup.run,
            scenario=scenario_source,
            sheet=sheet_source,
            county=setup.county,
            seed=setup.seed,
            announced=setup.announced,
            participants=setup.participants,
            platforms=setup.platforms,
            known=mines,
            begin_us=setup.clock.begin_us,
            real_begin_us=setup.clock.real_begin_us,
            calls=calls,
            played_s=played_s,
        )
        # A full disk is no reason to break off a drill of many people.
        with suppress(OSError):
            keep(trace, args.out)

    return kept


def _score(args: argparse.Namespace) -> int:
    sheet_file = criteria.load(args.sheet)
    record = read(args.record)
    folder(args.out)
    return report(record, sheet_file, args.out, as_json=args.json)
