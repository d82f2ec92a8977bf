"""What ``gasmon-sim drill`` and ``score`` say: files, lines, a word to the platform."""

import json
import sys
from pathlib import Path

from gasmon.errors import ConfigError, DependencyError
from simulators import drill_record
from simulators.criteria import SheetFile
from simulators.drill_page import page
from simulators.drill_platform import DrillPlatform
from simulators.drill_record import DrillRecord
from simulators.drill_words import limit_words, met_words, seconds_words, verdict_words
from simulators.drill_workbook import workbook
from simulators.score import Sheet, score
from simulators.trend import earlier, series

NOT_MET = 4
BROKEN_OFF = 1


def tell(platform: DrillPlatform, record: DrillRecord, sheet_file: SheetFile) -> None:
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


def folder(path: Path) -> None:
    """Make the directory of the reports.

    Raises:
        ConfigError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {path}: {error}") from None


def name_of(record: DrillRecord) -> str:
    """Runs of two platforms may have one number; the begin tells them apart."""
    return f"drill-{record.run}-{record.begin_us // 1_000_000}"


def report(
    record: DrillRecord, sheet_file: SheetFile, out: Path, *, as_json: bool
) -> int:
    """Write both reports and say how it went; returns the exit code.

    Raises:
        ConfigError: they cannot be written.
    """
    sheet = score(record, sheet_file)
    past = series([*earlier(out, record), record], sheet_file)
    html, xlsx = (out / f"{name_of(record)}.{kind}" for kind in ("html", "xlsx"))
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
    if record.ended_by in drill_record.BROKEN_OFF:
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
