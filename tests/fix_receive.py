"""``gasmon receive`` as a process of its own, for tests of receivers."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

GASMON = [
    sys.executable,
    "-c",
    "import sys; from gasmon.cli import main; sys.exit(main())",
]


class Process:
    """One run of ``gasmon receive``; its output is gathered as it comes."""

    def __init__(self, folder: Path, url: str, token: str, *flags: str) -> None:
        self.state = folder / "state.sqlite"
        token_file = folder / "token"
        token_file.write_text(token)
        self.out: list[str] = []
        self.err: list[str] = []
        self.popen = subprocess.Popen(
            [
                *GASMON,
                "receive",
                "county",
                "--url",
                url,
                "--token-file",
                str(token_file),
                "--state",
                str(self.state),
                *flags,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        assert self.popen.stdout is not None
        assert self.popen.stderr is not None
        self._threads = [
            threading.Thread(target=gather, args=pair, daemon=True)
            for pair in (
                (self.popen.stdout, self.out),
                (self.popen.stderr, self.err),
            )
        ]
        for thread in self._threads:
            thread.start()

    def end(self, number: int | None = None) -> int:
        """Wait for the end, after a signal if one is given; gives the exit code."""
        if number is not None:
            self.popen.send_signal(number)
        code = self.popen.wait(30)
        for thread in self._threads:
            thread.join(30)
        for pipe in (self.popen.stdout, self.popen.stderr):
            assert pipe is not None
            pipe.close()
        return code

    def says(self, word: str) -> bool:
        """Whether a line on stderr holds this."""
        return any(word in line for line in list(self.err))

    def kept(self) -> list[tuple[int | None, str, str]]:
        """Number, body and hook of everything that is kept."""
        return read_kept(self.state)


def read_kept(state: Path) -> list[tuple[int | None, str, str]]:
    """What a state file holds."""
    if not state.exists():
        return []
    with closing(sqlite3.connect(state)) as db:
        try:
            return db.execute("SELECT seq, body, hook FROM event ORDER BY n").fetchall()
        except sqlite3.OperationalError:
            return []  # the receiver has not made its tables yet


def gather(pipe: Any, into: list[str]) -> None:
    """Read lines until the end."""
    for line in pipe:
        into.append(line.rstrip("\n"))


@pytest.fixture
def receive(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """A function that starts a receiver; whatever is left is killed at the end."""
    started: list[Process] = []

    def start(url: str, token: str, *flags: str) -> Process:
        process = Process(tmp_path, url, token, *flags)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.popen.poll() is None:
            process.end(signal.SIGKILL)
