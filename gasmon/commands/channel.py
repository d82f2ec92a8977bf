"""``gasmon channel test``: send a test by a channel and say how it went."""

import argparse
import hashlib
import json
from typing import Any

from gasmon.clock import SystemClock
from gasmon.duty.channel_file import Channel, load_channels
from gasmon.duty.senders import Call, send
from gasmon.errors import ConfigError, GasmonError
from gasmon.settings import Settings
from gasmon.store.views_escalation import masked
from gasmon.units import iso_us


def add_parser(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    """Declare the command's flags."""
    parser = commands.add_parser("channel", help="ways to call people")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    test = actions.add_parser(
        "test", parents=parents, help="send a test to every recipient of a channel"
    )
    test.add_argument("name", metavar="NAME", help="as the channels' file calls it")


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Run the command; 3 when the other side is unreachable, 1 when it refused."""
    channels = load_channels(settings.escalation.channels_file)
    channel = next((c for c in channels if c.name == args.name), None)
    if channel is None:
        known = ", ".join(c.name for c in channels) or "none"
        raise ConfigError(f"there is no channel {args.name!r}; known: {known}")
    results = [_try(channel, to) for to in channel.to]
    for to, error in zip(channel.to, results, strict=True):
        if not args.json:
            print(f"{channel.name} → {masked(to)}: {error or '已送出 sent'}")
    if args.json:
        rows = [
            {
                "recipient": masked(to),
                "ok": error is None,
                "error": error and str(error),
            }
            for to, error in zip(channel.to, results, strict=True)
        ]
        told = {"channel": channel.name, "kind": channel.kind, "results": rows}
        print(json.dumps(told, ensure_ascii=False))
    return max((error.exit_code for error in results if error), default=0)


def _try(channel: Channel, to: str) -> GasmonError | None:
    try:
        send(channel, trial_of(channel, to, SystemClock().now_us()))
    except GasmonError as error:
        return error
    return None


def trial_of(channel: Channel, to: str, now_us: int) -> Call:
    """A message that nobody can take for an alarm."""
    id_ = f"channel-test/{channel.name}/{now_us}"
    zh = f"【测试】gasmon 通道 {channel.name} 测试，无需处理 {iso_us(now_us)[:19]}"
    en = f"[TEST] gasmon tests its channel {channel.name}: nothing to do"
    body = {"id": id_, "event": "channel_test", "text": {"zh": zh, "en": en}}
    key = hashlib.sha256(f"{id_}\n{to}".encode()).hexdigest()[:32]
    text = f"{zh}\n{en}\n"
    return Call(key, to, json.dumps(body, ensure_ascii=False), zh, text, now_us)
