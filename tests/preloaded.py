"""What gasmon's commands import, imported once for all processes of the tests."""

from __future__ import annotations

import gc

import simulators.cli  # noqa: F401
from gasmon.cli import COMMANDS, build_parser

build_parser(COMMANDS)
# Nothing of this is garbage, and a process that never looks at it shares its memory.
gc.freeze()
