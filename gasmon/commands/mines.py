"""``gasmon mines``: how mines write their upload files."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gasmon.commands import places
from gasmon.commands.asking import open_api, server_flags
from gasmon.errors import ConfigError, GasmonError
from gasmon.ingest.fields import PayloadError
from gasmon.ingest.profile_file import load_profiles
from gasmon.ingest.upload.detect import Proposal, Sample, propose
from gasmon.ingest.upload.names import parse_file_name
from gasmon.settings import Settings

DIFFERENCES = {
    "not_reported": "超限未上报 not reported",
    "not_measured": "上报无实测 not measured",
    "maximum_differs": "最大值不符 maximum differs",
    "statistic_differs": "统计值不符 statistic differs",
    "calibration_batch": "批量标校 calibrations in a batch",
}


def add_parser(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare the command's flags."""
    mines = commands.add_parser("mines", help="how mines write their upload files")
    below = mines.add_subparsers(dest="what", required=True, metavar="WHAT")
    profile = below.add_parser(
        "profile",
        parents=parents,
        help="a mine's profile: the one in force, or one proposed from samples",
    )
    differences = below.add_parser(
        "differences",
        parents=[*parents, server_flags()],
        help="where what mines tell and their raw values differ, of one day",
    )
    differences.add_argument("--day", metavar="DAY", help="2026-11-27; default today")
    differences.add_argument("--mine", metavar="CODE", help="of one mine alone")
    places.add_parser(below, parents)
    which = profile.add_mutually_exclusive_group(required=True)
    which.add_argument("mine", nargs="?", metavar="MINE", help="twelve digits")
    which.add_argument(
        "--detect",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="files of one mine, of several types if possible",
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command."""
    if args.what == "places":
        return places.run(args, settings)
    if args.what == "differences":
        return _differences(args, settings)
    if args.detect:
        return _detect(args.detect, args.json)
    mine: str = args.mine
    if not (len(mine) == 12 and mine.isascii() and mine.isdigit()):
        raise ConfigError(f"mine {mine!r} is not twelve digits")
    profile = load_profiles(settings.files.profiles_file).of(mine).as_dict()
    if args.json:
        print(json.dumps({"mine": mine, "profile": profile}, ensure_ascii=False))
        return 0
    print(f"[mine.{mine}]")
    untold = [code for code, word in profile["power_codes"] if word == "untold"]
    if untold:
        codes = ", ".join(map(repr, untold))
        print(f"# 分站电源状态未上报 power state of substations untold: {codes}")
    for name, value in profile.items():
        print(_line(name, value))
    return 0


def _differences(args: argparse.Namespace, settings: Settings) -> int:
    """List a day's differences; 4 when there are any."""
    api = open_api(args, settings)
    found = api.get("/differences", {"day": args.day, "mine": args.mine})
    if args.json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        for item in found["items"]:
            values = ""
            if item["ours"] is not None or item["theirs"] is not None:
                values = f"  实测 {item['ours']}  上报 {item['theirs']} {item['uom']}"
            print(
                f"{item['at'][:19]}  {item['mine']} {item['mine_name']}  "
                f"{item['point'] or item['n']} {item['place']}  "
                f"{DIFFERENCES[item['kind']]}{values}"
            )
        if not found["items"]:
            print(f"{found['day']}: 没有差异 nothing differs")
    return 4 if found["items"] else 0


def _detect(paths: Sequence[Path], as_json: bool) -> int:
    """Propose a profile from samples, as a section of ``files.profiles_file``."""
    samples = []
    for path in paths:
        try:
            samples.append(Sample(path.name, path.read_bytes()))
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from None
    proposal = propose(samples)
    for text in proposal.unused:
        print(f"not used: {text}", file=sys.stderr)
    if not proposal.confidence:
        raise GasmonError("no sample shows how this mine writes")
    mine = _mine_of(samples)
    if as_json:
        print(json.dumps(_as_json(mine, proposal), ensure_ascii=False))
        return 0
    n_used = len(samples) - len(proposal.unused)
    print(f"# 建议 proposed from {n_used} files, confidence {proposal.confidence:.2f}")
    print(f"[mine.{mine}]")
    settings = proposal.profile.as_dict()
    for found in proposal.findings:
        line = _line(found.setting, settings[found.setting])
        print(f"{line}  # {found.confidence:.2f}: {found.reason}")
    return 0


def _mine_of(samples: Sequence[Sample]) -> str:
    """The one mine whose files these are.

    Raises:
        ConfigError: they are of several.
    """
    mines = set()
    for sample in samples:
        try:
            mines.add(parse_file_name(sample.name).mine)
        except PayloadError:
            continue  # told as not used
    if len(mines) > 1:
        raise ConfigError(f"samples of several mines: {', '.join(sorted(mines))}")
    return mines.pop()


def _as_json(mine: str, proposal: Proposal) -> dict[str, Any]:
    settings = proposal.profile.as_dict()
    return {
        "mine": mine,
        "confidence": round(proposal.confidence, 3),
        "profile": settings,
        "findings": [
            {
                "setting": found.setting,
                "value": settings[found.setting],
                "confidence": round(found.confidence, 3),
                "reason": found.reason,
            }
            for found in proposal.findings
        ],
        "unused": list(proposal.unused),
    }


def _line(name: str, value: Any) -> str:
    """A setting as TOML, whose strings, numbers and lists are written as in JSON."""
    return f"{name} = {json.dumps(value, ensure_ascii=False)}"
