"""Real processes, killed while a real database server is stopped."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gasmon.embedded.postgres import EmbeddedPostgres
from gasmon.embedded.process import free_port
from gasmon.settings import DatabaseSettings
from gasmon.store import db, migrate
from tests.fix_broker import Broker
from tests.fix_postgres import FAST
from tests.fix_wait import wait_until
from tests.integration.test_pipeline import HIGH, LOW, Gateway
from tests.integration.test_serve import READY_S, Process, Site
from tests.integration.test_without_database import sounds


@pytest.fixture
def own_server(
    servers_dir: Path, request: pytest.FixtureRequest
) -> Iterator[EmbeddedPostgres]:
    """A database server of this test alone, to be stopped."""
    with EmbeddedPostgres(
        servers_dir / request.node.originalname,
        port=free_port(),
        extra_settings=FAST,
        state_dir=servers_dir / "state",
    ) as server:
        yield server


@pytest.fixture
def stoppable(
    own_server: EmbeddedPostgres, mosquitto_broker: Broker, tmp_path: Path
) -> Iterator[Site]:
    """Processes on that server; whatever still runs at the end is killed."""
    own_server.create_database("gasmon")
    dsn = own_server.dsn("gasmon")
    with db.connect(DatabaseSettings(url=dsn)) as conn:
        migrate.upgrade(conn)
    site = Site(dsn, mosquitto_broker, tmp_path)
    yield site
    site.close()


def ingest_of(
    site: Site, name: str = "ingest", port: str = "ingest.health_port"
) -> Process:
    """An ingest of this host."""
    made = site.command(
        name,
        port,
        ingest__spool_dir=site.folder / "spool",
        engine__mark_interval_s=0.2,
    )
    return made.start()


def shows(process: Process, line: str) -> None:
    """Wait for a line of its metrics."""

    def look() -> bool:
        assert process.child is not None
        if process.child.poll() is not None:
            raise RuntimeError(process.log.read_text("utf-8"))
        return line in process.get("/metrics")[1].splitlines()

    wait_until(look, READY_S, line)


@pytest.mark.slow
def test_a_killed_ingest_goes_on_without_its_database(
    stoppable: Site, own_server: EmbeddedPostgres
) -> None:
    """Twice kill -9 in one outage: nothing is lost, late, told twice or invented."""
    site, gateway = stoppable, Gateway(stoppable.broker, known=stoppable.knows)
    first = ingest_of(site).ready()
    gateway.define()
    gateway.gas(HIGH)
    wait_until(lambda: site.count("alarm") == 2, READY_S, "alarms")
    shows(first, "gasmon_start_copy 1")
    before = sounds(gateway, 0)
    own_server.stop()
    gateway.gas(HIGH)
    shows(first, "gasmon_unacknowledged 0")
    first.end(signal.SIGKILL)

    n_told = len(gateway.told)
    second = ingest_of(site)
    assert sounds(gateway, n_told) == before, "they go on, and none is told anew"
    shows(second, "gasmon_without_database 1")
    status, problem = second.get("/readyz")
    assert (status, "since the start" in problem) == (503, True)
    gateway.gas(LOW)
    sounds(gateway, len(gateway.told), 0)
    gateway.gas(HIGH)
    anew = sounds(gateway, len(gateway.told))
    assert not anew & before
    shows(second, "gasmon_unacknowledged 0")
    second.end(signal.SIGKILL)

    n_told = len(gateway.told)
    third = ingest_of(site)
    assert sounds(gateway, n_told) == anew
    own_server.start()
    third.ready()

    shows(third, "gasmon_without_database 0")
    wait_until(lambda: site.count("frame") == 4, READY_S, "all frames")
    assert site.count("reading") == 4
    assert site.count("alarm") == 4
    assert site.count("alarm", "cleared_at IS NULL") == 2
    assert site.count("alarm", "late") == 0
    assert site.count("alarm_journal", "event = 'raised'") == 4
    assert site.count("outbox") == site.count("alarm_journal")
    began = "(SELECT FROM reading r WHERE r.at = raised_at AND r.value > 1)"
    assert site.count("alarm", f"EXISTS {began}") == 4
    gateway.gas(LOW)
    wait_until(lambda: not site.count("alarm", "cleared_at IS NULL"), 20, "the end")
    assert third.end()[0] == 0
    gateway.close()


@pytest.mark.slow
def test_serve_sounds_before_its_database_is_there(
    stoppable: Site, own_server: EmbeddedPostgres
) -> None:
    """All in one process: pages and duty follow when the database is back."""
    site, gateway = stoppable, Gateway(stoppable.broker, known=stoppable.knows)
    first = ingest_of(site, "serve", "api.port").ready()
    gateway.define()
    gateway.gas(HIGH)
    shows(first, "gasmon_start_copy 1")
    before = sounds(gateway, 0)
    wait_until(lambda: site.count("alarm") == 2, READY_S, "alarms")
    own_server.stop()
    first.end(signal.SIGKILL)

    n_told = len(gateway.told)
    second = ingest_of(site, "serve", "api.port")
    assert sounds(gateway, n_told) == before
    shows(second, "gasmon_without_database 1")
    own_server.start()
    second.ready()
    gateway.gas(LOW)
    wait_until(lambda: not site.count("alarm", "cleared_at IS NULL"), 20, "the end")
    assert second.end()[0] == 0
    gateway.close()
