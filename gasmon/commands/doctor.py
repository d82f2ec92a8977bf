"""``gasmon doctor``: what the configured database and broker are, against our needs.

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
        help="measure database and broker against what gasmon needs",
        description=__doc__,
    )
    parser.add_argument(
        "--only",
        choices=("database", "broker"),
        help="one of the two; default both",
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command."""
    clock = SystemClock()
    findings: list[Finding] = []
    if args.only != "broker":
        findings += check_database(settings, clock)
    if args.only != "database":
        findings += check_broker(settings, clock)
    code = exit_code(findings)
    if args.json:
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
    """The findings for people, and a last line that counts them."""
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
    return [*out, ", ".join(counts)]
