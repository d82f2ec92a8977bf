"""The doctor on real databases and brokers, well and badly set up."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gasmon import cli
from gasmon.embedded.broker import BrokerUser, EmbeddedBroker, city_users
from gasmon.embedded.process import LOOPBACK, Child, free_port
from gasmon.ingest.connect import hang_up
from tests.fix_broker import Broker, MosquittoBroker
from tests.fix_found import mosquitto_program, require
from tests.fix_wait import wait_until

WINDOW = 200


def examine(
    capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, dict[str, dict[str, Any]]]:
    """Run the doctor; returns its exit code and the findings by name."""
    code = cli.main(["doctor", "--json", *arguments])
    told = json.loads(capsys.readouterr().out)
    return code, {finding["check"]: finding for finding in told["findings"]}


def at_broker(broker: Broker, **more: object) -> list[str]:
    """Flags that point the doctor at a broker, with a small window."""
    values = {
        "mqtt.host": broker.host,
        "mqtt.port": broker.port,
        "mqtt.receive_window": WINDOW,
        **more,
    }
    return ["--only", "broker", *(f for k, v in values.items() for f in _set(k, v))]


def _set(name: str, value: object) -> tuple[str, str]:
    return "--set", f"{name}={value}"


def topics_kept(broker: Broker) -> list[str]:
    """Every retained topic of a broker."""
    seen: list[str] = []
    done: list[bool] = []
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
    client.on_message = lambda c, u, m: (
        done.append(True) if m.topic == "end" else seen.append(m.topic)
    )
    client.on_connect = lambda c, *rest: c.subscribe("#", 1)
    client.on_subscribe = lambda c, *rest: c.publish("end", b"x", 1)
    client.connect(broker.host, broker.port)
    client.loop_start()
    wait_until(lambda: done, what="the end of what is retained")
    hang_up(client)
    return seen


@pytest.mark.slow
def test_a_good_broker_has_nothing_wrong(
    broker: Broker, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both brokers deliver the window, keep the session, and nothing is left behind."""
    code, found = examine(capsys, *at_broker(broker), "--set", "mode=test")
    wrong = {k: f for k, f in found.items() if f["level"] != "ok"}
    assert set(wrong) == {"broker.anonymous"}, wrong
    assert code == 0
    # The embedded one has a window of its own, which is larger.
    assert found["broker.window"]["measured"] >= WINDOW
    assert found["broker.reachable"]["measured"] == (
        "5" if broker.kind == "mosquitto" else "3.1.1"
    )
    assert topics_kept(broker) == []


