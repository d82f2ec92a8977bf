"""What benchmarks put together: gasmon as a process, a publisher, made-up frames."""

import json
import os
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.servers import Servers
from benchmarks.switches import VARIABLE
from gasmon.batch import Float64
from gasmon.embedded.process import LOOPBACK, Child, free_port, wait_for
from gasmon.errors import DependencyError, GasmonError
from gasmon.ingest.connect import hang_up
from gasmon.units import US_PER_MS
from simulators.gateway import definition
from simulators.load import LoadGateway, encoded_blocks, load_mines
from simulators.plan import MinePlan

START_S = 60.0
STOP_STEPS = ((signal.SIGTERM, 30.0),)


class Gasmon:
    """One of gasmon's long-running commands as a process of its own."""

    def __init__(
        self,
        command: str,
        servers: Servers,
        settings: dict[str, str] | None = None,
        off: Iterable[str] = (),
    ) -> None:
        """Start it; wait with :meth:`until_ready`.

        Args:
            command: ``ingest``, ``duty``, ``api`` or ``serve``.
            settings: more of gasmon's settings, ``section.name`` → value.
            off: safeguards that are switched off (``switches.py``).
        """
        self.port = free_port()
        has_page = command in ("api", "serve")
        where = "api.port" if has_page else f"{command}.health_port"
        told = {
            "mode": "test",
            "database.url": servers.database_url,
            "mqtt.port": str(servers.broker_port),
            "mqtt.client_id": "bench-ingest",
            where: str(self.port),
            **(settings or {}),
        }
        env = {k: v for k, v in os.environ.items() if not k.startswith("GASMON_")}
        for name, value in told.items():
            env["GASMON_" + name.replace(".", "__").upper()] = value
        env["PYTHONPATH"] = str(Path(__file__).parents[1])
        env[VARIABLE] = ",".join(off)
        self.log_path = servers.log_dir / f"{command}-{self.port}.log"
        self._child = Child(
            [sys.executable, "-m", "benchmarks.child", command],
            log_path=self.log_path,
            cwd=servers.log_dir,
            env=env,
        )

    def until_ready(self) -> None:
        """Wait until its readiness page says yes.

        Raises:
            DependencyError: it ended, or is not ready in time; with its log.
        """
        url = f"http://{LOOPBACK}:{self.port}/readyz"

        def ready() -> bool:
            try:
                with urllib.request.urlopen(url, timeout=2) as answer:
                    return bool(answer.status == 200)
            except (urllib.error.URLError, OSError):
                return not self._child.alive

        if not wait_for(ready, START_S) or not self._child.alive:
            log = self._child.own_log()
            self.stop()
            raise DependencyError(f"gasmon was not ready within {START_S:g} s: {log}")

    def require_alive(self) -> None:
        """Raise when it has ended.

        Raises:
            GasmonError: with the end of its log.
        """
        if not self._child.alive:
            raise GasmonError(f"gasmon ended: {self._child.own_log()}")

    def gauges(self, *names: str) -> list[float]:
        """Some of its metrics, by name; NaN for one that it does not have.

        Raises:
            GasmonError: it does not answer.
        """
        url = f"http://{LOOPBACK}:{self.port}/metrics"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                text = answer.read().decode()
        except OSError as error:
            raise GasmonError(f"no metrics at {url}: {error}") from None
        told = dict(
            line.rsplit(" ", 1)
            for line in text.splitlines()
            if line and not line.startswith("#")
        )
        return [float(told.get(name, "nan")) for name in names]

    def log(self) -> str:
        """The end of its log."""
        return self._child.own_log()

    def cpu_s(self) -> float:
        """Processor time it has used [s]; 0 where /proc is missing."""
        try:
            text = Path(f"/proc/{self._child.pid}/stat").read_text("ascii")
        except OSError:
            return 0.0
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """End it as a supervisor would."""
        self._child.stop(STOP_STEPS)

    def __enter__(self) -> Self:
        self.until_ready()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class Publisher:
    """A paho client that publishes at QoS 1 and can wait for every acknowledgement."""

    def __init__(self, port: int, client_id: str) -> None:
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id)
        self._client.max_inflight_messages_set(1000)
        self._client.max_queued_messages_set(0)
        self._client.on_publish = self._published
        self._acknowledged = threading.Semaphore(0)
        self._n_owed = 0
        self._client.connect(LOOPBACK, port)
        self._client.loop_start()
        if not wait_for(self._client.is_connected, START_S):
            raise DependencyError(f"no MQTT broker at {LOOPBACK}:{port}")

    def publish(self, topic: str, payload: bytes) -> None:
        """Hand one message over; it leaves at once."""
        self._client.publish(topic, payload, 1)
        self._n_owed += 1

    def flush(self) -> None:
        """Wait until the broker has acknowledged everything.

        Raises:
            DependencyError: it did not within a minute.
        """
        deadline_s = time.monotonic() + START_S
        while self._n_owed:
            left_s = deadline_s - time.monotonic()
            if not self._acknowledged.acquire(timeout=max(left_s, 0.001)):
                raise DependencyError(f"{self._n_owed} messages are unacknowledged")
            self._n_owed -= 1

    def close(self) -> None:
        """Disconnect."""
        hang_up(self._client)

    def _published(self, *_told: object) -> None:
        self._acknowledged.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class MadeFrame:
    """A frame of a made-up mine, and what is in it.

    Attributes:
        mine: index of the mine.
        at_us: time of its readings [µs UTC].
        value: float64[points].
    """

    topic: str
    payload: bytes
    mine: int
    at_us: int
    value: Float64


