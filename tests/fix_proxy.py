"""A TCP proxy that can be broken on purpose, to stand before brokers and databases."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator

import pytest

LOOPBACK = "127.0.0.1"
CHUNK_BYTES = 65536
LOOK_S = 0.02  # how soon a changed state is noticed


class Proxy:
    """Passes connections to a port on loopback, until told otherwise.

    - :meth:`cut` closes all connections at once; new ones are served.
    - :meth:`refuse` does the same and refuses new ones: the other side is down.
    - :meth:`stall` keeps connections open and passes nothing: a dead line; with
      ``"up"`` or ``"down"`` only one way is dead, and the other still passes.
    - :meth:`tear` passes half of the next bytes, then cuts that connection.
    - :meth:`repeat` passes the next bytes twice.
    - :meth:`heal` passes everything again.

    Attributes:
        port: where to connect instead of the target.
        n_accepted: connections accepted so far.
        n_bytes: bytes passed so far, both ways.
    """

    def __init__(self, target_port: int, target_host: str = LOOPBACK) -> None:
        """Start listening.

        Args:
            target_port: where connections go.
            target_host: on which host.
        """
        self._target = (target_host, target_port)
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._dead: frozenset[str] = frozenset()
        self._spoils: deque[str] = deque()
        self._closed = threading.Event()
        self._listener: socket.socket | None = None
        self._held: socket.socket | None = None
        self.n_accepted = 0
        self.n_bytes = 0
        self.port = 0
        self._listen()

    def _listen(self) -> None:
        """Open the listener, on the same port each time."""
        listener, self._held = self._held or self._bound(), None
        listener.listen(64)
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._run(self._accept, listener)

    def _bound(self) -> socket.socket:
        """A socket on our port that refuses whoever comes, and keeps it ours."""
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Both exist for a moment, so that nobody else gets the port between them.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((LOOPBACK, self.port))
        return bound

    def _run(self, function: Callable[..., None], *arguments: object) -> None:
        """Run a loop in a thread that is joined at the end."""
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        """Serve new connections until the listener is closed."""
        selector = selectors.DefaultSelector()
        try:
            selector.register(listener, selectors.EVENT_READ)
        except (OSError, ValueError):
            return
        with selector:
            while listener is self._listener and not self._closed.is_set():
                if not selector.select(LOOK_S):
                    continue
                try:
                    near, _ = listener.accept()
                except OSError:
                    return
                try:
                    far = socket.create_connection(self._target, timeout=5.0)
                except OSError:
                    near.close()
                    continue
                far.settimeout(None)
                with self._lock:
                    self.n_accepted += 1
                    self._sockets |= {near, far}
                if listener is not self._listener:
                    # Refused meanwhile: what was open is cut, this one came too late.
                    self._drop(near, far)
                    return
                self._run(self._pass, near, far)

    def _pass(self, near: socket.socket, far: socket.socket) -> None:
        """Pass bytes both ways until one side closes."""
        other = {near: far, far: near}
        way = {near: "up", far: "down"}
        with selectors.DefaultSelector() as selector:
            try:
                for side in other:
                    side.settimeout(LOOK_S * 250)
                    selector.register(side, selectors.EVENT_READ)
                while not self._closed.is_set():
                    ready = selector.select(LOOK_S)
                    # Bytes read before a stall must not slip through after it began.
                    dead = self._dead
                    flowing = [k for k, _ in ready if way[k.fileobj] not in dead]
                    if dead and not flowing:
                        self._closed.wait(LOOK_S)
                    for key in flowing:
                        source = key.fileobj
                        assert isinstance(source, socket.socket)
                        data = source.recv(CHUNK_BYTES)
                        if not data:
                            return
                        spoil = self._spoils.popleft() if self._spoils else ""
                        if spoil == "tear":
                            other[source].sendall(data[: len(data) // 2])
                            return
                        other[source].sendall(data * 2 if spoil else data)
                        with self._lock:
                            self.n_bytes += len(data)
            except (OSError, ValueError, KeyError):
                return  # the other side is gone, or we were told to cut
            finally:
                self._drop(near, far)

    def _drop(self, *sockets: socket.socket) -> None:
        """Close connections abruptly, as a broken line or a killed peer does."""
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(OSError):
                each.close()
        with self._lock:
            self._sockets -= set(sockets)

    @property
    def n_open(self) -> int:
        """Connections open right now."""
        with self._lock:
            return len(self._sockets) // 2

    def cut(self) -> None:
        """Close every connection; new ones are served."""
        with self._lock:
            sockets = list(self._sockets)
        self._drop(*sockets)

    def refuse(self) -> None:
        """Close every connection and refuse new ones."""
        listener, self._listener = self._listener, None
        if listener is not None:
            if not self._closed.is_set():
                self._held = self._bound()
            listener.close()
        self.cut()

    def stall(self, *ways: str) -> None:
        """Keep connections open (and accept new ones) but pass nothing.

        Args:
            ways: ``up`` (to the target) or ``down``; none means both.
        """
        self._dead = frozenset(ways or ("up", "down"))

    def tear(self) -> None:
        """Pass half of the next bytes and cut the connection that they are on."""
        self._spoils.append("tear")

    def repeat(self) -> None:
        """Pass the next bytes twice."""
        self._spoils.append("repeat")

    def heal(self) -> None:
        """Pass everything again; what waited during a stall arrives now."""
        self._dead = frozenset()
        if self._listener is None:
            self._listen()

    def close(self) -> None:
        """End the proxy."""
        self._closed.set()
        self._dead = frozenset()
        self.refuse()
        if self._held is not None:
            self._held.close()
        for thread in self._threads:
            thread.join(10.0)


@pytest.fixture
def make_proxy() -> Iterator[Callable[[int], Proxy]]:
    """A function that puts a breakable proxy before a port on loopback."""
    made: list[Proxy] = []

    def make(target_port: int) -> Proxy:
        made.append(Proxy(target_port))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()
