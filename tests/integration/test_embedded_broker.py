"""The embedded broker: nothing is lost over crashes, and users keep to their topics."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gasmon.embedded.broker import BrokerUser, EmbeddedBroker, city_users
from gasmon.embedded.users import subject_of, user_entry
from gasmon.errors import ConfigError, DependencyError
from gasmon.ingest.connect import hang_up
from tests.fix_broker import Broker
from tests.fix_wait import wait_until

MINE = "gasmon/v1/530627/530627004499"
DRILL = "gasmon-drill/v1/7/530627/530627004499"


class Client:
    """An MQTT 3.1.1 client that writes down what happens to it."""

    def __init__(
        self,
        port: int,
        client_id: str,
        *,
        user: tuple[str, str] | None = None,
        persistent: bool = False,
        acknowledge: bool = True,
        will: tuple[str, bytes] | None = None,
    ) -> None:
        self.got: list[tuple[str, bytes, bool]] = []
        self.acknowledge = acknowledge
        self.granted: dict[int, bool] = {}
        self.published: set[int] = set()
        self.connected: str | None = None
        self.session_present = False
        self.lock = threading.Lock()
        self.mqtt = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            clean_session=not persistent,
            protocol=mqtt.MQTTv311,
            manual_ack=True,
        )
        if user:
            self.mqtt.username_pw_set(*user)
        if will:
            self.mqtt.will_set(will[0], will[1], qos=1, retain=True)
        self.mqtt.on_connect = self._on_connect
        self.mqtt.on_message = self._on_message
        self.mqtt.on_subscribe = self._on_subscribe
        self.mqtt.on_publish = self._on_publish
        self.mqtt.connect("127.0.0.1", port, keepalive=5)
        self.mqtt.loop_start()
        wait_until(lambda: self.connected, 20, f"{client_id}: answer to CONNECT")

    def _on_connect(self, _c: Any, _u: Any, flags: Any, reason: Any, _p: Any) -> None:
        self.session_present = flags.session_present
        self.connected = str(reason)

    def _on_message(self, _c: Any, _u: Any, message: mqtt.MQTTMessage) -> None:
        with self.lock:
            self.got.append((message.topic, bytes(message.payload), message.retain))
        if self.acknowledge:
            self.mqtt.ack(message.mid, message.qos)

    def _on_subscribe(self, _c: Any, _u: Any, mid: int, codes: Any, _p: Any) -> None:
        self.granted[mid] = not codes[0].is_failure

    def _on_publish(self, _c: Any, _u: Any, mid: int, _r: Any, _p: Any) -> None:
        self.published.add(mid)

    def subscribe(self, topic: str) -> bool:
        """Subscribe at QoS 1; return whether it was granted."""
        _, mid = self.mqtt.subscribe(topic, 1)
        assert mid is not None
        wait_until(lambda: mid in self.granted, 20, f"answer to SUBSCRIBE {topic}")
        return self.granted[mid]

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        """Publish at QoS 1 and wait for the broker's acknowledgement."""
        mid = self.mqtt.publish(topic, payload, 1, retain).mid
        wait_until(lambda: mid in self.published, 20, f"PUBACK for {topic}")

    def payloads(self) -> list[bytes]:
        """Payloads received so far, in order of arrival."""
        with self.lock:
            return [payload for _, payload, _ in self.got]

    def topics(self) -> set[str]:
        """Topics received so far."""
        with self.lock:
            return {topic for topic, _, _ in self.got}

    def crash(self) -> None:
        """Lose the connection without a word, as a killed process does."""
        raw = self.mqtt.socket()
        self.mqtt.loop_stop()
        # The loop may have been reconnecting.
        for each in (raw, self.mqtt.socket()):
            if each is not None:
                each.close()

    def close(self) -> None:
        """Leave in the orderly way."""
        hang_up(self.mqtt)


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    """A function that makes clients; they are closed at the end."""
    made: list[Client] = []

    def make(*arguments: Any, **options: Any) -> Client:
        made.append(Client(*arguments, **options))
        return made[-1]

    yield make
    for client in made:
        client.close()


