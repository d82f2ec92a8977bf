"""A process that is stopped amid a transaction holds up nobody's alarms for long."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from gasmon.embedded.process import free_port
from tests.fix_api import World
from tests.fix_command import Command
from tests.fix_wait import wait_until

READY_S = 60.0


@pytest.fixture
def api_process(world: World, tmp_path: Path) -> Iterator[tuple[Command, str]]:
    """An api in a process of its own, and where it answers."""
    port = free_port()
    values = {"mode": "test", "database.url": world.dsn, "api.port": port}
    flags = [flag for k, v in values.items() for flag in ("--set", f"{k}={v}")]
    process, page = (
        Command(["api", *flags], tmp_path / "api.log"),
        f"http://127.0.0.1:{port}",
    )

    def is_ready() -> bool:
        assert process.poll() is None, (tmp_path / "api.log").read_text("utf-8")
        try:
            return httpx.get(f"{page}/readyz", timeout=5).is_success
        except httpx.TransportError:
            return False

    try:
        wait_until(is_ready, READY_S, "the api answers")
        yield process, page
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()


def test_an_api_that_is_stopped_amid_a_confirmation_locks_no_alarm(
    world: World, api_process: tuple[Command, str]
) -> None:
    """The database ends its session; when it goes on the same may be done again."""
    process, page = api_process
    world.record(world.event())
    row = world.conn.execute("SELECT alarm_id FROM alarm").fetchone()
    assert row is not None
    world.conn.commit()
    got: list[int] = []

    def confirm() -> None:
        url = f"{page}/api/v1/alarms/{row[0]}/actions/confirm"
        answer = httpx.post(url, json={}, headers=world.header("county"), timeout=90)
        got.append(answer.status_code)

    def sessions(condition: str) -> list[tuple[object, ...]]:
        with psycopg.connect(world.dsn, autocommit=True) as conn:
            return conn.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
                f" AND pid <> pg_backend_pid() AND {condition}".encode()
            ).fetchall()

    # While its session waits for this lock, its process is stopped: so it is amid it.
    world.conn.execute("SELECT FROM alarm FOR UPDATE")
    acting = threading.Thread(target=confirm)
    acting.start()
    wait_until(lambda: sessions("wait_event_type = 'Lock'"), what="it waits")
    process.send_signal(signal.SIGSTOP)
    world.conn.commit()
    wait_until(lambda: sessions("state = 'idle in transaction'"), what="it holds it")
    world.conn.execute("SET lock_timeout = '60s'")
    world.conn.execute("SELECT FROM alarm FOR UPDATE")
    world.conn.commit()

    process.send_signal(signal.SIGCONT)
    acting.join(90)
    assert got
    assert got[0] >= 500
    confirm()
    assert got[1:] == [200]
