"""One MQTT connection and what waits to go over it, without a thread.

Only opening a connection may block, 3 s at most; everything else is driven by the
selector of ``fleet.py``.

The link owns reliability: a message leaves its queue only when the broker has
acknowledged it. When a connection is lost, everything unacknowledged goes back to the
front of its queue in the old order, and the next connection starts with a fresh paho
client, so nothing depends on what a client object remembers.
"""

import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from simulators.gateway import Message, MineGateway


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is and how to log in.

    Attributes:
        tls_ca: file of the authority to trust; None for an open connection.
    """

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    tls_ca: Path | None = None


@dataclass(slots=True)
class Tally:
    """What happened on all links together."""

    published: int = 0
    frames_acked: int = 0
    connects: int = 0
    losses: int = 0
    refusal: str = ""


class Link:
    """One connection for one mine, or shared by many.

    A shared link has no last will, because MQTT has one will per connection and a
    will belongs to one mine.
    """

    def __init__(
        self,
        client_id: str,
        gateways: Sequence[MineGateway],
        broker: Broker,
        selector: BaseSelector,
        clock: Callable[[], int],
        tally: Tally,
        *,
        shared: bool,
        window: int,
        backfill_burst: int = 5,
        on_ack: Callable[[Message], None] | None = None,
    ) -> None:
        """Prepare; ``connect`` opens the connection.

        Args:
            clock: the gateways' time [µs UTC].
            shared: no last will, no session that outlives the connection.
            window: most messages published and not acknowledged.
            backfill_burst: most backfilled frames per ``refill`` and link.
            on_ack: told of each frame that the broker acknowledged.
        """
        self._client_id = client_id
        self.gateways = tuple(gateways)
        self._by_request = {g.request_topic: g for g in gateways}
        self._broker = broker
        self._selector = selector
        self._clock = clock
        self._tally = tally
        self._shared = shared
        self._window = window
        self._on_ack = on_ack
        self._burst = backfill_burst
        self._allowance = backfill_burst
        self._control: deque[Message] = deque()
        self._data: deque[Message] = deque()
        self._backfill: deque[Message] = deque()
        self._in_flight: dict[int, Message] = {}
        self._client: mqtt.Client | None = None
        self._leaving = False
        self._closing = False
        self.connected = False
        self.is_cut = False
        self.closed_at_s = float("-inf")

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing is in flight."""
        return not (self._control or self._data or self._backfill or self._in_flight)

    @property
    def opening(self) -> bool:
        """A connection is open or being opened."""
        return self._client is not None

    @property
    def blocked(self) -> bool:
        """Something waits because the window is full: the broker is the brake."""
        return bool(self._data) and len(self._in_flight) >= self._window

    def connect(self) -> None:
        """Open a connection.

        Raises:
            OSError: nobody listens there, or the network is unreachable.
        """
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=self._shared,
            protocol=mqtt.MQTTv311,
            reconnect_on_failure=False,
        )
        broker = self._broker
        if broker.username is not None:
            client.username_pw_set(broker.username, broker.password)
        if broker.tls_ca is not None:
            client.tls_set_context(ssl.create_default_context(cafile=broker.tls_ca))
        if not self._shared:
            will = self.gateways[0].state("offline", self._clock())
            client.will_set(will.topic, will.payload, qos=1, retain=True)
        # The window is kept here; paho's own must never be the smaller one.
        client.max_inflight_messages_set(0)
        client.connect_timeout = 3.0
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_socket_open = self._on_socket_open
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_wants_write
        client.on_socket_unregister_write = self._on_wants_no_write
        self._client = client
        try:
            client.connect(broker.host, broker.port, keepalive=20)
        except OSError:
            self._client = None
            raise

    def send(self, message: Message) -> None:
        """Queue a message; frames wait behind definitions and states."""
        if message.seq is None:
            self._control.append(message)
            return
        # In a long outage the queue stays as short as the rings it points into.
        while self._data and _is_gone(self._data[0]):
            self._data.popleft()
        self._data.append(message)

    def cut(self) -> None:
        """Lose the line as a cut cable does, and stay away until ``mend``.

        The broker hears no goodbye, so it publishes the last will.
        """
        self.is_cut = True
        sock: Any = None if self._client is None else self._client.socket()
        if sock is not None:
            # It may have gone by itself a moment before.
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        """Lose the line for good, and leave no socket open."""
        self.cut()
        while self._client is not None and self._client.socket() is not None:
            self.read()

    def mend(self) -> None:
        """The line is whole again; the fleet's next turn connects."""
        self.is_cut = False

    def send_again(self, gateway: MineGateway, seqs: Iterable[int]) -> None:
        """Queue frames that are still in the ring for ``backfill``."""
        for seq in seqs:
            topic = gateway.backfill_topic
            self._backfill.append(Message(gateway, topic, None, seq=seq))

    def refill(self) -> None:
        """Allow the next burst of backfilled frames; called at a steady pace."""
        self._allowance = self._burst

    def pump(self) -> None:
        """Publish what the window allows."""
        client = self._client
        if client is None or not self.connected:
            return
        while len(self._in_flight) < self._window:
            message = self._next()
            if message is None:
                return
            payload = message.payload
            if payload is None and message.seq is not None:
                payload = message.gateway.ring.get(message.seq)
            if payload is None:
                continue
            info = client.publish(message.topic, payload, 1, message.retain)
            self._in_flight[info.mid] = message
            self._tally.published += 1

    def read(self) -> None:
        """The socket has something to read."""
        if self._client is not None:
            self._client.loop_read()
        # TLS decrypts whole records: what it holds back, no selector reports.
        while self._client is not None:
            sock = self._client.socket()
            if not isinstance(sock, ssl.SSLSocket) or not sock.pending():
                return
            self._client.loop_read()

    def write(self) -> None:
        """The socket takes more."""
        if self._client is not None:
            self._client.loop_write()

    def misc(self) -> None:
        """Keep-alive; called about each half second."""
        if self._client is not None:
            self._client.loop_misc()

    def leave(self) -> None:
        """Queue the offline states; no birth follows any more."""
        self._leaving = True
        for gateway in self.gateways:
            self._data.extend(gateway.farewell(self._clock()))

    def close(self) -> None:
        """Leave politely: the broker discards the last will."""
        self._closing = True
        if self._client is not None:
            self._client.disconnect()

    def _next(self) -> Message | None:
        if self._control:
            return self._control.popleft()
        if self._data:
            return self._data.popleft()
        if self._backfill and self._allowance > 0:
            self._allowance -= 1
            return self._backfill.popleft()
        return None

    def _on_connect(
        self, client: mqtt.Client, _user: Any, _flags: Any, reason: Any, _props: Any
    ) -> None:
        if reason.is_failure:
            self._tally.refusal = str(reason)
            return
        self.connected = True
        self._tally.connects += 1
        client.subscribe([(topic, 1) for topic in self._by_request])
        # What waited from an older connection is stale; the birth says it anew.
        self._control.clear()
        for gateway in () if self._leaving else self.gateways:
            self._control.extend(gateway.birth(self._clock()))

    def _on_disconnect(
        self, client: mqtt.Client, _user: Any, _flags: Any, _reason: Any, _props: Any
    ) -> None:
        if client is not self._client:
            return
        if self.connected and not self._closing:
            self._tally.losses += 1
        self.connected = False
        self._client = None
        self.closed_at_s = time.monotonic()
        for message in reversed(self._in_flight.values()):
            if message.topic == message.gateway.backfill_topic:
                self._backfill.appendleft(message)
            elif message.seq is not None or self._leaving:
                self._data.appendleft(message)
        self._in_flight.clear()

    def _on_publish(
        self, _client: mqtt.Client, _user: Any, mid: int, _reason: Any, _props: Any
    ) -> None:
        message = self._in_flight.pop(mid, None)
        if message is not None and message.seq is not None:
            message.gateway.ring.acknowledge(message.seq)
            self._tally.frames_acked += 1
            if self._on_ack is not None:
                self._on_ack(message)

    def _on_message(
        self, _client: mqtt.Client, _user: Any, message: mqtt.MQTTMessage
    ) -> None:
        gateway = self._by_request.get(message.topic)
        if gateway is None:
            return
        answers, again = gateway.answer(bytes(message.payload), self._clock())
        self._control.extend(answers)
        self.send_again(gateway, again)

    def _on_socket_open(self, _client: mqtt.Client, _user: Any, sock: Any) -> None:
        self._selector.register(sock, EVENT_READ, self)

    def _on_socket_close(self, _client: mqtt.Client, _user: Any, sock: Any) -> None:
        # A client that is thrown away may close after the selector did.
        if self._selector.get_map() is not None:
            self._selector.unregister(sock)

    def _on_wants_write(self, _client: mqtt.Client, _user: Any, sock: Any) -> None:
        self._selector.modify(sock, EVENT_READ | EVENT_WRITE, self)

    def _on_wants_no_write(self, _client: mqtt.Client, _user: Any, sock: Any) -> None:
        self._selector.modify(sock, EVENT_READ, self)


def _is_gone(message: Message) -> bool:
    """Whether a waiting frame has been pushed out of its ring."""
    seq = message.seq
    return seq is not None and message.gateway.ring.get(seq) is None
