"""``gasmon-sim record`` and ``replay``: what mines published, once more."""

import argparse
from pathlib import Path
from typing import Any

from simulators.cli_options import (
    add_broker,
    add_output,
    broker_of,
    on_signals,
    positive,
    show,
    speaker,
)
from simulators.tape import read_tape, record, replay


class _Stop:
    """Whether somebody wants it to end."""

    def __init__(self) -> None:
        self.asked = False

    def ask(self) -> None:
        self.asked = True

    def __call__(self) -> bool:
        return self.asked


def add_parsers(commands: Any) -> None:
    """Declare both commands."""
    tape = commands.add_parser("record", help="录制 write down what all mines publish")
    tape.set_defaults(command=_record)
    tape.add_argument("--out", type=Path, required=True, metavar="FILE")
    tape.add_argument("--duration", type=positive, required=True, metavar="S")
    add_broker(tape)
    add_output(tape)

    again = commands.add_parser("replay", help="回放 publish it again as if new")
    again.set_defaults(command=_replay)
    again.add_argument("tape", type=Path, metavar="FILE")
    again.add_argument("--speed", type=positive, default=1.0, metavar="X")
    add_broker(again)
    add_output(again)


def _record(args: argparse.Namespace) -> int:
    stop, say = _Stop(), speaker(args.quiet)
    on_signals(stop.ask)
    say(f"recording for {args.duration:g} s")
    n = record(broker_of(args), args.out, args.duration, args.patience, stop)
    show({"messages": n, "file": str(args.out)}, args.json)
    return 0


def _replay(args: argparse.Namespace) -> int:
    stop, say = _Stop(), speaker(args.quiet)
    on_signals(stop.ask)
    tape = read_tape(args.tape)
    say(f"{len(tape)} messages")
    n, acknowledged = replay(broker_of(args), tape, args.speed, args.patience, stop)
    report: dict[str, object] = {"messages": n, "acknowledged": acknowledged}
    show(report, args.json)
    return 0 if n == len(tape) == acknowledged else 1
