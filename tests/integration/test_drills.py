"""Drills beside real operation: real broker, real database, ingest and a served api."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gasmon.alarms.rules import parse_rules
from gasmon.clock import Clock, SystemClock
from gasmon.ingest.payloads import (
    MineInfo,
    PointInfo,
    UnitInfo,
    encode_data,
    encode_points,
)
from gasmon.ingest.topics import (
    alarms_topic,
    data_topic,
    player_topic,
    points_topic,
)
from gasmon.pipeline.drill_loop import DrillLoop
from gasmon.pipeline.loops import IngestLoop
from gasmon.remote.frames import encode_body
from gasmon.settings import Settings, load
from gasmon.store import access
from gasmon.telemetry import Metrics
from gasmon.units import US_PER_MIN, US_PER_S, iso_us
from tests.fix_api import MINE_S, MINE_Z, ZHENXIONG, World
from tests.fix_broker import NatsBroker
from tests.fix_clock import LeapingClock
from tests.fix_look import Look
from tests.fix_proxy import Proxy
from tests.fix_wait import wait_until
from tests.integration.test_pipeline import port_of, through
from tests.rule_texts import LIMITS_ALONE

LIVE_TABLES = {
    "point": "SELECT * FROM point WHERE run = 0 ORDER BY point_id",
    "version": "SELECT v.* FROM point_version v JOIN point p USING (point_id)"
    " WHERE p.run = 0 ORDER BY point_id, effective_from_us",
    "change": "SELECT * FROM point_change ORDER BY change_id",
    "mine": "SELECT * FROM mine ORDER BY mine_id",
    "unit": "SELECT * FROM unit ORDER BY unit_id",
    "latest": "SELECT * FROM mine_latest WHERE run = 0 ORDER BY mine_id",
    "reading": "SELECT * FROM reading WHERE run = 0 ORDER BY point_id, at",
    "frame": "SELECT * FROM frame WHERE run = 0 ORDER BY mine_id, boot, seq",
    "alarm": "SELECT * FROM alarm WHERE run = 0 ORDER BY alarm_id",
    "outbox": "SELECT * FROM outbox WHERE run = 0 ORDER BY seq",
}
"""Everything of real operation that a drill could touch."""

PATIENCE_S = 4.0
"""How long a drill waits; the outage is longer."""


class Gateway:
    """A mine's client in a run, which also hears the run's annunciator."""

    def __init__(self, broker: NatsBroker, run: int = 0, mine: str = MINE_Z) -> None:
        self.run, self.mine, self.seq, self._last_ms = run, mine, 0, 0
        self.boot = uuid.uuid4().hex[:6]
        self.told: list[bytes] = []
        self._ready: list[bool] = []
        self.client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
        self.client.on_message = lambda *got: self.told.append(got[2].payload)
        self.client.on_subscribe = lambda *_: self._ready.append(True)
        self.client.connect(broker.host, broker.port)
        self.client.subscribe(alarms_topic(mine[:6], mine, run), 1)
        self.client.loop_start()
        wait_until(lambda: self._ready, what="the gateway's subscription")

    @property
    def raised(self) -> list[str]:
        """Kinds that the annunciator said last; an emptied one says none."""
        if not self.told or not self.told[-1]:
            return []
        return [one["kind"] for one in orjson.loads(self.told[-1])["open"]]

    def send(self, topic: str, payload: bytes) -> None:
        """Publish, and wait until the broker has it."""
        info = self.client.publish(topic, payload, 1)
        info.wait_for_publish(20)
        assert info.is_published()

    def now_ms(self) -> int:
        """The present, and never the same millisecond twice."""
        self._last_ms = max(SystemClock().now_us() // 1000, self._last_ms + 1)
        return self._last_ms

    def define(self, alarm_high: float, n_points: int = 1) -> None:
        """The mine's points with the simulator's own limit and names."""
        points = [
            PointInfo(
                f"001A{nr:02}",
                type="0001",
                unit_id="sim",
                place="演练工作面",
                place_class="FACE_T0",
                uom="%",
                range=(0, 4),
                alarm_high=alarm_high,
                clear_high=alarm_high,
                cut_high=3.5,
                restore_high=3.5,
            )
            for nr in range(1, n_points + 1)
        ]
        payload = encode_points(
            99,
            self.now_ms(),
            MineInfo("演练煤矿", "outburst"),
            [UnitInfo("sim", "face", "演练")],
            points,
        )
        self.send(points_topic(self.mine[:6], self.mine, self.run), payload)

    def gas(self, value: float) -> None:
        """A frame with the methane sensor."""
        self.seq += 1
        items = [("001A01", value, 0)]
        payload = encode_data(self.boot, self.seq, self.now_ms(), items)
        self.send(data_topic(self.mine[:6], self.mine, self.run), payload)

    def close(self) -> None:
        """Leave."""
        self.client.disconnect()
        self.client.loop_stop()


@dataclass
class Site:
    """An api, a broker, and ingest with its drills between them."""

    world: World
    broker: NatsBroker
    look: Look
    ingest: IngestLoop | None = None
    drills: DrillLoop | None = None
    gateways: list[Gateway] = field(default_factory=list)
    n_starts: int = 0

    def settings(self, **overrides: Any) -> Settings:
        """Of ingest."""
        values = {
            "mode": "test",
            "database.url": self.world.dsn,
            "mqtt.host": self.broker.host,
            "mqtt.port": self.broker.port,
            "engine.mark_interval_s": 0.2,
            # The other mines of this world never send.
            "engine.mine_stale_after_s": 36_000,
            "engine.stale_after_s": 36_000,
            **{key.replace("__", "."): value for key, value in overrides.items()},
        }
        return load(None, values, environ={})

    def start(self, clock: Clock | None = None, **overrides: Any) -> None:
        """Begin to ingest, with drills."""
        self.n_starts += 1
        settings, name = self.settings(**overrides), f"start{self.n_starts}"
        rules = parse_rules(LIMITS_ALONE, "limits.toml")
        common: Any = (encode_body, clock or SystemClock(), Metrics())
        self.ingest = IngestLoop(settings, rules, *common, owner=name, boot=name)
        self.ingest.start(broker_wait_s=20)
        self.drills = DrillLoop(settings, self.ingest, *common, owner=name, boot=name)
        self.drills.start()

    def stop(self) -> None:
        """End in the orderly way."""
        if self.drills is not None:
            self.drills.stop()
        if self.ingest is not None:
            self.ingest.stop()
        self.drills = self.ingest = None

    def client(self, who: str) -> httpx.Client:
        """Somebody at the api."""
        return self.world.client(who)

    def gateway(self, run: int = 0, mine: str = MINE_Z) -> Gateway:
        """A gateway that leaves at the end."""
        self.gateways.append(Gateway(self.broker, run, mine))
        return self.gateways[-1]

    def declare(self, **more: Any) -> int:
        """Declare a drill as the trainer and wait until it is judged."""
        run = self.announce(**more)
        wait_until(lambda: self.drill(run)["judged_by"], what="it is judged")
        return run

    def announce(self, **more: Any) -> int:
        """Declare a drill, now or for later."""
        until = iso_us(SystemClock().now_us() + 60 * US_PER_MIN)
        body = {"scenario": "outburst", "areas": ["zhenxiong"], "until": until, **more}
        with self.client("trainer") as http:
            answer = http.post("/api/v1/drills", json=body)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["run"])

    def drill(self, run: int) -> dict[str, Any]:
        """A drill as its trainer sees it."""
        with self.client("trainer") as http:
            answer = http.get(f"/api/v1/drills/{run}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def playing(self, run: int, alarm_high: float = 0.5) -> Gateway:
        """A drill's gateway whose points are known."""
        gateway = self.gateway(run)
        gateway.define(alarm_high)
        wait_until(lambda: self.drill(run)["mines"], what="the drill's points")
        return gateway

    def ended(self, run: int) -> dict[str, Any]:
        """Wait for the end of a drill."""
        wait_until(lambda: self.drill(run)["state"] == "ended", what="its end")
        return self.drill(run)

    def kinds(self, run: int) -> list[str]:
        """Kinds of alarms of a run."""
        rows = self.look.rows(f"SELECT kind FROM alarm WHERE run = {run} ORDER BY 1")
        return [row[0] for row in rows]

    def live(self) -> dict[str, list[tuple[Any, ...]]]:
        """All of real operation."""
        return {name: self.look.rows(query) for name, query in LIVE_TABLES.items()}


