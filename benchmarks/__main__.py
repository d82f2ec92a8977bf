"""``python -m benchmarks NAME``: run one benchmark and print what it found."""

import argparse
import json
import signal
import sys
from collections.abc import Callable
from types import FrameType

from benchmarks import (
    engine,
    engine_peer,
    fanout,
    ingest,
    latency,
    pages,
    restart,
    safeguards,
    soak,
    trend,
    upload,
)
from benchmarks.report import Report, machine, table
from gasmon.errors import GasmonError

BENCHMARKS: dict[str, Callable[[bool], Report]] = {
    "engine": engine.run,
    "engine_peer": engine_peer.run,
    "fanout": fanout.run,
    "ingest": ingest.run,
    "latency": latency.run,
    "pages": pages.run,
    "restart": restart.run,
    "safeguards": safeguards.run,
    "soak": soak.run,
    "trend": trend.run,
    "upload": upload.run,
}


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code: 0 ok, 1 failed, 2 usage, 3 unreachable."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("name", choices=sorted(BENCHMARKS))
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument(
        "--quick", action="store_true", help="small and short: shows that it works"
    )
    args = parser.parse_args(argv)
    # The servers are children: they are stopped on the way out, also by SIGTERM.
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        report = BENCHMARKS[args.name](args.quick)
    except GasmonError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("benchmarks: interrupted", file=sys.stderr)
        return 1
    told = report.as_dict(machine())
    print(json.dumps(told, ensure_ascii=False) if args.json else table(told))
    return 0


def _interrupted(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
