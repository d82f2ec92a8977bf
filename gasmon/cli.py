"""gasmon's command line: the only place where everything is put together.

Exit codes: 0 ok, 1 failed, 2 wrong usage or settings, 3 a dependency is unreachable,
4 a criterion was not met. Results go to stdout, everything else to stderr.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

from gasmon import __version__
from gasmon.errors import ConfigError, GasmonError
from gasmon.settings import Settings, load
from gasmon.telemetry import set_up_logging

COMMANDS = (
    "serve",
    "ingest",
    "duty",
    "api",
    "follow",
    "db",
    "points",
    "mines",
    "rules",
    "user",
    "token",
    "audit",
    "seal",
    "alarm",
    "shift",
    "plan",
    "change",
    "drill",
    "escalation",
    "channel",
    "replay",
    "forecast",
    "drainage",
    "suspicious",
    "statistics",
    "receive",
    "platform",
    "doctor",
    "demo",
)
"""Each is a module of gasmon.commands with ``add_parser`` and ``run``."""


def _common() -> argparse.ArgumentParser:
    """Flags that every command takes."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--config", type=Path, metavar="FILE", help="settings file (TOML)"
    )
    common.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="one setting, e.g. --set database.url=postgresql://…",
    )
    common.add_argument(
        "--json", action="store_true", help="machine-readable output and log lines"
    )
    common.add_argument(
        "--log-level",
        default="INFO",
        choices=("DEBUG", "INFO", "WARNING", "ERROR"),
        help="least severe log line that is shown",
    )
    return common


def build_parser(
    names: Sequence[str] = COMMANDS,
) -> tuple[argparse.ArgumentParser, dict[str, ModuleType]]:
    """The command line, and the module behind each command.

    Args:
        names: commands to know. One is enough to run it, and starts faster: a replay
            needs no web server.
    """
    parser = argparse.ArgumentParser(
        prog="gasmon",
        description="煤矿瓦斯监测与远程报警平台 · coal-mine gas monitoring and alarms",
    )
    parser.add_argument("--version", action="version", version=f"gasmon {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = _common()
    modules = {}
    for name in names:
        module = import_module(f"gasmon.commands.{name}")
        add: Callable[..., None] = module.add_parser
        add(commands, [common])
        modules[name] = module
    return parser, modules


def overrides_of(pairs: Sequence[str]) -> dict[str, str]:
    """``NAME=VALUE`` flags as a mapping.

    Raises:
        ConfigError: one has no equals sign.
    """
    overrides = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"--set {pair}: NAME=VALUE is wanted")
        overrides[name.strip()] = value
    return overrides


def _fail(error: GasmonError, as_json: bool) -> int:
    if as_json:
        line = {"error": type(error).__name__, "text": str(error)}
        print(json.dumps(line, ensure_ascii=False), file=sys.stderr)
    else:
        print(f"gasmon: {error}", file=sys.stderr)
    return error.exit_code


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    given = sys.argv[1:] if argv is None else list(argv)
    named = given[:1] if given and given[0] in COMMANDS else COMMANDS
    parser, modules = build_parser(named)
    args = parser.parse_args(given)
    set_up_logging(as_json=args.json, level=args.log_level)
    try:
        settings: Settings = load(args.config, overrides_of(args.set))
        code: int = modules[args.command].run(args, settings)
        return code
    except GasmonError as error:
        return _fail(error, args.json)
    except BrokenPipeError:
        # Whoever read our output went away; nothing is left to tell them.
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
