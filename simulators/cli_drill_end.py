"""``gasmon-sim drill --end RUN``: end a drill whose program died, and score it.

gasmon ends such a drill by itself; what was done until then is in its journal, and how
the drill was set up is in the trace that it left beside the reports.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from gasmon.errors import ConfigError
from simulators import criteria
from simulators.cli_drill_report import BROKEN_OFF, folder, name_of, report, tell
from simulators.cli_options import token_in
from simulators.drill import real_alarms
from simulators.drill_platform import DrillPlatform
from simulators.drill_record import DrillRecord, write
from simulators.drill_seen import ENDED_BY, record_of
from simulators.drill_trace import Trace, find, played_again, read
from simulators.platform import Platform, time_us

_FRESH_S = 12.0
"""A trace that is no older is perhaps of a program that lives: it writes every 5 s."""

_LOOK_S = 0.5
"""How often the trace is looked at while its program may live [s]."""


def end(args: argparse.Namespace) -> int:
    """End a run, write what is to be said of it; returns the exit code."""
    run: int = args.end
    platform = DrillPlatform(
        Platform(args.url, token_in(args.token_file, "token file"))
    )
    try:
        drill = platform.drill(run)
    except LookupError:
        raise ConfigError(f"--end {run}: there is no such drill") from None
    if drill["state"] != "ended":
        platform.end(run, "演练程序中断，另行结束 its program died; ended by another")
        drill = platform.drill(run)
    folder(args.out)
    path = find(args.out, run, time_us(drill["from"]), time_us(drill["ended_at"]))
    if path is not None and _is_written_by_others(path):
        print(f"演练 {run} 由其程序收尾 its own program writes it", file=sys.stderr)
        return BROKEN_OFF
    if path is None:
        print(
            f"演练 {run} 已结束，{args.out} 中没有其过程 it is over; no trace of it in "
            f"{args.out}, so there is no score",
            file=sys.stderr,
        )
        return BROKEN_OFF
    trace = read(path)
    sheet_file = criteria.load(args.sheet) if args.sheet else trace.sheet_file()
    record = _record(platform, trace, drill)
    write(record, args.out / f"{name_of(record)}.json")
    code = report(record, sheet_file, args.out, as_json=args.json)
    tell(platform, record, sheet_file)
    path.unlink(missing_ok=True)
    return code


def _is_written_by_others(path: Path) -> bool:
    """Whether the program that plays it lives: it learns of the end and cleans up."""
    while path.exists():
        if time.time() - path.stat().st_mtime > _FRESH_S:
            return False
        time.sleep(_LOOK_S)
    return True


def _record(
    platform: DrillPlatform, trace: Trace, drill: dict[str, Any]
) -> DrillRecord:
    setup = trace.setup()
    ended_by = ENDED_BY.get(drill["end_cause"], "cut_off")
    return record_of(
        setup,
        platform.alarms(trace.run),
        ended_s=setup.drill_s(time_us(drill["ended_at"])),
        # Whatever ended it, it was not played as it was meant.
        ended_by="cut_off" if ended_by == "time" else ended_by,
        played_s=trace.played_s,
        calls=trace.calls,
        curves=played_again(setup, trace.played_s),
        real_alarms=real_alarms(platform, setup, drill),
    )
