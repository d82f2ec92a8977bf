"""Each thing the doctor looks for, provoked on a real broker or database."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gasmon.clock import ManualClock
from gasmon.commands.doctor_crowd import crowd_finding
from gasmon.commands.doctor_database import session_findings
from gasmon.commands.doctor_database_work import age_finding, commit_finding
from gasmon.commands.doctor_told import client_id_finding, dropped_finding
from gasmon.embedded.postgres import EmbeddedPostgres
from gasmon.settings import load
from gasmon.store import db, migrate
from tests.fix_broker import Broker
from tests.fix_doctor import examine
from tests.fix_gateway import MINE, Consumer, Gateway
from tests.fix_wait import wait_until

# Broker


@pytest.mark.slow
def test_a_starved_mosquitto_is_found_out_by_counting(
    make_mosquitto: Callable[..., Broker], capsys: pytest.CaptureFixture[str]
) -> None:
    """Five in flight, ten queued, no large packets: each with both numbers."""
    broker = make_mosquitto(
        "max_inflight_messages 5",
        "max_queued_messages 10",
        "message_size_limit 1000",
        "sys_interval 1",
    )
    code, found = examine(
        capsys,
        *("--only", "broker"),
        mqtt__port=broker.port,
        mqtt__receive_window=200,
        # With MQTT 5 our receive maximum counts instead of max_inflight_messages.
        mqtt__protocol="3.1.1",
    )
    assert code == 4
    for name, measured in (("window", 5), ("queue", 10)):
        finding = found[f"broker.{name}"]
        assert finding["level"] == "wrong", finding
        assert finding["measured"] <= measured + 5, finding
    assert "200 are needed" in found["broker.window"]["en"]
    assert "max_queued_messages" in found["broker.queue"]["todo_en"]
    assert found["broker.packet_size"]["level"] == "wrong"
    assert found["broker.dropped"]["level"] == "warning"
    assert found["broker.dropped"]["measured"] > 1000
    assert "mosquitto" in found["broker.version"]["measured"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "broker", ["nats", pytest.param("mosquitto", marks=pytest.mark.long)], indirect=True
)
def test_two_processes_with_one_client_id_are_heard(
    broker: Broker,
    make_consumer: Callable[..., Consumer],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """They throw each other out while the doctor looks; it takes nobody's place."""
    for boot in ("b1", "b2"):
        make_consumer(broker.port, boot=boot)
    # One look lasts two seconds on an idle machine, in which perhaps nobody comes back.
    for _ in range(10):
        code, found = examine(
            capsys,
            *("--only", "broker", "--set", "mode=test"),
            mqtt__port=broker.port,
            mqtt__receive_window=200,
        )
        finding = found["broker.client_id"]
        if finding["level"] == "wrong":
            break
    assert (code, finding["level"], finding["measured"]) == (4, "wrong", 2)
    assert "mqtt.client_id" in finding["todo_en"]


def test_words_about_turns_and_drops() -> None:
    """One start that comes back is no second process; no number is no verdict."""
    assert client_id_finding("c", []).level == "ok"
    assert client_id_finding("c", ["a", "a", "b"]).level == "ok"
    assert client_id_finding("c", ["a", "b", "a"]).level == "wrong"
    assert dropped_finding(None).level == "ok"
    assert dropped_finding("0").measured == 0
    assert dropped_finding("7").level == "warning"
    assert "7 messages were thrown away since it started:" in dropped_finding("7").en
    assert "4 of them while the doctor" in dropped_finding("7", "3").en


def test_words_about_the_busiest_mine() -> None:
    """A flood is a warning with what to do; a short look is no minute."""
    assert crowd_finding(Counter(), 2, 3000).measured == 0
    calm = crowd_finding(Counter({MINE: 40, "530627000001": 10}), 10, 3000)
    assert (calm.level, calm.measured) == ("ok", 240)
    assert "of 2 mines" in calm.en
    assert crowd_finding(Counter({MINE: 40}), 0.1, 3000).measured == 2400
    flood = crowd_finding(Counter({MINE: 600}), 10, 3000)
    assert (flood.level, flood.measured) == ("warning", 3600)
    assert MINE in flood.en
    assert flood.todo_en
    assert flood.todo_zh


