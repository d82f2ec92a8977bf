"""``python -m tests.faults --seed 1 --minutes 10``: break gasmon, see if it minds."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

from tests.faults.campaign import Campaign
from tests.faults.chaos import KINDS, chosen
from tests.faults.plan import Plan
from tests.faults.report import as_json, as_table


def parse(argv: list[str]) -> argparse.Namespace:
    """The flags."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, help="else one is drawn and printed")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument(
        "--broker", choices=("nats", "mosquitto", "both"), default="both"
    )
    parser.add_argument(
        "--faults", help=f"of {','.join(KINDS)}, or with a target: kill:ingest"
    )
    parser.add_argument("--delays", choices=("yes", "no", "both"), default="both")
    parser.add_argument("--standby", action="store_true", help="two ingests, one waits")
    parser.add_argument("--timescaledb", action="store_true", help="else PostgreSQL")
    parser.add_argument("--mines", type=int, default=14)
    parser.add_argument("--round", type=float, default=60.0, help="[s]")
    parser.add_argument("--keep", type=Path, help="folder in which logs stay")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Run a campaign; 0 when nothing was found."""
    args = parse(argv)
    seed = time.time_ns() % 1_000_000 if args.seed is None else args.seed
    try:
        kinds = chosen(args.faults)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if args.keep is not None:
        args.keep.mkdir(parents=True, exist_ok=True)
        args.keep.chmod(0o711)
    plan = Plan(
        seed=seed,
        minutes=args.minutes,
        brokers=("nats", "mosquitto") if args.broker == "both" else (args.broker,),
        kinds=kinds,
        n_mines=args.mines,
        round_s=args.round,
        keep=args.keep,
        delays=args.delays,
        standby=args.standby,
        timescaledb=args.timescaledb,
    )
    begin_s = time.monotonic()

    def say(text: str) -> None:
        print(
            f"[{time.monotonic() - begin_s:6.1f}] {text}", file=sys.stderr, flush=True
        )

    # Whoever ends us ends what we started, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    say(f"seed {seed}")
    outcome = Campaign(plan, say).run()
    print(as_json(outcome) if args.json else as_table(outcome))
    return 1 if outcome.findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
