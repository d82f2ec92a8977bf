"""The pump against real brokers: nothing that was not acknowledged is lost."""

from __future__ import annotations

import gc
import ssl
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gasmon.batch import Int32, Packet
from gasmon.clock import SystemClock
from gasmon.embedded.broker import BrokerUser, EmbeddedBroker
from gasmon.errors import ConfigError, DependencyError
from gasmon.ingest.decode import decode_packets
from gasmon.ingest.inbox import Inbox
from gasmon.ingest.layouts import rows_by_key
from gasmon.ingest.mqtt import Pump, PumpState
from gasmon.ingest.payloads import encode_data, encode_state, parse_state
from gasmon.ingest.topics import data_topic, platform_state_topic, state_topic
from gasmon.points import PointKey
from gasmon.settings import MqttSettings
from tests.fix_broker import Broker
from tests.fix_proxy import Proxy
from tests.fix_wait import wait_until

AREA = "530627"
MINE = "530627004499"
WINDOW = 2000
TS_MS = 1_790_000_000_000


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


class Sender:
    """A gateway's client: publishes at QoS 1 and waits until the broker has it."""

    def __init__(self, port: int) -> None:
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=f"sender-{uuid.uuid4().hex[:8]}"
        )
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def send(self, topic: str, payload: bytes, retain: bool = False) -> None:
        info = self.client.publish(topic, payload, 1, retain)
        info.wait_for_publish(30)
        assert info.is_published()

    def frames(self, first: int, n: int) -> None:
        """Publish frames numbered from `first` and wait for the last."""
        infos = [
            self.client.publish(data_topic(AREA, MINE), frame(seq), 1)
            for seq in range(first, first + n)
        ]
        for info in infos:
            info.wait_for_publish(30)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def frame(seq: int) -> bytes:
    """Return a frame with one reading whose value is its number."""
    return encode_data("k3f9", seq, TS_MS + seq, [("001A01", seq, 0)])


def settings_for(port: int, window: int = WINDOW) -> MqttSettings:
    """Return settings of a client of its own, so that tests do not meet."""
    return MqttSettings(host="127.0.0.1", port=port, receive_window=window)


def pump_for(
    port: int, *, limit: int = WINDOW, window: int | None = None
) -> tuple[Pump, Inbox, list[PumpState]]:
    """Return a started pump."""
    inbox = Inbox(limit)
    states: list[PumpState] = []
    pump = Pump(
        settings_for(port, window or limit),
        inbox,
        states.append,
        clock=SystemClock(),
        boot="b1",
    )
    pump.start(wait_s=20)
    return pump, inbox, states


def seqs(packets: list[Packet]) -> list[int]:
    """Return the numbers of the data frames among these packets."""
    batch = decode_packets(packets, AnyPoint()).batch
    return [frame.key.seq for frame in batch.frames]


def take_frames(inbox: Inbox, n: int, timeout_s: float = 30.0) -> list[Packet]:
    """Take until `n` different frames are there."""
    taken: list[Packet] = []

    def enough() -> bool:
        taken.extend(inbox.take(5000, 0.0, 0.05))
        return len({*seqs(taken)}) >= n

    wait_until(enough, timeout_s, f"{n} frames")
    return taken


@pytest.fixture
def sender(broker: Broker) -> Iterator[Sender]:
    """A gateway connected to the broker of the test."""
    made = Sender(broker.port)
    yield made
    made.close()


def test_auto_finds_the_protocol_of_the_broker(broker: Broker) -> None:
    """Mosquitto is spoken to in MQTT 5, the embedded broker in 3.1.1."""
    pump, _, _ = pump_for(broker.port)
    protocol = pump.state.protocol
    pump.stop()
    assert protocol == {"mosquitto": "5", "nats": "3.1.1"}[broker.kind]


