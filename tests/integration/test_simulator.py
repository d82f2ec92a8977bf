"""The simulated city against real brokers: order, last wills, outages, requests."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gasmon.ingest import payloads
from gasmon.ingest.connect import hang_up
from gasmon.ingest.topics import cmd_req_topic, parse_topic
from simulators.layout import build_city, choose_mines
from tests.fix_broker import Broker
from tests.fix_command import Command
from tests.fix_proxy import Proxy
from tests.fix_wait import wait_until

MINES = choose_mines(build_city(1), 20).mines
FILTERS = [f"gasmon/v1/+/+/{leaf}" for leaf in ("state", "points", "data", "backfill")]
FILTERS.append("gasmon/v1/+/+/cmd/res")


class Watcher:
    """A subscriber with a session that outlives connections."""

    def __init__(self, port: int) -> None:
        self.frames: dict[str, list[int]] = defaultdict(list)
        self.backfill: dict[str, list[int]] = defaultdict(list)
        self.states: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.points: dict[str, dict[str, Any]] = {}
        self.answers: list[dict[str, Any]] = []
        self.boots: set[str] = set()
        self.n_subscribed = 0
        self._lock = threading.Lock()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id="watcher",
            clean_session=False,
            protocol=mqtt.MQTTv311,
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port, keepalive=20)
        self._client.loop_start()
        wait_until(lambda: self.n_subscribed, 20, "the watcher's subscription")

    def _on_connect(self, client: mqtt.Client, *_rest: Any) -> None:
        client.subscribe([(topic, 1) for topic in FILTERS])

    def _on_subscribe(self, *_rest: Any) -> None:
        self.n_subscribed += 1

    def _on_message(self, _client: Any, _user: Any, message: mqtt.MQTTMessage) -> None:
        topic = parse_topic(message.topic)
        body = json.loads(message.payload)
        with self._lock:
            if topic.channel == "data":
                self.boots.add(body["boot"])
                self.frames[topic.mine].append(body["seq"])
            elif topic.channel == "backfill":
                self.backfill[topic.mine].append(body["seq"])
            elif topic.channel == "state":
                self.states[topic.mine].append(body)
            elif topic.channel == "points":
                self.points[topic.mine] = body
            else:
                self.answers.append(body)

    @property
    def n_frames(self) -> int:
        """Frames received, repeats included."""
        with self._lock:
            return sum(len(seqs) for seqs in self.frames.values())

    def states_of(self, mine: str) -> list[str]:
        """What one mine said about itself."""
        with self._lock:
            return [body["s"] for body in self.states[mine]]

    def everyone(self, s: str) -> bool:
        """Whether every mine's newest state is this."""
        return all(self.states_of(mine.code)[-1:] == [s] for mine in MINES)

    def request(self, mine: str, request: payloads.CmdReq) -> None:
        """Publish a request to a gateway."""
        topic = cmd_req_topic(mine[:6], mine)
        self._client.publish(topic, payloads.encode_cmd_req(request), 1)

    def close(self) -> None:
        """Leave."""
        hang_up(self._client)


class Sim:
    """``gasmon-sim`` as its own process."""

    def __init__(self, log: Path, *arguments: str) -> None:
        self._log = log
        words = [*arguments, "--json", "--quiet"]
        self.process = Command(words, log, "gasmon-sim")

    def report(self, timeout_s: float = 60, code: int = 0) -> dict[str, Any]:
        """Wait for the end; returns the JSON object it printed."""
        assert self.process.wait(timeout_s) == code, self._log.read_text("utf-8")
        parsed: dict[str, Any] = json.loads(self._log.read_text("utf-8"))
        return parsed

    def end(self) -> None:
        """Make sure that nothing stays behind."""
        self.process.kill()
        self.process.wait(20)


