"""The limit on what the embedded broker keeps for absent consumers.

The server has one limit for all its storage, and what happens at that limit is worse
than a refused message: sessions are stored there too, so that nobody can connect any
more, not even the consumer that would empty it. So the stream of MQTT messages gets a
limit of its own below that, at which publishers are refused and consumers are not.
There is no setting for it; it is asked for over the server's own protocol, which is
lines of text.
"""

from __future__ import annotations

import json
import socket
from typing import Any

from gasmon.embedded.process import LOOPBACK
from gasmon.errors import DependencyError

STREAM = "$MQTT_msgs"
INBOX = "_INBOX.gasmon"
ANSWER_S = 10.0


def mqtt_greeting(port: int, user: str, password: str) -> bool:
    """Connect once over MQTT 3.1.1; return whether the broker accepted.

    The server makes its MQTT streams when the first client of an account connects, and
    answers that client when they are there.

    Args:
        port: of the MQTT listener.
        user, password: empty for a broker without users.

    Raises:
        OSError: nobody listens, or no answer in time.
    """

    def field(text: str) -> bytes:
        data = text.encode()
        return len(data).to_bytes(2, "big") + data

    flags = 0x02 | (0xC0 if user else 0)  # clean session, user name, password
    body = field("MQTT") + bytes((4, flags)) + (10).to_bytes(2, "big")
    body += field("gasmon-embedded")
    if user:
        body += field(user) + field(password)
    # One byte of length is enough below 128, and the fields are ours.
    assert len(body) < 128
    with socket.create_connection((LOOPBACK, port), timeout=ANSWER_S) as line:
        line.sendall(bytes((0x10, len(body))) + body)
        answer = line.recv(4)
        line.sendall(b"\xe0\x00")
    return answer[:1] == b"\x20" and answer[3:4] == b"\x00"


def limit_messages(port: int, user: str, password: str, max_bytes: int) -> None:
    """Set the limit of the stream of MQTT messages; new ones are refused at it.

    Args:
        port: of the server's own protocol.
        user, password: empty for a broker without users.
        max_bytes: most disk for messages [bytes].

    Raises:
        DependencyError: the server refused, or did not answer.
    """
    try:
        with socket.create_connection((LOOPBACK, port), timeout=ANSWER_S) as line:
            talk = _Talk(line, user, password)
            info = talk.ask(f"$JS.API.STREAM.INFO.{STREAM}", b"")
            config = {**info["config"], "max_bytes": max_bytes, "discard": "new"}
            talk.ask(f"$JS.API.STREAM.UPDATE.{STREAM}", json.dumps(config).encode())
    except (OSError, ValueError, KeyError) as error:
        raise DependencyError(
            f"cannot limit the broker's storage to {max_bytes} bytes: {error}"
        ) from error


class _Talk:
    """Questions and answers over the server's own protocol, one at a time."""

    def __init__(self, line: socket.socket, user: str, password: str) -> None:
        self._line = line
        self._reader = line.makefile("rb")
        self._reader.readline()  # INFO of the server
        options: dict[str, object] = {"verbose": False, "pedantic": False}
        if user:
            options.update({"user": user, "pass": password})
        self._line.sendall(
            f"CONNECT {json.dumps(options)}\r\nSUB {INBOX} 1\r\n".encode()
        )

    def ask(self, subject: str, payload: bytes) -> dict[str, Any]:
        """Send a request and return the answer.

        Raises:
            ValueError: the server says no; its words.
        """
        head = f"PUB {subject} {INBOX} {len(payload)}\r\n".encode()
        self._line.sendall(head + payload + b"\r\n")
        while True:
            words = self._reader.readline().split()
            if not words or words[0] == b"-ERR":
                raise ValueError(b" ".join(words).decode() or "connection closed")
            if words[0] == b"PING":
                self._line.sendall(b"PONG\r\n")
            if words[0] == b"MSG":
                answer: dict[str, Any] = json.loads(self._reader.read(int(words[-1])))
                self._reader.readline()
                if "error" in answer:
                    raise ValueError(str(answer["error"].get("description")))
                return answer
