"""``gasmon seal``: whether what is stored still is what was sealed."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gasmon.clock import SystemClock
from gasmon.commands.running import require_schema
from gasmon.commands.time_flag import time_us
from gasmon.errors import ConfigError
from gasmon.remote import held_seals
from gasmon.settings import Settings
from gasmon.store import seal_check, seals
from gasmon.store.db import connect
from gasmon.store.seal_check import Hour
from gasmon.units import TIME_MAX_US, US_PER_DAY, US_PER_H, iso_us

NOT_MET = 4
"""Exit code: an hour does not agree, or its seal is missing."""


def add_parser(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare the command's flags."""
    command = commands.add_parser("seal", help="the sealed arrival log")
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    verify = actions.add_parser(
        "verify", parents=parents, help="check what is stored against its seals"
    )
    ls = actions.add_parser("ls", parents=parents, help="seals of hours")
    compare = actions.add_parser(
        "compare",
        parents=parents,
        help="hold what a server claims now against the seals that it told us",
    )
    compare.add_argument(
        "claims", metavar="FILE", help="of `gasmon seal ls --json`; - is stdin"
    )
    compare.add_argument(
        "--state",
        type=Path,
        metavar="FILE",
        help="of `gasmon receive`; without it what our own database holds of a node"
        " above",
    )
    for action in (verify, ls):
        action.add_argument(
            "--from", dest="from_", metavar="TIME", help="hours from here; default all"
        )
        action.add_argument("--to", metavar="TIME", help="hours that begin before")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command."""
    if args.action == "compare":
        return _compare(args, settings)
    from_us, to_us = time_us("--from", args.from_), time_us("--to", args.to)
    if from_us is not None and to_us is not None and from_us >= to_us:
        raise ConfigError("--to: it is not after --from")
    require_schema(settings)
    if args.action == "verify":
        return _verify(args, settings, from_us, to_us)
    return _list(args, settings, from_us, to_us)


def _verify(
    args: argparse.Namespace, settings: Settings, from_us: int | None, to_us: int | None
) -> int:
    hours = []
    with connect(settings.database) as conn:
        now_us = SystemClock().now_us()
        end_us = now_us if to_us is None else min(to_us, now_us)
        _go_on("第一天 the first day", 0)
        for hour in seal_check.check(conn, from_us, to_us, now_us):
            hours.append(hour)
            if not args.json:
                _print(hour)
            next_us = hour.hour_us + US_PER_H
            if next_us % US_PER_DAY == 0 and next_us < end_us:
                _go_on(iso_us(next_us)[:16], len(hours))
    all_agree = f"全部相符 all {len(hours)} hours agree"
    if not hours:
        all_agree = "没有封存的数据 nothing is sealed yet"
    wrong = [hour for hour in hours if hour.is_wrong]
    return _verdict(args.json, wrong, hours, {}, all_agree)


def _go_on(day: str, n_hours: int) -> None:
    """Say that the next day is read: a city's takes minutes, and is no standstill.

    On stderr, so that programs can read what is told of the hours.
    """
    print(f"读取 reading {day} …  已核对 checked {n_hours} h", file=sys.stderr)


def _verdict(
    as_json: bool,
    wrong: Sequence[Hour | held_seals.Disagreement],
    told: Sequence[Hour | held_seals.Disagreement],
    more: dict[str, Any],
    all_agree: str,
) -> int:
    """Say how a check ended; its exit code.

    Args:
        wrong: hours that do not agree, oldest first.
        told: hours to be listed in JSON.
        more: what else stands there.
        all_agree: said to people when nothing is wrong.
    """
    first = iso_us(wrong[0].hour_us) if wrong else None
    if as_json:
        hours = [{"hour": iso_us(one.hour_us), **asdict(one)} for one in told]
        fact = {"agrees": not wrong, "first_wrong_hour": first, **more, "hours": hours}
        print(json.dumps(fact, ensure_ascii=False))
    elif wrong:
        print(f"最早不符的小时 the first hour that does not agree: {first}")
    else:
        print(all_agree)
    return NOT_MET if wrong else 0


WORDS = {
    "agrees": "相符 agrees",
    "differs": "不符 DIFFERS",
    "missing": "缺少封存 SEAL MISSING",
    "dropped": "已按保存期限删除 dropped by retention",
    "open": "尚未封存 not sealed yet",
}
"""States of an hour, for people."""


def _print(hour: Hour) -> None:
    print(
        f"{iso_us(hour.hour_us)[:16]}  {WORDS[hour.state]:<24} {hour.n_batches:>7}"
        f" 批 batches {hour.n_frames:>8} 帧 frames {hour.n_readings:>9} 条 readings",
        flush=True,
    )
    for problem in hour.problems:
        print(f"    {problem.code} × {problem.n}: {problem.detail}", flush=True)


def _list(
    args: argparse.Namespace, settings: Settings, from_us: int | None, to_us: int | None
) -> int:
    end_us = TIME_MAX_US if to_us is None else to_us
    with connect(settings.database) as conn:
        found = seals.seals(conn, from_us or 0, end_us)
    if args.json:
        items = [
            {
                "hour": iso_us(seal.hour_us),
                "hash": seal.hash,
                "body": seal.body,
                "sealed_at": iso_us(seal.sealed_us),
            }
            for seal in found
        ]
        print(json.dumps({"items": items}, ensure_ascii=False))
        return 0
    for seal in found:
        print(f"{iso_us(seal.hour_us)[:16]}  {seal.hash}")
    return 0


def _compare(args: argparse.Namespace, settings: Settings) -> int:
    """Exit 4 when an hour was made anew, or is claimed no more."""
    try:
        is_stdin = args.claims == "-"
        text = sys.stdin.read() if is_stdin else Path(args.claims).read_text("utf-8")
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"{args.claims}: {error}") from None
    claimed = held_seals.read_list(text)
    if args.state is not None:
        held: Mapping[int, Sequence[str]] = held_seals.held_in(args.state)
    else:
        require_schema(settings)
        with connect(settings.database) as conn:
            held = seals.held_seals(conn, 0)
    wrong = held_seals.compare(held, claimed)
    if not args.json:
        for one in wrong:
            claim = one.claimed or "无 none"
            print(f"{iso_us(one.hour_us)[:16]}  {CODES[one.code]}")
            print(f"    持有 held {', '.join(one.held)}\n    声称 claimed {claim}")
    all_agree = f"持有的 {len(held)} 个封存全部相符 all {len(held)} seals held agree"
    return _verdict(args.json, wrong, wrong, {"held": len(held)}, all_agree)


CODES = {
    "differs": "封存不同 another seal",
    "claim_missing": "不再声称 claimed no more",
    "two_seals": "持有两个不同封存 two seals are held",
}
"""What may be wrong with an hour that somebody claims."""
