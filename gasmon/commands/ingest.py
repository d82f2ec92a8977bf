"""``gasmon ingest``: frames from the broker, judged and stored."""

import argparse
import asyncio
from typing import Any

from gasmon.clock import SystemClock
from gasmon.commands.running import (
    Stop,
    database_check,
    make_drills,
    make_ingest,
    reload_rules_on_hangup,
    run_ingest,
    serve_health,
    take_turns,
)
from gasmon.errors import ConfigError
from gasmon.settings import Settings
from gasmon.telemetry import Metrics


def add_parser(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare the command's flags."""
    commands.add_parser(
        "ingest", parents=parents, help="receive, judge and store readings"
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command until a signal ends it."""
    if settings.upstream.url is not None:
        raise ConfigError(
            f"upstream.url is set: this node follows {settings.upstream.name}, and "
            "alarms are judged there"
        )
    take_turns()
    return asyncio.run(_run(settings))


async def _run(settings: Settings) -> int:
    stop, metrics, clock = Stop(), Metrics(), SystemClock()
    ingest = make_ingest(settings, clock, metrics)
    reload_rules_on_hangup(ingest)
    drills = make_drills(settings, ingest, clock, metrics)
    drills.start()
    checks = {"database": database_check(settings), **ingest.checks()}
    port = settings.ingest.health_port
    try:
        await asyncio.gather(
            serve_health(settings, port, checks, metrics, stop.event),
            run_ingest("ingest", settings, ingest, stop.event),
        )
    finally:
        await asyncio.to_thread(drills.stop)
        await asyncio.to_thread(ingest.stop)
    return 1 if ingest.failure else 0