def test_anonymous_access_is_wrong_in_production(
    nats_broker: Broker, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same broker fails where mines' data must be trusted."""
    code, found = examine(capsys, *at_broker(nats_broker))
    assert code == 4
    assert found["broker.anonymous"]["level"] == "wrong"


@pytest.fixture
def stock_mosquitto(tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    """A function that starts a Mosquitto with given settings and defaults otherwise."""
    program = mosquitto_program()
    if program is None:
        require("Mosquitto")
    children: list[Child] = []

    def start(*lines: str) -> Broker:
        made = MosquittoBroker(program, tmp_path / "stock")
        made.port = free_port()
        made.data_dir.mkdir()
        config = made.data_dir / "mosquitto.conf"
        settings = [f"listener {made.port} {LOOPBACK}", "allow_anonymous true", *lines]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            settings.append("user root")
        config.write_text("\n".join(settings) + "\n", "utf-8")
        child = Child(
            [program, "-c", str(config)],
            log_path=made.data_dir / "log",
            cwd=made.data_dir,
            env=os.environ,
        )
        children.append(child)

        def answers() -> bool:
            try:
                socket.create_connection((LOOPBACK, made.port), 1.0).close()
            except OSError:
                return False
            return True

        wait_until(answers, what="Mosquitto")
        return made

    yield start
    for child in children:
        child.stop(((15, 10.0),))


@pytest.mark.slow
def test_mosquitto_as_installed_is_too_small(
    stock_mosquitto: Callable[..., Broker], capsys: pytest.CaptureFixture[str]
) -> None:
    """Twenty in flight and a thousand queued are found by counting, not by asking."""
    broker = stock_mosquitto()
    code, found = examine(capsys, *at_broker(broker, **{"mqtt.protocol": "3.1.1"}))
    assert code == 4
    assert found["broker.window"]["level"] == "wrong"
    assert found["broker.window"]["measured"] == 20
    assert "max_inflight_messages 200" in found["broker.window"]["todo_en"]
    assert found["broker.queue"]["level"] == "wrong"
    assert found["broker.queue"]["measured"] <= 1000


@pytest.mark.slow
def test_a_broker_with_a_small_packet_limit_is_found(
    stock_mosquitto: Callable[..., Broker], capsys: pytest.CaptureFixture[str]
) -> None:
    """A broker that cuts the connection at 100 kB is named."""
    broker = stock_mosquitto("message_size_limit 100000", "retain_available false")
    code, found = examine(capsys, *at_broker(broker))
    assert code == 4
    assert found["broker.packet_size"]["level"] == "wrong"
    assert found["broker.retained"]["level"] == "wrong"


@pytest.fixture
def city_broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """The embedded broker with the users of a city."""
    users = city_users(gasmon="g", mines="m", annunciator="a")
    users["deaf"] = BrokerUser("d", publish=("gasmon/v1/doctor/#",))
    with EmbeddedBroker(tmp_path / "city", users=users, ack_wait_s=2.0) as broker:
        yield broker


def as_user(broker: EmbeddedBroker, name: str, password: Path) -> list[str]:
    """Flags that point the doctor at the city's broker as one of its users."""
    return [
        *("--only", "broker", *_set("mqtt.port", broker.port)),
        *_set("mqtt.receive_window", WINDOW),
        *_set("mqtt.username", name),
        *_set("mqtt.password_file", password),
    ]


def test_the_citys_own_user_may_do_everything(
    city_broker: EmbeddedBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With users and an access list nothing is wrong in production."""
    password = tmp_path / "password"
    password.write_text("g")
    code, found = examine(capsys, *as_user(city_broker, "gasmon", password))
    assert {k: f for k, f in found.items() if f["level"] != "ok"} == {}
    assert code == 0


def test_a_user_without_rights_is_told_which(
    city_broker: EmbeddedBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A user that may neither hear mines nor sound relays is found out."""
    password = tmp_path / "password"
    password.write_text("d")
    code, found = examine(capsys, *as_user(city_broker, "deaf", password))
    assert code == 4
    assert found["broker.subscribe"]["level"] == "wrong"
    assert found["broker.alarms"]["level"] == "wrong"


def test_a_wrong_password_is_unreachable(
    city_broker: EmbeddedBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The refusal names user and setting."""
    password = tmp_path / "password"
    password.write_text("wrong")
    code, found = examine(capsys, *as_user(city_broker, "gasmon", password))
    assert code == 3
    assert "mqtt.password_file" in found["broker.reachable"]["en"]


def test_nobody_there_is_exit_3(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither a database nor a broker: both are named, both stay one finding."""
    port = free_port()
    code, found = examine(
        capsys,
        *_set("mqtt.port", port),
        *_set("database.url", f"postgresql://gasmon@127.0.0.1:{port}/gasmon"),
    )
    assert code == 3
    here = {name for name in found if name.startswith("host.")}
    assert set(found) - here == {"database.reachable", "broker.reachable"}
    assert here
    assert str(port) in found["database.reachable"]["en"]


def test_a_database_without_schema_is_wrong(
    database_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Missing migrations and a server that may lose data are wrong, and say so."""
    code, found = examine(
        capsys, "--only", "database", *_set("database.url", database_dsn)
    )
    assert code == 4
    assert found["database.migrations"]["level"] == "wrong"
    assert "gasmon db upgrade" in found["database.migrations"]["todo_en"]
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        assert found[f"database.{name}"]["level"] == "wrong"


def test_a_migrated_database_fits(
    migrated_dsn: str, database_backend: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Kind, clock and time zone are measured, and the doctor writes nothing."""
    with psycopg.connect(migrated_dsn, autocommit=True) as conn:
        before = conn.execute("SELECT sum(n_tup_ins) FROM pg_stat_user_tables")
        n_before = before.fetchone()
        code, found = examine(
            capsys,
            *("--only", "database", "--set", "mode=test"),
            *_set("database.url", migrated_dsn),
        )
        after = conn.execute("SELECT sum(n_tup_ins) FROM pg_stat_user_tables")
        assert after.fetchone() == n_before
    wrong = {k: f for k, f in found.items() if f["level"] == "wrong"}
    assert not wrong
    assert code == 0
    kind = found["database.edition"]["measured"]
    assert (kind == "plain") == (database_backend == "postgres")
    assert found["database.clock"]["measured"] < 1
    assert found["database.timezone"]["measured"] == "UTC"


def test_people_get_both_languages(
    migrated_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --json each finding has its Chinese and its English line."""
    cli.main(["doctor", "--only", "database", *_set("database.url", migrated_dsn)])
    out = capsys.readouterr().out
    assert "[好 ok] database.migrations: 结构为最新\n    the schema is current" in out
    assert "→ set fsync = on in postgresql.conf" in out
