"""The fixtures themselves: databases are fresh, brokers restart, the proxy breaks."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests.fix_broker import Broker
from tests.fix_found import pytest_report_header, require
from tests.fix_proxy import Proxy
from tests.fix_wait import wait_until


@pytest.mark.parametrize("attempt", [1, 2])
def test_database_is_fresh(
    database_dsn: str, database_backend: str, attempt: int
) -> None:
    """Each test gets an empty database, with the extension where it is promised."""
    with psycopg.connect(database_dsn) as conn:
        conn.execute("CREATE TABLE only_here (n int)")
        row = conn.execute(
            "SELECT count(*) FROM pg_available_extensions WHERE name = 'timescaledb'"
        ).fetchone()
        assert row == (1 if database_backend == "timescaledb" else 0,)
        if database_backend == "timescaledb":
            conn.execute("CREATE EXTENSION timescaledb")
            conn.execute("CREATE TABLE h (t timestamptz NOT NULL, v float8)")
            conn.execute("SELECT create_hypertable('h', 't')")


def test_broker_restarts_on_its_port(broker: Broker) -> None:
    """A broker can be stopped, killed and started again on the same port."""
    for end in (broker.stop, broker.kill):
        end()
        with pytest.raises(OSError, match=r"refused"):
            socket.create_connection((broker.host, broker.port), timeout=1)
        broker.start()
        socket.create_connection((broker.host, broker.port), timeout=1).close()


@pytest.mark.parametrize(
    ("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)]
)
def test_missing_part_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    """A missing real part is a skip with a reason at home and a failure in CI."""
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="Mosquitto was not found; scripts/install"):
        require("Mosquitto")


def test_header_names_the_real_parts() -> None:
    """The header says which real parts the run has."""
    header = "\n".join(pytest_report_header())
    for part in ("postgres:", "timescaledb:", "nats-server:", "mosquitto:", "chromium"):
        assert part in header


@pytest.fixture
def echo_port() -> Iterator[int]:
    """A server that sends back what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=echo, args=(peer,), daemon=True).start()

        def echo(peer: socket.socket) -> None:
            with peer:
                try:
                    while data := peer.recv(4096):
                        peer.sendall(data)
                except OSError:
                    return  # the test cut the line

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(30)


def test_proxy_breaks_and_heals(
    echo_port: int, make_proxy: Callable[[int], Proxy]
) -> None:
    """Cut closes, stall holds back, refuse refuses, and heal ends each of them."""
    proxy = make_proxy(echo_port)

    def connect() -> socket.socket:
        return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)

    line = connect()
    line.sendall(b"one")
    assert line.recv(10) == b"one"
    proxy.cut()
    assert ended(line)
    line = connect()
    proxy.stall()
    line.sendall(b"two")
    line.settimeout(0.2)
    with pytest.raises(TimeoutError):
        line.recv(10)
    proxy.heal()
    line.settimeout(5)
    assert line.recv(10) == b"two"
    port = proxy.port
    proxy.refuse()
    assert ended(line)
    with pytest.raises(OSError, match="refused"):
        connect()
    proxy.heal()
    assert proxy.port == port
    line = connect()
    line.sendall(b"three")
    assert line.recv(10) == b"three"
    line.close()
    wait_until(lambda: proxy.n_open == 0, 20, "the proxy to forget the connection")


def ended(line: socket.socket) -> bool:
    """Say whether the other side closed the connection."""
    with line:
        try:
            return line.recv(10) == b""
        except ConnectionResetError:
            return True
