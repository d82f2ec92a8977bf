"""The pump and its operator: protocols, publishing, refusals in words.

That nothing is lost is tested in `test_broker_conformance.py`, on both brokers.
"""

from __future__ import annotations

import gc
import ssl
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from gasmon.clock import SystemClock
from gasmon.embedded.broker import BrokerUser, EmbeddedBroker
from gasmon.errors import ConfigError, DependencyError
from gasmon.ingest.inbox import Inbox
from gasmon.ingest.mqtt import Pump
from gasmon.ingest.topics import state_topic
from gasmon.settings import MqttSettings
from tests.broker_promises import promised
from tests.fix_broker import Broker
from tests.fix_gateway import AREA, MINE, Consumer, Gateway, seqs, settings_for
from tests.fix_wait import wait_until


def test_auto_finds_the_protocol_of_the_broker(
    broker: Broker, make_consumer: Callable[..., Consumer]
) -> None:
    """Mosquitto is spoken to in MQTT 5, the embedded broker in 3.1.1."""
    consumer = make_consumer(broker.port)
    assert consumer.pump.state.protocol == promised(broker, "protocol")


def test_frames_arrive_in_order_and_acknowledged_ones_only_once(
    broker: Broker,
    make_gateway: Callable[..., Gateway],
    make_consumer: Callable[..., Consumer],
) -> None:
    """After a stop and a new start only what was not acknowledged comes again."""
    gateway = make_gateway(broker.port)
    consumer = make_consumer(broker.port)
    gateway.frames(0, 200)
    packets = consumer.take_frames(200)
    assert seqs(packets) == [*range(200)]
    assert consumer.pump.ack(packets[:150]) == 0
    wait_until(lambda: consumer.pump.counts["acknowledged"] == 150)
    consumer.pump.stop()
    again = make_consumer(broker.port)
    assert again.states[-1].session_present
    assert {*seqs(again.take_frames(50, ack=True))} == {*range(150, 200)}
    again.settle()


def test_publish_reaches_the_broker_and_says_when_it_cannot(
    broker: Broker, make_consumer: Callable[..., Consumer]
) -> None:
    """A command published from another thread arrives; without a connection: False."""
    consumer = make_consumer(broker.port)
    topic = state_topic(AREA, MINE)
    thread = Thread(target=consumer.pump.publish, args=(topic, b"{}", False))
    thread.start()
    thread.join()
    wait_until(lambda: any(p.topic == topic for p in consumer.take(ack=True)))
    consumer.pump.stop()
    wait_until(lambda: not consumer.pump.connected)
    assert consumer.pump.publish(topic, b"{}") is False


def test_two_clients_of_one_name_are_told(
    broker: Broker, make_consumer: Callable[..., Consumer]
) -> None:
    """They throw each other out: with MQTT 5 at once, else after a few times."""
    both = [make_consumer(broker.port), make_consumer(broker.port)]

    def named() -> bool:
        return all(
            any("mqtt.client_id" in str(state.problem) for state in one.states)
            for one in both
        )

    wait_until(named, 40, "the name of the setting")


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
