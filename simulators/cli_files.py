"""``gasmon-sim files``: mines that write upload files into a drop folder."""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from gasmon.errors import ConfigError
from gasmon.ingest.upload.profile import Profile
from gasmon.units import US_PER_S
from simulators.city import City
from simulators.cli_options import (
    add_output,
    add_selection,
    on_signals,
    positive,
    show,
    speaker,
)
from simulators.files import FileMine
from simulators.incidents import DELAY_S
from simulators.layout import build_city, choose_mines, find_mine


def add_parser(commands: Any) -> None:
    """Declare the command."""
    files = commands.add_parser("files", help="上传文件 mines that write upload files")
    files.set_defaults(command=_files)
    add_selection(files)
    files.add_argument("--out", type=Path, required=True, metavar="DIR")
    files.add_argument("--cycle", type=positive, default=30.0, metavar="S")
    files.add_argument("--duration", type=positive, metavar="S")
    files.add_argument("--encoding", choices=["utf-8", "gbk"], default="utf-8")
    files.add_argument(
        "--incident",
        action="append",
        default=[],
        metavar="MINE|COUNTY",
        help="瓦斯升高 gas rises over 3 %% there after 10 s (repeatable)",
    )
    add_output(files)


def _files(args: argparse.Namespace) -> int:
    """Write files until stopped or the duration is over.

    Raises:
        ConfigError: the folder is not there.
    """
    if not args.out.is_dir():
        raise ConfigError(f"--out {args.out}: there is no such folder")
    plan = choose_mines(build_city(args.seed), args.mines, tuple(args.county))
    mines = [FileMine(mine, Profile(encoding=args.encoding)) for mine in plan.mines]
    begin_us = time.time_ns() // 1000 // US_PER_S * US_PER_S
    city = City(
        plan,
        np.random.default_rng(plan.seed),
        incidents=[find_mine(plan, name) for name in args.incident],
        incident_at_us=begin_us + DELAY_S * US_PER_S,
    )
    stopped: list[bool] = []
    on_signals(lambda: stopped.append(True))
    say = speaker(args.quiet)
    for mine in mines:
        mine.put(args.out, "CDDY", begin_us, mine.definitions(begin_us))
    say(f"{len(mines)} mines write into {args.out}")
    begin_s = due_s = time.monotonic()
    n_files, cycle_s = len(mines), max(1, round(args.cycle))
    while not stopped and (args.duration is None or due_s - begin_s < args.duration):
        while not stopped and (left_s := due_s - time.monotonic()) > 0:
            time.sleep(min(left_s, 0.1))
        at_us = begin_us + round(due_s - begin_s) * US_PER_S
        step = city.step(at_us)
        for mine, piece in zip(mines, city.roster.slices, strict=True):
            value, state = step.value[piece].tolist(), step.state[piece].tolist()
            mine.put(args.out, "CDSS", at_us, mine.readings(at_us, value, state))
            n_files += 1
        due_s += cycle_s
    show({"mines": len(mines), "points": plan.n_points, "files": n_files}, args.json)
    return 0
