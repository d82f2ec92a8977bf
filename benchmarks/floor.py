"""The shortest durable path from MQTT to a websocket, as a process of its own.

``python -m benchmarks.floor BROKER_PORT DATABASE_URL``: every message under
``bench/floor`` becomes one row by a synchronous INSERT and commit, and then goes to
every connected client as it came. Nothing is decoded, judged or kept in order. The
port of the websocket is printed on standard output.
"""

import sys
import threading

import paho.mqtt.client as paho
import psycopg
from paho.mqtt.enums import CallbackAPIVersion
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from gasmon.embedded.process import LOOPBACK

TOPIC = "bench/floor"
LISTENING = "listening"
_TABLE = "CREATE TABLE IF NOT EXISTS bench_floor (at timestamptz, body bytea)"
_INSERT = "INSERT INTO bench_floor VALUES (now(), %b)"


def main() -> None:
    """Serve until the process is ended."""
    broker_port, dsn = int(sys.argv[1]), sys.argv[2]
    conn = psycopg.connect(dsn, autocommit=True)
    conn.execute(_TABLE)
    # Prepared from the first time on, as a careful program would.
    conn.prepare_threshold = 0
    clients: set[ServerConnection] = set()

    def arrived(_client: object, _data: object, message: paho.MQTTMessage) -> None:
        conn.execute(_INSERT, (message.payload,))
        for client in list(clients):
            try:
                client.send(message.payload)
            except ConnectionClosed:
                clients.discard(client)

    def take(client: ServerConnection) -> None:
        clients.add(client)
        # Before this, a message would have gone to others only.
        client.send(LISTENING)
        for _ in client:
            pass
        clients.discard(client)

    broker = paho.Client(CallbackAPIVersion.VERSION2, client_id="bench-floor")
    broker.on_message = arrived
    subscribed = threading.Event()
    broker.on_subscribe = lambda *_: subscribed.set()
    broker.connect(LOOPBACK, broker_port)
    broker.loop_start()
    broker.subscribe(TOPIC, 1)
    with serve(take, LOOPBACK, 0, compression=None) as server:
        if not subscribed.wait(30):
            sys.exit("the broker did not answer")
        print(server.socket.getsockname()[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
