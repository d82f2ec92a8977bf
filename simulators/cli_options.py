"""What several commands of ``gasmon-sim`` have in common: flags, brokers, output."""

import argparse
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from gasmon.errors import ConfigError
from simulators.link import Broker


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Which mines of which city."""
    parser.add_argument("--mines", type=count, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--county", action="append", default=[], metavar="SLUG")


def add_broker(parser: argparse.ArgumentParser) -> None:
    """Where the broker is and how to log in."""
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=port, default=1883)
    parser.add_argument("--username")
    parser.add_argument("--password-file", type=Path, metavar="FILE")
    parser.add_argument("--tls-ca", type=Path, metavar="FILE")
    parser.add_argument(
        "--patience",
        type=positive,
        default=30.0,
        metavar="S",
        help="等待消息服务器 how long to wait for the broker at the start",
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """How to say it."""
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quiet", action="store_true")


def broker_of(args: argparse.Namespace) -> Broker:
    """The broker that the flags name.

    Raises:
        ConfigError: a file cannot be read.
    """
    password = None
    if args.password_file is not None:
        password = secret_in(args.password_file, "password file")
    if args.tls_ca is not None and not args.tls_ca.is_file():
        raise ConfigError(f"file of the TLS authority: {args.tls_ca} is no file")
    return Broker(args.host, args.port, args.username, password, args.tls_ca)


def secret_in(path: Path, what: str) -> str:
    """The secret in a file.

    Raises:
        ConfigError: it cannot be read, or holds no text.
    """
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{what}: {error}") from None


def token_in(path: Path, what: str) -> str:
    """The token in a file; what it is goes into no message.

    Raises:
        ConfigError: it cannot be read, or cannot be a token.
    """
    token = secret_in(path, what)
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(f"{what}: {path} holds no token, which is one printable word")
    return token


def speaker(quiet: bool) -> Callable[[str], None]:
    """Takes lines of progress for people."""

    def say(line: str) -> None:
        if not quiet:
            print(f"[sim] {line}", file=sys.stderr, flush=True)

    return say


def on_signals(stop: Callable[[], None]) -> None:
    """Stop politely at the first signal."""

    def handler(_number: int, _frame: FrameType | None) -> None:
        stop()
        # A second signal ends the process at once, without the goodbye.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGTERM, handler)


def show(report: dict[str, object], as_json: bool) -> None:
    """Print a report: one JSON object, or a name and a value on each line."""
    if as_json:
        print(json.dumps(report, ensure_ascii=False), flush=True)
        return
    for name, value in report.items():
        print(f"{name}\t{value}")


def positive(text: str) -> float:
    """A number above 0."""
    value = float(text)
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def count(text: str) -> int:
    """A whole number, 1 or more."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return value


def from_zero(text: str) -> int:
    """A whole number, 0 or more."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return value


def port(text: str) -> int:
    """A port of TCP."""
    value = int(text)
    if not 0 < value < 65_536:
        raise argparse.ArgumentTypeError(f"{text} is not a port, 1 to 65535")
    return value
