"""Clients of both paths, and how long things took to reach them."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from benchmarks.floor import LISTENING
from gasmon.embedded.process import LOOPBACK, wait_for
from gasmon.errors import GasmonError
from gasmon.ingest.connect import hang_up
from gasmon.remote.frames import SUBPROTOCOL
from gasmon.units import parse_iso_us

PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Passage:
    """One event's way, in wall time [µs UTC]; its commit is asked for later."""

    published_us: int
    arrived_us: int
    decided_us: int
    received_us: int
    seq: int


class Stopwatch:
    """Times from publishing to arrival, by a name that both sides know."""

    def __init__(self) -> None:
        self._began: dict[str, int] = {}
        self.took_ms: dict[str, float] = {}
        self.passages: list[Passage] = []

    def begin(self, name: str) -> None:
        """It is published now."""
        self._began[name] = time.perf_counter_ns()

    def end(self, name: str) -> bool:
        """It is in the client's hand; False when it was not waited for, or again."""
        now_ns = time.perf_counter_ns()
        began_ns = self._began.get(name)
        if began_ns is not None and name not in self.took_ms:
            self.took_ms[name] = (now_ns - began_ns) / 1e6
            return True
        return False

    def forget(self) -> None:
        """Begin a new sample."""
        self._began.clear()
        self.took_ms = {}
        self.passages = []

    @property
    def missing(self) -> int:
        """Published and not arrived."""
        return len(self._began) - len(self.took_ms)

    def settle(self, what: str) -> None:
        """Wait until everything has arrived.

        Raises:
            GasmonError: something did not, so the times of the others mean nothing.
        """
        if not wait_for(lambda: self.missing == 0, PATIENCE_S):
            raise GasmonError(f"{self.missing} of {what} did not arrive")


def _passage(frame: dict[str, Any], took_ms: float) -> Passage:
    received_us = time.time_ns() // 1000
    body = frame["data"]
    return Passage(
        published_us=received_us - round(took_ms * 1000),
        arrived_us=parse_iso_us(body["arrived_at"]),
        decided_us=parse_iso_us(body["decided_at"]),
        received_us=received_us,
        seq=frame["seq"],
    )


@contextmanager
def listening(port: int, token: str, watch: Stopwatch) -> Iterator[None]:
    """A county platform: subscribes to everything, acknowledges what it gets."""
    url = f"ws://{LOOPBACK}:{port}/api/v1/stream/alarms"
    subscribed = threading.Event()

    def take(socket: ClientConnection, text: str | bytes) -> None:
        frame = json.loads(text)
        if frame["type"] == "event":
            body = frame["data"]
            name = f"{body['mine']} {body['happened_at']}"
            if watch.end(name):
                watch.passages.append(_passage(frame, watch.took_ms[name]))
            socket.send(json.dumps({"type": "ack", "seq": frame["seq"]}))
        elif frame["type"] == "heartbeat":
            socket.send('{"type":"heartbeat"}')
        elif frame["type"] == "hello":
            subscribe = {"type": "subscribe", "resume": None, "areas": None}
            socket.send(json.dumps({**subscribe, "min_rank": 0}))
        elif frame["type"] == "snapshot":
            subscribed.set()

    with (
        connect(
            url,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            additional_headers={"Authorization": f"Bearer {token}"},
        ) as socket,
        _reading(socket, take),
    ):
        if not subscribed.wait(PATIENCE_S):
            end = f"{socket.close_code} {socket.close_reason}"
            raise GasmonError(f"{url} did not answer the subscription ({end})")
        yield


@contextmanager
def floor_listening(port: int, watch: Stopwatch) -> Iterator[None]:
    """A client of the shortest path."""

    def take(_socket: ClientConnection, message: str | bytes) -> None:
        watch.end(message if isinstance(message, str) else message.decode())

    url = f"ws://{LOOPBACK}:{port}"
    with connect(url, compression=None) as socket:
        if socket.recv(PATIENCE_S) != LISTENING:
            raise GasmonError(f"{url} did not say that it listens")
        with _reading(socket, take):
            yield


@contextmanager
def _reading(
    socket: ClientConnection, take: Callable[[ClientConnection, str | bytes], None]
) -> Iterator[None]:
    """Hand over every message from a thread of its own."""

    def read() -> None:
        try:
            for message in socket:
                take(socket, message)
        except ConnectionClosed:
            # What is missing then is noticed by whoever waits for it.
            pass

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        yield
    finally:
        socket.close()
        thread.join(PATIENCE_S)


class Relay:
    """A mine's relay: when it heard of which alarm."""

    def __init__(self, port: int) -> None:
        self.heard_ns: dict[int, int] = {}
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="bench-relay")
        self._client.on_message = self._message
        ready = threading.Event()
        self._client.on_subscribe = lambda *_: ready.set()
        self._client.connect(LOOPBACK, port)
        self._client.loop_start()
        self._client.subscribe("gasmon/v1/+/+/alarms", 1)
        if not ready.wait(30):
            raise GasmonError("the broker did not answer a subscription")

    def _message(self, _c: object, _u: object, message: paho.MQTTMessage) -> None:
        now_ns = time.perf_counter_ns()
        for alarm in json.loads(message.payload)["open"]:
            self.heard_ns.setdefault(alarm["since"], now_ns)

    def close(self) -> None:
        """Leave."""
        hang_up(self._client)
