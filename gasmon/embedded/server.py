"""What our servers have in common: a folder, its lock, one child that is waited for."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from gasmon.embedded.process import POLL_S, Child, FolderLock, Progress
from gasmon.errors import DependencyError

PROGRESS_EVERY_S = 5.0


class EmbeddedServer(ABC):
    """One server with its data in a folder; a kind of server says how it is started.

    Attributes:
        data_dir: folder of this server alone.
        port: TCP port once started (the wanted one before; None = a free one).
        log_path: what the server wrote.
    """

    NAME: ClassVar[str]
    """What people call it."""

    STOP_STEPS: ClassVar[Sequence[tuple[int, float]]]
    """(signal, patience [s]) of an orderly stop, in order."""

    def __init__(
        self,
        data_dir: Path,
        log_name: str,
        *,
        port: int | None,
        start_timeout_s: float,
        progress: Progress,
    ) -> None:
        """Describe the server; nothing is touched before :meth:`start`."""
        self.data_dir = data_dir.absolute()
        self.port = port
        self.log_path = self.data_dir / log_name
        self._wanted_port = port
        self._start_timeout_s = start_timeout_s
        self._progress = progress
        self._lock: FolderLock | None = None
        self._child: Child | None = None

    def start(self) -> None:
        """Start the server; returns once it can be used.

        Raises:
            DependencyError: program missing, port taken, folder in use, or not ready in
                time; nothing is left running.
        """
        if self._child is not None:
            raise DependencyError(f"{self.NAME} in {self.data_dir} is already started")
        self._make_folder()
        self._lock = FolderLock(self.data_dir)
        self._lock.acquire()
        try:
            self._start_locked(time.monotonic() + self._start_timeout_s)
        except BaseException:
            self.stop()
            raise

    def _make_folder(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)

    @abstractmethod
    def _start_locked(self, deadline_s: float) -> None:
        """Start, holding the lock of the folder."""

    def _wait_until(
        self, is_ready: Callable[[Child], bool], child: Child, deadline_s: float
    ) -> bool:
        """Wait for a child; False when it ended before.

        Raises:
            DependencyError: not ready at the deadline.
        """
        started_s = time.monotonic()
        told_s = started_s
        while child.alive:
            if is_ready(child):
                return True
            now_s = time.monotonic()
            if now_s > deadline_s:
                raise DependencyError(
                    f"{self.NAME} was not ready within {self._start_timeout_s:g} s "
                    f"(log: {self.log_path})"
                )
            if now_s - told_s >= PROGRESS_EVERY_S:
                told_s = now_s
                self._progress(f"waiting for {self.NAME}, {now_s - started_s:.0f} s")
            time.sleep(POLL_S)
        return False

    def _not_started(self, log: str, mark: str) -> DependencyError:
        """Why the child ended: the last line of its log with a mark, else all of it."""
        last = next((x for x in reversed(log.splitlines()) if mark in x), log)
        return DependencyError(
            f"{self.NAME} did not start: {last.strip()[-300:]} (log: {self.log_path})"
        )

    def stop(self) -> None:
        """Stop the server in the orderly way; harmless when it does not run."""
        if self._child is not None:
            self._child.stop(self.STOP_STEPS)
            self._child = None
        self._give_folder_back()

    def kill(self) -> None:
        """Kill the server as a power cut would (for tests of recovery)."""
        if self._child is not None:
            self._child.kill()
            self._child = None
        self._give_folder_back()

    def _give_folder_back(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @property
    def pid(self) -> int | None:
        """Process id of the server, None when not started."""
        return None if self._child is None else self._child.pid

    @property
    def alive(self) -> bool:
        """Whether the server runs; False also when it ended by itself."""
        return self._child is not None and self._child.alive

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
