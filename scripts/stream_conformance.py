"""Checks a server or a client of gasmon.alarms.v1 against docs/remote-protocol.md.

    python scripts/stream_conformance.py server URL TOKEN_FILE
    python scripts/stream_conformance.py client -- COMMAND {url} {token} {state}

A server is spoken to with a valid token; it needs no alarms, and is left as it was. A
client is started as COMMAND, with its placeholders filled in, against a server of ours
that cuts, repeats, skips, falls silent and refuses; it must print the JSON of each
event on a line of standard output, and stay. ``--json`` prints the result as JSON. Exit
codes: 0 conforms, 3 not reachable, 4 does not. Needs the ``websockets`` library alone.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from conformance_client import CLIENT_CHECKS
from conformance_server import SERVER_CHECKS, Unreachable

Check = Callable[..., Awaitable[None]]


async def run_checks(
    checks: list[Check], *arguments: Any, as_json: bool
) -> list[dict[str, Any]]:
    """Run checks in their order; one that fails stops none of the others."""
    results = []
    for check in checks:
        problem = ""
        try:
            await check(*arguments)
        except Unreachable:
            raise
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        name = (check.__doc__ or check.__name__).splitlines()[0]
        results.append({"check": check.__name__, "promise": name, "problem": problem})
        if not as_json:
            print(f"{'FAIL' if problem else 'ok  '} {name} {problem}", flush=True)
    return results


def main(argv: list[str]) -> int:
    """Run the script; gives the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    sides = parser.add_subparsers(dest="side", required=True)
    server = sides.add_parser("server")
    server.add_argument("url")
    server.add_argument("token_file", type=Path)
    client = sides.add_parser("client")
    client.add_argument("command", nargs="+")
    args = parser.parse_args(argv)
    try:
        if args.side == "server":
            token = args.token_file.read_text("utf-8").strip()
            checks = run_checks(SERVER_CHECKS, args.url, token, as_json=args.json)
        else:
            checks = run_checks(CLIENT_CHECKS, args.command, as_json=args.json)
        results = asyncio.run(checks)
    except Unreachable as error:
        print(f"not reachable: {error}", file=sys.stderr)
        return 3
    if args.json:
        print(json.dumps(results))
    return 4 if any(result["problem"] for result in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
