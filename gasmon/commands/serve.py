"""``gasmon serve``: ingest (or what follows a node above), duty and api in one."""

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from gasmon.api.app import create_app, uvicorn_config
from gasmon.clock import SystemClock
from gasmon.commands.follow import end
from gasmon.commands.running import (
    Stop,
    keep_what_is_loaded,
    make_drills,
    make_duty,
    make_ingest,
    patiently,
    reload_rules_on_hangup,
    require_schema,
    require_schema_or_copy,
    run_ingest,
    serve_until,
    start_ingest,
    take_turns,
    watch,
)
from gasmon.commands.user import offer_first
from gasmon.settings import Settings
from gasmon.telemetry import Metrics
from gasmon.upstream.loop import Following


def add_parser(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare the command's flags."""
    commands.add_parser(
        "serve", parents=parents, help="ingest, duty and api in one process"
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command until a signal ends it."""
    take_turns()
    ready = partial(announce, settings, args.json)
    return asyncio.run(serve(settings, on_ready=ready))


async def announce(settings: Settings, as_json: bool, port: int) -> None:
    """Say on stderr where we listen, and how the first administrator comes in."""
    told = {"listening": f"http://{settings.api.host}:{port}"}
    line = json.dumps(told) if as_json else f"gasmon: {told['listening']}"
    print(line, file=sys.stderr, flush=True)
    here = settings.api.model_copy(update={"port": port})
    first = await asyncio.to_thread(
        offer_first, settings.model_copy(update={"api": here})
    )
    if first is not None:
        words = (
            f"gasmon: 还没有管理员 no administrator yet: {first['link']} "
            f"(一次有效 once, until {first['expires_at']})"
        )
        line = json.dumps({"first_administrator": first}) if as_json else words
        print(line, file=sys.stderr, flush=True)


async def serve(
    settings: Settings,
    *,
    on_ready: Callable[[int], Awaitable[None]],
    before_stop: Callable[[], None] = lambda: None,
) -> int:
    """Run everything until a signal; returns the exit code.

    Args:
        on_ready: told the port once connections are accepted.
        before_stop: done first when it ends, while everything still runs.
    """
    if settings.upstream.url is not None:
        return await serve_node(settings, on_ready=on_ready)
    stop, metrics, clock = Stop(), Metrics(), SystemClock()
    await patiently("serve", lambda: require_schema_or_copy(settings))
    ingest = make_ingest(settings, clock, metrics)
    reload_rules_on_hangup(ingest)
    drills = make_drills(settings, ingest, clock, metrics)
    duty = make_duty(settings, clock, metrics)
    app = create_app(
        settings, metrics, clock, checks={**ingest.checks(), **duty.checks()}
    )
    if not settings.ingest.standby:
        await patiently("serve", partial(start_ingest, settings, ingest))
    drills.start()
    duty.start()
    keep_what_is_loaded()
    ended = asyncio.Event()

    async def end_in_order() -> None:
        await stop.event.wait()
        await asyncio.to_thread(before_stop)
        ended.set()

    if settings.ingest.standby:
        # Pages are shown meanwhile.
        ingesting = run_ingest("serve", settings, ingest, stop.event)
    else:
        ingesting = watch(ingest, stop.event)
    try:
        await asyncio.gather(
            serve_until(uvicorn_config(app, settings), ended, on_ready),
            ingesting,
            end_in_order(),
        )
    finally:
        stop.event.set()
        await asyncio.to_thread(drills.stop)
        await asyncio.to_thread(ingest.stop)
        await asyncio.to_thread(duty.stop)
    return 1 if ingest.failure else 0


async def serve_node(
    settings: Settings, *, on_ready: Callable[[int], Awaitable[None]]
) -> int:
    """The same for a node that follows another one: it judges nothing itself."""
    stop, metrics, clock = Stop(), Metrics(), SystemClock()
    following = Following(settings, clock, metrics)
    await patiently("serve", lambda: require_schema(settings))
    duty = make_duty(settings, clock, metrics)
    app = create_app(
        settings, metrics, clock, checks={**following.checks(), **duty.checks()}
    )
    duty.start()
    keep_what_is_loaded()
    running = asyncio.create_task(following.run(), name="gasmon[follow]")
    running.add_done_callback(lambda _: stop.event.set())
    try:
        await serve_until(uvicorn_config(app, settings), stop.event, on_ready)
    finally:
        await asyncio.to_thread(duty.stop)
        await end(running)
    return 0