def test_frames_arrive_in_order_and_acknowledged_ones_only_once(
    broker: Broker, sender: Sender
) -> None:
    """After a stop and a new start only what was not acknowledged comes again."""
    pump, inbox, _ = pump_for(broker.port)
    sender.frames(0, 200)
    packets = take_frames(inbox, 200)
    assert seqs(packets) == list(range(200))
    assert pump.ack(packets[:150]) == 0
    wait_until(lambda: pump.counts["acknowledged"] == 150)
    pump.stop()
    again, inbox, _ = pump_for(broker.port)
    assert again.state.session_present
    packets = take_frames(inbox, 50)
    assert set(seqs(packets)) == set(range(150, 200))
    again.ack(packets)
    wait_until(lambda: again.unacknowledged == 0)
    again.stop()


CRASHING_CONSUMER = """
import os, sys
from gasmon.clock import SystemClock
from gasmon.ingest.inbox import Inbox
from gasmon.ingest.mqtt import Pump
from gasmon.settings import MqttSettings
inbox = Inbox(2000)
settings = MqttSettings(host="127.0.0.1", port=int(sys.argv[1]))
pump = Pump(settings, inbox, clock=SystemClock(), boot="crash")
pump.start(wait_s=20)
print("ready", flush=True)
packets = []
while len(packets) < 100:
    packets += inbox.take(1000, 0, 1)
pump.ack(packets[:40])
print("took", flush=True)
sys.stdin.readline()
os._exit(9)
"""


