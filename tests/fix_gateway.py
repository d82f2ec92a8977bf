"""A mine's gateway and a consumer for tests of brokers, independent of each other.

The gateway is a plain paho client that knows nothing of gasmon's own; what the broker
acknowledged to it is the measure of what must arrive.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

import numpy as np
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gasmon.batch import Int32, Packet
from gasmon.clock import SystemClock
from gasmon.ingest.connect import hang_up
from gasmon.ingest.decode import decode_packets
from gasmon.ingest.inbox import Inbox
from gasmon.ingest.layouts import rows_by_key
from gasmon.ingest.mqtt import Pump, PumpState
from gasmon.ingest.payloads import encode_data
from gasmon.ingest.topics import data_topic, platform_state_topic
from gasmon.points import PointKey
from gasmon.settings import MqttSettings
from tests.fix_wait import wait_until

AREA = "530627"
MINE = "530627004499"
BOOT = "k3f9"
WINDOW = 2000
TS_MS = 1_790_000_000_000


def frame(seq: int, boot: str = BOOT) -> bytes:
    """Return a frame with one reading whose value is its number."""
    return encode_data(boot, seq, TS_MS + seq, [("001A01", seq, 0)])


class Gateway:
    """Publishes frames at QoS 1 and writes down what the broker acknowledged.

    Attributes:
        acked: numbers of the frames that the broker acknowledged.
    """

    def __init__(
        self, port: int, boot: str = BOOT, *, client_id: str = "", will: bytes = b""
    ) -> None:
        self.acked: set[int] = set()
        self._boot = boot
        self._seq_of: dict[int, int] = {}
        self._early: set[int] = set()
        self._lock = threading.Lock()
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id or f"gateway-{uuid.uuid4().hex[:8]}",
            protocol=paho.MQTTv311,
        )
        if will:
            self.client.will_set(data_topic(AREA, MINE)[:-4] + "state", will, 1, True)
        self.client.on_publish = self._published
        self.client.max_inflight_messages_set(200)
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", port, keepalive=5)
        self.client.loop_start()

    def _published(self, _c: Any, _u: Any, mid: int, _r: Any, _p: Any) -> None:
        with self._lock:
            seq = self._seq_of.pop(mid, None)
            if seq is None:
                self._early.add(mid)
            else:
                self.acked.add(seq)

    def post(self, first: int, n: int) -> range:
        """Publish frames numbered from `first`, without waiting."""
        for seq in range(first, first + n):
            info = self.client.publish(
                data_topic(AREA, MINE), frame(seq, self._boot), 1
            )
            with self._lock:
                if info.mid in self._early:
                    self._early.discard(info.mid)
                    self.acked.add(seq)
                else:
                    self._seq_of[info.mid] = seq
        return range(first, first + n)

    def frames(self, first: int, n: int) -> set[int]:
        """Publish frames and wait until the broker has acknowledged all of them."""
        wanted = {*self.post(first, n)}
        wait_until(lambda: wanted <= self.acked, 60, f"{n} PUBACKs")
        return wanted

    def send(self, topic: str, payload: bytes, retain: bool = False) -> None:
        """Publish one message and wait until the broker has it."""
        info = self.client.publish(topic, payload, 1, retain)
        wait_until(info.is_published, 30, f"PUBACK for {topic}")

    def crash(self) -> None:
        """Lose the connection without a word, as a killed process does."""
        raw = self.client.socket()
        self.client.loop_stop()
        # The loop may have been reconnecting.
        for each in (raw, self.client.socket()):
            if each is not None:
                each.close()

    def close(self) -> None:
        """Leave in the orderly way."""
        hang_up(self.client)


class AnyPoint:
    """A directory that admits every mine and gives every new point a row."""

    def __init__(self) -> None:
        self.index: dict[PointKey, int] = {}

    def admits(self, mine: str) -> bool:
        return True

    def rows(self, mine: str, nos: tuple[str, ...]) -> Int32:
        return rows_by_key(self.index.get, mine, nos)

    def provision(self, keys: list[PointKey], sensor_types: object) -> Int32:
        made = [self.index.setdefault(key, len(self.index)) for key in keys]
        return np.array(made, np.int32)

    def quantity(self, row: int) -> str:
        return "CH4"


def seqs(packets: list[Packet]) -> list[int]:
    """Return the numbers of the data frames among these packets, in their order."""
    batch = decode_packets(packets, AnyPoint()).batch
    return [frame.key.seq for frame in batch.frames]


def settings_for(port: int, window: int = WINDOW) -> MqttSettings:
    """Return settings of gasmon's own client."""
    return MqttSettings(host="127.0.0.1", port=port, receive_window=window)


