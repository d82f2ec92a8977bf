"""Who says at the broker that gasmon lives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gasmon.errors import ConfigError, DependencyError
from gasmon.ingest.payloads import encode_state
from gasmon.ingest.presence import online_boot
from gasmon.ingest.topics import platform_state_topic
from gasmon.settings import MqttSettings
from tests.fix_broker import Broker
from tests.fix_gateway import Gateway


def settings_of(broker: Broker, protocol: str = "auto") -> MqttSettings:
    return MqttSettings(host=broker.host, port=broker.port, protocol=protocol)  # type: ignore[arg-type]


def say(gateway: Gateway, payload: bytes) -> None:
    """Leave a word there, as a pump does."""
    info = gateway.client.publish(platform_state_topic(), payload, 1, retain=True)
    info.wait_for_publish(20)


def test_the_last_word_is_found(
    broker: Broker, make_gateway: Callable[..., Gateway]
) -> None:
    """Online, offline, or nobody ever; the look is nobody's session."""
    gateway = make_gateway(broker.port)
    assert online_boot(settings_of(broker), "look") is None
    say(gateway, encode_state("online", "k3f9", 1_790_000_000_000))
    assert online_boot(settings_of(broker), "look") == "k3f9"
    say(gateway, encode_state("offline", "k3f9", 1_790_000_001_000))
    assert online_boot(settings_of(broker), "look") is None


def test_a_broker_of_version_5_is_asked_in_it(
    mosquitto_broker: Broker, make_gateway: Callable[..., Gateway]
) -> None:
    """Where the settings say so."""
    gateway = make_gateway(mosquitto_broker.port)
    say(gateway, encode_state("online", "k3f9", 1_790_000_000_000))
    assert online_boot(settings_of(mosquitto_broker, "5"), "look") == "k3f9"


def test_what_cannot_be_asked_or_read_is_no_leave(
    mosquitto_broker: Broker, make_gateway: Callable[..., Gateway]
) -> None:
    """Nobody may begin without an answer."""
    gateway = make_gateway(mosquitto_broker.port)
    say(gateway, b"{")
    with pytest.raises(DependencyError, match=r"gasmon/v1/state at .* cannot be read"):
        online_boot(settings_of(mosquitto_broker), "look")
    mosquitto_broker.stop()
    with pytest.raises(DependencyError, match="the MQTT broker at"):
        online_boot(settings_of(mosquitto_broker), "look")
    missing = settings_of(mosquitto_broker).model_copy(
        update={"password_file": Path("/nowhere")}
    )
    with pytest.raises(ConfigError):
        online_boot(missing, "look")