@pytest.fixture
def site(world: World, nats_broker: NatsBroker) -> Iterator[Site]:
    """A site with a trainer of one county; ingest is not started."""
    world.tokens["trainer"] = access.create_token(
        world.conn,
        name="trainer",
        role="trainer",
        areas=[ZHENXIONG],
        mines=None,
        now_us=world.now_us,
    )
    world.conn.commit()
    site = Site(world, nats_broker, Look(world.dsn))
    yield site
    site.stop()
    for gateway in site.gateways:
        gateway.close()
    site.look.close()


def test_real_and_drill_alarms_side_by_side_never_meet(site: Site) -> None:
    """Real ones are told as before, a drill's only in its run, and it ends clean."""
    site.start()
    run = site.declare(stop_on_real_alarm=False, participants=["调度室"])
    before = site.live()
    playing = site.playing(run)
    playing.gas(0.8)
    wait_until(lambda: site.kinds(run) == ["over_limit"], what="the drill's alarm")
    wait_until(lambda: playing.raised == ["over_limit"], what="its annunciator")
    # 0.8 % is over the drill's limit of 0.5 and under the mine's own of 1.0.
    assert site.live() == before
    real = site.gateway()
    real.gas(1.2)
    wait_until(lambda: site.kinds(0) == ["over_limit"], what="the real alarm")
    wait_until(lambda: real.raised == ["over_limit"], what="the mine's relay")
    wait_until(lambda: site.drill(run)["real_alarms"], what="it is in the record")
    assert site.drill(run)["state"] == "running"
    with site.client("county") as http:
        (live,) = http.get("/api/v1/alarms").json()["items"]
        (drilled,) = http.get(f"/api/v1/alarms?run={run}").json()["items"]
        assert (live["drill"], live["value"]) == (False, 1.2)
        assert (drilled["drill"], drilled["value"]) == (True, 0.8)
        assert drilled["place"] == "演练工作面"
        assert drilled["text"]["zh"].startswith("【演练】")
        alarm_id = drilled["alarm_id"]
        confirmed = http.post(f"/api/v1/alarms/{alarm_id}/confirm", json={"note": "好"})
        assert confirmed.status_code == 200, confirmed.text
        ended = http.post(f"/api/v1/drills/{run}/end", json={"reason": "到此为止"})
        assert ended.status_code == 200, ended.text
        assert http.post(f"/api/v1/drills/{run}/end", json={"reason": "x"}).is_error
        record = http.get(f"/api/v1/drills/{run}/record").json()
        (still,) = http.get("/api/v1/alarms").json()["items"]
    assert still["state"] == live["state"]
    (alarm,) = record["alarms"]
    events = [row["event"] for row in alarm["records"]]
    assert events == ["raised", "confirmed", "cleared", "closed"]
    assert [event["event"] for event in alarm["ledger"]] == events
    assert record["drill"]["end_cause"] == "by_hand"
    assert record["drill"]["open_alarms"] == 0
    assert site.look.rows(f"SELECT 1 FROM mine_latest WHERE run = {run}") == []
    wait_until(lambda: playing.told[-1] == b"", what="its annunciator is emptied")
    playing.gas(0.9)
    with site.client("trainer") as http:

        def refused() -> list[str]:
            rows = http.get("/api/v1/drills/refused").json()["items"]
            return [row["reason"] for row in rows if row["run"] == run]

        wait_until(
            lambda: refused() == ["undeclared_run"], what="what came late is counted"
        )
    assert site.kinds(run) == ["over_limit"]
    assert real.raised == ["over_limit"]


