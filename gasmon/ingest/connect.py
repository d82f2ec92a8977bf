"""Opening a connection to a broker, and saying clearly why that did not work."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gasmon.errors import ConfigError, DependencyError, GasmonError
from gasmon.settings import MqttSettings

RECONNECT_MIN_S = 1
RECONNECT_MAX_S = 5
"""Waiting before a reconnect doubles from the one to the other [s]. A broker that is
back after an outage must not wait for us: alarms are late meanwhile. One connection
attempt per 5 s burdens nobody."""

SHORT_LIFE_S = 5.0
SHORT_LIVES = 3
"""So many connections in a row that the broker ended so soon [s]: somebody else uses
our client id, and each of us throws the other out when it comes back."""

ROOM_WAIT_S = 1.0
"""How long the network thread waits for room in a full inbox, per message [s].

Pings and acknowledgements go out between two messages, so this stays far below the
keep-alive (20 s, and the broker waits 1.5 times that)."""

OUTGOING_LIMIT = 10_000
"""Messages of ours that wait for the broker at most: 259 annunciators × 38."""

SESSION_TAKEN_OVER = 142
"""MQTT 5 reason code: another client connected with our id."""

UNSUPPORTED_VERSION = 132
"""MQTT 5 reason code "unsupported protocol version"; paho also reports it when a 3.1.1
broker answers a version 5 CONNECT with return code 1, as the NATS server does."""


@dataclass(frozen=True, slots=True)
class PumpState:
    """What the pump is doing, told to `on_state` at every change.

    Attributes:
        connected: Connected, and every subscription granted.
        generation: Number of the connection, 0 before the first.
        protocol: `5` or `3.1.1`.
        session_present: The broker kept our session over the gap.
        problem: Why it is not connected, None when it is.
    """

    connected: bool
    generation: int
    protocol: str
    session_present: bool = False
    problem: GasmonError | None = None


REFUSED_FOR_GOOD = {
    132: "does not speak this version of MQTT (mqtt.protocol)",
    133: "refuses the client id (mqtt.client_id)",
    134: "refuses user or password (mqtt.username, mqtt.password_file)",
    135: "does not authorise the user (mqtt.username, mqtt.password_file)",
    138: "has banned this client (mqtt.client_id)",
    140: "refuses the authentication method",
}
"""MQTT 5 reason codes of CONNACK that only the operator can mend."""


def make_client(settings: MqttSettings, protocol: str) -> paho.Client:
    """Return a client with a persistent session and manual acknowledgement.

    Args:
        settings: Client id, credentials, TLS.
        protocol: `5` or `3.1.1`.

    Raises:
        ConfigError: See `open_client`.
    """
    five = protocol == "5"
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=settings.client_id,
        clean_session=None if five else False,
        protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
        manual_ack=True,
    )
    client.max_queued_messages_set(OUTGOING_LIMIT)
    client.reconnect_delay_set(RECONNECT_MIN_S, RECONNECT_MAX_S)
    open_client(client, settings)
    return client


def aim(client: paho.Client, settings: MqttSettings, protocol: str) -> None:
    """Tell a client where to connect; its network loop does it.

    The session is kept in both protocols. Version 5 also tells the broker how many
    messages it may send ahead; for 3.1.1 that is a setting of the broker.
    """
    keepalive_s = settings.keepalive_s
    if protocol != "5":
        client.connect_async(settings.host, settings.port, keepalive_s)
        return
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = settings.session_expiry_s
    properties.ReceiveMaximum = min(65535, settings.receive_window)
    client.connect_async(
        settings.host,
        settings.port,
        keepalive_s,
        clean_start=False,
        properties=properties,
    )


def require_room(settings: MqttSettings, inbox_limit: int) -> None:
    """Make sure that what the broker may send ahead fits into the inbox.

    Raises:
        ConfigError: it does not; names both settings.
    """
    if settings.receive_window > inbox_limit:
        raise ConfigError(
            f"mqtt.receive_window {settings.receive_window} is over "
            f"ingest.inbox_limit {inbox_limit}: the broker could send more than fits"
        )


def open_client(client: paho.Client, settings: MqttSettings) -> None:
    """Give a client its credentials and TLS.

    Raises:
        ConfigError: A file cannot be read or is no certificate, or the host is no
            name; names the setting and the file.
    """
    try:
        settings.host.encode("idna")
    except UnicodeError as error:
        raise ConfigError(
            f"mqtt.host {settings.host!r} is no host name: {error}"
        ) from None
    if not settings.host:
        raise ConfigError("mqtt.host is empty")
    if settings.username is not None:
        client.username_pw_set(settings.username, _password(settings.password_file))
    elif settings.password_file is not None:
        raise ConfigError("mqtt.password_file is set, mqtt.username is not")
    if settings.tls_ca is None:
        if settings.tls_cert or settings.tls_key:
            raise ConfigError("mqtt.tls_cert and mqtt.tls_key need mqtt.tls_ca")
        return
    for name in ("tls_ca", "tls_cert", "tls_key"):
        path: Path | None = getattr(settings, name)
        if path is not None:
            _read(f"mqtt.{name}", path)
    try:
        context = ssl.create_default_context(cafile=str(settings.tls_ca))
        if settings.tls_cert is not None:
            context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(
            f"mqtt.tls_ca {settings.tls_ca}, tls_cert {settings.tls_cert}, tls_key "
            f"{settings.tls_key}: no usable certificate ({error})"
        ) from None
    client.tls_set_context(context)


def _read(name: str, path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{name} {path} cannot be read: {error}") from None


def _password(path: Path | None) -> str | None:
    return None if path is None else _read("mqtt.password_file", path).rstrip("\r\n")


def connect_refusal(
    where: str, settings: MqttSettings, reason: ReasonCode
) -> GasmonError:
    """Return why the broker refused a CONNECT, as an error for the operator."""
    words = REFUSED_FOR_GOOD.get(reason.value)
    if words is not None:
        user = settings.username or "(none)"
        return ConfigError(
            f"the MQTT broker at {where} {words}; user {user}, client id "
            f"{settings.client_id}: {reason}"
        )
    return DependencyError(f"the MQTT broker at {where} refuses us now: {reason}")


def subscription_refusal(
    where: str, settings: MqttSettings, refused: list[str]
) -> ConfigError:
    """Return which subscriptions the broker refused, as an error for the operator."""
    return ConfigError(
        f"the MQTT broker at {where} refuses user {settings.username or '(none)'} "
        f"{len(refused)} subscriptions: {', '.join(refused[:4])}"
    )


class Lives:
    """How long connections lived; not thread-safe.

    Attributes:
        had_session: the broker should know us: from an earlier connection, or from
            that of a former process.
    """

    def __init__(self) -> None:
        """Start with none."""
        self.had_session = False
        self._began_s = 0.0
        self._n_short = 0

    def began(self, now_s: float) -> bool:
        """A connection was made [s, monotonic].

        Returns:
            Whether the broker should have known us.
        """
        self._began_s = now_s
        had_session, self.had_session = self.had_session, True
        return had_session

    def ended(self, now_s: float) -> int:
        """It ended.

        Returns:
            How many in a row, this one included, were short.
        """
        short = now_s - self._began_s < SHORT_LIFE_S
        self._n_short = self._n_short + 1 if short else 0
        return self._n_short


def is_contested(reason: ReasonCode, n_short: int) -> bool:
    """Whether a connection may have ended because another client has our id.

    A broker of MQTT 5 may say so (Mosquitto 2.0.11 does not); else the two take the
    session from each other again and again, as a broken line looks too.
    """
    return reason.value == SESSION_TAKEN_OVER or n_short >= SHORT_LIVES


def disconnection(
    where: str,
    settings: MqttSettings,
    reason: ReasonCode,
    was_live: bool,
    n_short: int,
) -> GasmonError:
    """Return why a connection ended, as an error for the operator.

    Args:
        was_live: the broker had accepted us.
        n_short: short connections in a row, see `Lives`.
    """
    twice = (
        f"another client at {where} uses our client id {settings.client_id} "
        "(mqtt.client_id): each throws the other out"
    )
    if reason.value == SESSION_TAKEN_OVER:
        return ConfigError(twice)
    detail = f"the MQTT broker at {where} ended the connection: {reason}"
    if not was_live:
        detail += " (before it answered; does the port speak TLS?)"
    elif n_short >= SHORT_LIVES:
        detail += (
            f" ({n_short} times in a row within {SHORT_LIFE_S:g} s; perhaps {twice})"
        )
    return DependencyError(detail)


def session_loss(where: str, settings: MqttSettings) -> str:
    """Return what it means when the broker forgot us between two connections."""
    return (
        f"the MQTT broker at {where} forgot the session of {settings.client_id}: "
        "frames that it kept for us are lost (look at its persistence and its session "
        "expiry, and whether it or mqtt.client_id is another one now); gaps are asked "
        "of the gateways"
    )


def hang_up(client: paho.Client) -> None:
    """Disconnect, end the client's loop, and leave no socket open.

    A loop that is just reconnecting ends with its new connection still open. The ring
    of references between client and owner is undone too, so that both go at once.
    """
    client.disconnect()
    client.loop_stop()
    connection = client.socket()
    if isinstance(connection, socket.socket):
        connection.close()
    for name in ("on_connect", "on_connect_fail", "on_disconnect", "on_subscribe",
                 "on_message"):  # fmt: skip
        setattr(client, name, None)


def cut(client: paho.Client) -> None:
    """Cut the connection without goodbye; the client's loop opens a new one."""
    connection = client.socket()
    if isinstance(connection, socket.socket):
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            # Already gone, which is what was wanted.
            pass


def network_refusal(
    where: str, settings: MqttSettings, error: BaseException | None
) -> GasmonError:
    """Return why no connection came to be, as an error for the operator."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConfigError(
            f"the certificate of the MQTT broker at {where} is not trusted "
            f"(mqtt.tls_ca): {error.verify_message}"
        )
    if isinstance(error, ssl.SSLError):
        return ConfigError(
            f"no TLS with the MQTT broker at {where} (mqtt.port, mqtt.tls_*): {error}"
        )
    if isinstance(error, socket.gaierror):
        return ConfigError(
            f"the MQTT broker's host in {where} is unknown (mqtt.host): "
            f"{error.strerror}"
        )
    hint = ""
    if settings.tls_ca is not None and isinstance(error, ConnectionError):
        hint = " (with TLS; does this port speak it?)"
    return DependencyError(f"no MQTT broker at {where}{hint}: {error}")


def topic_of(message: paho.MQTTMessage) -> str:
    """Its topic; one that is no text has a name by which decoding refuses it."""
    try:
        return message.topic
    except UnicodeDecodeError:
        return "(a topic that is not UTF-8)"