def test_unacknowledged_message_keeps_its_number(
    nats_broker: Broker, connect: Callable[..., Client]
) -> None:
    """What is sent again on one connection has its old packet number and says so."""
    slow = connect(nats_broker.port, "slow", persistent=True, acknowledge=False)
    seen: list[tuple[int, bool]] = []
    slow.mqtt.on_message = lambda _c, _u, m: seen.append((m.mid, m.dup))
    assert slow.subscribe("gasmon/v1/#")
    publisher = connect(nats_broker.port, "publisher")
    publisher.publish(f"{MINE}/data", b"0")
    wait_until(lambda: len(seen) == 2, 20, "the second copy")
    assert seen == [(seen[0][0], False), (seen[0][0], True)]


def test_full_storage_lets_the_consumer_in(
    tmp_path: Path, connect: Callable[..., Client]
) -> None:
    """At the limit publishers are cut off; the consumer drains; then all goes on."""
    size = 500_000
    with EmbeddedBroker(tmp_path / "b", max_store=8 * size, ack_wait_s=2) as running:
        consumer = connect(running.port, "consumer", persistent=True)
        assert consumer.subscribe("gasmon/v1/#")
        consumer.crash()
        publisher = connect(running.port, "publisher")
        cut_off = threading.Event()
        publisher.mqtt.on_disconnect = lambda *_: cut_off.set()
        wanted = [bytes([number]) * size for number in range(10)]
        mids = [publisher.mqtt.publish(f"{MINE}/data", x, 1).mid for x in wanted]
        wait_until(cut_off.is_set, 20, "the limit")
        assert not publisher.published.issuperset(mids)
        back = connect(running.port, "consumer", persistent=True)
        assert back.session_present
        wait_until(lambda: set(back.payloads()) == set(wanted), 30, "every frame")
        wait_until(lambda: publisher.published.issuperset(mids), 20, "every PUBACK")


