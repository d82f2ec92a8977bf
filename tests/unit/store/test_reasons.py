"""What a database error says in one line of the log."""

from __future__ import annotations

import psycopg
import pytest

from gasmon.store.db import reason_of

REFUSED = (
    'connection failed: connection to server at "127.0.0.1", port 5432 failed:'
    " Connection refused\n"
    "\tIs the server running on that host and accepting TCP/IP connections?"
)
NO_PASSWORD = (
    'connection failed: connection to server at "10.0.0.1", port 5432 failed:'
    ' FATAL:  password authentication failed for user "gasmon"'
)
CUT = (
    "consuming input failed: server closed the connection unexpectedly\n"
    "\tThis probably means the server terminated abnormally\n"
    "\tbefore or while processing the request."
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (REFUSED, "Connection refused"),
        (NO_PASSWORD, 'FATAL:  password authentication failed for user "gasmon"'),
        (CUT, "consuming input failed: server closed the connection unexpectedly"),
        ("connection timeout expired", "connection timeout expired"),
        ("what?", "what?"),
        ("", "OperationalError"),
    ],
)
def test_the_reason_stands_in_one_line(text: str, reason: str) -> None:
    """Not the question that libpq asks behind it, and not its guess."""
    assert reason_of(psycopg.OperationalError(text)) == reason
