"""Whatever moment ingest is killed in, what is stored is what was sealed."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gasmon import cli
from gasmon.embedded.postgres import EmbeddedPostgres
from tests.fix_broker import Broker
from tests.fix_seals import seals_agree
from tests.fix_wait import wait_until
from tests.integration.test_pipeline import LOW, Gateway
from tests.integration.test_serve import READY_S, Site

N_FRAMES = 30
"""Frames of each of the two starts that are killed."""


@pytest.fixture
def site(
    postgres_server: EmbeddedPostgres,
    new_migrated: Callable[[EmbeddedPostgres], str],
    mosquitto_broker: Broker,
    tmp_path: Path,
) -> Iterator[Site]:
    """A database and a broker; whatever still runs at the end is killed."""
    made = Site(new_migrated(postgres_server), mosquitto_broker, tmp_path)
    yield made
    made.close()


@pytest.mark.slow
def test_seals_agree_after_ingest_was_killed_twice(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """kill -9 amid a flood: no row without its seal, no seal without its rows."""
    gateway = Gateway(site.broker, known=site.knows)
    running = site.command("ingest", "ingest.health_port").start().ready()
    gateway.define()
    for turn in range(2):
        for _ in range(N_FRAMES):
            gateway.gas(LOW)
        # Some are stored; others are under way, at the broker, or in the inbox.
        stored = turn * N_FRAMES
        wait_until(lambda n=stored: site.count("frame") > n, READY_S, "a commit")
        running.end(signal.SIGKILL)
        running = site.command("ingest", "ingest.health_port").start().ready()
    n_sent = 2 * N_FRAMES
    wait_until(lambda: site.count("frame") == n_sent, READY_S, "all frames")
    assert running.end()[0] == 0
    gateway.close()
    assert seals_agree(site.dsn) == site.count("reading") == n_sent
    capsys.readouterr()
    assert cli.main(["seal", "verify", "--set", f"database.url={site.dsn}"]) == 0
    assert "全部相符" in capsys.readouterr().out