def test_a_real_alarm_is_told_and_stops_the_drill(site: Site) -> None:
    """It has everything that it would have had, and the drill's people are free."""
    site.start()
    run = site.declare()
    other = site.declare(stop_on_real_alarm=False)
    site.playing(run).gas(0.8)
    site.playing(other).gas(0.8)
    for each in (run, other):
        wait_until(lambda run=each: site.kinds(run) == ["over_limit"], what="drills")
    site.gateway().gas(1.2)
    ended = site.ended(run)
    assert ended["end_cause"] == "real_alarm"
    ((real,),) = site.look.rows("SELECT alarm_id FROM alarm WHERE run = 0")
    assert [one["alarm_id"] for one in ended["real_alarms"]] == [real]
    assert ended["open_alarms"] == 0
    assert site.drill(other)["state"] == "running"
    assert site.look.rows(
        "SELECT event FROM alarm_journal j JOIN alarm USING (alarm_id) WHERE run = 0"
    ) == [("raised",)]


def test_a_restart_ends_the_drill_aloud_and_the_next_one_plays(site: Site) -> None:
    """An orderly end says so at once; after a crash the next process does."""
    site.start()
    run = site.declare()
    site.playing(run).gas(0.8)
    wait_until(lambda: site.kinds(run) == ["over_limit"], what="its alarm")
    site.stop()
    assert site.drill(run)["end_cause"] == "interrupted"
    assert site.drill(run)["open_alarms"] == 0
    # As a killed process leaves it: running, and judged by nobody who lives.
    until = iso_us(SystemClock().now_us() + 60 * US_PER_MIN)
    body = {"scenario": "x", "areas": ["zhenxiong"], "until": until}
    with site.client("trainer") as http:
        left = http.post("/api/v1/drills", json=body).json()["run"]
    site.world.conn.execute(
        "INSERT INTO drill_judge VALUES (%s, '*', 'killed', now())", (left,)
    )
    site.world.conn.commit()
    site.start()
    ended = site.ended(left)
    assert ended["end_cause"] == "interrupted"
    assert "killed" in ended["end_reason"]
    run = site.declare()
    site.playing(run).gas(0.8)
    wait_until(lambda: site.kinds(run) == ["over_limit"], what="the next one's alarm")


