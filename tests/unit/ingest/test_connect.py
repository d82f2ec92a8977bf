"""Settings that cannot work are the operator's errors and name what is wrong."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from gasmon.clock import SystemClock
from gasmon.errors import ConfigError, DependencyError
from gasmon.ingest.connect import (
    SESSION_TAKEN_OVER,
    Lives,
    connect_refusal,
    disconnection,
    make_client,
    network_refusal,
)
from gasmon.ingest.inbox import Inbox
from gasmon.ingest.mqtt import Pump
from gasmon.settings import MqttSettings

WHERE = "127.0.0.1:1883"


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"host": ""}, "mqtt.host is empty"),
        ({"host": "a..b"}, "mqtt.host 'a..b'"),
        ({"password_file": "FILE"}, "mqtt.username is not"),
        ({"username": "u", "password_file": "MISSING"}, "mqtt.password_file"),
        ({"tls_cert": "FILE"}, "need mqtt.tls_ca"),
        ({"tls_ca": "MISSING"}, "mqtt.tls_ca"),
        ({"tls_ca": "FILE"}, "no usable certificate"),
    ],
    ids=str,
)
def test_bad_settings_are_refused_before_anything_is_connected(
    settings: dict[str, Any], words: str, protocol: str, tmp_path: Path
) -> None:
    """Files that are missing or no certificates, half of a pair, no host."""
    (tmp_path / "FILE").write_text("not a certificate", "utf-8")
    paths = {
        name: tmp_path / value if value in ("FILE", "MISSING") else value
        for name, value in settings.items()
    }
    with pytest.raises(ConfigError, match=words):
        make_client(MqttSettings(**paths), protocol)


def test_a_window_over_the_inbox_is_refused() -> None:
    """The broker could send more than fits: both numbers are named."""
    settings = MqttSettings(receive_window=2001)
    with pytest.raises(ConfigError, match=r"2001.*2000"):
        Pump(settings, Inbox(2000), clock=SystemClock(), boot="b")


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (132, ConfigError, "mqtt.protocol"),
        (133, ConfigError, "mqtt.client_id"),
        (134, ConfigError, "mqtt.password_file"),
        (135, ConfigError, "mqtt.username"),
        (136, DependencyError, "refuses us now"),
    ],
)
def test_refusals_of_the_broker_are_told_apart(
    code: int, kind: type[Exception], words: str
) -> None:
    """What the operator must mend, and what will pass by itself."""
    reason = ReasonCode(PacketTypes.CONNACK, identifier=code)
    error = connect_refusal(WHERE, MqttSettings(username="u"), reason)
    assert isinstance(error, kind)
    assert words in str(error)
    assert WHERE in str(error)


def test_another_client_with_our_id_is_named() -> None:
    """At once where the broker says so, else when connections keep being short."""
    settings = MqttSettings(client_id="gasmon-north")
    taken = ReasonCode(PacketTypes.DISCONNECT, identifier=SESSION_TAKEN_OVER)
    error = disconnection(WHERE, settings, taken, True, 1)
    assert isinstance(error, ConfigError)
    assert "gasmon-north" in str(error)
    assert "mqtt.client_id" in str(error)
    plain = ReasonCode(PacketTypes.DISCONNECT, identifier=128)
    assert "client_id" not in str(disconnection(WHERE, settings, plain, True, 2))
    assert "mqtt.client_id" in str(disconnection(WHERE, settings, plain, True, 3))
    assert "TLS" in str(disconnection(WHERE, settings, plain, False, 0))


def test_short_lives_are_counted_in_a_row() -> None:
    """A connection that lasted ends the row."""
    lives = Lives()
    counts = []
    for began_s, ended_s in ((0, 1), (2, 3), (4, 60), (61, 62)):
        lives.began(began_s)
        counts.append(lives.ended(ended_s))
    assert counts == [1, 2, 0, 1]


def test_network_errors_are_told_apart() -> None:
    """Unknown host and TLS are settings; the rest is a broker that is away."""
    untrusted = ssl.SSLCertVerificationError("bad")
    untrusted.verify_message = "self-signed certificate"
    plain = MqttSettings()
    with_tls = MqttSettings(tls_ca=Path("ca.pem"))
    for error, settings, kind, words in (
        (untrusted, with_tls, ConfigError, "self-signed"),
        (ssl.SSLError("wrong version"), with_tls, ConfigError, "no TLS"),
        (socket.gaierror(-2, "not known"), plain, ConfigError, "mqtt.host"),
        (ConnectionResetError("reset"), with_tls, DependencyError, "does this port"),
        (ConnectionRefusedError("refused"), plain, DependencyError, "refused"),
    ):
        found = network_refusal(WHERE, settings, error)
        assert type(found) is kind
        assert words in str(found)