Start = Callable[..., Sim]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts simulators and ends them whatever happens."""
    running: list[Sim] = []

    def begin(*arguments: str) -> Sim:
        running.append(Sim(tmp_path / f"sim-{len(running)}.json", *arguments))
        return running[-1]

    yield begin
    for sim in running:
        sim.end()


@pytest.fixture
def watcher(broker: Broker) -> Iterator[Watcher]:
    """A subscriber that is there before the city."""
    made = Watcher(broker.port)
    yield made
    made.close()


one_broker = pytest.mark.parametrize(
    "broker", ["mosquitto", pytest.param("nats", marks=pytest.mark.long)], indirect=True
)
"""For what takes ten seconds: the other broker's turn is in ``make test-long``."""


def city(port: int, *more: str) -> list[str]:
    """Arguments of a fast small city."""
    return ["city", "--port", str(port), "--mines", "20", "--cycle", "0.5", *more]


def test_frames_of_each_mine_arrive_in_order(
    broker: Broker, watcher: Watcher, start: Start
) -> None:
    """Every mine defines itself, is online, counts from 1 without a gap, and says
    offline at a clean stop."""
    sim = start(*city(broker.port, "--duration", "4"))
    wait_until(lambda: watcher.everyone("online"), 15, "20 mines online")
    report = sim.report()
    assert report["flushed"]
    assert report["frames"] == report["acknowledged"] > 100
    wait_until(lambda: watcher.everyone("offline"), 20, "20 mines offline")
    wait_until(lambda: watcher.n_frames >= report["frames"], 20, "all frames")
    for mine in MINES:
        seqs = watcher.frames[mine.code]
        assert seqs == list(range(1, len(seqs) + 1))
        assert len(watcher.points[mine.code]["points"]) == len(mine.points)
    assert watcher.n_frames == report["frames"]
    assert watcher.boots == {report["boot"]}


def test_a_killed_city_leaves_a_last_will_for_each_mine(
    broker: Broker, watcher: Watcher, start: Start
) -> None:
    """Without a goodbye the broker itself says offline, with the right boot."""
    sim = start(*city(broker.port))
    wait_until(lambda: watcher.everyone("online"), 15, "20 mines online")
    wait_until(lambda: watcher.boots, 20, "a first frame")
    sim.process.kill()
    wait_until(lambda: watcher.everyone("offline"), 15, "20 last wills")
    for mine in MINES:
        assert watcher.states[mine.code][-1]["boot"] in watcher.boots


def test_a_restart_of_the_broker_loses_no_frame(
    broker: Broker, watcher: Watcher, start: Start
) -> None:
    """Frames made during the outage come afterwards, every number, and SIGTERM
    flushes the rest."""
    sim = start(*city(broker.port))
    wait_until(lambda: watcher.everyone("online"), 15, "20 mines online")
    wait_until(lambda: watcher.n_frames > 60, 20, "some frames")
    broker.stop()
    broker.start()
    before = watcher.n_frames
    wait_until(lambda: watcher.n_frames > before + 60, 30, "frames after the restart")
    sim.process.send_signal(signal.SIGTERM)
    report = sim.report()
    assert report["dropped"] == report["unacknowledged"] == 0
    assert report["losses"] >= 20
    n_distinct = 0
    wait_until(
        lambda: (
            sum(len(set(seqs)) for seqs in watcher.frames.values()) == report["frames"]
        ),
        30,
        "every frame of the report",
    )
    for mine in MINES:
        seqs = set(watcher.frames[mine.code])
        assert seqs == set(range(1, max(seqs) + 1))
        n_distinct += len(seqs)
    assert n_distinct == report["frames"]


@one_broker
@pytest.mark.slow
def test_a_cut_line_is_mended_without_loss(
    broker: Broker,
    watcher: Watcher,
    start: Start,
    make_proxy: Callable[[int], Proxy],
) -> None:
    """Only the gateways' line breaks: repeats may come, gaps may not."""
    proxy = make_proxy(broker.port)
    sim = start(*city(proxy.port, "--duration", "8"))
    wait_until(lambda: watcher.n_frames > 40, 15, "some frames")
    proxy.cut()
    before = watcher.n_frames
    wait_until(lambda: watcher.n_frames > before + 40, 15, "frames after the cut")
    proxy.refuse()
    proxy.heal()
    report = sim.report()
    assert report["flushed"]
    assert report["losses"] >= 20
    wait_until(
        lambda: (
            sum(len(set(seqs)) for seqs in watcher.frames.values()) == report["frames"]
        ),
        15,
        "every frame of the report",
    )


