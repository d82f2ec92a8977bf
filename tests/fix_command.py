"""gasmon's commands as processes, without the two seconds that importing them takes.

They are forked from a process that has imported everything and done nothing else. Each
has its own process id, environment, signals and memory, as if it had been started from
a shell; ``test_serve_is_ready_works_and_ends_quickly`` and the tests of the whole path
start theirs from there.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.preloaded"])


def plain_environment() -> dict[str, str]:
    """Ours without settings of gasmon: a test names all that it means."""
    return {k: v for k, v in os.environ.items() if not k.startswith("GASMON_")}


class Command:
    """A running ``gasmon`` or ``gasmon-sim``, used like a ``subprocess.Popen``.

    Attributes:
        pid: of the process.
    """

    def __init__(
        self, arguments: Sequence[str], log: Path, program: str = "gasmon"
    ) -> None:
        """Start it.

        Args:
            arguments: as after the program's name on a command line.
            log: file to which both of its outputs are added.
            program: ``gasmon`` or ``gasmon-sim``.
        """
        self._words = [program, *arguments]
        log.touch()
        self._process = CONTEXT.Process(
            target=_run,
            args=(self._words, str(log), plain_environment(), os.getcwd()),
            daemon=True,  # a test that forgets it must not hold up the end
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended.

        Raises:
            subprocess.TimeoutExpired: it still runs after so many seconds.
        """
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(self._words, timeout)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        if self.poll() is None:
            self._process.kill()


def _run(words: list[str], log: str, environment: dict[str, str], folder: str) -> None:
    """Be the program: the process's whole life."""
    outputs = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for ours, theirs in ((nothing, 0), (outputs, 1), (outputs, 2)):
        os.dup2(ours, theirs)
    os.close(outputs)
    os.close(nothing)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = words
    if words[0] == "gasmon-sim":
        from simulators.cli import main
    else:
        from gasmon.cli import main

    sys.exit(main(words[1:]))