def test_a_consumer_that_crashes_loses_nothing(broker: Broker, sender: Sender) -> None:
    """A process that dies with 60 unacknowledged frames: they are redelivered."""
    with subprocess.Popen(
        [sys.executable, "-c", CRASHING_CONSUMER, str(broker.port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        sender.frames(0, 100)
        assert child.stdout.readline() == "took\n"
        child.communicate("\n", timeout=20)
    assert child.returncode == 9
    sender.frames(100, 20)
    pump, inbox, _ = pump_for(broker.port)
    # The dying process may or may not have got its 40 acknowledgements out.
    missing = {*range(40, 120)}

    def all_came() -> bool:
        missing.difference_update(seqs(inbox.take(1000, 0.0, 0.05)))
        return not missing

    wait_until(all_came, 30, "every unacknowledged frame")
    pump.stop()


def test_a_broker_restart_loses_nothing_and_ends_the_generation(
    broker: Broker, sender: Sender
) -> None:
    """Acknowledgements for the old connection are dropped, the frames come again."""
    pump, inbox, states = pump_for(broker.port)
    sender.frames(0, 30)
    old = take_frames(inbox, 30)
    broker.stop()
    wait_until(lambda: not pump.connected)
    assert isinstance(states[-1].problem, DependencyError)
    broker.start()
    wait_until(lambda: pump.connected, 40, "the reconnect")
    assert pump.generation == 2
    again = take_frames(inbox, 30)
    assert {packet.generation for packet in again} == {2}
    assert pump.ack(old) == 30
    assert pump.counts["stale_acks"] == 30
    assert pump.unacknowledged == len(again)
    sender.frames(30, 5)
    assert set(seqs(take_frames(inbox, 5))) == {*range(30, 35)}
    assert pump.ack(again) == 0
    pump.stop()


def test_an_acknowledgement_after_a_cut_link_is_dropped(
    broker: Broker, sender: Sender
) -> None:
    """The link breaks, not the broker: the same, and nothing is lost."""
    proxy = Proxy(broker.port)
    pump, inbox, _ = pump_for(proxy.port)
    sender.frames(0, 20)
    old = take_frames(inbox, 20)
    proxy.cut()
    wait_until(lambda: pump.generation == 2 and pump.connected, 40, "the reconnect")
    assert pump.ack(old) == 20
    again = take_frames(inbox, 20)
    assert set(seqs(again)) == {*range(20)}
    assert pump.ack(again) == 0
    wait_until(lambda: pump.counts["acknowledged"] == 20)
    pump.stop()
    proxy.close()


def test_a_full_window_stops_the_broker_and_an_acknowledgement_resumes_it(
    mosquitto_broker: Broker,
) -> None:
    """With a window of 50 no 51st frame comes before an acknowledgement (MQTT 5)."""
    sender = Sender(mosquitto_broker.port)
    pump, inbox, _ = pump_for(mosquitto_broker.port, limit=50)
    sender.frames(0, 120)
    wait_until(lambda: inbox.depth == 50)
    assert (pump.counts["received"], pump.counts["refused_full"]) == (50, 0)
    got: list[Packet] = []

    def drain() -> bool:
        packets = inbox.take(10, 0.0, 0.05)
        pump.ack(packets)
        got.extend(packets)
        return len(got) >= 120

    wait_until(drain, 20, "all frames")
    assert seqs(got) == list(range(120))
    pump.stop()
    sender.close()


def test_the_embedded_brokers_window_stops_it_too(
    make_embedded: Callable[..., EmbeddedBroker],
) -> None:
    """MQTT 3.1.1 has no window: max_ack_pending of the broker is it."""
    broker = make_embedded(max_ack_pending=50)
    assert broker.port is not None
    sender = Sender(broker.port)
    pump, inbox, _ = pump_for(broker.port, limit=50)
    sender.frames(0, 120)
    wait_until(lambda: inbox.depth == 50)
    got: list[Packet] = []

    def drain() -> bool:
        packets = inbox.take(10, 0.0, 0.05)
        pump.ack(packets)
        got.extend(packets)
        return len(got) >= 120

    wait_until(drain, 20, "all frames")
    assert (seqs(got), pump.counts["refused_full"]) == (list(range(120)), 0)
    pump.stop()
    sender.close()


def test_a_full_inbox_leaves_messages_with_the_broker_until_there_is_room(
    broker: Broker, sender: Sender
) -> None:
    """A broker that ignores the window loses nothing: it is made to send again."""
    inbox = Inbox(2000)
    pump = Pump(settings_for(broker.port), inbox, clock=SystemClock(), boot="b1")
    inbox.limit = 20  # as if the broker's window were far over the inbox
    pump.start(wait_s=20)
    sender.frames(0, 60)
    wait_until(lambda: pump.counts["refused_full"] > 0)
    assert inbox.depth == 20
    got: set[int] = set()

    def drain() -> bool:
        packets = inbox.take(20, 0.0, 0.05)
        got.update(seqs(packets))
        pump.ack(packets)
        return len(got) == 60

    wait_until(drain, 60, "all frames")
    assert pump.counts["forced_redeliveries"] >= 1
    pump.stop()


def test_a_frame_of_many_megabytes_is_refused_by_name_while_others_flow(
    broker: Broker, sender: Sender
) -> None:
    """Up to what the broker itself takes: 10 MB on Mosquitto, 7 MB embedded."""
    pump, inbox, _ = pump_for(broker.port)
    size = 10_000_000 if broker.kind == "mosquitto" else 7_000_000
    sender.frames(0, 1)
    sender.send(data_topic(AREA, MINE), b"[" * size)
    sender.frames(1, 1)
    packets = take_frames(inbox, 2)
    rejects = decode_packets(packets, AnyPoint()).rejects
    assert [reject.reason for reject in rejects] == ["frame_too_large"]
    assert str(size) in rejects[0].detail
    assert MINE in rejects[0].detail
    pump.ack(packets)
    wait_until(lambda: pump.unacknowledged == 0)
    assert pump.generation == 1
    pump.stop()


class Watcher:
    """Follows the platform's own state, as a relay at a mine does."""

    def __init__(self, port: int) -> None:
        self.words: list[str] = []
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=f"watcher-{uuid.uuid4().hex[:8]}"
        )
        self.client.on_message = self._message
        self.client.on_connect = lambda client, *_: client.subscribe(
            platform_state_topic(), 1
        )
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def _message(self, _client: object, _data: object, m: paho.MQTTMessage) -> None:
        self.words.append(parse_state(bytes(m.payload)).s)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def test_the_platform_tells_that_it_lives_and_its_last_will_that_it_died(
    broker: Broker,
) -> None:
    """Online at connect, offline by will after a cut link, online again, offline."""
    proxy = Proxy(broker.port)
    watcher = Watcher(broker.port)
    pump, _, _ = pump_for(proxy.port)
    wait_until(lambda: watcher.words == ["online"])
    proxy.refuse()
    wait_until(lambda: watcher.words[-1:] == ["offline"], what="the will")
    proxy.heal()
    wait_until(lambda: watcher.words[-1:] == ["online"], 40, "the return")
    pump.stop()
    wait_until(lambda: watcher.words[-1:] == ["offline"], what="the farewell")
    watcher.close()
    proxy.close()


def test_retained_messages_come_anew_after_every_connect(
    broker: Broker, sender: Sender
) -> None:
    """A definition or birth message that the broker keeps is sent at each connect."""
    birth = encode_state("online", "k3f9", TS_MS)
    sender.send(state_topic(AREA, MINE), birth, retain=True)
    proxy = Proxy(broker.port)
    pump, inbox, _ = pump_for(proxy.port)

    def retained_in(generation: int) -> bool:
        packets = inbox.take(100, 0.0, 0.05)
        pump.ack(packets)
        return any(p.retained and p.generation == generation for p in packets)

    wait_until(lambda: retained_in(1))
    proxy.cut()
    wait_until(lambda: retained_in(2), 40, "the second time")
    pump.stop()
    proxy.close()


def test_publish_reaches_the_broker_and_says_when_it_cannot(broker: Broker) -> None:
    """A command published from another thread arrives; without a connection: False."""
    pump, inbox, _ = pump_for(broker.port)
    topic = state_topic(AREA, MINE)
    thread = Thread(target=pump.publish, args=(topic, b"{}", False))
    thread.start()
    thread.join()
    wait_until(lambda: any(p.topic == topic for p in inbox.take(10, 0.0, 0.05)))
    pump.stop()
    wait_until(lambda: not pump.connected)
    assert pump.publish(topic, b"{}") is False


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


def test_refused_credentials_and_subscriptions_are_named(
    make_embedded: Callable[..., EmbeddedBroker], tmp_path: Path
) -> None:
    """A wrong password, and a user who may not read, are the operator's errors."""
    broker = make_embedded(
        users={
            "gasmon": BrokerUser("right", ("gasmon/v1/#",), ("gasmon/v1/#",)),
            "blind": BrokerUser("right", ("gasmon/v1/#",), ("other/#",)),
        },
    )
    secret = tmp_path / "secret"
    for user, password, words in (
        ("gasmon", "wrong", "does not authorise the user"),
        ("blind", "right", "subscriptions"),
    ):
        secret.write_text(password + "\n", "utf-8")
        settings = MqttSettings(
            host="127.0.0.1", port=broker.port, username=user, password_file=secret
        )
        pump = Pump(settings, Inbox(2000), clock=SystemClock(), boot="b1")
        with pytest.raises(ConfigError, match=words) as caught:
            pump.start(wait_s=20)
        assert user in str(caught.value)
        assert "wrong" not in str(caught.value)


def test_nobody_there_is_a_dependency_error_with_the_address(broker: Broker) -> None:
    """A refused connection names host and port."""
    broker.stop()
    pump = Pump(settings_for(broker.port), Inbox(2000), clock=SystemClock(), boot="b1")
    with pytest.raises(DependencyError, match=f"127.0.0.1:{broker.port}"):
        pump.start(wait_s=2)


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tls_with_a_broker_without_it_is_the_operators_error(
    broker: Broker, tmp_path: Path
) -> None:
    """A plain port answered with TLS: a clear error, no endless silence."""
    bundle = (
        ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    )
    settings = MqttSettings(host="127.0.0.1", port=broker.port, tls_ca=Path(bundle))
    pump = Pump(settings, Inbox(2000), clock=SystemClock(), boot="b1")
    with pytest.raises((ConfigError, DependencyError), match=str(broker.port)):
        pump.start(wait_s=3)
    del pump
    gc.collect()
