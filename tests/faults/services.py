"""One process of gasmon under a supervisor that starts it again, as systemd would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

GASMON = (sys.executable, "-m", "gasmon.cli")
RESTART_S = 1.0
"""The supervisor's pause before it starts what ended by itself [s]."""


def environment() -> dict[str, str]:
    """Ours without gasmon's settings: a campaign has its own, and no others."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GASMON_")}
    return {**kept, "PYTHONUNBUFFERED": "1"}


class Service:
    """A command that should always run.

    Attributes:
        own_ends: exit codes of ends that nobody asked for, with their times.
        n_starts: how often it was started.
    """

    def __init__(
        self, name: str, arguments: Sequence[str], folder: Path, health_port: int = 0
    ) -> None:
        """Describe it; ``start`` runs it.

        Args:
            arguments: behind ``gasmon``.
            folder: receives ``NAME.log`` and ``NAME.out``.
            health_port: where ``/readyz`` and ``/metrics`` are; 0 for none.
        """
        self.name = name
        self.out = folder / f"{name}.out"
        self.log = folder / f"{name}.log"
        self.own_ends: list[tuple[float, int]] = []
        self.n_starts = 0
        self._arguments = [*GASMON, *arguments]
        self._health_port = health_port
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._wanted = False
        self._again_s = 0.0

    @property
    def alive(self) -> bool:
        """It runs now."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it; from now on it is kept alive."""
        with self._lock:
            self._wanted = True
            if not self.alive:
                self._launch()

    def _launch(self) -> None:
        self.n_starts += 1
        with self.log.open("ab") as log, self.out.open("ab") as out:
            self._process = subprocess.Popen(
                self._arguments,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                env=environment(),
                start_new_session=True,
            )

    def kill(self) -> None:
        """Kill -9; it stays down until ``start``."""
        with self._lock:
            self._wanted = False
            if self._process is not None:
                self._process.kill()
                self._process.wait()

    def stall(self) -> None:
        """SIGSTOP: it lives and does nothing."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def end(self, patience_s: float = 20.0) -> None:
        """Ask it to end, and kill it when it does not."""
        with self._lock:
            self._wanted = False
            process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def supervise(self) -> None:
        """Start it again when it ended by itself; called often."""
        with self._lock:
            if not self._wanted or self._process is None:
                return
            code = self._process.poll()
            if code is None:
                return
            now_s = time.monotonic()
            if self._again_s < now_s - 60:
                self.own_ends.append((time.time(), code))
                self._again_s = now_s + RESTART_S
            elif now_s >= self._again_s:
                self._again_s = 0.0
                self._launch()

    def ready(self) -> str | None:
        """What is wrong according to itself; None when nothing is."""
        if not self.alive:
            return "does not run"
        if not self._health_port:
            return None
        try:
            self._get("/readyz")
        except urllib.error.HTTPError as error:
            checks = json.loads(error.read()).get("checks", {})
            return "; ".join(f"{k}: {v}" for k, v in checks.items() if v != "ok")
        except OSError as error:
            return f"/readyz: {error}"
        return None

    def metric(self, name: str) -> float | None:
        """A metric without labels; None when it cannot be read."""
        try:
            text = self._get("/metrics")
        except (OSError, urllib.error.HTTPError):
            return None
        for line in text.splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[1])
        return None

    def _get(self, path: str) -> str:
        url = f"http://127.0.0.1:{self._health_port}{path}"
        with urllib.request.urlopen(url, timeout=6.0) as answer:
            return bytes(answer.read()).decode()


class Supervisor:
    """A thread that looks after services."""

    def __init__(self, services: Sequence[Service]) -> None:
        self._services = services
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            for service in self._services:
                service.supervise()

    def stop(self) -> None:
        """Start nothing any more."""
        self._stop.set()
        self._thread.join(10.0)
