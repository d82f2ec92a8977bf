"""A small MQTT client for the doctor: connects, counts, waits, and cleans up."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gasmon.errors import DependencyError, GasmonError
from gasmon.ingest.connect import (
    UNSUPPORTED_VERSION,
    connect_refusal,
    hang_up,
    network_refusal,
    open_client,
)
from gasmon.settings import MqttSettings

ANSWER_S = 5.0
"""Longest wait for one answer of the broker [s]."""

SESSION_S = 300
"""How long the broker would keep our session if we were killed (MQTT 5) [s]."""

IDLE_S = 0.7
"""No further message for so long: no further message comes [s]."""

FIRST_S = 3.0
"""Longest wait for the first message [s]."""


class VersionRefused(DependencyError):
    """The broker does not speak this version of MQTT."""


class Probe:
    """One connection to the broker.

    Attributes:
        got: (topic, payload, retained, mid) of every message so far.
        greeting: what the broker says of itself in CONNACK (MQTT 5 alone).
        session_present: the broker kept our session.
    """

    def __init__(
        self,
        settings: MqttSettings,
        protocol: str,
        client_id: str,
        *,
        keep_session: bool = False,
    ) -> None:
        """Describe the connection; ``open`` makes it.

        Args:
            protocol: ``5`` or ``3.1.1``.
            keep_session: persistent, with every acknowledgement left to us.
        """
        self.got: list[tuple[str, bytes, bool, int]] = []
        self.greeting: dict[str, Any] = {}
        self.session_present = False
        self._settings = settings.model_copy(update={"client_id": client_id})
        self._five = protocol == "5"
        self._keep = keep_session
        self._changed = threading.Condition()
        self._answer: ReasonCode | None = None
        self._lost = False
        self._failed: BaseException | None = None
        self._granted: dict[int, list[ReasonCode]] = {}
        self._puback: dict[int, ReasonCode] = {}
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if self._five else not keep_session,
            protocol=(
                MQTTProtocolVersion.MQTTv5
                if self._five
                else MQTTProtocolVersion.MQTTv311
            ),
            manual_ack=keep_session,
            reconnect_on_failure=False,
        )
        open_client(self._client, self._settings)
        self._client.max_inflight_messages_set(200)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message

    @property
    def lost(self) -> bool:
        """The broker ended the connection."""
        return self._lost

    def open(self) -> None:
        """Connect.

        Raises:
            VersionRefused: it does not speak this version.
            DependencyError: nobody answers, or it cannot take us now.
            ConfigError: user, password, client id or TLS are refused.
        """
        settings = self._settings
        where = f"{settings.host}:{settings.port}"
        clean_start: bool | Literal[3] = paho.MQTT_CLEAN_START_FIRST_ONLY
        properties = None
        if self._five:
            clean_start = not self._keep
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = SESSION_S if self._keep else 0
            properties.ReceiveMaximum = min(65535, settings.receive_window)
        try:
            self._client.connect(
                settings.host,
                settings.port,
                settings.keepalive_s,
                clean_start=clean_start,
                properties=properties,
            )
        except (OSError, ValueError) as error:
            raise network_refusal(where, settings, error) from None
        self._client.loop_start()
        self._wait(lambda: self._answer is not None or self._lost, ANSWER_S)
        if self._answer is not None and not self._answer.is_failure:
            return
        refused = self._refusal(where)
        self.close()
        raise refused

    def _refusal(self, where: str) -> GasmonError:
        if self._answer is None:
            return DependencyError(f"the MQTT broker at {where} gave no answer")
        if self._answer.value == UNSUPPORTED_VERSION:
            return VersionRefused(f"{where} does not speak this version of MQTT")
        return connect_refusal(where, self._settings, self._answer)

    def subscribe(self, topic_filter: str) -> bool:
        """Subscribe at QoS 1; whether it was granted."""
        code, mid = self._client.subscribe(topic_filter, 1)
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS or mid is None:
            return False
        self._wait(lambda: mid in self._granted or self._lost, ANSWER_S)
        granted = self._granted.get(mid, [])
        return bool(granted) and not granted[0].is_failure

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> bool:
        """Publish one message at QoS 1; whether the broker took it."""
        info = self._client.publish(topic, payload, 1, retain)
        self._wait(lambda: info.mid in self._puback or self._lost, ANSWER_S)
        answer = self._puback.get(info.mid)
        return answer is not None and not answer.is_failure

    def publish_all(
        self, topic: str, payloads: Sequence[bytes], timeout_s: float
    ) -> int:
        """Publish many at QoS 1; how many the broker took in time."""
        before = len(self._puback)
        for payload in payloads:
            self._client.publish(topic, payload, 1)
        wanted = before + len(payloads)
        self._wait(lambda: len(self._puback) >= wanted or self._lost, timeout_s)
        return len(self._puback) - before

    def collect(
        self,
        enough: Callable[[set[bytes]], bool],
        timeout_s: float,
        *,
        topic: str = "",
        acknowledge: bool = False,
        patient: bool = False,
    ) -> set[bytes]:
        """Wait until enough different messages came, or no more come.

        Args:
            enough: asked with the different payloads so far.
            topic: only messages of this topic count; empty counts all.
            acknowledge: acknowledge what comes, so that more may come.
            patient: wait for the whole time, also when nothing comes.
        """
        deadline_s = time.monotonic() + timeout_s
        n_seen, since_s = 0, time.monotonic()
        while True:
            n_got = len(self.got)
            if acknowledge:
                for _, _, _, mid in self.got[n_seen:n_got]:
                    self._client.ack(mid, 1)
            payloads = {p for t, p, _, _ in self.got[:n_got] if topic in ("", t)}
            now_s = time.monotonic()
            if n_got != n_seen:
                n_seen, since_s = n_got, now_s
            idle = not patient and now_s - since_s > (IDLE_S if n_seen else FIRST_S)
            if enough(payloads) or idle or now_s > deadline_s or self._lost:
                return payloads
            self._wait(lambda: len(self.got) != n_seen, 0.1)  # noqa: B023

    def acknowledge_until(self, done: int, wanted: int) -> int:
        """Acknowledge messages ``done`` to ``wanted`` as far as they came.

        Returns:
            How many are acknowledged now; waits a moment when there is nothing new.
        """
        ready = min(len(self.got), wanted)
        for _, _, _, mid in self.got[done:ready]:
            self._client.ack(mid, 1)
        if ready == done:
            self._wait(lambda: len(self.got) > done or self._lost, 0.1)
        return ready

    def close(self) -> None:
        """Disconnect."""
        hang_up(self._client)

    def _wait(self, done: Callable[[], bool], timeout_s: float) -> None:
        with self._changed:
            self._changed.wait_for(done, timeout_s)

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _on_connect(self, *args: Any) -> None:
        _, _, flags, reason, properties = args
        self.session_present = bool(flags.session_present)
        self.greeting = dict(properties.json()) if properties is not None else {}
        self._answer = reason
        self._tell()

    def _on_disconnect(self, *args: Any) -> None:
        self._lost = True
        self._tell()

    def _on_subscribe(self, *args: Any) -> None:
        self._granted[args[2]] = args[3]
        self._tell()

    def _on_publish(self, *args: Any) -> None:
        self._puback[args[2]] = args[3]
        self._tell()

    def _on_message(self, *args: Any) -> None:
        message = args[2]
        self.got.append(
            (message.topic, bytes(message.payload), message.retain, message.mid)
        )
        self._tell()


def greet(settings: MqttSettings, client_id: str) -> tuple[Probe, str]:
    """Connect with the newest version that both speak.

    Returns:
        The open connection and its version, ``5`` or ``3.1.1``.

    Raises:
        GasmonError: it cannot be reached or refuses us.
    """
    if settings.protocol != "3.1.1":
        probe = Probe(settings, "5", client_id)
        try:
            probe.open()
            return probe, "5"
        except VersionRefused:
            if settings.protocol == "5":
                raise
    probe = Probe(settings, "3.1.1", client_id)
    probe.open()
    return probe, "3.1.1"
