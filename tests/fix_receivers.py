"""Real servers that channels call: HTTP and SMTP, misbehaving at will."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

import pytest


@dataclass
class HttpGateway:
    """Keeps what is posted.

    Attributes:
        status: what it answers with; ``answer`` is the body.
        got: (path, headers, body) of each request.
    """

    status: int = 200
    answer: str = '{"code": 0}'
    got: list[tuple[str, dict[str, str], str]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/send"


@pytest.fixture
def http_gateway() -> Iterator[HttpGateway]:
    """An HTTP server."""
    gateway = HttpGateway()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            gateway.got.append((self.path, dict(self.headers), body))
            said = gateway.answer.encode()
            self.send_response(gateway.status)
            self.send_header("Content-Length", str(len(said)))
            if gateway.status == 302:
                self.send_header("Location", gateway.url + "-elsewhere")
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        gateway.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield gateway
        server.shutdown()
        thread.join()


@dataclass
class MailServer:
    """Speaks as much SMTP as one letter takes.

    Attributes:
        refuses: it refuses every recipient.
        got: (recipient, letter).
    """

    refuses: bool = False
    got: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0

    def talk(self, handler: StreamRequestHandler) -> None:
        """One connection, until the other side hangs up."""
        to = ""

        def say(text: str) -> None:
            handler.wfile.write(text.encode() + b"\r\n")

        say("220 test")
        while line := handler.rfile.readline():
            word = line[:4].upper()
            if word == b"RCPT":
                to = line.decode().partition("<")[2].partition(">")[0]
                say("550 unknown here" if self.refuses else "250 ok")
            elif word == b"DATA":
                say("354 go on")
                lines = list(iter(handler.rfile.readline, b".\r\n"))
                self.got.append((to, b"".join(lines).decode("utf-8", "replace")))
                say("250 taken")
            else:
                say("250 ok")


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    """An SMTP server."""
    mail = MailServer()

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            mail.talk(self)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        mail.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield mail
        server.shutdown()
        thread.join()


@pytest.fixture
def dead_port() -> Iterator[int]:
    """A port where nobody answers: bound, and not listened on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]
