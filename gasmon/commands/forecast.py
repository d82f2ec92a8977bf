"""``gasmon forecast``: how good the pre-warnings are, beside what is simpler."""

import argparse
import json
import sys
from typing import Any

from gasmon.alarms.forecast_model import MODELS
from gasmon.clock import SystemClock
from gasmon.commands.area_flag import area_code
from gasmon.commands.running import require_schema
from gasmon.duty.forecasts import forecast_limits
from gasmon.errors import ConfigError
from gasmon.pipeline.rulewatch import load_rules
from gasmon.settings import Settings
from gasmon.store import forecasts
from gasmon.store.db import connect
from gasmon.store.forecast_score import NAMES, Wanted, score
from gasmon.store.scope import Scope
from gasmon.units import US_PER_DAY

MOST_DAYS = 400

_WORDS = {
    "forecast": "预测 forecast",
    "ewma_1min": "均值 EWMA 1 min",
    "last_value": "当前值 last value",
}


def add_parser(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare the command's flags."""
    parser = commands.add_parser("forecast", help="what the pre-warnings are worth")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = actions.add_parser(
        "score", parents=parents, help="hits, leads and false alarms, beside baselines"
    )
    show.add_argument(
        "--by", choices=tuple(NAMES), default="all", help="a line for each"
    )
    show.add_argument("--area", metavar="AREA", help="code or name of an area")
    show.add_argument("--mine", metavar="CODE", help="12 digits")
    again = actions.add_parser(
        "recompute",
        parents=parents,
        help="find outcomes and onsets again, from the stored readings",
    )
    for action in (show, again):
        action.add_argument(
            "--days", type=float, default=30.0, metavar="N", help="default: 30"
        )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command."""
    if not 0 < args.days <= MOST_DAYS:
        raise ConfigError(f"--days {args.days:g}: 0 to {MOST_DAYS} is wanted")
    now_us = SystemClock().now_us()
    from_us = now_us - round(args.days * US_PER_DAY)
    require_schema(settings)
    if args.action == "recompute":
        return _recompute(args, settings, from_us, now_us)
    wanted = Wanted(from_us, now_us, args.by, area_code(args.area), args.mine)
    with connect(settings.database) as conn:
        board = score(conn, Scope(None, None), wanted)
    if args.json:
        print(json.dumps(board, ensure_ascii=False))
    else:
        _print(board)
    return 0


def _recompute(
    args: argparse.Namespace, settings: Settings, from_us: int, now_us: int
) -> int:
    rules = load_rules(settings.engine.rules_file)
    with connect(settings.database) as conn:
        limits = forecast_limits(conn, rules)
        n_outcomes, n_onsets = forecasts.recompute(conn, 0, limits, from_us, now_us)
        conn.commit()
    if args.json:
        print(json.dumps({"outcomes": n_outcomes, "onsets": n_onsets}))
    else:
        print(f"{n_outcomes} 个预警结果 outcomes, {n_onsets} 次达限 onsets")
    return 0


def _print(board: dict[str, Any]) -> None:
    """The scoreboard for people."""
    print(f"{board['from']} – {board['to']}, {board['days']:g} 天 days")
    if not board["items"]:
        print("没有预警，也没有达限 no pre-warnings and no onsets", file=sys.stderr)
    for item in board["items"]:
        advisory = item["advisory"]
        mark = f"  {advisory} 个测点仅供参考 points advisory" if advisory else ""
        print(f"\n{item['name'] or '全部 all'}{mark}")
        print(
            f"{'onsets':>28}{'warned':>8}{'missed':>8}{'≥3 min':>8}{'lead min':>10}"
            f"{'said':>7}{'false':>7}{'a day':>8}{'unknown':>9}"
        )
        for model in MODELS:
            line = item[model]
            lead_s, a_day = line["median_lead_s"], line["false_per_day"]
            lead = "-" if lead_s is None else f"{lead_s / 60:.1f}"
            rate = "-" if a_day is None else f"{a_day:.2f}"
            print(
                f"{_WORDS[model]:<20}{line['n_onsets']:>8}{line['n_warned_of']:>8}"
                f"{line['n_missed']:>8}{line['n_early']:>8}{lead:>10}"
                f"{line['n_warned']:>7}{line['n_false']:>7}{rate:>8}"
                f"{line['n_unknown']:>9}"
            )
