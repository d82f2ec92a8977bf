"""``gasmon drainage``: what drainage stations move, and the report of their days."""

import argparse
import calendar
import json
import re
from collections.abc import Sequence
from datetime import date
from typing import Any

from gasmon.commands.asking import open_api, server_flags
from gasmon.errors import ConfigError
from gasmon.settings import Settings

Row = dict[str, Any]


def add_parser(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare the command's flags."""
    drainage = commands.add_parser("drainage", help="what drainage stations move")
    actions = drainage.add_subparsers(dest="action", required=True, metavar="ACTION")
    given = [*parents, server_flags()]
    ls = actions.add_parser("ls", parents=given, help="flow now, volumes and the rate")
    ls.add_argument("--mine", metavar="CODE")
    report = actions.add_parser(
        "report", parents=given, help="volumes of a mine day by day, with their gaps"
    )
    report.add_argument("mine", metavar="MINE", help="twelve digits")
    report.add_argument("month", metavar="MONTH", help="2026-11, or 2026 for a year")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command; exit codes as of every command that asks the api."""
    api = open_api(args, settings)
    if args.action == "ls":
        found = api.get("/drainage", {"mine": args.mine})
        lines = _stations(found["items"])
    else:
        first, last = _span(args.month)
        asked = {"mine": args.mine, "from": first.isoformat(), "to": last.isoformat()}
        found = api.get("/drainage/days", asked)
        lines = _report(found["items"])
    if args.json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        print("\n".join(lines))
    return 0


def _span(text: str) -> tuple[date, date]:
    """The first and the last day of a month or a year.

    Raises:
        ConfigError: it is neither.
    """
    match = re.fullmatch(r"(\d{4})(?:-(\d{2}))?", text, re.ASCII)
    if match is None or not "2000" <= match[1] < "2100":
        raise ConfigError(f"{text!r} is no month such as 2026-11 and no year")
    year = int(match[1])
    if match[2] is None:
        return date(year, 1, 1), date(year, 12, 31)
    month = int(match[2])
    if not 1 <= month <= 12:
        raise ConfigError(f"{text!r} has no such month")
    return date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1])


def _stations(mines: Sequence[Row]) -> list[str]:
    lines = []
    for mine in mines:
        rate = _text(mine["rate_pct"], "%")
        asked = _text(mine["required_pct"], "%")
        lines.append(
            f"{mine['mine']} {mine['mine_name']}  抽采率 rate {rate} (≥ {asked})"
            f"  抽采 drained {_text(mine['drained_m3_min'], ' m³/min')}"
            f"  风排 in the return air {_text(mine['ventilated_m3_min'], ' m³/min')}"
        )
        for place in mine["places"]:
            now = place["now"]
            missing = ", ".join(place["missing"])
            lines.append(
                f"  {place['point']} {place['place']}"
                f"  标况 standard {_text(now['standard_m3_min'])}"
                f"  纯量 pure {_text(now['pure_m3_min'])} m³/min"
                f"  浓度 CH4 {_text(now['ch4_pct'], '%')}"
                + (f"  缺 missing: {missing}" if missing else "")
            )
            for span, words in (
                ("day", "日 today"),
                ("month", "月 month"),
                ("year", "年 year"),
            ):
                if place[span] is not None:
                    lines.append(f"    {words:<10} {_volume(place[span])}")
    return lines or ["没有抽采站 no drainage station"]


def _report(days: Sequence[Row]) -> list[str]:
    """A line for each day, then a sum for each place."""
    lines = [
        f"{day['day']}  {day['point']:<10} {_volume(day)}  "
        f"采样 samples {day['n_samples']}"
        for day in days
    ]
    for point in dict.fromkeys(day["point"] for day in days):
        own = [day for day in days if day["point"] == point]
        names = ("mixed_m3", "pure_m3", "covered_h", "gap_h", "n_gaps")
        total = {name: sum(day[name] for day in own) for name in names}
        lines.append(f"合计 sum    {point:<10} {_volume(total)}")
    return lines or ["没有数据 nothing was counted"]


def _volume(told: Row) -> str:
    return (
        f"混合 mixed {told['mixed_m3']:.1f} m³  纯量 pure {told['pure_m3']:.1f} m³  "
        f"缺测 gaps {told['gap_h']:.2f} h ({told['n_gaps']})"
    )


def _text(value: float | None, unit: str = "") -> str:
    return "——" if value is None else f"{value:.2f}{unit}"
