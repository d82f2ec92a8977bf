"""The long-running commands as processes: ready, told to end, killed, started anew."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gasmon.embedded.postgres import EmbeddedPostgres
from gasmon.embedded.process import free_port
from gasmon.ingest.presence import online_boot
from gasmon.settings import load
from tests.fix_broker import Broker
from tests.fix_command import Command, plain_environment
from tests.fix_look import Look
from tests.fix_proxy import Proxy
from tests.fix_wait import wait_until
from tests.integration.test_pipeline import (
    HIGH,
    LOW,
    PAIRS,
    Gateway,
    port_of,
    through,
)
from tests.rule_texts import LIMITS_ALONE

READY_S = 90.0
QUICK_S = 8.0
"""SIGTERM to exit at most, on a machine with other work [s]."""


@dataclass
class Process:
    """One gasmon command and its log."""

    arguments: list[str]
    log: Path
    port: int
    child: Command | subprocess.Popen[bytes] | None = None

    def start(self) -> Process:
        self.child = Command(self.arguments, self.log)
        return self

    def start_anew(self) -> Process:
        """By an interpreter of its own, as from a shell."""
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(
                [sys.executable, "-m", "gasmon.cli", *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=plain_environment(),
            )
        return self

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a page; status 0 when nobody answers."""
        url = f"http://127.0.0.1:{self.port}{path}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def counts(self, line: str) -> None:
        """Wait until its metrics say so: it is counted after it is committed."""
        wait_until(lambda: line in self.get("/metrics")[1].splitlines(), 20, line)

    def ready(self) -> Process:
        """Wait until it says that it is ready."""

        def look() -> bool:
            assert self.child is not None
            if self.child.poll() is not None:
                raise RuntimeError(self.log.read_text("utf-8"))
            status, body = self.get("/readyz")
            assert status == 200, body
            return True

        wait_until(look, READY_S, f"{self.arguments[0]} is ready")
        return self

    def end(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal; returns the exit code and how long it took [s]."""
        assert self.child is not None
        began_s = time.monotonic()
        self.child.send_signal(number)
        code = self.child.wait(60)
        return code, time.monotonic() - began_s


@dataclass
class Site:
    """A database, a broker, and the processes of a test."""

    dsn: str
    broker: Broker
    folder: Path
    processes: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.look = Look(self.dsn)

    def command(self, name: str, port_setting: str, **more: Any) -> Process:
        """A command that answers on a port of its own, not yet started."""
        port = free_port()
        rules = self.folder / "limits.toml"
        rules.write_text(LIMITS_ALONE, "utf-8")
        values = {
            "mode": "test",
            "engine.rules_file": rules,
            "database.url": self.dsn,
            "mqtt.host": self.broker.host,
            "mqtt.port": self.broker.port,
            "api.heartbeat_s": 1,
            port_setting: port,
            **{key.replace("__", "."): value for key, value in more.items()},
        }
        flags = [f for k, v in values.items() for f in ("--set", f"{k}={v}")]
        log = self.folder / f"{name}-{port}.log"
        made = Process([name, "--json", *flags], log, port)
        self.processes.append(made)
        return made

    def serve(self, **more: Any) -> Process:
        return self.command("serve", "api.port", **more)

    def count(self, table: str, where: str = "true") -> int:
        query = f"SELECT count(*) FROM {table} WHERE {where}"
        return int(self.look.rows(query)[0][0])

    def knows(self, rev: int) -> None:
        """Wait until a mine's definitions of this revision are in the database."""
        known = f"definition_rev = {rev}"
        wait_until(lambda: self.count("mine", known), READY_S, f"revision {rev}")

    def close(self) -> None:
        """Kill whatever still runs."""
        self.look.close()
        for process in self.processes:
            if process.child is not None and process.child.poll() is None:
                process.child.kill()
                process.child.wait()


@pytest.fixture(
    params=[
        pytest.param(PAIRS[0], marks=pytest.mark.long, id="-".join(PAIRS[0])),
        pytest.param(PAIRS[1], id="-".join(PAIRS[1])),
    ]
)
def site(
    request: pytest.FixtureRequest,
    new_migrated: Callable[[EmbeddedPostgres], str],
    tmp_path: Path,
) -> Iterator[Site]:
    """Each database and each broker once; whatever still runs at the end is killed.

    What a site has in ``make test``, what the demo has in ``make test-long``.
    """
    backend, kind = request.param
    dsn = new_migrated(request.getfixturevalue(f"{backend}_server"))
    site = Site(dsn, request.getfixturevalue(f"{kind}_broker"), tmp_path)
    yield site
    site.close()


@pytest.fixture
def gateway(site: Site) -> Iterator[Gateway]:
    """A mine at the site's broker."""
    gateway = Gateway(site.broker, known=site.knows)
    yield gateway
    with contextlib.suppress(ValueError):
        gateway.close()


@pytest.mark.slow
def test_serve_is_ready_works_and_ends_quickly(site: Site, gateway: Gateway) -> None:
    """Ready when everything is; SIGTERM ends it with 0, and what came is stored."""
    serve = site.serve().start_anew().ready()
    status, body = serve.get("/readyz")
    assert status == 200
    assert {"broker", "ingest", "persist", "database"} <= set(
        json.loads(body)["checks"]
    )
    assert serve.get("/healthz")[0] == 200
    gateway.define()
    gateway.gas(HIGH)
    wait_until(lambda: site.count("alarm") == 2, what="alarms")
    serve.counts("gasmon_frames_total 1")
    serve.counts("gasmon_broker_connected 1")
    code, took_s = serve.end()
    assert code == 0, serve.log.read_text("utf-8")
    assert took_s < QUICK_S
    log = serve.log.read_text("utf-8")
    assert "Traceback" not in log
    assert f'"listening": "http://127.0.0.1:{serve.port}"' in log
    offer = f'"link": "http://127.0.0.1:{serve.port}/welcome#link=gl_'
    assert log.count(offer) == 1


@pytest.mark.slow
def test_a_killed_server_goes_on_where_it_was(site: Site, gateway: Gateway) -> None:
    """kill -9 loses no frame and repeats no alarm; the next one needs no repair."""
    serve = site.serve().start().ready()
    gateway.define()
    gateway.gas(HIGH)
    wait_until(lambda: site.count("alarm") == 2, what="alarms")
    code, _ = serve.end(signal.SIGKILL)
    assert code == -signal.SIGKILL
    for _ in range(5):
        gateway.gas(HIGH)
    again = site.serve().start().ready()
    wait_until(lambda: site.count("frame") == 6, 30, "all frames")
    assert site.count("alarm_journal", "event = 'raised'") == 2
    gateway.gas(LOW)
    wait_until(lambda: not site.count("alarm", "cleared_at IS NULL"), what="the end")
    assert again.end()[0] == 0


@pytest.mark.slow
def test_serve_waits_for_a_database_and_tells_when_it_goes(
    site: Site, make_proxy: Callable[[int], Proxy]
) -> None:
    """It starts before its database, and says not ready while that is away."""
    proxy = make_proxy(port_of(site.dsn))
    proxy.refuse()
    serve = site.serve(database__url=through(site.dsn, proxy)).start()
    wait_until(
        lambda: "serve waits" in serve.log.read_text("utf-8"), READY_S, "it waits"
    )
    proxy.heal()
    serve.ready()
    proxy.refuse()
    wait_until(lambda: serve.get("/readyz")[0] == 503, 20, "not ready")
    assert serve.get("/healthz")[0] == 200
    proxy.heal()
    serve.ready()
    code, took_s = serve.end()
    assert code == 0, serve.log.read_text("utf-8")
    assert took_s < QUICK_S


@pytest.mark.slow
@pytest.mark.parametrize("site", [("postgres", "nats")], indirect=True, ids="-".join)
def test_a_first_start_without_database_says_that_nothing_is_judged(
    site: Site, gateway: Gateway, make_proxy: Callable[[int], Proxy]
) -> None:
    """By health, log and the broker's word, all the time; and it ends when told to."""
    proxy = make_proxy(port_of(site.dsn))
    proxy.refuse()
    more = {
        "database__url": through(site.dsn, proxy),
        "ingest__spool_dir": str(site.folder / "spool"),
    }
    ingest = site.command("ingest", "ingest.health_port", **more).start()

    def told() -> str:
        status, body = ingest.get("/readyz")
        return json.loads(body)["checks"]["ingest"] or "" if status == 503 else ""

    wait_until(lambda: "not begun, nothing is judged" in told(), READY_S, "it says so")
    log = ingest.log.read_text("utf-8")
    assert "nothing is judged, frames wait at the broker" in log
    settings = load(
        None,
        {"mqtt.host": site.broker.host, "mqtt.port": site.broker.port},
        environ={},
    )
    assert online_boot(settings.mqtt, "who-lives") is None
    gateway.known = lambda rev: None  # nothing can be in the database
    gateway.define()
    gateway.gas(HIGH)
    proxy.heal()
    ingest.ready()
    assert ingest.end()[0] == 0

    proxy.refuse()
    again = site.command(
        "ingest",
        "ingest.health_port",
        **{**more, "ingest__spool_dir": str(site.folder / "empty")},
    ).start()
    wait_until(lambda: again.get("/readyz")[0] == 503, READY_S, "it waits")
    assert again.end()[0] == 0, "told to end while it waits for the database"


@pytest.mark.slow
def test_the_parts_run_apart(site: Site, gateway: Gateway) -> None:
    """Ingest, duty and api as three processes, each with its own health."""
    ingest = site.command("ingest", "ingest.health_port").start()
    duty = site.command("duty", "duty.health_port", duty__interval_s=1).start()
    api = site.command("api", "api.port").start()
    for part in (ingest, duty, api):
        part.ready()
    gateway.define()
    gateway.gas(HIGH)
    wait_until(lambda: site.count("alarm") == 2, what="alarms")
    wait_until(lambda: site.count("job", "last_end IS NOT NULL"), 20, "a job")
    ingest.counts("gasmon_frames_total 1")
    assert api.get("/api/v1/alarms")[0] == 401
    for part in (api, duty, ingest):
        code, took_s = part.end()
        assert code == 0, part.log.read_text("utf-8")
        assert took_s < QUICK_S


@pytest.mark.slow
def test_a_second_owner_is_refused_at_its_start(site: Site) -> None:
    """Two ingests on one database: the second says who owns and ends with 1."""
    site.command("ingest", "ingest.health_port").start().ready()
    second = site.command(
        "ingest", "ingest.health_port", mqtt__client_id="second"
    ).start()
    assert second.child is not None
    assert second.child.wait(READY_S) == 1
    assert "has an owner already" in second.log.read_text("utf-8")


@pytest.mark.parametrize("name", ["serve", "ingest", "duty"])
def test_a_schema_that_is_not_ours_is_refused(
    plain_dsn: str, nats_broker: Broker, tmp_path: Path, name: str
) -> None:
    """An empty database ends every service at once, with the remedy."""
    site = Site(plain_dsn, nats_broker, tmp_path)
    process = site.command(name, "api.port").start()
    assert process.child is not None
    assert process.child.wait(READY_S) == 1
    assert "gasmon db upgrade" in process.log.read_text("utf-8")


def test_a_taken_port_is_exit_3(
    migrated_dsn: str, nats_broker: Broker, tmp_path: Path
) -> None:
    """The port is named, and nothing is left running."""
    site = Site(migrated_dsn, nats_broker, tmp_path)
    process = site.command("api", "api.port")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", process.port))
        taken.listen()
        process.start()
        assert process.child is not None
        assert process.child.wait(READY_S) == 3
    assert f"127.0.0.1:{process.port}" in process.log.read_text("utf-8")
