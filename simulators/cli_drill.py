"""``gasmon-sim drill`` and ``score``: hold a drill, and judge one that was held."""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from gasmon.errors import ConfigError, DependencyError
from simulators import criteria
from simulators.cli_options import (
    add_broker,
    add_output,
    broker_of,
    on_signals,
    positive,
    speaker,
    token_in,
)
from simulators.criteria import SheetFile
from simulators.drill import Drill, DrillSettings
from simulators.drill_page import page
from simulators.drill_places import drill_places
from simulators.drill_platform import DrillPlatform
from simulators.drill_record import DrillRecord, read, write
from simulators.drill_words import limit_words, met_words, seconds_words, verdict_words
from simulators.drill_workbook import workbook
from simulators.platform import Platform
from simulators.scenario import load
from simulators.score import Sheet, score
from simulators.trend import earlier, series

NOT_MET = 4
BROKEN_OFF = 1


def add_parsers(commands: Any) -> None:
    """Declare the two commands."""
    drill = commands.add_parser("drill", help="演练 hold a drill on a running gasmon")
    drill.set_defaults(command=_drill)
    drill.add_argument("scenario", metavar="SCENARIO")
    drill.add_argument("--county", required=True, metavar="SLUG|CODE")
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
    _add_sheet(drill)
    add_broker(drill)
    add_output(drill)

    again = commands.add_parser("score", help="重新评分 score a drill that was held")
    again.set_defaults(command=_score)
    again.add_argument("record", type=Path, metavar="drill-N.json")
    _add_sheet(again)
    add_output(again)


def _add_sheet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sheet",
        default="standard",
        metavar="NAME|FILE.toml",
        help="评分标准 criteria",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("drills"), metavar="DIR", help="报告 reports"
    )


def _lead(text: str) -> float:
    return 0.0 if text == "0" else positive(text)


def _drill(args: argparse.Namespace) -> int:
    sheet_file = criteria.load(args.sheet)
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
    )
    _folder(args.out)
    on_signals(drill.stop)
    record = drill.hold()
    write(record, args.out / f"{_name(record)}.json")
    code = _report(record, sheet_file, args.out, as_json=args.json)
    _tell(platform, record, sheet_file)
    return code


def _tell(platform: DrillPlatform, record: DrillRecord, sheet_file: SheetFile) -> None:
    """Let the platform's page show the score; the report stands without that."""
    sheet = score(record, sheet_file)
    if not sheet.of_points:
        return
    try:
        platform.score(
            record.run,
            sheet=sheet_file.name,
            points=sheet.points,
            of_points=sheet.of_points,
            passed=sheet.is_passed,
        )
    except (LookupError, ConfigError, DependencyError) as error:
        print(f"评分未登记 score not recorded: {error}", file=sys.stderr)


def _score(args: argparse.Namespace) -> int:
    sheet_file = criteria.load(args.sheet)
    record = read(args.record)
    _folder(args.out)
    return _report(record, sheet_file, args.out, as_json=args.json)


def _folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {path}: {error}") from None


def _name(record: DrillRecord) -> str:
    """Runs of two platforms may have one number; the begin tells them apart."""
    return f"drill-{record.run}-{record.begin_us // 1_000_000}"


def _report(
    record: DrillRecord, sheet_file: SheetFile, out: Path, *, as_json: bool
) -> int:
    """Write both reports and say how it went."""
    sheet = score(record, sheet_file)
    past = series([*earlier(out, record), record], sheet_file)
    html, xlsx = (out / f"{_name(record)}.{kind}" for kind in ("html", "xlsx"))
    try:
        html.write_text(page(record, sheet, sheet_file, past), "utf-8")
        xlsx.write_bytes(workbook(record, sheet, past))
    except OSError as error:
        raise ConfigError(f"report: {error}") from None
    if as_json:
        told = {**as_dict(record, sheet), "html": str(html), "xlsx": str(xlsx)}
        print(json.dumps(told, ensure_ascii=False), flush=True)
    else:
        print("\n".join([*as_lines(record, sheet), str(html), str(xlsx)]), flush=True)
    if record.ended_by in ("stopped", "real_alarm"):
        return BROKEN_OFF
    return 0 if sheet.is_passed else NOT_MET


def as_lines(record: DrillRecord, sheet: Sheet) -> list[str]:
    """A sheet for the terminal."""
    lines = [
        f"【演练】 {record.zh} {record.en}: {verdict_words(record, sheet)}, "
        f"{sheet.points:g} / {sheet.of_points:g}"
    ]
    for result in sheet.results:
        criterion = result.criterion
        lines.append(
            f"  {met_words(result):<8} {criterion.zh} {criterion.en}: "
            f"{seconds_words(result.took_s)} / {limit_words(criterion)}, "
            f"{result.points:g} / {criterion.points:g}"
        )
    return lines


def as_dict(record: DrillRecord, sheet: Sheet) -> dict[str, object]:
    """The same as plain values."""
    return {
        "run": record.run,
        "scenario": record.scenario,
        "passed": sheet.is_passed,
        "ended_by": record.ended_by,
        "points": sheet.points,
        "of_points": sheet.of_points,
        "criteria": [
            {
                "name": result.criterion.name,
                "met": result.is_met,
                "must": result.criterion.must,
                "took_s": result.took_s,
                "points": result.points,
                "of_points": result.criterion.points,
                "items": [
                    {
                        "what": item.what,
                        "took_s": item.took_s,
                        "met": item.is_met,
                        "by": item.by,
                    }
                    for item in result.items
                ],
            }
            for result in sheet.results
        ],
    }
