"""Who says at the broker that gasmon lives, without taking anybody's session.

A process that cannot ask the database whether another one owns its areas looks here
before it speaks: connecting under the common client id would throw that one out.
"""

import threading
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from gasmon.errors import DependencyError
from gasmon.ingest import connect
from gasmon.ingest.payloads import PayloadError, parse_state
from gasmon.ingest.topics import platform_state_topic
from gasmon.settings import MqttSettings

ANSWER_S = 10.0
"""Longest wait for the broker to grant the look [s]."""

RETAINED_S = 1.0
"""Wait for what it retains, behind the granted subscription [s]; it comes at once."""


class _Look:
    """What was heard."""

    def __init__(self) -> None:
        self.granted = threading.Event()
        self.heard = threading.Event()
        self.payload = b""
        self.problem = "it did not answer"

    def connected(
        self, client: paho.Client, _u: Any, _f: Any, reason: Any, _p: Any
    ) -> None:
        if reason.is_failure:
            self.problem = str(reason)
        else:
            client.subscribe(platform_state_topic(), 1)

    def subscribed(self, _c: Any, _u: Any, _m: int, reasons: Any, _p: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            self.problem = f"subscription refused: {reasons[0]}"
        else:
            self.granted.set()

    def message(self, _c: Any, _u: Any, message: paho.MQTTMessage) -> None:
        self.payload = bytes(message.payload)
        self.heard.set()


def online_boot(settings: MqttSettings, name: str) -> str | None:
    """Which start of gasmon the broker holds for online.

    Args:
        name: client id of the look; nobody else's.

    Returns:
        Its ``boot``; None when nobody is online.

    Raises:
        ConfigError: a file or the host is wrong.
        DependencyError: the broker does not answer or refuses.
    """
    look = _Look()
    five = settings.protocol == "5"
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=name,
        clean_session=None if five else True,
        # Every broker speaks the older one.
        protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
    )
    connect.open_client(client, settings)
    client.on_connect = look.connected
    client.on_subscribe = look.subscribed
    client.on_message = look.message
    where = f"{settings.host}:{settings.port}"
    try:
        client.connect(settings.host, settings.port, settings.keepalive_s)
    except OSError as error:
        raise DependencyError(f"the MQTT broker at {where}: {error}") from error
    client.loop_start()
    try:
        if not look.granted.wait(ANSWER_S):
            raise DependencyError(f"the MQTT broker at {where}: {look.problem}")
        look.heard.wait(RETAINED_S)
    finally:
        connect.hang_up(client)
    if not look.payload:
        return None
    try:
        state = parse_state(look.payload)
    except PayloadError as error:
        raise DependencyError(
            f"{platform_state_topic()} at {where} cannot be read: {error}"
        ) from error
    return state.boot if state.s == "online" else None
