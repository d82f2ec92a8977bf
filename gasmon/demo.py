"""The demo: database and broker from wheels, everything started, a page to open.

Whatever it makes stays in one folder, so that a second start finds its data again;
``demo.json`` in it tells scripts and tests how to join in and is readable by its owner
alone.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gasmon import domain
from gasmon.clock import SystemClock
from gasmon.demo_shifts import begin_shifts, pairs_of
from gasmon.embedded.broker import EmbeddedBroker
from gasmon.embedded.postgres import EmbeddedPostgres
from gasmon.embedded.process import require_free_port, stop_orphan
from gasmon.embedded.users import city_users
from gasmon.errors import ConfigError, DependencyError
from gasmon.settings import Settings, load
from gasmon.store import access, migrate, points, sessions
from gasmon.store.db import Connection, connect

Progress = Callable[[str], None]

DATABASE_CAP_MB = 2048
"""Readings are dropped, oldest first, when the demo's database is larger [MB]. A city
at one frame per 15 s writes about 8 GB a day."""

SPOOL_CAP_MB = 512
"""An hour or more of a city, should the demo's database be away [MB]."""

BROKER_USERS = ("gasmon", "mines", "annunciator")


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the command line says.

    Attributes:
        port: of the page.
        mines: how many to simulate; None means all 259.
        cycle_s: time between two frames of a mine [s].
        simulate: False leaves the city silent, for scripts that send themselves.
        config: settings file; what the demo decides itself wins over it.
        chosen: single settings by dotted name; the demo's own are none of them.
    """

    data_dir: Path
    port: int = 8123
    database_port: int | None = None
    broker_port: int | None = None
    mines: int | None = None
    cycle_s: float = 15.0
    seed: int = 1
    activity: str = "normal"
    incidents: tuple[str, ...] = ()
    simulate: bool = True
    max_database_mb: int = DATABASE_CAP_MB
    config: Path | None = None
    chosen: Mapping[str, Any] = field(default_factory=dict)


def settings_of(options: DemoOptions, own: Mapping[str, Any]) -> Settings:
    """Settings of a demo: its own, and what somebody chose besides them.

    The environment is left out: it may name a real site's database and broker.

    Args:
        own: by dotted name, what the demo decides itself.

    Raises:
        ConfigError: one of ``chosen`` is the demo's own, or is wrong.
    """
    taken = sorted(set(options.chosen) & set(own))
    if taken:
        raise ConfigError(f"--set {taken[0]}: the demo decides this itself")
    return load(options.config, {**options.chosen, **own}, environ={})


class Demo:
    """The parts of a running demo.

    Attributes:
        settings: for ``gasmon serve``.
        told: what ``demo.json`` says.
    """

    settings: Settings
    told: dict[str, Any]

    def __init__(self, options: DemoOptions, progress: Progress) -> None:
        self._options = options
        self._progress = progress
        self._dir = options.data_dir.absolute()
        self._passwords: dict[str, str] = {}
        self._county = domain.area_by("zhenxiong").code
        self._mine = ""
        self._simulator: subprocess.Popen[bytes] | None = None
        self._stopping = False
        self._postgres = EmbeddedPostgres(
            self._dir / "postgres", port=options.database_port, progress=progress
        )
        self._broker: EmbeddedBroker | None = None

    def start(self) -> None:
        """Start database and broker, bring the schema up to date, give out tokens.

        Raises:
            DependencyError: a wheel is missing, a port is taken, a part did not start.
        """
        require_free_port(self._options.port, "the page")
        self._dir.mkdir(parents=True, exist_ok=True)
        self._passwords = self._broker_passwords()
        users = city_users(**self._passwords)
        self._broker = EmbeddedBroker(
            self._dir / "broker",
            port=self._options.broker_port,
            users=users,
            progress=self._progress,
        )
        self._progress("starting database and broker 启动数据库和消息服务器")
        with ThreadPoolExecutor(2) as pool:
            parts = [pool.submit(self._postgres.start), pool.submit(self._broker.start)]
        for part in parts:
            part.result()
        self.settings = self._make_settings()
        self._mine = self._first_mine(self._county)
        with connect(self.settings.database) as conn:
            migrate.upgrade(conn, progress=self._progress)
            points.ensure_areas(conn)
            conn.commit()
            self.told = self._tell(conn)
            conn.commit()
            pairs = pairs_of(self._county, self._mine)
            begin_shifts(conn, pairs, SystemClock().now_us())
        _write_private(self._dir / "demo.json", self.told)

    def _broker_passwords(self) -> dict[str, str]:
        """The broker's passwords; the same at every start."""
        path = self._dir / "broker-users.json"
        if not path.exists():
            fresh = {name: secrets.token_urlsafe(18) for name in BROKER_USERS}
            _write_private(path, fresh)
        passwords: dict[str, str] = json.loads(path.read_text("utf-8"))
        return passwords

    def _make_settings(self) -> Settings:
        assert self._broker is not None
        password_file = self._dir / "broker-password"
        _write_private_text(password_file, self._passwords["gasmon"])
        return settings_of(
            self._options,
            {
                "mode": "demo",
                "database.url": self._postgres.dsn(),
                "mqtt.host": self._broker.host,
                "mqtt.port": self._broker.port,
                "mqtt.username": "gasmon",
                "mqtt.password_file": str(password_file),
                "mqtt.protocol": "3.1.1",
                "ingest.spool_dir": str(self._dir / "spool"),
                "ingest.spool_limit_mb": SPOOL_CAP_MB,
                "api.port": self._options.port,
                "storage.max_database_mb": self._options.max_database_mb,
            },
        )

    def _tell(self, conn: Connection) -> dict[str, Any]:
        assert self._broker is not None
        page = f"http://127.0.0.1:{self._options.port}"
        stream = page.replace("http", "ws", 1) + "/api/v1/stream/alarms"
        tokens = self._tokens(conn)
        platforms = {
            area.slug: tokens.pop(f"platform-{area.slug}")
            for area in domain.areas()
            if area.platform
        }
        return {
            "page": page,
            "login": f"{page}/login#token={tokens['city_officer']}",
            "logins": {
                role: f"{page}/login#token={token}" for role, token in tokens.items()
            },
            "stream": stream,
            "broker": {
                "host": self._broker.host,
                "port": self._broker.port,
                "users": {n: {"password": p} for n, p in self._passwords.items()},
            },
            "database": {"url": self._postgres.dsn()},
            "tokens": tokens,
            "platforms": platforms,
            "mines": self._options.mines,
            "cycle_s": self._options.cycle_s,
            "data_dir": str(self._dir),
            "pid": os.getpid(),
        }

    def _tokens(self, conn: Connection) -> dict[str, str]:
        """A token per role and per platform; the same at every start."""
        path = self._dir / "tokens.json"
        known: dict[str, str] = {}
        if path.exists():
            known = json.loads(path.read_text("utf-8"))
        now_us = SystemClock().now_us()
        valid = sessions.live_token_hashes(conn, now_us)
        tokens = {
            name: token
            for name, token in known.items()
            if access.hash_secret(token) in valid
        }
        for name, (role, areas, mines) in self._principals().items():
            if name not in tokens:
                tokens[name] = access.create_token(
                    conn,
                    name=f"demo-{name}",
                    role=role,
                    areas=areas,
                    mines=mines,
                    now_us=now_us,
                    may="administer" if role == "administrator" else "act",
                )
        _write_private(path, tokens)
        return tokens

    def _principals(self) -> dict[str, tuple[str, list[str] | None, list[str] | None]]:
        """Name → role, areas, mines."""
        county, mine = self._county, self._mine
        who: dict[str, tuple[str, list[str] | None, list[str] | None]] = {
            "viewer": ("viewer", None, None),
            "mine_dispatcher": ("mine_dispatcher", [mine[:6]], [mine]),
            "mine_colleague": ("mine_dispatcher", [mine[:6]], [mine]),
            "county_officer": ("county_officer", [county], None),
            "county_colleague": ("county_officer", [county], None),
            "city_officer": ("city_officer", None, None),
            "city_colleague": ("city_officer", None, None),
            "trainer": ("trainer", None, None),
            "administrator": ("administrator", None, None),
        }
        for area in domain.areas():
            if area.platform:
                scope = None if area.platform == "city" else [area.code]
                who[f"platform-{area.slug}"] = ("platform", scope, None)
        return who

    def _first_mine(self, area: str) -> str:
        """A simulated mine of an area, for the dispatcher of one mine."""
        command = [*_simulator_program(), "mines", "--json", *self._selection()]
        listed = subprocess.run(command, capture_output=True, check=False)
        if listed.returncode != 0:
            raise DependencyError(f"gasmon-sim mines: {listed.stderr.decode().strip()}")
        mines = json.loads(listed.stdout)["mines"]
        codes = [str(m["code"]) for m in mines]
        return next((code for code in codes if code.startswith(area)), codes[0])

    def _selection(self) -> list[str]:
        wanted = self._options.mines
        mines = [] if wanted is None else ["--mines", str(wanted)]
        return [*mines, "--seed", str(self._options.seed)]

    def simulate(self) -> None:
        """Start the simulated city beside us."""
        if not self._options.simulate:
            return
        assert self._broker is not None
        password_file = self._dir / "mines-password"
        _write_private_text(password_file, self._passwords["mines"])
        incidents = [
            f for name in self._options.incidents for f in ("--incident", name)
        ]
        command = [
            *_simulator_program(),
            "city",
            *("--host", self._broker.host, "--port", str(self._broker.port)),
            *("--username", "mines", "--password-file", str(password_file)),
            *("--cycle", str(self._options.cycle_s)),
            *("--activity", self._options.activity, "--quiet", "--json"),
            *self._selection(),
            *incidents,
        ]
        self._stop_orphan()
        with (self._dir / "simulator.log").open("ab") as log:
            self._simulator = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for us; we end the city before its broker.
                start_new_session=True,
            )
        self._pid_path.write_text(str(self._simulator.pid), "ascii")

    @property
    def _pid_path(self) -> Path:
        return self._dir / "simulator.pid"

    def _stop_orphan(self) -> None:
        """Stop the city of a demo that was killed; it would go on for ever."""
        try:
            pid = int(self._pid_path.read_text("ascii"))
        except (OSError, ValueError):
            return
        stop_orphan(pid, str(self._dir / "mines-password"), number=signal.SIGTERM)

    def until_simulator_ends(self) -> str | None:
        """Wait for the simulated city; says why it ended, None when we ended it."""
        if self._simulator is None:
            return None
        code = self._simulator.wait()
        if self._stopping:
            return None
        log = self._dir / "simulator.log"
        last = log.read_text("utf-8", "replace").strip().rpartition("\n")[2]
        return f"the simulated city ended with code {code}: {last[:300]} (see {log})"

    def stop_simulator(self) -> None:
        """Let every mine say goodbye."""
        self._stopping = True
        if self._simulator is None or self._simulator.poll() is not None:
            return
        self._simulator.terminate()
        try:
            self._simulator.wait(10)
        except subprocess.TimeoutExpired:
            self._simulator.kill()
            self._simulator.wait()

    def stop(self) -> None:
        """Stop what was started; the data stays."""
        self.stop_simulator()
        self._progress("stopping broker and database 停止")
        if self._broker is not None:
            self._broker.stop()
        self._postgres.stop()


def _simulator_program() -> list[str]:
    """The simulator beside us; a program of its own, never imported."""
    return [sys.executable, "-m", "simulators.cli"]


def _write_private(path: Path, value: Any) -> None:
    _write_private_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def _write_private_text(path: Path, text: str) -> None:
    """Write a file that its owner alone may read, whole or not at all."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)
