"""Four platforms on bad lines, broken at random while events flow; then compared.

A real api and four real receivers, each behind a proxy of its own. What is promised:
each receiver's file equals the outbox of its area, in order, and it printed all of it
and nothing else. docs/faults.md describes it.
"""

from __future__ import annotations

import random
import socket
import sqlite3
import threading
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from gasmon.points import MineDef, PointDef, PointKey, UnitDef
from gasmon.settings import DatabaseSettings, Settings
from gasmon.store import access, db
from gasmon.store.definitions import save_definitions
from gasmon.units import US_PER_S
from tests.faults.services import Service
from tests.fix_api import MINE_S, MINE_Z, ApiServer, World, define
from tests.fix_proxy import Proxy
from tests.fix_wait import wait_until

MINE_W = "530629000001"
MINES = (MINE_Z, MINE_S, MINE_W)
AREAS = {
    "zhenxiong": "530627",
    "suijiang": "530626",
    "weixin": "530629",
    "city": "530600",
}
FAULTS = ("cut", "cut", "cut", "tear", "repeat", "stall", "pause", "kill", "server")
REST_S = 180.0
START_S = 60.0


@dataclass(frozen=True)
class Plan:
    """How much of it; the pause between two faults is drawn up to ``pause_s`` [s]."""

    seed: int
    n_events: int
    n_faults: int
    pause_s: float


@dataclass
class Outcome:
    """What was done and what was wrong."""

    done: Counter[str] = field(default_factory=Counter)
    n_events: int = 0
    findings: list[str] = field(default_factory=list)


class Platforms:
    """The api, the receivers and the lines between them."""

    def __init__(self, dsn: str, now_us: int, folder: Path) -> None:
        """Define three counties and give each platform a token."""
        conn = db.connect(DatabaseSettings(url=dsn))
        ids = define(conn, now_us)
        _define_weixin(conn, now_us)
        tokens = {
            name: access.create_token(
                conn,
                name=name,
                role="platform",
                areas=[code],
                mines=None,
                now_us=now_us,
            )
            for name, code in AREAS.items()
        }
        conn.commit()
        nobody = ApiServer(Settings(mode="test"))
        self.world = World(dsn, nobody, tokens, ids, conn, now_us)
        self._folder = folder
        port = _free_port()
        config = folder / "gasmon.toml"
        config.write_text(
            f'mode = "test"\ndatabase.url = "{dsn}"\napi.port = {port}\n'
            "api.heartbeat_s = 0.5\n",
            "utf-8",
        )
        api = ("api", "--config", str(config))
        self.api = Service("api", api, folder, port)
        self.lines = {name: Proxy(port) for name in AREAS}
        self.receivers = {name: self._receiver(name) for name in AREAS}

    def _receiver(self, name: str) -> Service:
        token = self._folder / f"{name}.token"
        token.write_text(self.world.tokens[name])
        url = f"ws://127.0.0.1:{self.lines[name].port}"
        flags = ("--url", url, "--token-file", str(token))
        state = ("--state", str(self.state(name)))
        return Service(name, ("receive", name, *flags, *state), self._folder)

    def state(self, name: str) -> Path:
        """A receiver's file."""
        return self._folder / f"{name}.sqlite"

    def start(self) -> None:
        """Run everything until each receiver has its first position."""
        self.api.start()
        for receiver in self.receivers.values():
            receiver.start()
        for name in AREAS:
            wait_until(
                lambda n=name: self.position(n) >= 0, START_S, f"{name} connected"
            )

    def stop(self) -> None:
        """End everything."""
        for service in (*self.receivers.values(), self.api):
            service.go_on()
            service.end()
        for line in self.lines.values():
            line.close()
        self.world.conn.close()

    def position(self, name: str) -> int:
        """Up to where a receiver holds everything; -1 before it knows."""
        if not self.state(name).exists():
            return -1
        with closing(sqlite3.connect(self.state(name), timeout=20)) as file:
            try:
                row = file.execute(
                    "SELECT json_extract(value, '$[1]') FROM memory"
                    " WHERE key = 'position'"
                ).fetchone()
            except sqlite3.OperationalError:
                return -1  # its tables are being made
        return int(row[0]) if row else -1

    def kept(self, name: str) -> list[tuple[int, str]]:
        """What a receiver holds, in the order in which it was handed on."""
        with closing(sqlite3.connect(self.state(name), timeout=20)) as file:
            return file.execute("SELECT seq, body FROM event ORDER BY n").fetchall()


