"""``gasmon demo``: everything on one machine, nothing to install."""

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import Any

from gasmon.commands import serve
from gasmon.commands.running import take_turns
from gasmon.demo import DATABASE_CAP_MB, Demo, DemoOptions
from gasmon.errors import ConfigError
from gasmon.settings import Settings

DEFAULT_DIR = Path("demo-data")


def add_parser(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare the command's flags."""
    parser = commands.add_parser(
        "demo", parents=parents, help="everything here, with a simulated city"
    )
    parser.add_argument("--port", type=int, default=8123, help="port of the page")
    parser.add_argument("--data-dir", type=Path, default=DEFAULT_DIR, metavar="DIR")
    parser.add_argument("--mines", type=int, help="how many to simulate (default all)")
    parser.add_argument("--cycle", type=float, default=15.0, metavar="S")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--activity", choices=("calm", "normal", "busy"), default="normal"
    )
    parser.add_argument(
        "--incident",
        action="append",
        default=[],
        metavar="MINE|COUNTY",
        help="let gas rise there (repeatable)",
    )
    parser.add_argument("--database-port", type=int, metavar="PORT")
    parser.add_argument("--broker-port", type=int, metavar="PORT")
    parser.add_argument(
        "--max-mb",
        type=int,
        default=DATABASE_CAP_MB,
        help="oldest readings go when the database is larger",
    )
    parser.add_argument(
        "--no-simulator", action="store_true", help="leave the city silent"
    )


def other_roles(told: dict[str, Any]) -> str:
    """One line for each role with the address that logs in as it."""
    return "".join(
        f"    {role:<16} {address}\n" for role, address in told["logins"].items()
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the demo until Ctrl-C."""
    if args.mines is not None and args.mines < 1:
        raise ConfigError(f"--mines {args.mines}: at least 1 is wanted")
    if not args.cycle > 0:
        raise ConfigError(f"--cycle {args.cycle:g}: more than 0 s is wanted")
    options = DemoOptions(
        data_dir=args.data_dir,
        port=args.port,
        database_port=args.database_port,
        broker_port=args.broker_port,
        mines=args.mines,
        cycle_s=args.cycle,
        seed=args.seed,
        activity=args.activity,
        incidents=tuple(args.incident),
        simulate=not args.no_simulator,
        max_database_mb=args.max_mb,
        config=args.config,
        chosen={name: value for name, _, value in (p.partition("=") for p in args.set)},
    )
    started_s = time.monotonic()

    def progress(text: str) -> None:
        took_s = time.monotonic() - started_s
        print(f"[{took_s:5.1f} s] {text}", file=sys.stderr, flush=True)

    take_turns()
    demo = Demo(options, progress)
    try:
        demo.start()

        async def watch_city() -> None:
            if words := await asyncio.to_thread(demo.until_simulator_ends):
                progress(words)

        watching: list[asyncio.Task[None]] = []

        async def ready(_port: int) -> None:
            demo.simulate()
            watching.append(asyncio.create_task(watch_city(), name="gasmon[city]"))
            progress("ready 就绪")
            where = options.data_dir / "demo.json"
            print(
                f"\n  打开 open   {demo.told['login']}\n"
                f"  其他角色 as another role:\n{other_roles(demo.told)}"
                f"  令牌与地址 tokens and addresses   {where}\n"
                "  Ctrl-C 结束 ends it\n",
                flush=True,
            )

        return asyncio.run(
            serve.serve(demo.settings, on_ready=ready, before_stop=demo.stop_simulator)
        )
    finally:
        demo.stop()
