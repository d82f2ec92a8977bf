"""``gasmon receive``: what a county or city platform runs to get its alarms.

Prints one JSON line per event on stdout, after it is safe in the state file. What a
person should know goes to stderr. docs/receiver.md has the promises.
"""

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

from gasmon.alarms.receipts import PROMISED
from gasmon.clock import SystemClock
from gasmon.errors import ConfigError, DependencyError
from gasmon.remote.keeping import Keeping
from gasmon.remote.options import Options, stream_url
from gasmon.remote.receiver import Receiver
from gasmon.settings import Settings, read_secret

LOUD = ("silence", "stands_still", "hook_failed", "refused", "seal_differs")


def add_parser(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare the command's flags."""
    receive = commands.add_parser(
        "receive", parents=parents, help="receive alarms from a gasmon server"
    )
    receive.add_argument("name", metavar="NAME", help="of this receiver, for messages")
    receive.add_argument(
        "--url", required=True, help="server, e.g. wss://gas.example.gov.cn"
    )
    receive.add_argument(
        "--token-file", type=Path, required=True, metavar="FILE", help="holds the token"
    )
    receive.add_argument(
        "--state",
        type=Path,
        required=True,
        metavar="FILE",
        help="SQLite file with the position and every event received",
    )
    _add_hooks(receive)
    receive.add_argument(
        "--area",
        action="append",
        metavar="AREA",
        help="only this area of those that the token may see; repeatable",
    )
    receive.add_argument(
        "--min-rank",
        type=int,
        default=0,
        choices=range(5),
        metavar="N",
        help="least level: 4 red, 3 orange, 2 yellow, 1 blue, 0 all",
    )
    receive.add_argument(
        "--kind",
        action="append",
        metavar="KIND",
        help="only this kind of alarm, e.g. over_limit; repeatable",
    )
    receive.add_argument(
        "--drills",
        action="store_true",
        help='events of drills too, each with "drill": true',
    )
    receive.add_argument(
        "--once", action="store_true", help="stop when everything told so far is here"
    )
    receive.add_argument(
        "--count", type=int, metavar="N", help="stop after N new events"
    )
    receive.add_argument(
        "--duration", type=float, metavar="S", help="stop after S seconds"
    )


def _add_hooks(receive: argparse.ArgumentParser) -> None:
    """What is run, and what is said back."""
    receive.add_argument(
        "--exec",
        metavar="COMMAND",
        dest="command_line",
        help="run for each event, its JSON on standard input",
    )
    receive.add_argument(
        "--exec-proves",
        action="append",
        default=[],
        choices=PROMISED,
        help="a step that the command's end without an error proves; repeatable",
    )
    receive.add_argument(
        "--reports",
        action="append",
        default=[],
        choices=PROMISED,
        help="a step that `gasmon platform report` will tell of each event",
    )
    receive.add_argument(
        "--on-silence",
        metavar="COMMAND",
        help="run once when heartbeats stop",
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command until it is done or a signal ends it."""
    stream_url(args.url)
    if args.count is not None and args.count < 1:
        raise ConfigError(f"--count must be at least 1, not {args.count}")
    if args.exec_proves and args.command_line is None:
        raise ConfigError("--exec-proves needs --exec")
    token = read_secret(args.token_file)
    assert token is not None
    options = Options(
        name=args.name,
        url=args.url,
        token=token,
        state=args.state,
        areas=None if args.area is None else tuple(sorted(set(args.area))),
        min_rank=args.min_rank,
        kinds=None if args.kind is None else tuple(sorted(set(args.kind))),
        command=args.command_line,
        silence_command=args.on_silence,
        count=args.count,
        once=args.once,
        reports=tuple(args.reports),
        proves=tuple(args.exec_proves),
        drills=args.drills,
    )
    with Keeping(options.state) as keeping:
        return asyncio.run(_receive(options, keeping, args))


async def _receive(options: Options, keeping: Keeping, args: argparse.Namespace) -> int:
    receiver = Receiver(
        options,
        keeping,
        clock=SystemClock(),
        on_event=_print_event,
        on_notice=lambda kind, facts: _tell(options.name, kind, facts, args.json),
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:  # pragma: no cover - Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
    receiving = asyncio.create_task(receiver.run())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait(
            [receiving, stopping],
            timeout=args.duration,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if receiving.done():
            receiving.result()
    finally:
        receiving.cancel()
        stopping.cancel()
        await asyncio.gather(receiving, stopping, return_exceptions=True)
    if args.duration is not None and not receiver.n_connects:
        raise DependencyError(f"{options.url} was not reached in {args.duration:g} s")
    return 0


def _print_event(body: str) -> None:
    # Flushed one by one: whoever reads this acts on it, and only what is out is marked.
    sys.stdout.write(body + "\n")
    sys.stdout.flush()


def _tell(name: str, kind: str, facts: dict[str, Any], as_json: bool) -> None:
    """One line on stderr about the line itself."""
    if as_json:
        line = json.dumps({"receiver": name, "notice": kind, **facts}, default=str)
    else:
        words = " ".join(f"{key}={value}" for key, value in facts.items())
        is_loud = kind in LOUD or facts.get("status", 0) >= 400
        mark = "!!! " if is_loud else ""
        line = f"{mark}gasmon receive {name}: {kind} {words}"
    print(line, file=sys.stderr, flush=True)
