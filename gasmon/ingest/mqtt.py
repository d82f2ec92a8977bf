"""The pump: from the broker into the inbox, and acknowledgements back.

QoS 1, persistent session, fixed client id, manual acknowledgement. paho's own thread
does the network; callbacks only fill the inbox, which has the window's arithmetic.

paho's `ack` and `publish` only append to a queue and wake the network thread, so they
may be called from any thread once `loop_start` has run. That queue is emptied when a
connection is opened, after `on_disconnect`: holding one lock in `ack` and in both
callbacks makes sure that no acknowledgement of an old connection reaches a new one,
where its number would belong to another message.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from gasmon import __version__
from gasmon.batch import Packet
from gasmon.clock import Clock
from gasmon.errors import ConfigError, DependencyError, GasmonError
from gasmon.ingest import connect
from gasmon.ingest.acks import AckOrder
from gasmon.ingest.connect import PumpState
from gasmon.ingest.floods import Floods
from gasmon.ingest.inbox import Inbox
from gasmon.ingest.payloads import encode_state
from gasmon.ingest.topics import QOS, platform_state_topic, subscriptions
from gasmon.settings import MqttSettings
from gasmon.units import US_PER_MS

log = logging.getLogger(__name__)


class Pump:
    """One client of one broker, for the life of the process.

    Attributes:
        counts: `received`, `acknowledged`, `stale_acks`, `refused_full`,
            `lost_qos0`, `forced_redeliveries`, `contested`, `connections`,
            `sessions_lost`, `subscriptions_refused`; `floods`: by mine.
    """

    def __init__(
        self,
        settings: MqttSettings,
        inbox: Inbox,
        on_state: Callable[[PumpState], None] | None = None,
        *,
        clock: Clock,
        boot: str,
        filters: Sequence[tuple[str, int]] | None = None,
    ) -> None:
        """Describe the pump; nothing is connected before `start`.

        Args:
            settings: Address, credentials, window.
            inbox: Where packets go; its limit is at least the window.
            on_state: Told of every change, in paho's thread: be quick.
            clock: Stamps arrivals.
            boot: Name of this process's start, in `gasmon/v1/state`.
            filters: Topic filters with quality of service; None means all of
                `subscriptions()`.

        Raises:
            ConfigError: Settings that cannot work: window over the inbox, host,
                password file, certificates.
        """
        connect.require_room(settings, inbox.limit)
        self._settings = settings
        self._inbox = inbox
        self._on_state = on_state
        self._clock = clock
        self._boot = boot
        self._filters = list(subscriptions() if filters is None else filters)
        self._protocol = "3.1.1" if settings.protocol == "3.1.1" else "5"
        self._lock = threading.RLock()
        self._settled = threading.Condition(self._lock)
        self._live = False
        self._owes_redelivery = False
        self._stopping = False
        self._falling_back: threading.Thread | None = None
        self._acks = AckOrder()
        self.lives = connect.Lives()
        self._state = PumpState(False, 0, self._protocol)
        self.counts: Counter[str] = Counter()
        self.floods = Floods(settings.flood_per_minute)
        self._client = self._make_client()

    @property
    def state(self) -> PumpState:
        """What it is doing now."""
        return self._state

    @property
    def connected(self) -> bool:
        """Connected, and every subscription granted."""
        return self._state.connected

    @property
    def generation(self) -> int:
        """Number of the last connection, 0 before the first."""
        return self._state.generation

    @property
    def unacknowledged(self) -> int:
        """Messages of this connection that the broker still waits for."""
        return len(self._acks)

    def start(self, wait_s: float | None = None) -> None:
        """Start connecting; from then on it reconnects for ever.

        Args:
            wait_s: Wait this long for the first connection [s]; None does not wait.

        Raises:
            ConfigError: With `wait_s`: user, password, client id, TLS or a
                subscription was refused. The pump is stopped.
            DependencyError: With `wait_s`: nobody answers there. It is stopped too.
        """
        self._open()
        if wait_s is None:
            return
        with self._settled:
            self._settled.wait_for(self._is_settled, wait_s)
            state = self._state
        if not state.connected:
            self.stop()
            raise state.problem or DependencyError(
                f"the MQTT broker at {self._where} did not answer within {wait_s:g} s"
            )

    def stop(self) -> None:
        """Say goodbye and disconnect; what is not acknowledged comes again later."""
        with self._lock:
            self._stopping = True
            farewell = self._announce("offline") if self._state.connected else None
            falling_back = self._falling_back
        if falling_back is not None:
            falling_back.join()
        if farewell is not None:
            try:
                farewell.wait_for_publish(timeout=2.0)
            except (RuntimeError, ValueError):
                pass  # the connection went just now; then the last will says it
        connect.hang_up(self._client)

    def ack(self, packets: Iterable[Packet]) -> int:
        """Acknowledge stored packets to the broker, from any thread.

        PUBACKs leave in order of arrival (MQTT 5, 4.6): one that is given early waits
        for those before it. Packets of an older connection are dropped and counted;
        the broker sends them again under new numbers.

        Returns:
            How many of them belonged to an older connection.
        """
        n_stale = 0
        with self._lock:
            for packet in packets:
                if not packet.mid:
                    continue  # QoS 0 has nothing to acknowledge
                if not self._live or packet.generation != self._state.generation:
                    n_stale += 1
                    continue
                for mid in self._acks.give(packet.mid):
                    self._client.ack(mid, QOS)
                    self.counts["acknowledged"] += 1
            self.counts["stale_acks"] += n_stale
            self._force_redelivery()
        return n_stale

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> bool:
        """Publish at QoS 1, from any thread.

        Returns:
            False when it was not handed over, because the pump is not connected or
            too much waits already: publish anew after the next connection.
        """
        with self._lock:
            if not self._live:
                return False
            info = self._client.publish(topic, payload, QOS, retain)
            return info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    @property
    def _where(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"

    def _is_settled(self) -> bool:
        """Connected, or refused for a reason that waiting will not mend."""
        return self._state.connected or isinstance(self._state.problem, ConfigError)

    def _make_client(self) -> paho.Client:
        client = connect.make_client(self._settings, self._protocol)
        client.will_set(
            platform_state_topic(), self._state_payload("offline"), QOS, retain=True
        )
        client.on_connect = self._connected
        client.on_connect_fail = self._connect_failed
        client.on_disconnect = self._disconnected
        client.on_subscribe = self._subscribed
        client.on_message = self._message
        return client

    def _open(self) -> None:
        connect.aim(self._client, self._settings, self._protocol)
        self._client.loop_start()

    def _fall_back(self) -> None:
        """Change to MQTT 3.1.1; runs in a thread of its own, as paho's must end."""
        connect.hang_up(self._client)
        with self._lock:
            self._falling_back = None
            if self._stopping:
                return
            self._client = self._make_client()
            self._open()

    def _connected(
        self,
        client: paho.Client,
        _userdata: object,
        flags: paho.ConnectFlags,
        reason: ReasonCode,
        _properties: object,
    ) -> None:
        if reason.is_failure:
            self._connect_refused(reason)
            return
        with self._lock:
            generation = self._state.generation + 1
            self._acks.renew()
            self._owes_redelivery = False
            self._live = True
            was_known = self.lives.began(self._clock.monotonic_s())
            self.counts["connections"] += 1
            if was_known and not flags.session_present:
                self.counts["sessions_lost"] += 1
                log.error("%s", connect.session_loss(self._where, self._settings))
            self._inbox.renew(redelivers=flags.session_present)
            self._change(
                PumpState(False, generation, self._protocol, flags.session_present)
            )
        # Subscribing anew at every connection makes the broker send the retained
        # definitions again, and mends a session that the broker lost.
        if self._protocol == "5":
            client.subscribe([(f, SubscribeOptions(qos=q)) for f, q in self._filters])
        else:
            client.subscribe(self._filters)

    def _connect_refused(self, reason: ReasonCode) -> None:
        with self._lock:
            if self._falling_back is not None:
                return
            too_new = reason.value == connect.UNSUPPORTED_VERSION
            if too_new and self._protocol == "5" and self._settings.protocol == "auto":
                log.info("broker %s does not speak MQTT 5: trying 3.1.1", self._where)
                self._protocol = "3.1.1"
                self._falling_back = threading.Thread(
                    target=self._fall_back, name="mqtt-fall-back"
                )
                self._falling_back.start()
                return
        self._problem(connect.connect_refusal(self._where, self._settings, reason))

    def _subscribed(
        self,
        _client: paho.Client,
        _userdata: object,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: object,
    ) -> None:
        refused = [
            name
            for (name, _), reason in zip(self._filters, reasons, strict=False)
            if reason.is_failure
        ]
        if refused:
            self.counts["subscriptions_refused"] += len(refused)
            problem = connect.subscription_refusal(self._where, self._settings, refused)
            log.error("%s", problem)
            self._problem(problem)
            return
        with self._lock:
            state = self._state
            self._announce("online")
            self._change(
                PumpState(True, state.generation, state.protocol, state.session_present)
            )
        log.info("connected to %s, MQTT %s", self._where, state.protocol)

    def _connect_failed(self, _client: paho.Client, _userdata: object) -> None:
        # paho calls this while it handles the error and does not hand it over.
        error = sys.exc_info()[1]
        self._problem(connect.network_refusal(self._where, self._settings, error))

    def _disconnected(
        self,
        _client: paho.Client,
        _userdata: object,
        _flags: paho.DisconnectFlags,
        reason: ReasonCode,
        _properties: object,
    ) -> None:
        with self._lock:
            if self._falling_back is not None:
                return
            was_live, self._live = self._live, False
            kept = self._state.problem
            if self._stopping:
                self._change(PumpState(False, self._state.generation, self._protocol))
                return
            n_short = self.lives.ended(self._clock.monotonic_s()) if was_live else 0
            self.counts["contested"] += connect.is_contested(reason, n_short)
        if kept is None or was_live:
            told = (self._where, self._settings, reason)
            self._problem(connect.disconnection(*told, was_live, n_short))

    def _message(
        self, _client: paho.Client, _userdata: object, message: paho.MQTTMessage
    ) -> None:
        topic = connect.topic_of(message)
        mid = message.mid if message.qos else 0
        payload, now_us = bytes(message.payload), self._clock.now_us()
        generation = self._state.generation
        packet = Packet(
            topic, payload, now_us, message.retain, generation, mid, message.dup
        )
        with self._lock:
            self.counts["received"] += 1
            if said := self.floods.count(topic, now_us):
                log.warning("%s", said)
            if mid:
                self._acks.arrived(mid)
        # Without the lock: whoever makes room must be able to acknowledge.
        if self._inbox.put(packet, connect.ROOM_WAIT_S):
            return
        with self._lock:
            # It stays with the broker, which sends it again on a new connection.
            if mid:
                self._acks.refused()
            if self._inbox.closed:
                return  # we are stopping
            self.counts["refused_full"] += 1
            if not mid:
                # No new connection brings it again, so none may be broken for it.
                self.counts["lost_qos0"] += 1
                if self.counts["lost_qos0"] == 1:
                    log.error("inbox full: lost, for it was sent at QoS 0: %s", topic)
                return
            if not self._owes_redelivery:
                log.error("inbox full (%d): a message is left", self._inbox.limit)
            self._owes_redelivery = True

    def _force_redelivery(self) -> None:
        """Cut the connection once there is room for what was left with the broker.

        A broker repeats unacknowledged messages only on a new connection. Half empty
        first: at once, the same messages would meet the same full inbox.
        """
        if not self._owes_redelivery or self._inbox.depth > self._inbox.limit // 2:
            return
        self._owes_redelivery = False
        self.counts["forced_redeliveries"] += 1
        connect.cut(self._client)

    def _state_payload(self, word: str) -> bytes:
        now_ms = self._clock.now_us() // US_PER_MS
        return encode_state(word, self._boot, now_ms, __version__)

    def _announce(self, word: str) -> paho.MQTTMessageInfo | None:
        return self._client.publish(
            platform_state_topic(), self._state_payload(word), QOS, retain=True
        )

    def _problem(self, problem: GasmonError) -> None:
        with self._lock:
            state = self._state
            self._change(
                PumpState(False, state.generation, self._protocol, False, problem)
            )

    def _change(self, state: PumpState) -> None:
        if str(state.problem) != str(self._state.problem) and state.problem:
            log.warning("%s", state.problem)
        self._state = state
        self._settled.notify_all()
        if self._on_state is not None:
            self._on_state(state)
