"""Whoever plays a drill says every few seconds that he goes on.

Mines may be cut off in a drill, all of them at once, so none of them can say it. When
this falls silent, because its program was killed or its line is gone, gasmon ends the
drill (docs/drill-runs.md).
"""

import json
import ssl
import time

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from gasmon.ingest.topics import player_topic
from simulators.link import Broker

BEAT_S = 5.0
"""Between two beats [s]: six of them fit into the silence that gasmon bears."""


class Player:
    """One connection of its own, beside those of the mines."""

    def __init__(self, broker: Broker, run: int) -> None:
        """Prepare; nothing connects yet."""
        self._topic = player_topic(run)
        self._beat_s = float("-inf")
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"drill{run}-player",
            protocol=mqtt.MQTTv311,
        )
        if broker.username is not None:
            self._client.username_pw_set(broker.username, broker.password)
        if broker.tls_ca is not None:
            self._client.tls_set_context(
                ssl.create_default_context(cafile=broker.tls_ca)
            )
        self._client.reconnect_delay_set(1, 5)
        self._client.connect_async(broker.host, broker.port, keepalive=20)

    def start(self) -> None:
        """Connect, and again whenever the connection is lost."""
        self._client.loop_start()

    def beat(self) -> None:
        """Say it, if it is time; called from the loop that plays, so that a player
        that hangs is silent."""
        now_s = time.monotonic()
        if now_s < self._beat_s + BEAT_S or not self._client.is_connected():
            return
        self._beat_s = now_s
        payload = json.dumps({"ts": time.time_ns() // 1_000_000})
        self._client.publish(self._topic, payload, 1)

    def stop(self) -> None:
        """Leave; that the drill is over is said over HTTP."""
        self._client.disconnect()
        self._client.loop_stop()
