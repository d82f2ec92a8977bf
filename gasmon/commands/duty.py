"""``gasmon duty``: timers and jobs."""

import argparse
import asyncio
from typing import Any

from gasmon.clock import SystemClock
from gasmon.commands.running import (
    Stop,
    database_check,
    keep_what_is_loaded,
    make_duty,
    patiently,
    require_schema,
    serve_health,
    take_turns,
)
from gasmon.settings import Settings
from gasmon.telemetry import Metrics


def add_parser(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare the command's flags."""
    commands.add_parser("duty", parents=parents, help="run timers and jobs")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command until a signal ends it."""
    take_turns()
    return asyncio.run(_run(settings))


async def _run(settings: Settings) -> int:
    stop, metrics = Stop(), Metrics()
    await patiently("duty", lambda: require_schema(settings))
    duty = make_duty(settings, SystemClock(), metrics)
    duty.start()
    keep_what_is_loaded()
    checks = {"database": database_check(settings), **duty.checks()}
    try:
        await serve_health(
            settings, settings.duty.health_port, checks, metrics, stop.event
        )
    finally:
        await asyncio.to_thread(duty.stop)
    return 0
