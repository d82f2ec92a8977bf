"""One child process per data folder: started, watched, stopped, found again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from gasmon.errors import DependencyError

LOOPBACK = "127.0.0.1"
POLL_S = 0.05  # how often a condition is looked at while waiting for a child
LOG_LIMIT_BYTES = 8 * 1024 * 1024  # one older log is kept: twice this on disk
TAIL_BYTES = 4096

Progress = Callable[[str], None]


def silent(_text: str) -> None:
    """Take progress messages and show none."""


def free_port() -> int:
    """Return a TCP port on loopback that nobody listens on right now.

    Another process may take it before it is used: whoever starts a server on it tries
    again with another one.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def port_is_taken(port: int) -> bool:
    """Say whether binding `port` on loopback fails."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if os.name == "posix":
            # The servers set it too: a closed connection in TIME_WAIT is no obstacle.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
    return False


def require_free_port(port: int, what: str) -> None:
    """Refuse a port that is taken.

    Args:
        port: TCP port on loopback.
        what: who wants it, for the message.

    Raises:
        DependencyError: something listens there, or binding it is not allowed.
    """
    if port_is_taken(port):
        raise DependencyError(
            f"port {port} on {LOOPBACK} is taken: {what} cannot listen there; "
            "choose another port or stop the program that uses it"
        )


def open_log(path: Path) -> IO[bytes]:
    """Open a child's log for appending; put a long one aside as ``*.1`` first."""
    if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
        path.replace(path.with_name(path.name + ".1"))
    return path.open("ab")


def tail(path: Path) -> str:
    """Return the end of a log (at most 4 kB), for an error message."""
    try:
        with path.open("rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - TAIL_BYTES))
            return log.read().decode("utf-8", "replace").strip()
    except OSError:
        return ""


class FolderLock:
    """At most one living owner of a data folder (advisory lock on a file in it).

    The lock goes with the process, so a killed owner never blocks the next start.
    Windows has no ``flock``; there the server's own process file must do.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "owner.lock"
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            DependencyError: a living process holds it; the message names its id.
        """
        lock_file = self._path.open("a+", encoding="ascii")
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock_file.seek(0)
                holder = lock_file.read().strip() or "unknown"
                lock_file.close()
                raise DependencyError(
                    f"{self._path.parent} is in use by process {holder}; "
                    "stop that one or choose another data folder"
                ) from None
        lock_file.truncate(0)
        lock_file.write(f"{os.getpid()}\n")
        lock_file.flush()
        self._file = lock_file

    def release(self) -> None:
        """Give the lock back; harmless when not held."""
        if self._file is not None:
            self._file.close()
            self._file = None


class Child:
    """A server process of ours with its log.

    It gets a session of its own, so that Ctrl-C in the terminal reaches us and not the
    child: we stop it after those who still use it.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        log_path: Path,
        cwd: Path,
        env: Mapping[str, str],
        uid: int | None = None,
        gid: int | None = None,
    ) -> None:
        """Start the process.

        Args:
            arguments: program and its arguments; no shell.
            log_path: receives standard output and error.
            cwd: working folder, reachable for the account.
            env: the whole environment.
            uid, gid: account to run as, None = ours. Only root may name one; all
                supplementary groups are dropped then.
        """
        self.log_path = log_path
        with open_log(log_path) as log:
            self.log_start = log.tell()
            self._process = spawn(arguments, log, cwd=cwd, env=env, uid=uid, gid=gid)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def own_log(self) -> str:
        """Return what this run wrote to the log, the last 4 kB of it."""
        with self.log_path.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(self.log_start, size - TAIL_BYTES))
            return log.read().decode("utf-8", "replace").strip()

    def stop(self, steps: Sequence[tuple[int, float]]) -> None:
        """Send signals until the process is gone.

        Args:
            steps: (signal, patience [s]) in order; after the last one it is killed.
        """
        for number, patience_s in steps:
            if not self.alive:
                break
            # Windows knows no other signal for a program without a console.
            windows = sys.platform == "win32"
            self._process.send_signal(signal.SIGTERM if windows else number)
            try:
                self._process.wait(patience_s)
            except subprocess.TimeoutExpired:
                continue
        if self.alive:
            self._process.kill()
        self._process.wait()

    def kill(self) -> None:
        """Kill the process at once, as a power cut of this program would."""
        self._process.kill()
        self._process.wait()


def spawn(
    arguments: Sequence[str],
    output: IO[bytes],
    *,
    cwd: Path,
    env: Mapping[str, str],
    uid: int | None = None,
    gid: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own; see :class:`Child` for arguments."""
    if sys.platform == "win32":
        return subprocess.Popen(
            list(arguments),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=dict(env),
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,
        )
    return subprocess.Popen(
        list(arguments),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        env=dict(env),
        start_new_session=True,
        user=uid,
        group=gid,
        extra_groups=None if uid is None else [],
        umask=0o077,
    )


def is_running(pid: int) -> bool:
    """Say whether a process with this id exists."""
    if sys.platform == "win32":
        # There os.kill(pid, 0) would end the process: ask the task list.
        answer = subprocess.run(
            ["tasklist", "/FI", f"PID eq {pid}", "/NH"],
            capture_output=True,
            check=False,
        )
        return str(pid).encode() in answer.stdout
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def runs_with(pid: int, marker: str) -> bool:
    """Say whether process `pid` lives and has `marker` among its arguments.

    Process ids are used again after a reboot: a stranger with the number of our old
    child must never be stopped. Where /proc is missing, the id alone decides nothing
    and the answer is False.
    """
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return os.fsencode(marker) in arguments


def stop_orphan(
    pid: int, marker: str, *, number: int = signal.SIGINT, patience_s: float = 60.0
) -> bool:
    """Stop a child that a killed parent left behind.

    Args:
        pid: from the child's process file.
        marker: an argument that only our child was given (its folder or file).
        number: signal for an orderly stop.
        patience_s: how long to wait for the end.

    Returns:
        True when there was an orphan and it is gone.

    Raises:
        DependencyError: it did not end in time.
    """
    if not runs_with(pid, marker):
        return False
    os.kill(pid, number)
    if not wait_for(lambda: not runs_with(pid, marker), patience_s):
        raise DependencyError(
            f"process {pid}, left over from an earlier run, did not stop within "
            f"{patience_s:g} s"
        )
    return True


def wait_for(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Look at a condition until it holds; return False when time is over."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(POLL_S)
    return True
