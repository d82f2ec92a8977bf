"""A served api on a real database with two counties in it, for tests over HTTP."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import psycopg
import pytest
import uvicorn

from gasmon.alarms.events import AlarmEvent
from gasmon.api.app import create_app, uvicorn_config
from gasmon.clock import SystemClock
from gasmon.points import MineDef, PointDef, PointKey, UnitDef
from gasmon.remote.frames import encode_body
from gasmon.settings import AccountSettings, ApiSettings, DatabaseSettings, Settings
from gasmon.store import access, alarms, db, latest, points
from gasmon.store.definitions import save_definitions
from gasmon.telemetry import Metrics
from gasmon.units import US_PER_MIN, US_PER_S, to_datetime
from tests.fix_wait import wait_until

ZHENXIONG = "530627"
SUIJIANG = "530626"
MINE_Z = "530627000001"
MINE_Z2 = "530627000002"
MINE_S = "530626000001"
MINES = (MINE_Z, MINE_Z2, MINE_S)
CHEAP = AccountSettings(
    argon2_memory_kib=19_456, argon2_passes=2, failure_forgotten_s=60
)
"""The least that a check may cost, and failures that last on a slow machine too."""

ANSWER_S = 30.0
"""How long an answer may take where ten tests share two cores [s]."""

SECRETS = {ZHENXIONG: "镇雄县", SUIJIANG: "绥江县"}


@dataclass
class ApiServer:
    """uvicorn in a thread with a loop of its own.

    Attributes:
        metrics: of the application.
    """

    settings: Settings
    metrics: Metrics = field(default_factory=Metrics)
    port: int = 0
    _server: uvicorn.Server | None = None
    _thread: threading.Thread | None = None
    _loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Serve, on the same port as before if there was one; waits until it does."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        app = create_app(self.settings, self.metrics, SystemClock())
        server = uvicorn.Server(uvicorn_config(app, self.settings))
        self._server = server

        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            await server.serve(sockets=[listener])

        self._thread = threading.Thread(
            target=lambda: asyncio.run(serve()), daemon=True
        )
        self._thread.start()
        wait_until(lambda: server.started, what="api started")

    def stop(self) -> None:
        """Stop as on SIGTERM and wait for the end."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(30)
            assert not self._thread.is_alive(), "the api did not stop"
            self._server = self._thread = None

    def stand_still(self, seconds: float) -> None:
        """Do nothing for so long, from now on, as a stopped process does."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(time.sleep, seconds)

    @property
    def base(self) -> str:
        """Address of HTTP."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        """Address of the streams."""
        return f"ws://127.0.0.1:{self.port}/api/v1/stream"


@dataclass
class World:
    """The served api, and hands to make things happen in its database."""

    dsn: str
    api: ApiServer
    tokens: dict[str, str]
    ids: dict[PointKey, int]
    conn: db.Connection
    now_us: int
    n_raised: int = 0

    def client(self, who: str) -> httpx.Client:
        """An HTTP client of a program with this token."""
        return httpx.Client(
            base_url=self.api.base, headers=self.header(who), timeout=ANSWER_S
        )

    def header(self, who: str) -> dict[str, str]:
        """The header that says who is asking."""
        return {"Authorization": f"Bearer {self.tokens[who]}"}

    def event(
        self, mine: str = MINE_Z, no: str = "001A01", event: str = "raised", **more: Any
    ) -> AlarmEvent:
        """An event of the engine; each ``raised`` is a new alarm."""
        values: dict[str, Any] = {
            "kind": "over_limit",
            "rule": "law:FACE_T0",
            "rank": 2,
            "value": 1.6,
            "limit": 1.0,
            "peak": 1.6,
            "peak_at_us": self.now_us,
            "raised_at_us": self.now_us,
            "happened_at_us": self.now_us,
            "arrived_at_us": self.now_us,
            "decided_at_us": self.now_us,
            **more,
        }
        return AlarmEvent(
            event=event,
            subject_type="point",
            subject_id=f"{mine}-01-{no}",
            area=mine[:6],
            mine=mine,
            system="01",
            no=no,
            unit="11121",
            **values,
        )

    def record(self, *events: AlarmEvent, conn: db.Connection | None = None) -> int:
        """Store events and tell them; gives the last number of the outbox."""
        with (conn or self.conn).transaction():
            done = alarms.record(
                conn or self.conn, events, encode_body, SystemClock().now_us()
            )
        return done.last_seq()

    def raise_alarm(self, mine: str = MINE_Z, **more: Any) -> int:
        """Raise and clear an alarm: two events; gives the outbox's last number."""
        self.n_raised += 1
        at_us = self.now_us + self.n_raised * US_PER_S
        begin = self.event(mine, raised_at_us=at_us, happened_at_us=at_us, **more)
        end = self.event(
            mine,
            event="cleared",
            raised_at_us=at_us,
            happened_at_us=at_us + 1,
            **{**more, "value": 0.5},
        )
        return self.record(begin, end)

    def outbox(self, area: str | None = None) -> list[tuple[int, str]]:
        """Number and body of everything that was told (of one area)."""
        rows = self.conn.execute(
            "SELECT seq, body FROM outbox WHERE %s::text IS NULL"
            " OR area_code = %s::text ORDER BY seq",
            (area, area),
        ).fetchall()
        self.conn.commit()
        return [(int(str(seq)), str(body)) for seq, body in rows]

    def epoch(self) -> str:
        """The database's epoch."""
        row = self.conn.execute("SELECT epoch::text FROM platform").fetchone()
        self.conn.commit()
        assert row is not None
        return str(row[0])


