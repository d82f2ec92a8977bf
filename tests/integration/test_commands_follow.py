"""``gasmon follow``: what it refuses, and what it says of how things stand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gasmon import cli
from gasmon.clock import SystemClock
from gasmon.embedded.postgres import EmbeddedPostgres
from gasmon.errors import ConfigError
from gasmon.remote.client_session import Keep
from gasmon.remote.parsing import Hello
from gasmon.settings import DatabaseSettings, Settings, UpstreamSettings
from gasmon.store import db
from gasmon.telemetry import Metrics
from gasmon.upstream.keeper import Keeper
from gasmon.upstream.loop import Following


@pytest.mark.parametrize(
    ("above", "words"),
    [
        ({}, "upstream.url is not set"),
        ({"url": "ftp://x"}, "ws://HOST"),
        ({"url": "ws://x"}, "upstream.token_file is not set"),
    ],
)
def test_following_needs_an_address_and_a_token(
    above: dict[str, str], words: str
) -> None:
    """Each is named."""
    settings = Settings(upstream=UpstreamSettings(**above))
    with pytest.raises(ConfigError, match=words):
        Following(settings, SystemClock(), Metrics())


def test_a_node_that_follows_does_not_ingest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Alarms of one mine must not be judged at two places."""
    assert cli.main(["ingest", "--set", "upstream.url=wss://hub"]) == 2
    assert "alarms are judged there" in capsys.readouterr().err


def test_the_status_says_where_it_is_and_what_waits(
    postgres_server: EmbeddedPostgres,
    new_migrated: Callable[[EmbeddedPostgres], str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """Before anything was heard, and after a snapshot and a heartbeat."""
    dsn = new_migrated(postgres_server)
    flags = ["follow", "--status", "--set", f"database.url={dsn}"]
    assert cli.main(flags) == 0
    assert "nothing was heard yet" in capsys.readouterr().out

    now_us = SystemClock().now_us()
    hello = Hello("e1", 7, 5.0, "zhenxiong", None)
    with db.connect(DatabaseSettings(url=dsn)) as conn:
        keeper = Keeper(conn, "市平台", lambda: now_us)
        assert keeper.begin()
        keeper.keep(Keep((), ("e1", 7), "[]", "first"), hello)
        keeper.heard("2026-11-23T10:46:20.000+08:00")
        assert keeper.held() is not None
    assert cli.main([*flags, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["position"] == {"epoch": "e1", "seq": 7}
    assert told["complete_to"] == "2026-11-23T10:46:20.000+08:00"
    assert (told["waiting"], told["refused"]) == (0, 0)
    assert cli.main(flags) == 0
    assert "市平台" in capsys.readouterr().out