@pytest.mark.slow
def test_a_mine_that_floods_is_named(
    broker: Broker,
    make_gateway: Callable[..., Gateway],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By the doctor, which counts what it hears while it does the rest."""
    gateway, ended = make_gateway(broker.port), threading.Event()

    def flood() -> None:
        seq = 0
        while not ended.wait(0.01):
            gateway.frames(seq, 10)
            seq += 10

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        _, found = examine(
            capsys,
            *("--only", "broker", "--set", "mode=test"),
            mqtt__port=broker.port,
            mqtt__receive_window=200,
            mqtt__flood_per_minute=60,
        )
    finally:
        ended.set()
        thread.join()
    assert found["broker.busiest_mine"]["level"] == "warning"
    assert MINE in found["broker.busiest_mine"]["en"]


@pytest.mark.slow
@pytest.mark.parametrize("kill", [False, True], ids=["stop", "kill"])
def test_what_survives_a_restart_is_measured(
    broker: Broker, kill: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mark before, a restart, the mark after; nothing is left behind."""
    where = {"mqtt__port": broker.port}
    code, found = examine(capsys, "--restart", "before", **where)
    assert (code, found["broker.persistence"]["measured"]) == (0, 20), found
    if kill:
        wait_until(lambda: broker.saved(b"doctor/restart/kept"), 20, "the save")
        broker.kill()
    else:
        broker.stop()
    broker.start()
    code, found = examine(capsys, "--restart", "after", **where)
    assert (code, found["broker.persistence"]["measured"]) == (0, 20), found
    code, found = examine(capsys, "--restart", "after", **where)
    assert (code, found["broker.persistence"]["measured"]) == (4, 0)


@pytest.mark.slow
def test_a_mosquitto_without_persistence_forgets_over_a_restart(
    make_mosquitto: Callable[..., Broker], capsys: pytest.CaptureFixture[str]
) -> None:
    """Session, queue and retained messages are gone, and each is named."""
    broker = make_mosquitto("persistence false")
    code, _ = examine(capsys, "--restart", "before", mqtt__port=broker.port)
    assert code == 0
    broker.stop()
    broker.start()
    code, found = examine(capsys, "--restart", "after", mqtt__port=broker.port)
    finding = found["broker.persistence"]
    assert (code, finding["level"], finding["measured"]) == (4, "wrong", 0)
    for word in ("our session", "20 queued messages", "retained messages"):
        assert word in finding["en"]
    assert "persistence true" in finding["todo_en"]


def test_a_mark_at_nobody_is_exit_3(
    broker: Broker, capsys: pytest.CaptureFixture[str]
) -> None:
    """The broker is away when the mark is sought."""
    broker.stop()
    code, found = examine(capsys, "--restart", "after", mqtt__port=broker.port)
    assert (code, {*found}) == (3, {"broker.reachable"})


# Database


@pytest.fixture(scope="module")
def frail(servers_dir: Path) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL with everything that may be set badly."""
    settings = {
        "fsync": "on",
        "full_page_writes": "off",
        "max_connections": "12",
        "autovacuum": "off",
        # Each commit waits so long before its flush [µs].
        "commit_delay": "50000",
        "commit_siblings": "0",
    }
    with EmbeddedPostgres(
        servers_dir / "frail",
        extra_settings=settings,
        state_dir=servers_dir / "frail-state",
    ) as server:
        with db.connect(load(overrides=database(server)).database) as conn:
            migrate.upgrade(conn)
        yield server


def database(server: EmbeddedPostgres) -> dict[str, Any]:
    """Settings that name the server."""
    return {"database.url": server.dsn()}


def test_a_frail_database_is_told_what_to_change(
    frail: EmbeddedPostgres, capsys: pytest.CaptureFixture[str]
) -> None:
    """Slow commits by measuring, the rest by its settings, each with a remedy."""
    with psycopg.connect(frail.dsn(), autocommit=True) as conn:
        conn.execute("CREATE TABLE churned AS SELECT generate_series(1, 20001)")
        conn.execute("DELETE FROM churned")
        conn.execute("ALTER ROLE CURRENT_USER SET idle_session_timeout = '10min'")
        conn.execute("ALTER ROLE CURRENT_USER CONNECTION LIMIT 7")
        conn.execute(
            "UPDATE pg_database SET datcollversion = '0'"
            " WHERE datname = current_database()"
        )
        wait_until(
            lambda: (
                conn.execute(
                    "SELECT sum(n_dead_tup) > 20000 FROM pg_stat_user_tables"
                ).fetchone()
                == (True,)
            ),
            what="the statistics",
        )
    code, found = examine(capsys, "--only", "database", database__url=frail.dsn())
    assert code == 4
    wrong = {
        "full_page_writes": "full_page_writes = on",
        "max_connections": "max_connections",
        "role_connections": "CONNECTION LIMIT -1",
        "autovacuum": "autovacuum = on",
        "idle_session_timeout": "idle_session_timeout = 0",
    }
    for name, remedy in wrong.items():
        finding = found[f"database.{name}"]
        assert finding["level"] == "wrong", finding
        assert remedy in finding["todo_en"]
    assert found["database.fsync"]["level"] == "ok"
    assert found["database.commit"]["level"] == "warning"
    assert found["database.commit"]["measured"] > 20
    assert found["database.vacuum"]["level"] == "warning"
    assert "churned" in found["database.vacuum"]["todo_en"]
    assert found["database.collation"]["level"] == "warning"
    assert "REINDEX" in found["database.collation"]["todo_en"]


def test_a_database_that_takes_no_writes_is_not_asked_to_commit(
    frail: EmbeddedPostgres, capsys: pytest.CaptureFixture[str]
) -> None:
    """Read-only, and a synchronous standby that is not there: commits would hang."""
    only = ("--only", "database")
    with psycopg.connect(
        frail.dsn(), autocommit=True, options="-c synchronous_commit=local"
    ) as conn:
        conn.execute("ALTER ROLE CURRENT_USER SET default_transaction_read_only = on")
        code, found = examine(capsys, *only, database__url=frail.dsn())
        assert (code, found["database.writable"]["level"]) == (4, "wrong")
        assert "database.commit" not in found
        conn.execute("ALTER ROLE CURRENT_USER RESET default_transaction_read_only")
        conn.execute("ALTER SYSTEM SET synchronous_standby_names = 'second'")
        conn.execute("SELECT pg_reload_conf()")
        shown = "SHOW synchronous_standby_names"
        wait_until(lambda: conn.execute(shown).fetchone() == ("second",))
        code, found = examine(capsys, *only, database__url=frail.dsn())
        assert (code, found["database.standbys"]["level"]) == (4, "wrong")
        assert "database.commit" not in found
        conn.execute("ALTER SYSTEM RESET synchronous_standby_names")
        conn.execute("SELECT pg_reload_conf()")
        wait_until(lambda: conn.execute(shown).fetchone() == ("",))


def test_a_pooler_that_drops_our_options_and_a_wrong_encoding(
    plain_dsn: str, postgres_server: EmbeddedPostgres
) -> None:
    """Sessions in Beijing time, and a database that takes any bytes for text."""
    with psycopg.connect(plain_dsn, autocommit=True) as conn:
        conn.execute(
            "CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII'"
            " LC_COLLATE 'C' LC_CTYPE 'C'"
        )
    options = "-c TimeZone=Asia/Shanghai -c client_encoding=UTF8"
    with psycopg.connect(postgres_server.dsn("bytes"), options=options) as conn:
        found = {f.check: f for f in session_findings(conn, load())}
    postgres_server.drop_database("bytes")
    zone, encoding = found["database.timezone"], found["database.encoding"]
    assert (zone.level, zone.measured) == ("warning", "Asia/Shanghai")
    assert "pooler" in zone.todo_en
    assert (encoding.level, encoding.measured) == ("wrong", "SQL_ASCII")
    assert "UTF8" in encoding.todo_en


def test_a_clock_that_is_off_is_measured_at_the_database(
    plain_dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ours shows another day: apart by that, and what to do."""
    monkeypatch.setattr(
        "gasmon.commands.doctor.SystemClock", lambda: ManualClock(1_790_000_000_000_000)
    )
    code, found = examine(capsys, "--only", "database", database__url=plain_dsn)
    finding = found["database.clock"]
    assert (code, finding["level"]) == (4, "wrong")
    assert finding["measured"] > 30
    assert "NTP" in finding["todo_en"]


def test_words_about_commits_and_ages() -> None:
    """Too slow, hopeless, impossibly quick, not allowed; far from the end and near."""
    trips = [0.1, 0.1]
    for commits, durable, level in (
        ([1.0, 2.0], True, "ok"),
        ([30.0, 30.0], True, "warning"),
        ([300.0, 300.0], True, "wrong"),
        ([0.11, 0.11], True, "warning"),
        ([0.11, 0.11], False, "ok"),
        ([], True, "ok"),
    ):
        assert commit_finding(commits, trips, durable=durable).level == level
    ages = [age_finding(age).level for age in (10, 1_100_000_000, 1_900_000_000)]
    assert ages == ["ok", "warning", "wrong"]