class Consumer:
    """The real pump and inbox, with what came out of them.

    Attributes:
        got: every packet that was taken, in order.
    """

    def __init__(
        self,
        port: int,
        *,
        limit: int = WINDOW,
        window: int | None = None,
        boot: str = "b1",
    ) -> None:
        self.got: list[Packet] = []
        self.states: list[PumpState] = []
        self.inbox = Inbox(limit)
        self.pump = Pump(
            settings_for(port, window or limit),
            self.inbox,
            self.states.append,
            clock=SystemClock(),
            boot=boot,
        )
        self.pump.start(wait_s=20)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.pump.stop()

    def take(self, *, ack: bool, max_n: int = 5000) -> list[Packet]:
        """Take what is there."""
        packets = self.inbox.take(max_n, 0.05)
        self.got += packets
        if ack:
            self.pump.ack(packets)
        return packets

    def take_frames(
        self, wanted: set[int] | int, *, ack: bool = False, timeout_s: float = 30.0
    ) -> list[Packet]:
        """Take until these frames, or so many different ones, came from now on."""
        taken: list[Packet] = []
        missing = {*wanted} if isinstance(wanted, set) else set()
        found: set[int] = set()

        def enough() -> bool:
            packets = self.take(ack=ack)
            taken.extend(packets)
            found.update(seqs(packets))
            if isinstance(wanted, int):
                return len(found) >= wanted
            missing.difference_update(found)
            return not missing

        wait_until(enough, timeout_s, f"frames {wanted if len(missing) < 9 else ''}")
        return taken

    def settle(self) -> None:
        """Wait until the broker was told of everything that was acknowledged."""
        wait_until(lambda: self.pump.unacknowledged == 0, 30, "every PUBACK")

    def reconnected(self, generation: int) -> None:
        """Wait for a connection of this number, fully subscribed."""
        wait_until(
            lambda: self.pump.generation >= generation and self.pump.connected,
            40,
            f"connection {generation}",
        )


class Watcher:
    """Follows the platform's own state, as a relay at a mine does."""

    def __init__(self, port: int) -> None:
        self.payloads: list[bytes] = []
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"watcher-{uuid.uuid4().hex[:8]}",
            protocol=paho.MQTTv311,
        )
        self.client.on_message = lambda _c, _u, m: self.payloads.append(
            bytes(m.payload)
        )
        self.client.on_connect = lambda client, *_: client.subscribe(
            platform_state_topic(), 1
        )
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    @property
    def words(self) -> list[str]:
        """`online` or `offline`, in order."""
        return ["online" if b'"online"' in p else "offline" for p in self.payloads]

    def close(self) -> None:
        """Leave."""
        hang_up(self.client)


@pytest.fixture
def make_gateway() -> Iterator[Callable[..., Gateway]]:
    """A function that connects a gateway to a port."""
    made: list[Gateway] = []

    def make(*arguments: Any, **options: Any) -> Gateway:
        made.append(Gateway(*arguments, **options))
        return made[-1]

    yield make
    for gateway in made:
        gateway.close()


@pytest.fixture
def make_consumer() -> Iterator[Callable[..., Consumer]]:
    """A function that starts a pump with its inbox."""
    made: list[Consumer] = []

    def make(*arguments: Any, **options: Any) -> Consumer:
        made.append(Consumer(*arguments, **options))
        return made[-1]

    yield make
    for consumer in made:
        consumer.pump.stop()


@pytest.fixture
def make_watcher() -> Iterator[Callable[[int], Watcher]]:
    """A function that makes a relay that listens to the platform's state."""
    made: list[Watcher] = []

    def make(port: int) -> Watcher:
        made.append(Watcher(port))
        return made[-1]

    yield make
    for watcher in made:
        watcher.close()