def test_a_drill_whose_player_died_is_ended(site: Site) -> None:
    """With its alarms, as soon as that is sure; one that has no player goes on."""
    site.start(drills__player_silence_s=1.0)
    played, scripted = site.declare(), site.declare()
    gateway = site.playing(played)
    gateway.gas(0.8)
    wait_until(lambda: site.kinds(played) == ["over_limit"], what="its alarm")
    assert site.drill(played)["state"] == "running"
    # The last word of a command that is killed then.
    gateway.send(player_topic(played), b'{"ts": 1}')
    # A run that is none of ours may be one of other areas, and is no refusal.
    gateway.send(player_topic(4711), b'{"ts": 1}')
    ended = site.ended(played)
    assert (ended["end_cause"], ended["open_alarms"]) == ("player_gone", 0)
    assert ended["end_text"]["zh"] == "演练程序失联"
    wait_until(lambda: gateway.told[-1] == b"", what="its annunciator is emptied")
    assert site.drill(scripted)["state"] == "running"
    with site.client("trainer") as http:
        refused = http.get("/api/v1/drills/refused").json()["items"]
    assert [row for row in refused if row["run"] == 4711] == []


def test_a_drill_whose_player_died_before_it_began_is_ended(site: Site) -> None:
    """He was heard while he waited for the begin, and never after it."""
    site.start(drills__player_silence_s=1.0)
    begin_us = SystemClock().now_us() + 4 * US_PER_S
    awaited, scripted = (site.announce(**{"from": iso_us(begin_us)}) for _ in range(2))
    site.gateway().send(player_topic(awaited), b'{"ts": 1}')
    ended = site.ended(awaited)
    assert ended["end_cause"] == "player_gone"
    # It began, so that its silence could be told from a long wait.
    assert ended["ended_at"] > iso_us(begin_us + US_PER_S)
    assert site.drill(scripted)["state"] == "running"


def test_an_outage_is_no_impatience_of_a_drill(
    site: Site, make_proxy: Callable[[int], Proxy]
) -> None:
    """Longer than drills bear to wait; real data wait first when it is over."""
    proxy = make_proxy(port_of(site.world.dsn))
    behind = through(site.world.dsn, proxy)
    site.start(database__url=behind, drills__patience_s=PATIENCE_S)
    assert site.ingest is not None
    storing, run = site.ingest.storing, site.declare()
    playing, real = site.playing(run), site.gateway()
    playing.gas(0.8)
    wait_until(lambda: site.kinds(run) == ["over_limit"], what="the drill's alarm")
    proxy.refuse()
    real.gas(0.1)
    wait_until(lambda: not storing.database_ok, what="the outage is known")
    playing.gas(0.2)
    assert not threading.Event().wait(1.5 * PATIENCE_S)
    site.ingest.n_waiting = lambda: 100
    proxy.heal()
    wait_until(lambda: storing.database_ok, what="the database is there")
    # As long as the busiest of starts; the patience of before would be long over.
    assert not threading.Event().wait(0.5)
    site.ingest.n_waiting = site.ingest.persisting.n_waiting
    ended = f"SELECT 1 FROM alarm WHERE run = {run} AND cleared_at IS NOT NULL"
    wait_until(lambda: site.look.rows(ended), what="its alarm's end")
    assert site.drill(run)["state"] == "running"