@one_broker
@pytest.mark.slow
def test_a_ring_that_overflows_says_so(
    broker: Broker,
    watcher: Watcher,
    start: Start,
    make_proxy: Callable[[int], Proxy],
) -> None:
    """An outage longer than the ring drops the oldest frames, counts them, exits 1."""
    proxy = make_proxy(broker.port)
    sim = start(*city(proxy.port, "--duration", "9", "--ring", "2"))
    wait_until(lambda: watcher.n_frames > 20, 15, "some frames")
    proxy.refuse()
    wait_until(lambda: watcher.everyone("offline"), 15, "20 last wills")
    # The last wills came at once; the outage itself has to outlast two cycles.
    refused_s = time.monotonic()
    wait_until(lambda: time.monotonic() > refused_s + 2.0, 20, "an outage of 2 s")
    proxy.heal()
    report = sim.report(code=1)
    assert report["dropped"] > 0
    assert report["unacknowledged"] == 0
    n_kept = report["frames"] - report["dropped"]
    wait_until(
        lambda: sum(len(set(seqs)) for seqs in watcher.frames.values()) >= n_kept,
        20,
        "every frame that was not dropped",
    )


def test_a_gateway_answers_requests(
    broker: Broker, watcher: Watcher, start: Start
) -> None:
    """A range is sent again on backfill, and rebirth defines the mine anew."""
    start(*city(broker.port))
    mine = MINES[7].code
    wait_until(lambda: len(watcher.frames[mine]) >= 6, 15, "six frames")
    boot = next(iter(watcher.boots))
    watcher.request(
        mine, payloads.CmdReq("again", "resend", boot, from_seq=2, to_seq=5)
    )
    wait_until(lambda: watcher.backfill[mine] == [2, 3, 4, 5], 20, "backfill")
    births = len(watcher.states[mine])
    watcher.points.pop(mine)
    watcher.request(mine, payloads.CmdReq("born", "rebirth"))
    wait_until(lambda: mine in watcher.points, 20, "definitions again")
    wait_until(lambda: len(watcher.states[mine]) > births, 20, "online again")
    wait_until(lambda: len(watcher.answers) == 2, 20, "two answers")
    assert {(a["id"], a["ok"]) for a in watcher.answers} == {
        ("again", True),
        ("born", True),
    }


def test_a_shared_connection_carries_all_mines(
    broker: Broker, watcher: Watcher, start: Start
) -> None:
    """One connection, the same frames, and offline states at the end."""
    report = start(
        *city(broker.port, "--duration", "2", "--connections", "shared")
    ).report()
    assert report["connects"] == 1
    assert report["flushed"]
    wait_until(lambda: watcher.everyone("offline"), 20, "20 mines offline")
    wait_until(lambda: watcher.n_frames == report["frames"], 20, "all frames")


def test_a_load_reports_what_it_achieved(
    broker: Broker, watcher: Watcher, start: Start
) -> None:
    """Two connections, 30 mines, every frame acknowledged and received."""
    arguments = ["load", "--port", str(broker.port), "--mines", "30", "--points", "20"]
    more = ["--cycle", "0.5", "--duration", "2", "--connections", "2"]
    report = start(*arguments, *more, "--alarm-every", "50").report()
    assert report["frames"] == report["acknowledged"] == 120
    assert report["connections"] == 2
    assert report["acked_frames_per_s"] > 0
    assert set(report["late_ms"]) == {"p50", "p99", "max"}
    wait_until(lambda: watcher.n_frames == 120, 20, "all frames")
    assert len(watcher.points) == 30
    assert all(seqs == [1, 2, 3, 4] for seqs in watcher.frames.values())