class MadeCity:
    """Made-up mines with the same methane points each, as the paced load has them."""

    def __init__(self, n_mines: int, n_points: int, boot: str) -> None:
        self.mines: list[MinePlan] = load_mines(n_mines, n_points)
        self._gateways = [LoadGateway(mine, boot, 1) for mine in self.mines]
        calm, alarming = encoded_blocks(self.mines[0])
        self._blocks = [(block, _values(block)) for block in calm]
        self._alarming = (alarming, _values(alarming))

    @property
    def n_points(self) -> int:
        """Points over all mines."""
        return sum(len(mine.points) for mine in self.mines)

    def definitions(self, now_us: int) -> list[tuple[str, bytes]]:
        """Topic and payload of each mine's definition."""
        told = [definition(mine, now_us) for mine in self.mines]
        topics = [gateway.points_topic for gateway in self._gateways]
        return list(zip(topics, told, strict=True))

    def cycle(self, at_us: int, over: Iterable[int] = ()) -> list[MadeFrame]:
        """One frame of each mine; see :meth:`frames`."""
        return self.frames(range(len(self.mines)), at_us, over)

    def frames(
        self, mines: Iterable[int], at_us: int, over: Iterable[int] = ()
    ) -> list[MadeFrame]:
        """One frame each of some mines.

        Args:
            mines: by index, in the order wanted.
            at_us: time of all readings [µs UTC].
            over: mines whose first point is over its limit.
        """
        alarming = frozenset(over)
        at_us -= at_us % US_PER_MS
        made = []
        for number in mines:
            gateway = self._gateways[number]
            calm = self._blocks[(gateway.seq + number) % len(self._blocks)]
            block, value = self._alarming if number in alarming else calm
            gateway.ready_frame(at_us, block)
            payload = gateway.ring.get(gateway.seq)
            assert payload is not None
            made.append(MadeFrame(gateway.data_topic, payload, number, at_us, value))
        return made


def _values(block: bytes) -> Float64:
    return np.asarray([reading[1] for reading in json.loads(block)], np.float64)


def publish_all(port: int, messages: Sequence[tuple[str, bytes]]) -> None:
    """Publish and wait for every acknowledgement."""
    with Publisher(port, "bench-publisher") as publisher:
        for topic, payload in messages:
            publisher.publish(topic, payload)
        publisher.flush()