def test_a_machine_that_stood_still_ends_no_drill(site: Site) -> None:
    """What waits before it when it goes on, or waits of its own, is no fault."""
    clock = LeapingClock()
    site.start(clock, drills__frames_per_s=50)
    assert site.ingest is not None
    assert site.drills is not None
    run = site.declare()
    playing = site.playing(run)
    playing.gas(0.8)
    wait_until(lambda: site.kinds(run) == ["over_limit"], what="the drill's alarm")
    site.ingest.n_waiting = lambda: 100
    for _ in range(240):
        playing.gas(0.8)
    inbox = site.drills._inbox
    wait_until(lambda: inbox.depth > 200, what="many frames wait")
    clock.stand_still(60.0)
    assert not threading.Event().wait(0.5)
    site.ingest.n_waiting = site.ingest.persisting.n_waiting
    wait_until(lambda: inbox.depth <= 200, what="they are worked off at their pace")
    clock.stand_still(60.0)
    playing.gas(0.2)
    ended = f"SELECT 1 FROM alarm WHERE run = {run} AND cleared_at IS NOT NULL"
    wait_until(lambda: site.look.rows(ended), what="its alarm's end")
    assert site.drill(run)["state"] == "running"


def test_drills_end_by_themselves_and_by_their_limits(site: Site) -> None:
    """By their time; by their points; and what nobody declared never begins."""
    site.start(drills__points_limit=5, drills__runs_limit=2)
    short = site.declare()
    greedy = site.declare()
    gateway = site.gateway(greedy)
    gateway.define(0.5, n_points=6)
    ended = site.ended(greedy)
    assert ended["end_cause"] == "too_many_points"
    assert "6 points" in ended["end_reason"]
    assert ended["mines"] == []
    site.world.conn.execute(
        "UPDATE drill SET starts_at = now() - interval '2 min', until = now()"
        " WHERE run = %s",
        (short,),
    )
    site.world.conn.commit()
    assert site.ended(short)["end_cause"] == "announced_end"
    stranger = site.gateway(4711)
    stranger.define(0.5)
    stranger.gas(3.0)
    outside = site.gateway(site.declare(), MINE_S)
    outside.gas(3.0)
    with site.client("trainer") as http:

        def refused() -> set[tuple[int, str, int]]:
            rows = http.get("/api/v1/drills/refused").json()["items"]
            return {(row["run"], row["reason"], row["n"]) for row in rows}

        wanted = {(4711, "undeclared_run", 2), (outside.run, "outside_drill", 1)}
        wait_until(lambda: wanted <= refused(), what="both are counted")
    assert site.look.rows("SELECT 1 FROM reading WHERE run <> 0") == []
    assert site.look.rows("SELECT 1 FROM alarm") == []


def test_who_may_declare_see_and_end_drills(world: World, site: Site) -> None:
    """Trainers declare in their areas; who is tested finds no unannounced one."""
    now_us = SystemClock().now_us()

    def body(**more: Any) -> dict[str, Any]:
        until = iso_us(now_us + 30 * US_PER_MIN)
        return {"scenario": "x", "areas": ["zhenxiong"], "until": until, **more}

    def post(who: str, path: str = "", **more: Any) -> httpx.Response:
        with site.client(who) as http:
            return http.post(f"/api/v1/drills{path}", json=more)

    hidden = post("trainer", **body(announced=False, key="once-and-again"))
    assert hidden.status_code == 200, hidden.text
    run = hidden.json()["run"]
    again = post("trainer", **body(announced=False, key="once-and-again"))
    assert again.json()["run"] == run
    assert post("trainer", **body(key="once-and-again")).status_code == 409
    assert post("county", **body()).status_code == 403
    assert post("trainer", **body(areas=["suijiang"])).status_code == 403
    assert post("trainer", **body(until=iso_us(now_us - 1))).status_code == 422
    late = body(until=iso_us(now_us + 9 * 60 * US_PER_MIN))
    assert "longest_h" in post("trainer", **late).json()["detail"]
    for who, sees in (
        ("trainer", 1),
        ("city_officer", 1),
        ("county", 0),
        ("viewer", 0),
    ):
        with site.client(who) as http:
            assert len(http.get("/api/v1/drills").json()["items"]) == sees, who
    assert post("viewer", f"/{run}/end", reason="x").status_code == 404
    assert post("dispatcher", f"/{run}/end", reason="x").status_code == 403
    for _ in range(world.api.settings.drills.runs_limit - 1):
        assert post("trainer", **body()).status_code == 200
    full = post("trainer", **body())
    assert full.status_code == 409
    assert "runs_limit" in full.json()["detail"]
    assert post("county", f"/{run}/end", reason="停").json()["ended_by"] == "county"
    with site.client("county") as http:
        page = http.get("/api/v1/drills?current=true&area=zhenxiong&limit=2").json()
        rest = http.get(f"/api/v1/drills?cursor={page['next']}").json()
    assert len(page["items"]) == 2
    assert run in [row["run"] for row in rest["items"]]
