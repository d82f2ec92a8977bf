"""``gasmon statistics``: figures of a time, and daily reports, at the server."""

import argparse
import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from gasmon import domain
from gasmon.alarms.escalation_rules import load_escalation
from gasmon.clock import SystemClock
from gasmon.commands.operator import operator
from gasmon.commands.running import require_schema
from gasmon.commands.statistics_texts import print_daily, print_mine, print_table
from gasmon.errors import BadRequest, ConfigError, NotFound
from gasmon.reports.daily import all_listed, daily_report
from gasmon.reports.period import KINDS, Period, period_of
from gasmon.reports.report import BY, SORTS, Source, heading, table
from gasmon.reports.sheet import (
    LIST_COLUMNS,
    MINE_COLUMNS,
    TABLE_COLUMNS,
    Column,
    sheet,
)
from gasmon.settings import Settings
from gasmon.store import audit, mine_days
from gasmon.store.audit import EVERYTHING
from gasmon.store.db import Connection, connect
from gasmon.store.statistics import Wanted, read
from gasmon.units import parse_iso_us


def add_parser(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare the command's flags."""
    parser = commands.add_parser("statistics", help="what alarms of a time came to")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    shown = actions.add_parser(
        "table",
        parents=parents,
        help="by county, mine, point, kind or cause",
    )
    shown.add_argument("--period", choices=KINDS, default="day", help="default: day")
    shown.add_argument("--from", dest="from_", metavar="TIME", help="of a range")
    shown.add_argument("--to", metavar="TIME", help="end of a range, not included")
    shown.add_argument("--by", choices=BY, default="area", help="default: area")
    shown.add_argument("--sort", choices=SORTS, default="alarms")
    shown.add_argument("--limit", type=int, default=500, help="rows at most")
    daily = actions.add_parser("daily", parents=parents, help="the daily alarm report")
    mine = actions.add_parser(
        "mine", parents=parents, help="a mine's daily monitoring report"
    )
    for action in (shown, daily, mine):
        action.add_argument("--day", metavar="DAY", help="YYYY-MM-DD; default: today")
        action.add_argument(
            "--mine", metavar="CODE", help="12 digits", required=action is mine
        )
        if action is not mine:
            action.add_argument("--area", metavar="AREA", help="code or name of one")
        action.add_argument(
            "--csv", type=Path, metavar="FILE", help="write it there as CSV"
        )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command."""
    now_us = SystemClock().now_us()
    day = _read("--day", args.day, date.fromisoformat)
    is_table = args.action == "table"
    try:
        period = period_of(
            args.period if is_table else "day",
            now_us,
            day=day,
            from_us=_read("--from", args.from_, parse_iso_us) if is_table else None,
            to_us=_read("--to", args.to, parse_iso_us) if is_table else None,
        )
    except BadRequest as error:
        raise ConfigError(f"--{error}") from None
    require_schema(settings)
    if args.action == "mine":
        return _mine(args, settings, period, now_us)
    wanted = Wanted(
        period.before(now_us).from_us,
        period.end_us(now_us),
        _read("--area", args.area, _area),
        args.mine,
    )
    with connect(settings.database) as conn:
        try:
            source = read(conn, EVERYTHING, wanted)
        except BadRequest as error:
            raise ConfigError(str(error)) from None
        say = _table if is_table else _daily
        say(conn, args, settings, source, period, now_us)
    return 0


def _table(
    conn: Connection,
    args: argparse.Namespace,
    settings: Settings,
    source: Source,
    period: Period,
    now_us: int,
) -> None:
    rules = load_escalation(settings.escalation.rules_file)
    rows = table(
        source, period, rules, now_us, by=args.by, sort=args.sort, limit=args.limit
    )
    told = heading(period, now_us) | {"by": args.by, "sort": args.sort, "items": rows}
    if args.csv is not None:
        _write(conn, args, rows, TABLE_COLUMNS)
    elif args.json:
        print(json.dumps(told, ensure_ascii=False))
    else:
        print_table(told)


def _daily(
    conn: Connection,
    args: argparse.Namespace,
    settings: Settings,
    source: Source,
    period: Period,
    now_us: int,
) -> None:
    if args.csv is not None:
        _write(conn, args, all_listed(source, period, now_us), LIST_COLUMNS)
        return
    rules = load_escalation(settings.escalation.rules_file)
    report = daily_report(source, period, rules, now_us)
    told = heading(period, now_us) | report
    if args.json:
        print(json.dumps(told, ensure_ascii=False))
    else:
        print_daily(told)


def _mine(
    args: argparse.Namespace, settings: Settings, period: Period, now_us: int
) -> int:
    with connect(settings.database) as conn:
        try:
            told = mine_days.read(conn, EVERYTHING, args.mine, period, now_us)
        except NotFound:
            raise ConfigError(f"--mine {args.mine}: there is no such mine") from None
        if args.csv is not None:
            _write(conn, args, told["items"], MINE_COLUMNS)
        elif args.json:
            print(json.dumps(told, ensure_ascii=False))
        else:
            print_mine(told)
    return 0


def _write(
    conn: Connection,
    args: argparse.Namespace,
    rows: Sequence[dict[str, Any]],
    columns: Sequence[Column],
) -> None:
    """Write the file, and into the audit that it was written."""
    try:
        args.csv.write_bytes(sheet(rows, columns))
    except OSError as error:
        raise ConfigError(f"--csv {args.csv}: {error.strerror}") from None
    name, n_rows = args.csv.name, len(rows)
    audit.write_by(conn, operator(), "statistics.export", name, rows=n_rows)
    conn.commit()
    if args.json:
        print(json.dumps({"file": str(args.csv), "rows": n_rows}, ensure_ascii=False))
    else:
        print(f"{args.csv}: {n_rows} 行 rows")


def _read(flag: str, text: str | None, reader: Any) -> Any:
    """What a flag says; None without it.

    Raises:
        ConfigError: it cannot be read; names the flag.
    """
    if text is None:
        return None
    try:
        return reader(text)
    except (ValueError, KeyError) as error:
        raise ConfigError(f"{flag} {text}: {error}") from None


def _area(name: str) -> str:
    try:
        return domain.area_by(name).code
    except KeyError:
        raise ValueError("there is no such area") from None
