"""MQTT brokers for tests: Mosquitto from the system, NATS from the wheel."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from gasmon.embedded.broker import EmbeddedBroker
from gasmon.embedded.process import LOOPBACK, Child, free_port, wait_for
from tests.fix_found import mosquitto_program, require

KINDS = ("mosquitto", "nats")
START_S = 30.0


class Broker(Protocol):
    """What tests may ask of either broker."""

    kind: str
    host: str
    port: int
    username: str | None
    password: str | None

    def start(self) -> None:
        """Start on the same port with the same data; returns when it accepts."""

    def stop(self) -> None:
        """Stop in the orderly way."""

    def kill(self) -> None:
        """Stop as a power cut would."""

    def saved(self, text: bytes) -> bool:
        """Whether a message with this text would survive a kill now."""


class NatsBroker:
    """The embedded broker on a port that stays the same over restarts."""

    kind = "nats"
    host = LOOPBACK
    username: str | None = None
    password: str | None = None

    def __init__(self, data_dir: Path) -> None:
        self.port = free_port()
        # Unacknowledged messages come again after this time only: short, for tests.
        self._broker = EmbeddedBroker(data_dir, port=self.port, ack_wait_s=2.0)

    def start(self) -> None:
        """Start it."""
        self._broker.start()

    def stop(self) -> None:
        """Stop it in the orderly way."""
        self._broker.stop()

    def kill(self) -> None:
        """Kill it."""
        self._broker.kill()

    def saved(self, text: bytes) -> bool:
        """It writes each message to the disk before it acknowledges it."""
        return True


class MosquittoBroker:
    """Debian's Mosquitto with the queue limits a city needs."""

    kind = "mosquitto"
    host = LOOPBACK
    username: str | None = None
    password: str | None = None

    def __init__(self, program: str, data_dir: Path, *more: str) -> None:
        self.port = free_port()
        self.data_dir = data_dir
        self._more = more  # settings that win over ours
        self._program = program
        self._child: Child | None = None

    def start(self) -> None:
        """Write the configuration and start it."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        settings = [
            f"listener {self.port} {LOOPBACK}",
            "allow_anonymous true",
            "persistence true",
            f"persistence_location {self.data_dir}/",
            # Written when asked (SIGUSR1), at the end, and after every change: a
            # killed broker loses nothing it acknowledged.
            "autosave_on_changes true",
            "autosave_interval 1",
            "max_queued_messages 100000",
            "max_inflight_messages 2000",
            "message_size_limit 16777216",
            "log_dest stderr",
            "log_type error",
            "log_type warning",
            "log_type notice",
        ]
        named = {line.split()[0] for line in self._more}
        settings = [x for x in settings if x.split()[0] not in named]
        settings += self._more
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            # Otherwise it becomes the user "mosquitto", who does not reach the folder.
            settings.append("user root")
        config = self.data_dir / "mosquitto.conf"
        config.write_text("\n".join(settings) + "\n", "utf-8")
        self._child = Child(
            [self._program, "-c", str(config)],
            log_path=self.data_dir / "mosquitto.log",
            cwd=self.data_dir,
            env=os.environ,
        )
        if not wait_for(self._settled, START_S) or not self._child.alive:
            log = self._child.own_log()
            self.stop()
            raise AssertionError(f"Mosquitto did not start: {log}")

    def _settled(self) -> bool:
        """Say whether it accepts connections, or has ended."""
        if self._child is None or not self._child.alive:
            return True
        try:
            socket.create_connection((self.host, self.port), timeout=1.0).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """Stop it in the orderly way: it writes its database."""
        if self._child is not None:
            self._child.stop(((15, 20.0),))
            self._child = None

    def kill(self) -> None:
        """Kill it."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def saved(self, text: bytes) -> bool:
        """Whether the file that it writes a moment later has it already."""
        try:
            return text in (self.data_dir / "mosquitto.db").read_bytes()
        except OSError:
            return False


@pytest.fixture
def nats_broker(tmp_path: Path) -> Iterator[NatsBroker]:
    """A running embedded broker with empty storage."""
    broker = NatsBroker(tmp_path / "nats")
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def mosquitto_broker(tmp_path: Path) -> Iterator[MosquittoBroker]:
    """A running Mosquitto with empty storage."""
    program = mosquitto_program()
    if program is None:
        require("Mosquitto")
    broker = MosquittoBroker(program, tmp_path / "mosquitto")
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def make_mosquitto(tmp_path: Path) -> Iterator[Callable[..., MosquittoBroker]]:
    """A function that starts a Mosquitto with further settings, which win."""
    program = mosquitto_program()
    if program is None:
        require("Mosquitto")
    made: list[MosquittoBroker] = []

    def make(*more: str) -> MosquittoBroker:
        folder = tmp_path / f"mosquitto-{len(made)}"
        made.append(MosquittoBroker(program, folder, *more))
        made[-1].start()
        return made[-1]

    yield make
    for broker in made:
        broker.stop()


@pytest.fixture
def make_embedded(tmp_path: Path) -> Iterator[Callable[..., EmbeddedBroker]]:
    """A function that starts an embedded broker with its own settings."""
    made: list[EmbeddedBroker] = []

    def make(**arguments: Any) -> EmbeddedBroker:
        made.append(EmbeddedBroker(tmp_path / f"nats{len(made)}", **arguments))
        made[-1].start()
        return made[-1]

    yield make
    for broker in made:
        broker.stop()


@pytest.fixture(params=KINDS)
def broker(request: pytest.FixtureRequest) -> Broker:
    """A running broker with empty storage: the test runs on both kinds."""
    found: Broker = request.getfixturevalue(f"{request.param}_broker")
    return found
