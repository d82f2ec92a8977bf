"""``python -m benchmarks.child ingest`` or ``serve``: a command without its shell."""

import argparse
import sys
from importlib import import_module

from benchmarks.switches import switch_off
from gasmon import settings


def main() -> int:
    """Run the command with settings from the environment; returns its exit code."""
    switch_off()
    command = import_module(f"gasmon.commands.{sys.argv[1]}")
    code: int = command.run(argparse.Namespace(json=True), settings.load())
    return code


if __name__ == "__main__":
    sys.exit(main())
