"""``gasmon api``: pages, HTTP and streams, without ingest."""

import argparse
import asyncio
import json
import sys
from functools import partial
from typing import Any

from gasmon.api.app import create_app, uvicorn_config
from gasmon.clock import SystemClock
from gasmon.commands.running import (
    Stop,
    keep_what_is_loaded,
    patiently,
    require_schema,
    serve_until,
    take_turns,
)
from gasmon.settings import Settings
from gasmon.telemetry import Metrics


def add_parser(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare the command's flags."""
    commands.add_parser("api", parents=parents, help="pages, HTTP and alarm streams")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command until a signal ends it."""
    take_turns()
    return asyncio.run(_run(settings, args.json))


async def _run(settings: Settings, as_json: bool) -> int:
    stop, metrics = Stop(), Metrics()
    await patiently("api", lambda: require_schema(settings))
    app = create_app(settings, metrics, SystemClock())
    keep_what_is_loaded()
    ready = partial(_announce, settings, as_json)
    await serve_until(uvicorn_config(app, settings), stop.event, ready)
    return 0


async def _announce(settings: Settings, as_json: bool, port: int) -> None:
    """Say on stderr where we listen."""
    told = {"listening": f"http://{settings.api.host}:{port}"}
    line = json.dumps(told) if as_json else f"gasmon: {told['listening']}"
    print(line, file=sys.stderr, flush=True)
