"""``gasmon doctor``: what database, broker and machine are, against our needs.

It measures rather than believes: a broker that says nothing about its queue is sent
messages and counted. Exit 3 when a part is unreachable, 4 when something is wrong.
"""

import argparse
import json
from dataclasses import asdict
from typing import Any

from gasmon.clock import SystemClock
from gasmon.commands.doctor_broker import check_broker
from gasmon.commands.doctor_database import check_database
from gasmon.commands.doctor_findings import OK, UNREACHABLE, WARNING, WRONG, Finding
from gasmon.commands.doctor_host import check_host
from gasmon.commands.doctor_restart import check_restart
from gasmon.settings import Settings

MARKS = {
    OK: "好 ok",
    WARNING: "注意 warning",
    WRONG: "错 wrong",
    UNREACHABLE: "不通 down",
}
EXIT_UNREACHABLE = 3
EXIT_WRONG = 4


def add_parser(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare the command's flags."""
    parser = commands.add_parser(
        "doctor",
        parents=parents,
        help="measure database, broker and machine against what gasmon needs",
        description=__doc__,
    )
    parser.add_argument(
        "--only",
        choices=("database", "broker", "host"),
        help="one of the three; default all",
    )
    parser.add_argument(
        "--restart",
        choices=("before", "after"),
        help="leave a mark at the broker, or seek it after you restarted the broker: "
        "what it forgets over a restart",
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command."""
    clock = SystemClock()
    findings: list[Finding] = []
    began = clock.now_us(), clock.monotonic_s()
    if args.restart:
        findings += check_restart(settings.mqtt, args.restart)
        return tell(findings, args.json)
    if args.only in (None, "database"):
        findings += check_database(settings, clock)
    if args.only in (None, "broker"):
        findings += check_broker(settings, clock)
    if args.only in (None, "host"):
        findings += check_host(settings, clock, began)
    return tell(findings, args.json)


def tell(findings: list[Finding], as_json: bool) -> int:
    """Print the findings; returns the exit code."""
    code = exit_code(findings)
    if as_json:
        told = {"ok": code == 0, "findings": [asdict(f) for f in findings]}
        print(json.dumps(told, ensure_ascii=False))
    else:
        print("\n".join(lines(findings)))
    return code


def exit_code(findings: list[Finding]) -> int:
    """0, 3 when a part is unreachable, 4 when something is wrong."""
    levels = {finding.level for finding in findings}
    if UNREACHABLE in levels:
        return EXIT_UNREACHABLE
    return EXIT_WRONG if WRONG in levels else 0


def lines(findings: list[Finding]) -> list[str]:
    """The findings for people, then their counts, and what is not well by name."""
    out = []
    for finding in findings:
        out.append(f"[{MARKS[finding.level]}] {finding.check}: {finding.zh}")
        out.append(f"    {finding.en}")
        if finding.todo_zh or finding.todo_en:
            out.append(f"    → {finding.todo_zh}")
            out.append(f"    → {finding.todo_en}")
    counts = [
        f"{sum(f.level == level for f in findings)} {mark}"
        for level, mark in MARKS.items()
    ]
    out.append(", ".join(counts))
    for level in (UNREACHABLE, WRONG, WARNING):
        if named := [f.check for f in findings if f.level == level]:
            out.append(f"[{MARKS[level]}] {', '.join(named)}")
    return out