@pytest.fixture
def city(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """A broker with the users of a city."""
    users = city_users(gasmon="g-word", mines="m-word", annunciator="a-word")
    with EmbeddedBroker(tmp_path / "city", users=users) as running:
        yield running


def test_mines_publish_only_what_mines_publish(
    city: EmbeddedBroker, connect: Callable[..., Client]
) -> None:
    """Mines reach gasmon on their topics; alarms, commands and state are refused."""
    gasmon = connect(city.port, "gasmon-ingest", user=("gasmon", "g-word"))
    assert gasmon.subscribe("gasmon/v1/#")
    assert gasmon.subscribe("gasmon-drill/v1/#")
    mines = connect(city.port, "mines", user=("mines", "m-word"))
    forbidden = [
        *(f"{tree}/{name}" for tree in (MINE, DRILL) for name in ("alarms", "cmd/req")),
        *("gasmon/v1/state", "elsewhere", "$MQTT/sub/x"),
    ]
    for topic in forbidden:
        if not topic.startswith("$"):
            mines.publish(topic, b"forbidden", retain=True)
    allowed = {
        f"{tree}/{name}"
        for tree in (MINE, DRILL)
        for name in (
            *("state", "points", "data", "backfill", "event"),
            *("file/CDSS", "cmd/res"),
        )
    } | {"gasmon-drill/v1/7/player"}
    for topic in sorted(allowed):
        mines.publish(topic, b"allowed", retain=topic.endswith(("state", "points")))
    wait_until(lambda: gasmon.topics() == allowed, 20, "what is allowed")
    assert set(gasmon.payloads()) == {b"allowed"}
    late = connect(city.port, "late", user=("gasmon", "g-word"))
    assert late.subscribe("gasmon/v1/#")
    wait_until(lambda: len(late.got) == 2, 20, "what is retained")
    assert {payload for _, payload, _ in late.got} == {b"allowed"}


def test_mines_and_annunciator_hear_only_theirs(
    city: EmbeddedBroker, connect: Callable[..., Client]
) -> None:
    """Mines hear commands, the annunciator alarms and state, and nothing wider."""
    gasmon = connect(city.port, "gasmon-ingest", user=("gasmon", "g-word"))
    mines = connect(city.port, "mines", user=("mines", "m-word"))
    annunciator = connect(city.port, "relay", user=("annunciator", "a-word"))
    assert mines.subscribe(f"{MINE}/cmd/req")
    assert mines.subscribe("gasmon-drill/v1/+/+/+/cmd/req")
    assert annunciator.subscribe("gasmon/v1/+/+/alarms")
    assert annunciator.subscribe("gasmon/v1/state")
    for client in (mines, annunciator):
        for topic in (
            *("#", "gasmon/v1/#", f"{MINE}/data", "gasmon/v1/+/+/+"),
            *("$MQTT/sub/#", "$JS/#", "$SYS/#"),  # other sessions' deliveries
        ):
            assert not client.subscribe(topic), topic
    assert not mines.subscribe(f"{MINE}/alarms")
    assert not annunciator.subscribe(f"{MINE}/cmd/req")
    gasmon.publish(f"{MINE}/cmd/req", b"resend")
    gasmon.publish(f"{MINE}/alarms", b"red", retain=True)
    gasmon.publish("gasmon/v1/state", b"alive", retain=True)
    annunciator.publish("gasmon/v1/state", b"forged", retain=True)
    annunciator.publish(f"{MINE}/alarms", b"forged", retain=True)
    wait_until(lambda: mines.payloads() == [b"resend"], 20, "command")
    wait_until(lambda: set(annunciator.payloads()) == {b"red", b"alive"}, 20, "alarms")


@pytest.mark.parametrize("user", [None, ("mines", "wrong"), ("nobody", "m-word")])
def test_strangers_are_refused(
    city: EmbeddedBroker,
    connect: Callable[..., Client],
    user: tuple[str, str] | None,
) -> None:
    """Without a known name and its password there is no connection."""
    stranger = connect(city.port, "stranger", user=user)
    assert stranger.connected == "Not authorized"


def test_passwords_are_readable_by_their_owner_alone(city: EmbeddedBroker) -> None:
    """The file with the passwords has mode 0600, and the log does not hold them."""
    config = city.data_dir / "broker.conf"
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert "m-word" in config.read_text("utf-8")
    assert "-word" not in city.log_path.read_text("utf-8")


def test_taken_port_is_named(tmp_path: Path) -> None:
    """A taken port gives one line with its number, and nothing is left running."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        wanted = EmbeddedBroker(tmp_path / "b", port=port)
        with pytest.raises(DependencyError, match=f"port {port} .* taken") as error:
            wanted.start()
        assert "\n" not in str(error.value)
        assert not wanted.alive


def test_orphan_of_a_killed_parent_is_stopped(
    tmp_path: Path, connect: Callable[..., Client]
) -> None:
    """A broker whose parent was killed is found, stopped and replaced."""
    program = (
        "import sys; from pathlib import Path\n"
        "from gasmon.embedded.broker import EmbeddedBroker\n"
        "b = EmbeddedBroker(Path(sys.argv[1]))\n"
        "b.start(); print(b.pid, b.port, flush=True); input()\n"
    )
    folder = tmp_path / "b"
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    orphan, port = map(int, parent.stdout.readline().split())
    with pytest.raises(DependencyError, match=f"in use by process {parent.pid}"):
        EmbeddedBroker(folder).start()
    parent.kill()
    parent.communicate()
    publisher = connect(port, "publisher")
    publisher.publish(f"{MINE}/state", b"kept", retain=True)
    publisher.close()
    told: list[str] = []
    with EmbeddedBroker(folder, port=port, progress=told.append) as running:
        assert running.pid != orphan
        reader = connect(running.port, "reader")
        assert reader.subscribe(f"{MINE}/state")
        wait_until(lambda: reader.payloads() == [b"kept"], 20, "what was kept")
    assert any(str(orphan) in line for line in told)


def test_missing_wheel_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the wheel the message says what to install."""
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DependencyError, match=r"gasmon\[embedded\]"):
        EmbeddedBroker(tmp_path / "b").start()
    assert not os.path.exists(tmp_path / "b")


def test_topics_become_subjects() -> None:
    """Topic filters are translated level by level; a dot would mean another level."""
    assert subject_of("gasmon/v1/+/+/cmd/req") == "gasmon.v1.*.*.cmd.req"
    assert subject_of("gasmon/v1/#") == "gasmon.v1.>"
    with pytest.raises(ConfigError, match=r"a\.b"):
        subject_of("a.b/c")
    nothing = user_entry("x", BrokerUser("p"))
    permissions = nothing["permissions"]
    assert permissions == {"publish": {"deny": [">"]}, "subscribe": {"deny": [">"]}}