def define(conn: db.Connection, now_us: int) -> dict[PointKey, int]:
    """Two mines in Zhenxiong and one in Suijiang, two points each."""
    points.ensure_areas(conn)
    for mine in MINES:
        secret = SECRETS[mine[:6]]
        unit = UnitDef("11121", "face", f"{secret}11121采煤工作面")
        definition = MineDef(
            mine, mine[:6], f"{secret}{mine[-1]}号煤矿", "high_gas", 84.0, (unit,), 1
        )
        of_mine = [
            PointDef(
                key=PointKey(mine, "01", no),
                sensor_type=kind,
                quantity=quantity,
                uom=uom,
                place=f"{secret}回风隅角T0",
                place_class="FACE_T0",
                unit_slug="11121",
                alarm_high=1.0,
            )
            for no, kind, quantity, uom in (
                ("001A01", "0001", "CH4", "%"),
                ("001A02", "0004", "CO", "ppm"),
            )
        ]
        save_definitions(conn, definition, of_mine, now_us=now_us)
    keys = [PointKey(m, "01", n) for m in MINES for n in ("001A01", "001A02")]
    return points.ensure_points(conn, keys, now_us)


def write_latest(
    conn: db.Connection,
    ids: dict[PointKey, int],
    mine: str,
    values: Sequence[float],
    now_us: int,
) -> None:
    """The newest values of a mine's two points."""
    packed = np.zeros(2, dtype=latest.LATEST_DTYPE)
    for at, no in enumerate(("001A01", "001A02")):
        packed[at] = (ids[PointKey(mine, "01", no)], 0, values[at], now_us, now_us)
    row = latest.MineLatest(mine, True, "boot", 1, now_us, now_us, packed)
    latest.upsert_latest(conn, 0, [row])


def make_tokens(conn: db.Connection, now_us: int) -> dict[str, str]:
    """One token per kind of principal."""
    wanted: dict[str, tuple[str, list[str] | None, list[str] | None]] = {
        "zhenxiong": ("platform", [ZHENXIONG], None),
        "suijiang": ("platform", [SUIJIANG], None),
        "city": ("platform", ["530600"], None),
        "admin": ("administrator", None, None),
        "county": ("county_officer", [ZHENXIONG], None),
        "city_officer": ("city_officer", ["530600"], None),
        "dispatcher": ("mine_dispatcher", [ZHENXIONG], [MINE_Z]),
        "viewer": ("viewer", [SUIJIANG], None),
    }
    return {
        name: access.create_token(
            conn,
            name=name,
            role=role,
            areas=areas,
            mines=mines,
            now_us=now_us,
            may="administer" if role == "administrator" else "act",
        )
        for name, (role, areas, mines) in wanted.items()
    }


@pytest.fixture
def api_settings() -> ApiSettings:
    """Settings of the served api; a test module may override this fixture."""
    return ApiSettings(heartbeat_s=0.3)


@pytest.fixture
def make_world(
    api_settings: ApiSettings,
) -> Iterator[Callable[[str], World]]:
    """A function that fills a migrated database and serves it."""
    made: list[World] = []

    def make(dsn: str) -> World:
        database = DatabaseSettings(url=dsn)
        now_us = SystemClock().now_us() - 10 * US_PER_MIN
        conn = db.connect(database)
        ids = define(conn, now_us - US_PER_MIN)
        for mine, value in zip(MINES, (0.4, 0.2, 0.7), strict=True):
            write_latest(conn, ids, mine, (value, 3.0), now_us)
        conn.commit()
        tokens = make_tokens(conn, now_us)
        settings = Settings(
            mode="test", database=database, api=api_settings, accounts=CHEAP
        )
        world = World(dsn, ApiServer(settings), tokens, ids, conn, now_us)
        world.conn.commit()
        made.append(world)
        world.api.start()
        return world

    yield make
    for world in made:
        world.api.stop()
        world.conn.close()


@pytest.fixture
def world(plain_migrated_dsn: str, make_world: Callable[[str], World]) -> World:
    """A served world on plain PostgreSQL."""
    return make_world(plain_migrated_dsn)


@pytest.fixture
def both_world(migrated_dsn: str, make_world: Callable[[str], World]) -> World:
    """A served world; the test runs on both kinds of database."""
    return make_world(migrated_dsn)


def write_readings(
    conn: psycopg.Connection[Any],
    point_id: int,
    readings: Sequence[tuple[int, float | None, int]],
) -> None:
    """Readings as (time [µs UTC], value, state), straight into the table."""
    with conn.transaction():
        conn.cursor().executemany(
            "INSERT INTO reading (at, arrived_at, value, point_id, run, state)"
            " VALUES (%s, %s, %s, %s, 0, %s)",
            [
                (to_datetime(at), to_datetime(at), value, point_id, state)
                for at, value, state in readings
            ],
        )
