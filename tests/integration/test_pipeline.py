"""Ingest whole: from a broker to committed rows, through every kind of trouble."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import paho.mqtt.client as paho
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from gasmon.alarms.rules import RuleSet, parse_rules
from gasmon.clock import Clock, SystemClock
from gasmon.embedded.postgres import EmbeddedPostgres
from gasmon.errors import StateConflict
from gasmon.ingest.connect import hang_up
from gasmon.ingest.payloads import (
    AlarmsPayload,
    CmdReq,
    CmdRes,
    MineInfo,
    PointInfo,
    UnitInfo,
    encode_cmd_res,
    encode_data,
    encode_points,
    encode_state,
    parse_alarms,
    parse_cmd_req,
)
from gasmon.ingest.topics import (
    alarms_topic,
    backfill_topic,
    cmd_req_topic,
    cmd_res_topic,
    data_topic,
    points_topic,
    state_topic,
)
from gasmon.pipeline.loops import IngestLoop
from gasmon.remote.frames import encode_body
from gasmon.settings import Settings, load
from gasmon.store.latest import unpack
from gasmon.telemetry import Metrics
from tests.fix_broker import Broker
from tests.fix_look import Look
from tests.fix_pipeline import AREA, CH4, MINE
from tests.fix_proxy import Proxy
from tests.fix_wait import wait_until
from tests.rule_texts import LIMITS_ALONE

PAIRS = (("postgres", "nats"), ("timescaledb", "mosquitto"))
HIGH, LOW = 1.6, 0.2


class Gateway:
    """A mine's client; it also hears what gasmon tells the mine."""

    def __init__(
        self,
        broker: Broker,
        boot: str = "k3f9",
        known: Callable[[int], object] = lambda rev: None,
    ) -> None:
        """Connect.

        Args:
            boot: of this start of the gateway.
            known: waits until definitions of this revision are judged by. A broker may
                give messages of two topics in any order, and what is measured before
                its definition has no limit.
        """
        self.boot, self.seq, self._last_ms = boot, 0, 0
        self.known = known
        self.told: list[AlarmsPayload] = []
        self.asked: list[CmdReq] = []
        self._heard: set[str] = set()
        self._clock = SystemClock()
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"mine-{uuid.uuid4().hex[:8]}",
            protocol=paho.MQTTv311,
        )
        self.client.on_message = self._on_message
        self.client.on_subscribe = lambda *_: self._heard.add("subscribed")
        self.client.connect(broker.host, broker.port)
        self.client.subscribe(
            [(alarms_topic(AREA, MINE), 1), (cmd_req_topic(AREA, MINE), 1)]
        )
        self.client.loop_start()
        wait_until(lambda: self._heard, what="the gateway's subscription")

    def _on_message(self, _client: Any, _userdata: Any, message: Any) -> None:
        if message.topic == alarms_topic(AREA, MINE):
            self.told.append(parse_alarms(message.payload))
        else:
            self.asked.append(parse_cmd_req(message.payload))

    @property
    def now_ms(self) -> int:
        """The present, and never the same millisecond twice."""
        self._last_ms = max(self._clock.now_us() // 1000, self._last_ms + 1)
        return self._last_ms

    def send(self, topic: str, payload: bytes, retain: bool = False) -> None:
        info = self.client.publish(topic, payload, 1, retain)
        info.wait_for_publish(20)
        assert info.is_published()

    def define(self, *points: PointInfo, rev: int = 1) -> None:
        payload = encode_points(
            rev,
            self.now_ms,
            MineInfo("示范煤矿", "outburst"),
            [UnitInfo("11121", "face", "工作面")],
            points or (CH4,),
        )
        self.send(points_topic(AREA, MINE), payload, retain=True)
        self.known(rev)

    def state(self, word: str, boot: str | None = None) -> None:
        payload = encode_state(word, boot or self.boot, self.now_ms)
        self.send(state_topic(AREA, MINE), payload, retain=True)

    def frame(self, *items: tuple[str, Any, int]) -> bytes:
        """Send a frame; returns its bytes."""
        self.seq += 1
        payload = encode_data(self.boot, self.seq, self.now_ms, items)
        self.send(data_topic(AREA, MINE), payload)
        return payload

    def gas(self, value: float) -> bytes:
        """A frame with the methane sensor alone."""
        return self.frame(("001A01", value, 0))

    def close(self) -> None:
        hang_up(self.client)


@dataclass
class Plant:
    """A migrated database, a broker, and the ingest processes between them."""

    dsn: str
    broker: Broker
    gateway: Gateway
    running: list[IngestLoop]
    metrics: Metrics
    look: Look
    rules: RuleSet = field(
        default_factory=lambda: parse_rules(LIMITS_ALONE, "limits.toml")
    )
    n_made: int = 0

    def settings(self, **overrides: Any) -> Settings:
        values = {
            "mode": "test",
            "database.url": self.dsn,
            "mqtt.host": self.broker.host,
            "mqtt.port": self.broker.port,
            "engine.mark_interval_s": 0.2,
            # One frame after another is waited for: a city's pause adds up.
            "ingest.linger_ms": 30,
            **{key.replace("__", "."): value for key, value in overrides.items()},
        }
        return load(None, values, environ={})

    def make(self, clock: Clock | None = None, **overrides: Any) -> IngestLoop:
        """An ingest that has not begun; by the machine's clock or ours."""
        self.metrics = Metrics()
        self.n_made += 1
        return IngestLoop(
            self.settings(**overrides),
            self.rules,
            encode_body,
            clock or SystemClock(),
            self.metrics,
            owner=f"test:{len(self.running)}",
            boot=f"boot{self.n_made}",
        )

    def start(self, clock: Clock | None = None, **overrides: Any) -> IngestLoop:
        """Begin to ingest, subscribed at the broker."""
        loop = self.make(clock, **overrides)
        loop.start(broker_wait_s=20)
        self.running.append(loop)
        return loop

    def knows(self, rev: int) -> None:
        """Wait until every ingest that runs judges by definitions of this revision."""
        for loop in self.running:
            book = loop.evaluator.book
            wait_until(lambda b=book: b.rev_of(MINE) == rev, 20, f"revision {rev}")

    def stop(self) -> None:
        """End the last one in the orderly way."""
        self.running.pop().stop()

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of the database, by a connection of our own."""
        return self.look.rows(query)

    def change(self, *statements: str) -> None:
        """Meddle with the database behind everybody's back."""
        with psycopg.connect(self.dsn) as conn:
            for statement in statements:
                conn.execute(statement.encode())

    def count(self, table: str, where: str = "true") -> int:
        return int(self.ask(f"SELECT count(*) FROM {table} WHERE {where}")[0][0])

    def stored(self, n: int) -> None:
        """Wait until so many frames are committed and acknowledged."""
        wait_until(lambda: self.count("frame") == n, 20, f"{n} frames in the database")
        pump = self.running[-1].pump
        wait_until(lambda: pump.unacknowledged == 0, 20, "everything acknowledged")


def plant_of(dsn: str, broker: Broker) -> Iterator[Plant]:
    """A plant that is taken down at the end."""
    plant = Plant(dsn, broker, Gateway(broker), [], Metrics(), Look(dsn))
    plant.gateway.known = plant.knows
    yield plant
    while plant.running:
        plant.stop()
    plant.gateway.close()
    plant.look.close()


@pytest.fixture
def plant(migrated_dsn: str, broker: Broker) -> Iterator[Plant]:
    """Every database with every broker."""
    yield from plant_of(migrated_dsn, broker)


@pytest.fixture(
    params=[
        pytest.param(PAIRS[0], marks=pytest.mark.long, id="-".join(PAIRS[0])),
        pytest.param(PAIRS[1], id="-".join(PAIRS[1])),
    ]
)
def paired(
    request: pytest.FixtureRequest, new_migrated: Callable[[EmbeddedPostgres], str]
) -> Iterator[Plant]:
    """Each database and each broker once: for what does not depend on the pairing.

    What a site has in ``make test``, what the demo has in ``make test-long``.
    """
    backend, kind = request.param
    dsn = new_migrated(request.getfixturevalue(f"{backend}_server"))
    yield from plant_of(dsn, request.getfixturevalue(f"{kind}_broker"))


def bad_messages() -> list[tuple[str, bytes, str]]:
    """(topic, payload, reason) of every kind of message that is refused whole."""
    data = data_topic(AREA, MINE)
    head = b'{"v":1,"boot":"b","seq":1,"ts":1790000000000'
    return [
        (data, b"\xff\xfe\x00", "not_utf8"),
        (data, b'{"v":1,', "not_json"),
        (data, b"[1,2]", "not_an_object"),
        (data, b'{"v":7}', "unknown_version"),
        (data, head + b"}", "missing_key"),
        (data, head + b',"d":{}}', "wrong_type"),
        (data, b"x" * 600_000, "frame_too_large"),
        (f"gasmon/v1/530602/{MINE}/data", b"{}", "bad_topic"),
        (state_topic(AREA, MINE), b'{"v":1,"s":"maybe"}', "bad_text"),
        (points_topic(AREA, MINE), b'{"v":1,"rev":1,"ts":1}', "missing_key"),
    ]


def test_good_is_stored_and_bad_is_kept_with_its_reason(plant: Plant) -> None:
    """Bad input of every kind between good frames costs nothing but itself."""
    plant.start()
    gateway = plant.gateway
    gateway.define()
    gateway.state("online")
    gateway.gas(LOW)
    for topic, payload, _ in bad_messages():
        gateway.send(topic, payload)
        gateway.gas(LOW)
    gateway.frame(("001A01", HIGH, 0), ("bad no /", 1.0, 0), ("002A02", "x", 0))
    n_frames = len(bad_messages()) + 2
    plant.stored(n_frames)

    reasons = {row[0] for row in plant.ask("SELECT reason FROM reject")}
    assert {reason for _, _, reason in bad_messages()} <= reasons
    sizes = plant.ask("SELECT size, length(first_bytes), detail FROM reject")
    assert all(detail for _, _, detail in sizes)
    assert max(sizes)[:2] == (600_000, 256)
    # The last frame keeps its good reading, and the bad value as "no value".
    values = plant.ask("SELECT value FROM reading ORDER BY at, value")
    assert values.count((LOW,)) == n_frames - 1
    assert (HIGH,) in values


def test_an_alarm_is_everywhere_it_belongs(plant: Plant) -> None:
    """Alarm, journal, outbox, the mine's relay and the latest values agree."""
    plant.start()
    gateway = plant.gateway
    gateway.define()
    gateway.gas(LOW)
    gateway.gas(HIGH)
    plant.stored(2)
    wait_until(lambda: gateway.told and gateway.told[-1].open, what="the relay")

    alarms = plant.ask(
        "SELECT kind, rank, cleared_at, point_id FROM alarm ORDER BY kind"
    )
    assert [row[0] for row in alarms] == ["cut_off", "over_limit"]
    assert all(cleared is None for _, _, cleared, _ in alarms)
    assert plant.count("alarm_journal", "event = 'raised'") == 2
    bodies = [orjson.loads(row[0]) for row in plant.ask("SELECT body FROM outbox")]
    assert {body["kind"] for body in bodies} == {"over_limit", "cut_off"}
    assert bodies[0]["value"] == HIGH
    assert bodies[0]["mine_name"] == "示范煤矿"
    assert bodies[0]["place"] == "回风隅角"
    assert {a.kind for a in gateway.told[-1].open} == {"over_limit", "cut_off"}

    ((online, boot, seq, points),) = plant.ask(
        "SELECT online, boot, frame_seq, points FROM mine_latest"
    )
    assert (online, boot, seq) == (True, "k3f9", 2)
    latest = unpack(points)
    assert latest["value"].tolist() == [HIGH]
    assert latest["point_id"].tolist() == [alarms[0][3]]

    gateway.gas(LOW)
    plant.stored(3)
    assert plant.count("alarm", "cleared_at IS NULL") == 0
    wait_until(lambda: not gateway.told[-1].open, what="the relay falls silent")


def through(dsn: str, proxy: Proxy) -> str:
    """The same database behind a line that can be broken."""
    given = {**conninfo_to_dict(dsn), "host": "127.0.0.1", "port": proxy.port}
    return make_conninfo("", **given)


def port_of(dsn: str) -> int:
    """TCP port of a database."""
    return int(conninfo_to_dict(dsn)["port"])


def test_nothing_is_acknowledged_before_it_is_stored(
    plant: Plant, make_proxy: Callable[[int], Proxy]
) -> None:
    """Without a database the relay sounds and the broker keeps the frames."""
    proxy = make_proxy(port_of(plant.dsn))
    loop = plant.start(database__url=through(plant.dsn, proxy))
    gateway = plant.gateway
    gateway.define()
    gateway.gas(LOW)
    plant.stored(1)
    # Definitions and one frame; counted a moment after nothing waits any more.
    acknowledged = 2
    counts = loop.pump.counts
    wait_until(lambda: counts["acknowledged"] == acknowledged, what="both are counted")

    proxy.refuse()
    gateway.gas(HIGH)
    wait_until(lambda: gateway.told[-1].open, 20, "the relay sounds without database")
    wait_until(lambda: loop.checks()["persist"]() is not None, what="not ready")
    gateway.gas(HIGH)
    assert loop.pump.unacknowledged >= 1
    assert loop.pump.counts["acknowledged"] == acknowledged
    assert (plant.count("frame"), plant.count("alarm")) == (1, 0)

    proxy.heal()
    plant.stored(3)
    wait_until(lambda: loop.checks()["persist"]() is None, what="ready again")
    assert plant.count("reading") == 3
    assert plant.count("alarm_journal", "event = 'raised'") == 2
    assert plant.count("outbox") == 2
    assert loop.failure is None


def test_a_restart_goes_on_with_open_alarms(paired: Plant) -> None:
    """No alarm is raised twice; the one from before ends as itself."""
    paired.start()
    gateway = paired.gateway
    gateway.define()
    gateway.gas(HIGH)
    paired.stored(1)
    ids = paired.ask("SELECT alarm_id FROM alarm ORDER BY 1")
    n_told = len(gateway.told)
    paired.stop()

    paired.start()
    wait_until(
        lambda: len(gateway.told) > n_told and len(gateway.told[-1].open) == 2,
        what="the relay is told what is open",
    )
    gateway.gas(HIGH)
    paired.stored(2)
    assert paired.ask("SELECT alarm_id FROM alarm ORDER BY 1") == ids
    assert paired.count("alarm_journal", "event = 'raised'") == 2
    gateway.gas(LOW)
    paired.stored(3)
    assert paired.count("alarm", "cleared_at IS NULL") == 0
    assert paired.count("alarm_journal", "event = 'cleared'") == 2


def test_what_was_not_stored_comes_again_after_a_crash(
    paired: Plant, make_proxy: Callable[[int], Proxy]
) -> None:
    """Frames judged by a process that never stored them are stored by the next."""
    proxy = make_proxy(port_of(paired.dsn))
    first = paired.start(database__url=through(paired.dsn, proxy))
    gateway = paired.gateway
    gateway.define()
    gateway.gas(LOW)
    paired.stored(1)
    proxy.refuse()
    for _ in range(5):
        gateway.gas(HIGH)
    wait_until(lambda: first.pump.unacknowledged >= 1, what="frames wait")
    paired.stop()
    gateway.gas(LOW)

    paired.start()
    paired.stored(7)
    assert paired.count("reading") == 7
    assert paired.count("alarm_journal", "event = 'raised'") == 2
    assert paired.ask("SELECT max(peak) FROM alarm") == [(HIGH,)]


def test_the_same_frame_twice_changes_nothing(paired: Plant) -> None:
    """Sent again live and again after a restart: one row, one alarm, counted."""
    paired.start()
    gateway = paired.gateway
    gateway.define()
    again = gateway.gas(HIGH)
    paired.stored(1)
    counted = "gasmon_frames_repeated_total 1"
    for _ in range(2):
        gateway.send(data_topic(AREA, MINE), again)
        gateway.gas(HIGH)
        paired.stored(gateway.seq)
        # It is acknowledged before it is counted.
        wait_until(lambda: counted in paired.metrics.render(), 20, "the repetition")
        paired.stop()
        paired.start()
    assert paired.count("reading") == 3
    assert paired.count("alarm") == 2
    assert paired.count("reject") == 0


def test_an_undefined_point_is_judged_and_asked_for(paired: Plant) -> None:
    """Its reading is stored at once, and the mine is asked to introduce it."""
    paired.start()
    gateway = paired.gateway
    gateway.frame(("009A09", 0.1, 0), ("008A08", 0.1, 1))
    paired.stored(1)
    wait_until(lambda: gateway.asked, what="the request")
    gateway.frame(("009A09", 0.1, 0))
    paired.stored(2)
    assert [request.cmd for request in gateway.asked] == ["rebirth"]
    assert paired.count("point", "provisional") == 2
    assert paired.count("reading") == 3
    assert paired.ask("SELECT kind FROM alarm") == [("over_limit",)]

    gateway.define(replace(CH4, no="009A09"), replace(CH4, no="008A08"))
    wait_until(lambda: not paired.count("point", "provisional"), what="definitions")
    gateway.frame(("009A09", HIGH, 0))
    paired.stored(3)
    assert paired.count("alarm", "kind = 'cut_off'") == 1


def test_two_processes_never_own_one_area(paired: Plant) -> None:
    """The second is refused at its start; a stale first one at its next commit."""
    first = paired.start()
    gateway = paired.gateway
    gateway.define()
    gateway.gas(LOW)
    paired.stored(1)
    with pytest.raises(StateConflict, match="test:0"):
        paired.start(mqtt__client_id="second")

    with psycopg.connect(paired.dsn) as conn:
        conn.execute("UPDATE ingest_owner SET fencing = fencing + 1, owner = 'newer'")
    gateway.gas(HIGH)
    wait_until(lambda: first.failure is not None, what="the stale owner stops")
    assert isinstance(first.failure, StateConflict)
    assert "newer" in str(first.failure)
    assert paired.count("frame") == 1
    assert first.checks()["ingest"]() is not None


def test_a_poisonous_row_becomes_a_reject(paired: Plant) -> None:
    """One reading that the database refuses does not hold back its neighbours."""
    with psycopg.connect(paired.dsn) as conn:
        conn.execute("ALTER TABLE reading ADD CHECK (value <> 6.66)")
    paired.start()
    gateway = paired.gateway
    gateway.define(CH4, replace(CH4, no="002A02"), replace(CH4, no="003A03"))
    gateway.frame(("001A01", 0.1, 0), ("002A02", 6.66, 0), ("003A03", 0.3, 0))
    gateway.gas(LOW)
    paired.stored(2)
    values = {row[0] for row in paired.ask("SELECT value FROM reading")}
    assert values == {0.1, 0.3, LOW}
    ((layer, detail),) = paired.ask("SELECT layer, detail FROM reject")
    assert layer == "store"
    assert "6.66" in detail


def test_a_will_of_an_older_boot_is_ignored_after_a_restart(paired: Plant) -> None:
    """The present boot is remembered, also while the mine was silent meanwhile."""
    paired.start()
    gateway = paired.gateway
    gateway.define()
    gateway.gas(LOW)
    paired.stored(1)
    gateway.state("offline")
    wait_until(lambda: paired.count("alarm") == 1, what="the broken link")
    gateway.state("online")
    wait_until(lambda: not paired.count("alarm", "cleared_at IS NULL"), what="its end")
    assert paired.ask("SELECT boot, frame_seq FROM mine_latest") == [("k3f9", 1)]
    paired.stop()

    paired.start()
    gateway.state("offline", boot="older")
    gateway.gas(LOW)
    paired.stored(2)
    assert paired.count("alarm") == 1


def test_a_broker_restart_loses_nothing(paired: Plant) -> None:
    """Ingest comes back by itself, with its session and what was sent before."""
    loop = paired.start()
    gateway = paired.gateway
    gateway.define()
    gateway.gas(LOW)
    paired.stored(1)
    paired.broker.stop()
    wait_until(lambda: loop.checks()["broker"]() is not None, what="not ready")
    paired.broker.start()
    wait_until(lambda: loop.checks()["broker"]() is None, 30, "ready again")
    gateway.client.reconnect()
    gateway.gas(HIGH)
    paired.stored(2)
    assert paired.count("alarm") == 2


def test_a_gap_is_asked_for_and_filled(paired: Plant) -> None:
    """Frames that a gateway lost on the way are sent again when they are missed."""
    paired.start(ingest__gap_patience_s=0.3)
    gateway = paired.gateway
    gateway.define()
    gateway.gas(LOW)
    lost = encode_data(gateway.boot, 2, gateway.now_ms, [("001A01", LOW, 0)])
    gateway.seq = 2
    gateway.gas(LOW)
    wait_until(lambda: gateway.asked, 40, "the request for the gap")

    asked = gateway.asked[0]
    assert (asked.cmd, asked.boot) == ("resend", gateway.boot)
    assert (asked.from_seq, asked.to_seq) == (2, 2)
    gateway.send(backfill_topic(AREA, MINE), lost)
    paired.stored(3)
    assert paired.count("frame", "channel = 1") == 1


def test_a_gap_that_the_gateway_refuses_is_told_by_name(paired: Plant) -> None:
    """What is lost for good stands among the refusals, with its mine and numbers."""
    paired.start(ingest__gap_patience_s=0.1)
    gateway = paired.gateway
    gateway.define()
    gateway.gas(LOW)
    gateway.seq = 4
    gateway.gas(LOW)
    wait_until(lambda: gateway.asked, 40, "the request for the gap")
    no = CmdRes(gateway.asked[0].id, False, "not kept")
    gateway.send(cmd_res_topic(AREA, MINE), encode_cmd_res(no))

    wait_until(lambda: paired.count("reject"), 60, "the word for what is lost")
    ((mine, reason, detail, n),) = paired.ask(
        "SELECT mine, reason, detail, n FROM reject"
    )
    assert (mine, reason, n) == (MINE, "frames_missing", 3)
    assert f"boot {gateway.boot}, numbers 2 to 4" in detail
    assert "refused by the gateway: not kept" in detail


def test_a_broker_that_forgot_us_while_we_were_away_is_told(paired: Plant) -> None:
    """What it kept for us is gone; a session that is there is told by nobody."""
    lost = []
    for client_id in ("ours", "ours", "another"):
        loop = paired.start(mqtt__client_id=client_id)
        paired.gateway.define()
        paired.gateway.gas(LOW)
        paired.stored(len(lost) + 1)
        lost.append(loop.pump.counts["sessions_lost"])
        paired.stop()
    assert lost == [0, 0, 1]
