"""A whole gasmon, and scenarios that are played on it by ``gasmon-sim``."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gasmon.embedded.process import free_port
from gasmon.settings import DatabaseSettings
from gasmon.store import access, db, points
from simulators.platform import Platform
from tests.fix_broker import MosquittoBroker
from tests.fix_command import Command
from tests.fix_wait import wait_until

READY_S = 90.0
PEOPLE = (
    "city_officer",
    "county_officer",
    "mine_dispatcher",
    "platform",
    "trainer",
)
LATE_CALM_S = 20
"""How long more of a backlog is waited for [s]; two minutes where nobody tests."""


@dataclass
class ScenarioStack:
    """Database, broker and ``gasmon serve``; who is who by the file of his token."""

    folder: Path
    broker_port: int
    page: str

    def play(self, timeout_s: float, *words: str) -> tuple[int, dict[str, Any]]:
        """``gasmon-sim run``: its exit code and what it printed."""
        return self.simulate(
            timeout_s,
            *("run", *words, "--url", self.page),
            *("--token-file", str(self.folder / "city_officer")),
            *("--dispatcher-token-file", str(self.folder / "mine_dispatcher")),
        )

    def drill(self, timeout_s: float, *words: str) -> tuple[int, dict[str, Any]]:
        """``gasmon-sim drill``: its exit code and what it printed."""
        return self.simulate(timeout_s, *self.drill_words(*words))

    def drill_words(self, *words: str) -> tuple[str, ...]:
        """A drill that a trainer holds, and whose report comes into our folder."""
        return (
            *("drill", *words, "--url", self.page, "--out", str(self.folder)),
            *("--token-file", str(self.folder / "trainer")),
        )

    def simulate(self, timeout_s: float, *words: str) -> tuple[int, dict[str, Any]]:
        """A command of ``gasmon-sim`` that talks to our broker."""
        command, log = self.begin(*words)
        try:
            code = command.wait(timeout_s)
        finally:
            command.kill()
        text = log.read_text("utf-8")
        assert code in (0, 1, 4), text
        report: dict[str, Any] = json.loads(text)
        return code, report

    def begin(self, *words: str) -> tuple[Command, Path]:
        """Start a command of ``gasmon-sim`` that talks to our broker.

        Returns:
            The command, and the file to which it prints.
        """
        log = self.folder / f"{words[0]}.json"
        log.unlink(missing_ok=True)
        where = ["--port", str(self.broker_port), "--patience", "120"]
        all_words = [words[0], *where, *words[1:], "--json", "--quiet"]
        return Command(all_words, log, "gasmon-sim"), log

    @contextmanager
    def receiving(self, folder: Path) -> Iterator[None]:
        """A platform of Zhenxiong that hears of drills too."""
        log = folder / "receive.log"
        words = [
            *("receive", "zhenxiong", "--drills", "--json"),
            *("--url", self.page.replace("http", "ws", 1)),
            *("--token-file", str(self.folder / "platform")),
            *("--state", str(folder / "receive.sqlite")),
        ]
        command = Command(words, log)
        try:
            yield
        finally:
            command.send_signal(15)
            try:
                command.wait(30)
            finally:
                command.kill()

    def person(self, role: str) -> Platform:
        """Somebody who looks and acts over HTTP."""
        return Platform(self.page, (self.folder / role).read_text("utf-8"))


def faults_of(report: dict[str, Any]) -> list[str]:
    """What was missing or unexpected, a line each."""
    found = []
    for scenario in report["scenarios"]:
        name = scenario["scenario"]
        found += [f"{name}: unexpected {seen}" for seen in scenario["unexpected"]]
        for line in scenario["expected"]:
            if not line["met"]:
                place = f"{name}.toml:{line['line']}"
                found.append(f"{place}: missing {line['kinds']}, seen {line['seen']}")
    return found


@pytest.fixture
def scenario_stack(
    plain_migrated_dsn: str, mosquitto_broker: MosquittoBroker, tmp_path: Path
) -> Iterator[ScenarioStack]:
    """A gasmon with the shipped rules on an empty database, ready."""
    dsn = plain_migrated_dsn
    with serving(dsn, dsn, mosquitto_broker, tmp_path) as stack:
        yield stack


@contextmanager
def serving(
    own_dsn: str, dsn: str, mosquitto_broker: MosquittoBroker, tmp_path: Path
) -> Iterator[ScenarioStack]:
    """The same on a line to its database that may be another than ours.

    Args:
        own_dsn: the database as we reach it.
        dsn: as gasmon does.
    """
    with db.connect(DatabaseSettings(url=own_dsn)) as conn:
        points.ensure_areas(conn)
        for role in PEOPLE:
            token = access.create_token(
                conn,
                name=role,
                role=role,
                areas=None,
                mines=None,
                now_us=time.time_ns() // 1000,
                may="act",
            )
            (tmp_path / role).write_text(token, "utf-8")
        conn.commit()
    port = free_port()
    values = {
        "mode": "test",
        "database.url": dsn,
        "mqtt.host": mosquitto_broker.host,
        "mqtt.port": mosquitto_broker.port,
        "ingest.spool_dir": tmp_path / "spool",
        "engine.late_calm_s": LATE_CALM_S,
        "api.port": port,
    }
    flags = [flag for k, v in values.items() for flag in ("--set", f"{k}={v}")]
    log = tmp_path / "serve.log"
    server = Command(["serve", "--json", *flags], log)
    page = f"http://127.0.0.1:{port}"

    def is_ready() -> bool:
        assert server.poll() is None, log.read_text("utf-8")
        try:
            with urllib.request.urlopen(f"{page}/readyz", timeout=5) as got:
                return bool(got.status == 200)
        except OSError:
            return False

    try:
        wait_until(is_ready, READY_S, "gasmon serves")
        yield ScenarioStack(tmp_path, mosquitto_broker.port, page)
    finally:
        server.send_signal(15)
        try:
            server.wait(30)
        finally:
            server.kill()
