"""``gasmon escalation``: check the rules and channels, show them, explain an alarm."""

import argparse
import json
from pathlib import Path
from typing import Any

from gasmon.alarms.escalation import NEVER_US, Due
from gasmon.alarms.escalation_rules import (
    EscalationRule,
    EscalationRules,
    load_escalation,
)
from gasmon.alarms.events import RANK_NAMES, RANK_NAMES_ZH
from gasmon.clock import SystemClock
from gasmon.commands.rule_files import check_and_show
from gasmon.commands.running import require_schema
from gasmon.duty.channel_file import Channel, check_names, load_channels
from gasmon.duty.jobs import escalation_of
from gasmon.errors import GasmonError
from gasmon.settings import Settings
from gasmon.store import escalations
from gasmon.store.db import connect
from gasmon.store.on_duty import load_on_duty
from gasmon.units import US_PER_MIN, iso_us

_TIERS_ZH = {"mine": "煤矿", "county": "县级", "city": "市级"}
_MISSING_ZH = {
    "confirmed": "未确认",
    "handled": "未处置",
    "delivered": "未送达",
    "report": "未反馈",
}


def add_parser(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare the command's flags."""
    parser = commands.add_parser("escalation", help="who must act when nobody answers")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for action in check_and_show(
        actions,
        parents,
        check="read the rules and channels and say what is wrong, with the line",
        show="list rules and channels",
        setting="escalation.rules_file",
    ):
        action.add_argument(
            "--channels",
            type=Path,
            metavar="FILE",
            help="channels; default: escalation.channels_file",
        )
    why = actions.add_parser(
        "explain", parents=parents, help="what came for an alarm, and what will come"
    )
    why.add_argument("alarm_id", type=int, metavar="ALARM")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command."""
    if args.action == "explain":
        return _explain(args, settings)
    rules = load_escalation(args.file or settings.escalation.rules_file)
    channels = load_channels(args.channels or settings.escalation.channels_file)
    check_names(rules, channels)
    if args.action == "check":
        _check(args, rules, channels)
    else:
        _show(args, rules, channels)
    return 0


def _check(
    args: argparse.Namespace, rules: EscalationRules, channels: tuple[Channel, ...]
) -> None:
    n_steps = sum(len(row.steps) for row in rules.rows)
    if args.json:
        facts = {
            "file": rules.name,
            "ok": True,
            "rules": len(rules.rows),
            "steps": n_steps,
            "channels": [channel.name for channel in channels],
        }
        print(json.dumps(facts, ensure_ascii=False))
        return
    print(
        f"{rules.name}: 正确 ok, {len(rules.rows)} 条规则 rules, {n_steps} 步 steps, "
        f"{len(channels)} 个通道 channels"
    )


def _show(
    args: argparse.Namespace, rules: EscalationRules, channels: tuple[Channel, ...]
) -> None:
    if args.json:
        shown = {
            "file": rules.name,
            "nearly_due_min": rules.nearly_us / US_PER_MIN,
            "fold_min": rules.fold_us / US_PER_MIN,
            "status_report_min": rules.report_us / US_PER_MIN,
            "report_channels": list(rules.report_channels),
            "rules": [_rule_object(row) for row in rules.rows],
            "channels": [_channel_object(channel) for channel in channels],
        }
        print(json.dumps(shown, ensure_ascii=False, indent=1))
        return
    for row in rules.rows:
        chosen = [RANK_NAMES_ZH[rank] for rank in sorted(row.ranks, reverse=True)]
        chosen += sorted([*row.kinds, *row.areas])
        chosen += ["报备 planned"] if row.planned else []
        on = ", 解除后继续 goes on" if row.goes_on else ""
        print(
            f"{rules.name}:{row.line}  {row.name}: {' '.join(chosen) or '全部 all'}{on}"
        )
        for step in row.steps:
            print(
                f"    {step.after_us / US_PER_MIN:g} min {_MISSING_ZH[step.without]}"
                f" not {step.without} → {_TIERS_ZH[step.tier]} {step.tier}"
                f"  {' '.join(step.channels)}"
            )
    print(
        f"反馈 status report: {rules.report_us / US_PER_MIN:g} min"
        f"  {' '.join(rules.report_channels)}"
    )
    for channel in channels:
        tiers, areas = sorted(channel.tiers), sorted(channel.areas)
        print(
            f"通道 channel {channel.name}: {channel.kind},"
            f" {' '.join([*tiers, *areas]) or '全部 all'}, {len(channel.to)} ×"
        )


def _rule_object(row: EscalationRule) -> dict[str, Any]:
    return {
        "name": row.name,
        "line": row.line,
        "ranks": [RANK_NAMES[rank] for rank in sorted(row.ranks)],
        "kinds": sorted(row.kinds),
        "areas": sorted(row.areas),
        "planned": row.planned,
        "goes_on": row.goes_on,
        "source": row.source,
        "steps": [
            {
                "key": step.key,
                "without": step.without,
                "after_min": step.after_us / US_PER_MIN,
                "tier": step.tier,
                "channels": list(step.channels),
            }
            for step in row.steps
        ],
    }


def _channel_object(channel: Channel) -> dict[str, Any]:
    return {
        "name": channel.name,
        "kind": channel.kind,
        "tiers": sorted(channel.tiers),
        "areas": sorted(channel.areas),
        "recipients": len(channel.to),
    }


def _explain(args: argparse.Namespace, settings: Settings) -> int:
    escalation = escalation_of(settings)
    require_schema(settings)
    now_us = SystemClock().now_us()
    with connect(settings.database) as conn:
        known = escalations.watched(conn, [args.alarm_id], escalation.expecting, now_us)
        if not known:
            raise GasmonError(
                f"alarm {args.alarm_id}: there is none that anybody must answer"
            )
        alarm, on_duty = known[0], load_on_duty(conn, now_us)
    steps = escalation.steps(alarm, on_duty)
    present = on_duty.tiers(alarm.area, alarm.mine)
    if args.json:
        shown = {
            "alarm_id": alarm.alarm_id,
            "now": iso_us(now_us),
            "present": sorted(present),
            "steps": [
                _step_object(due, now_us, due_is_done(due, alarm)) for due in steps
            ],
        }
        print(json.dumps(shown, ensure_ascii=False))
        return 0
    there = " ".join(sorted(present)) or "无人 nobody"
    print(f"报警 alarm {alarm.alarm_id}: 在岗 there: {there}")
    for due in steps:
        print(_step_text(due, now_us, due_is_done(due, alarm)))
    if not steps:
        print("  无升级 nothing came, and nothing will")
    return 0


def due_is_done(due: Due, alarm: escalations.Watched) -> bool:
    """Whether duty has recorded a step."""
    return (due.key, due.rank, due.since_us) in alarm.done


def _step_object(due: Due, now_us: int, is_done: bool) -> dict[str, Any]:
    return {
        "step": due.key,
        "rule": due.rule or "status_report",
        "rank": due.rank,
        "tier": due.tier,
        "of_tier": due.of_tier,
        "since": iso_us(due.since_us),
        "due_at": iso_us(due.due_us),
        "answered_at": iso_us(due.until_us) if due.until_us < NEVER_US else None,
        "came": due.due_us <= now_us,
        "recorded": is_done,
    }


def _step_text(due: Due, now_us: int, is_done: bool) -> str:
    if due.due_us > now_us:
        state = "将到 to come"
    elif due.until_us <= now_us:
        state = f"已响应 answered {iso_us(due.until_us)[11:19]}"
    else:
        state = "超时 overdue"
    falls = "" if due.tier == due.of_tier else f" (代 for {due.of_tier})"
    waits = f"{(due.due_us - due.since_us) / US_PER_MIN:g} min"
    return (
        f"  {iso_us(due.due_us)[:19]}  {RANK_NAMES_ZH[due.rank]}"
        f" {waits} {_MISSING_ZH[due.without]} not {due.without}"
        f" → {_TIERS_ZH[due.tier]} {due.tier}{falls}: {state}"
        f"{'' if is_done or due.due_us > now_us else ', 尚未记录 not recorded yet'}"
    )
