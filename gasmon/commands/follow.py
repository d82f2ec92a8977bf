"""``gasmon follow``: keeps this node's alarms as the node above tells them."""

import argparse
import asyncio
import json
import sys
from typing import Any

from gasmon.clock import SystemClock
from gasmon.commands.running import (
    Stop,
    database_check,
    patiently,
    require_schema,
    serve_health,
)
from gasmon.remote.listening import STILL_HEARTBEATS
from gasmon.settings import Settings
from gasmon.store import upstream
from gasmon.store.db import connect
from gasmon.telemetry import Metrics
from gasmon.units import US_PER_S, iso_us
from gasmon.upstream.loop import Following


def add_parser(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare the command's flags."""
    follow = commands.add_parser(
        "follow", parents=parents, help="follow the alarms of the node above"
    )
    follow.add_argument(
        "--status",
        action="store_true",
        help="say how it stands with the node above, and end",
    )


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command until a signal ends it."""
    if args.status:
        return _show(settings, args.json)
    return asyncio.run(_run(settings))


async def _run(settings: Settings) -> int:
    stop, metrics, clock = Stop(), Metrics(), SystemClock()
    following = Following(settings, clock, metrics)
    await patiently("follow", lambda: require_schema(settings))
    running = asyncio.create_task(following.run(), name="gasmon[follow]")
    running.add_done_callback(lambda _: stop.event.set())
    checks = {"database": database_check(settings), **following.checks()}
    try:
        await serve_health(
            settings, settings.duty.health_port, checks, metrics, stop.event
        )
    finally:
        await end(running)
    return 0


async def end(running: asyncio.Task[None]) -> None:
    """Stop following; an error of ours that ended it is passed on."""
    if not running.cancel():
        running.result()
    await asyncio.gather(running, return_exceptions=True)


def _show(settings: Settings, as_json: bool) -> int:
    """Where we are, up to when all is here, and what the node above lacks."""
    with connect(settings.database) as conn:
        here, queue = upstream.followed(conn), upstream.queue(conn)
    now_us = SystemClock().now_us()
    told: dict[str, Any] = {
        "upstream": settings.upstream.name,
        "url": settings.upstream.url,
        "position": None if here is None else {"epoch": here.epoch, "seq": here.seq},
        "complete_to": _iso(here.complete_to_us if here else None),
        "heard_s_ago": None
        if here is None
        else round((now_us - here.heard_us) / US_PER_S, 1),
        "stands_still": here is not None
        and here.stands_still(now_us, STILL_HEARTBEATS),
        "waiting": queue.n_waiting,
        "waiting_since": _iso(queue.oldest_us),
        "refused": queue.n_refused,
        "refusal": queue.refusal,
    }
    if as_json:
        print(json.dumps(told, ensure_ascii=False))
        return 0
    if here is None:
        print(f"{told['upstream']}: 尚未收到数据 nothing was heard yet")
    else:
        print(
            f"{here.name}: 数据完整至 complete to {told['complete_to'] or '-'},"
            f" {told['heard_s_ago']} s 前 ago, {here.seq} ({here.epoch})"
        )
    if told["stands_still"]:
        print("上级平台的数据停住 what it knows stands still", file=sys.stderr)
    print(f"待上报 waiting: {queue.n_waiting}   被拒 refused: {queue.n_refused}")
    if queue.refusal:
        print(queue.refusal, file=sys.stderr)
    return 0


def _iso(time_us: int | None) -> str | None:
    return None if time_us is None else iso_us(time_us)