class Campaign:
    """One run of a plan."""

    def __init__(self, platforms: Platforms, plan: Plan) -> None:
        self._all = platforms
        self._plan = plan
        self._rng = random.Random(plan.seed)
        self._held = threading.Event()
        self._marks = dict.fromkeys(AREAS, -1)
        self.outcome = Outcome()

    def run(self) -> Outcome:
        """Break and write in turns, heal, wait for rest, compare."""
        share = self._plan.n_events / self._plan.n_faults
        for number in range(self._plan.n_faults):
            self._break()
            while self.outcome.n_events < share * (number + 1):
                self._write()
            self._held.wait(self._rng.uniform(0, self._plan.pause_s))
            self._mend()
        last = self._all.world.outbox()[-1][0]
        for name in AREAS:
            wait_until(
                lambda n=name: self._all.position(n) >= last,
                REST_S,
                f"{name} at {last}",
            )
        self._compare()
        return self.outcome

    def _write(self) -> None:
        """One alarm that is raised and cleared: two events."""
        mine = self._rng.choice(MINES)
        self._all.world.raise_alarm(mine, rank=self._rng.randrange(5))
        self.outcome.n_events += 2

    def _break(self) -> None:
        kind, name = self._rng.choice(FAULTS), self._rng.choice(list(AREAS))
        line, receiver = self._all.lines[name], self._all.receivers[name]
        if kind in ("kill", "server"):
            # What never lives long enough to get on would prove nothing.
            names = [name] if kind == "kill" else list(AREAS)
            places = {n: self._all.position(n) for n in names}
            if any(places[n] <= self._marks[n] for n in names):
                kind = "cut"
            else:
                self._marks.update(places)
        match kind:
            case "cut":
                line.cut()
            case "tear":
                line.tear()
            case "repeat":
                line.repeat()
            case "stall":
                line.stall(*self._rng.choice([(), ("up",), ("down",)]))
            case "pause":
                receiver.stall()
            case "kill":
                receiver.kill()
            case "server":
                self._all.api.kill()
        self.outcome.done[kind] += 1

    def _mend(self) -> None:
        """Everything runs again; most lines are healed."""
        for name, line in self._all.lines.items():
            self._all.receivers[name].go_on()
            self._all.receivers[name].start()
            line.heal()
        self._all.api.start()

    def _compare(self) -> None:
        for name, code in AREAS.items():
            wanted = self._all.world.outbox(None if name == "city" else code)
            kept = self._all.kept(name)
            if kept != wanted:
                self.outcome.findings.append(_difference(name, kept, wanted))
            with self._all.receivers[name].out.open(encoding="utf-8") as lines:
                printed = [line.rstrip("\n") for line in lines]
            if list(dict.fromkeys(printed)) != [body for _, body in wanted]:
                self.outcome.findings.append(f"{name} printed something else")


def _difference(
    name: str, kept: list[tuple[int, str]], wanted: list[tuple[int, str]]
) -> str:
    has, needs = [seq for seq, _ in kept], [seq for seq, _ in wanted]
    missing, more = sorted(set(needs) - set(has)), sorted(set(has) - set(needs))
    return (
        f"{name} keeps {len(has)} of {len(needs)}: missing {missing[:5]},"
        f" more {more[:5]}, in order {has == sorted(has)}"
    )


def run(dsn: str, now_us: int, folder: Path, plan: Plan) -> Outcome:
    """Run a campaign on a fresh, migrated database."""
    with ExitStack() as stack:
        platforms = Platforms(dsn, now_us, folder)
        stack.callback(platforms.stop)
        platforms.start()
        return Campaign(platforms, plan).run()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _define_weixin(conn: db.Connection, now_us: int) -> None:
    """A third county, which the shared world does not have."""
    unit = UnitDef("11121", "face", "威信县11121采煤工作面")
    mine = MineDef(MINE_W, MINE_W[:6], "威信县1号煤矿", "high_gas", 84.0, (unit,), 1)
    point = PointDef(
        key=PointKey(MINE_W, "01", "001A01"),
        sensor_type="0001",
        quantity="CH4",
        uom="%",
        place="威信县回风隅角T0",
        place_class="FACE_T0",
        unit_slug="11121",
        alarm_high=1.0,
    )
    save_definitions(conn, mine, [point], now_us=now_us - US_PER_S)
