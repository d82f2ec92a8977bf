"""The whole of gasmon as processes, with lines that break before broker and database.

    gateways ─▶ line a, b ─▶ broker ◀─ line ─ gasmon ingest ────▶ line ─▶ database
                               │              gasmon api, duty ─▶ line ─▶ database
                            relays            receivers ─▶ line ─▶ gasmon api

The database server has fsync on, the broker its usual durability; nothing is set to
be kinder than a site's own.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import paho.mqtt.client as paho
import psutil
import psycopg
from paho.mqtt.enums import CallbackAPIVersion

from gasmon.alarms.rules import default_rules, parse_rules
from gasmon.embedded.broker import EmbeddedBroker
from gasmon.embedded.postgres import EmbeddedPostgres
from gasmon.embedded.process import free_port
from gasmon.errors import DependencyError
from gasmon.ingest import payloads
from gasmon.ingest.connect import hang_up
from tests.faults.facts import has_position
from tests.faults.services import GASMON, Service, Supervisor, environment
from tests.fix_broker import MosquittoBroker
from tests.fix_found import mosquitto_program, timescaledb_bin_dir
from tests.fix_postgres import TIMESCALE
from tests.fix_proxy import Proxy

RECEIVERS = {
    "city": "all",
    "zhenxiong": "530627",
    "suijiang": "530626",
}
"""Receivers and the areas that their tokens may see."""

INGESTS = ("ingest", "ingest-b")

SPOOL_MB = 128
"""The spool's own small disk: its reserve is 64 MB, taken when 96 are free."""


class NatsBroker:
    """The embedded broker as the demo runs it, on a port that stays."""

    kind = "nats"

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self._broker = EmbeddedBroker(folder, port=port)

    def start(self) -> None:
        """Start it."""
        self._broker.start()

    def stop(self) -> None:
        """Stop it in the orderly way."""
        self._broker.stop()

    def kill(self) -> None:
        """Kill -9."""
        self._broker.kill()

    @property
    def pid(self) -> int | None:
        """Its process; None while it is down."""
        return self._broker.pid


class Mosquitto(MosquittoBroker):
    """Mosquitto, with its process known so that it can be stalled."""

    @property
    def pid(self) -> int | None:
        """Its process; None while it is down."""
        return None if self._child is None else self._child.pid


class Relays:
    """What the relays at the mines were told: one listener for all of them.

    Attributes:
        newest: the newest message of each mine.
        first_us: when each alarm's key was first told [µs UTC].
    """

    def __init__(self, port: int) -> None:
        self.newest: dict[str, payloads.AlarmsPayload] = {}
        self.first_us: dict[str, int] = {}
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id="relays", protocol=paho.MQTTv311
        )
        self._client.on_connect = lambda c, *_: c.subscribe("gasmon/v1/+/+/alarms", 1)
        self._client.on_message = self._heard
        self._client.reconnect_delay_set(1, 2)
        self._client.connect_async("127.0.0.1", port, keepalive=10)
        self._client.loop_start()

    def _heard(self, _c: object, _u: object, message: paho.MQTTMessage) -> None:
        mine = message.topic.split("/")[3]
        told = payloads.parse_alarms(bytes(message.payload))
        self.newest[mine] = told
        now_us = time.time_ns() // 1000
        for alarm in told.open:
            self.first_us.setdefault(alarm.id, now_us)

    def stop(self) -> None:
        """Disconnect."""
        hang_up(self._client)


class Stack:
    """Everything from the broker to the receivers' files."""

    def __init__(
        self,
        broker: str,
        settings: dict[str, str],
        keep: Path | None = None,
        rules: str | None = None,
        *,
        standby: bool = False,
        timescaledb: bool = False,
    ) -> None:
        """Describe it; ``start`` runs it.

        Args:
            broker: ``nats`` or ``mosquitto``.
            settings: gasmon's settings besides addresses, dotted name to value.
            keep: folder in which logs stay; None removes everything at the end.
            rules: text of a rule file; None means the shipped one.
            standby: a second ingest stands by.
            timescaledb: on Debian's server with TimescaleDB, else on the wheel's.

        Raises:
            DependencyError: what it needs is not installed.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="gasmon-faults-", dir=keep))
        self.folder.chmod(0o711)
        self.is_kept = keep is not None
        self.standby = standby
        self._settings = dict(settings)
        self.rules = default_rules() if rules is None else parse_rules(rules, "rules")
        if rules is not None:
            path = self.folder / "rules.toml"
            path.write_text(rules, "utf-8")
            self._settings["engine.rules_file"] = str(path)
        self.postgres = self._make_postgres(timescaledb)
        self.broker = self._make_broker(broker)
        self.services: dict[str, Service] = {}
        self.lines: dict[str, Proxy] = {}
        self.spool_dir = self.folder / "spool"
        self.spool_is_small = False
        self._supervisor: Supervisor | None = None
        self.relays: Relays | None = None
        self._guard = threading.Lock()

    def _make_postgres(self, timescaledb: bool) -> EmbeddedPostgres:
        bin_dir = timescaledb_bin_dir() if timescaledb else None
        if timescaledb and bin_dir is None:
            raise DependencyError("TimescaleDB is not installed")
        return EmbeddedPostgres(
            self.folder / "database",
            port=free_port(),
            start_timeout_s=60.0,
            extra_settings=TIMESCALE if timescaledb else None,
            bin_dir=bin_dir,
        )

    def _make_broker(self, kind: str) -> NatsBroker | Mosquitto:
        if kind == "nats":
            return NatsBroker(self.folder / "nats", free_port())
        program = mosquitto_program()
        if program is None:
            raise DependencyError("Mosquitto is not installed")
        return Mosquitto(program, self.folder / "mosquitto")

    @property
    def dsn(self) -> str:
        """The database, past every line that breaks."""
        return self.postgres.dsn()

    def start(self) -> None:
        """Start everything, in order, and wait until all of it is ready."""
        self.postgres.start()
        self.broker.start()
        assert self.postgres.port is not None
        self._ports = {name: free_port() for name in ("api", *INGESTS, "duty")}
        targets = {
            "api": self._ports["api"],
            "database": self.postgres.port,
            "ingest": self.broker.port,
            "gateways-a": self.broker.port,
            "gateways-b": self.broker.port,
        }
        self.lines = {name: Proxy(port) for name, port in targets.items()}
        self._mount_spool()
        self._write_settings()
        self._command("db", "upgrade")
        self._make_services()
        self.relays = Relays(self.broker.port)
        for service in self.services.values():
            service.start()
        self._supervisor = Supervisor(list(self.services.values()))
        self.wait(lambda: not self.problems(), 60.0, "the first start")
        self.wait(
            lambda: all(has_position(self.state_file(name)) for name in RECEIVERS),
            30.0,
            "the receivers' first position",
        )

    def _mount_spool(self) -> None:
        """A disk of its own for the spool, so that it can be filled; needs root."""
        self.spool_dir.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SPOOL_MB}m", "tmpfs",
             str(self.spool_dir)],
            check=False, capture_output=True,
        )  # fmt: skip
        self.spool_is_small = done.returncode == 0

    def _write_settings(self) -> None:
        ports = self._ports
        address = f"postgresql://gasmon@127.0.0.1:{self.lines['database'].port}/gasmon"
        # Nothing closes or is escalated by itself: what is compared stands still once
        # it has settled.
        nobody = self.folder / "escalation.toml"
        nobody.write_text(
            'nearly_due = "1min"\nfold = "1min"\nstatus_report = "0s"\n'
            '[[escalate]]\nname = "nobody"\n',
            "utf-8",
        )
        closing = self.folder / "closing.toml"
        closing.write_text(
            '[[close]]\nname = "people"\nneeds = ["cleared", "confirmed", "cause"]\n',
            "utf-8",
        )
        given = {
            "mode": "test",
            "database.url": address,
            "database.password_file": str(self.folder / "database" / "password"),
            "mqtt.port": str(self.lines["ingest"].port),
            "ingest.spool_dir": str(self.spool_dir),
            "ingest.health_port": str(ports["ingest"]),
            "duty.health_port": str(ports["duty"]),
            "life.closing_file": str(closing),
            "escalation.rules_file": str(nobody),
            "api.port": str(ports["api"]),
            **self._settings,
        }
        lines = []
        for name, value in given.items():
            lines.append(f"{name} = {value if _is_number(value) else repr(value)}")
        (self.folder / "gasmon.toml").write_text("\n".join(lines) + "\n", "utf-8")

    def _command(self, *arguments: str) -> str:
        done = subprocess.run(
            [*GASMON, *arguments, "--config", str(self.folder / "gasmon.toml")],
            check=False, capture_output=True, text=True, timeout=60, env=environment(),
        )  # fmt: skip
        if done.returncode:
            raise DependencyError(f"gasmon {arguments}: {done.stderr.strip()}")
        return done.stdout

    def _make_services(self) -> None:
        config = ("--config", str(self.folder / "gasmon.toml"))
        for name in ("ingest", "api", "duty"):
            self.services[name] = Service(
                name, (name, *config), self.folder, self._ports[name]
            )
        if self.standby:
            for name in INGESTS:
                own = (
                    *("--set", "ingest.standby=true"),
                    *("--set", f"ingest.health_port={self._ports[name]}"),
                )
                if name != "ingest":
                    own += ("--set", f"ingest.spool_dir={self.folder / 'spool-b'}")
                self.services[name] = Service(
                    name, ("ingest", *config, *own), self.folder, self._ports[name]
                )
        for name, area in RECEIVERS.items():
            token = self.folder / f"{name}.token"
            self._command(
                "token", "create", "--name", name, "--role", "platform",
                "--area", area, "--out", str(token),
            )  # fmt: skip
            self.services[f"receive-{name}"] = Service(
                f"receive-{name}",
                (
                    *("receive", name),
                    *("--url", f"ws://127.0.0.1:{self.lines['api'].port}"),
                    *("--token-file", str(token)),
                    *("--state", str(self.state_file(name))),
                    *config,
                ),
                self.folder,
            )

    def state_file(self, receiver: str) -> Path:
        """A receiver's file."""
        return self.folder / f"{receiver}.sqlite"

    def problems(self) -> dict[str, str]:
        """What is not ready, by name."""
        found = {name: service.ready() for name, service in self.services.items()}
        some_ingest = any(found[name] is None for name in INGESTS if name in found)
        return {
            name: why
            for name, why in found.items()
            if why is not None and not (some_ingest and "standing by" in why)
        }

    def ingest(self) -> Service:
        """The ingest that owns the areas; with none, the first."""
        for name in INGESTS:
            service = self.services.get(name)
            if service is not None and service.ready() is None:
                return service
        return self.services["ingest"]

    def service(self, target: str) -> Service | None:
        """What a fault is to hit; of two ingests, the one that works."""
        if target != "ingest":
            return self.services.get(target)
        return self.ingest() if self.standby else self.services[target]

    def servers(self, name: str) -> list[psutil.Process]:
        """The processes of ``postgres`` or ``broker``, parents first."""
        pid = self.postgres.pid if name == "postgres" else self.broker.pid
        if pid is None:
            return []
        try:
            parent = psutil.Process(pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def wait(
        self, condition: Callable[[], object], patience_s: float, what: str
    ) -> None:
        """Look until it is so.

        Raises:
            DependencyError: it did not become so in time.
        """
        deadline_s = time.monotonic() + patience_s
        pause = threading.Event()
        while not condition():
            if time.monotonic() > deadline_s:
                raise DependencyError(
                    f"{what}: not within {patience_s:g} s: {self.problems()}"
                )
            pause.wait(0.2)

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """A connection of the checker's own, past every line that breaks."""
        return psycopg.connect(self.dsn, options="-c TimeZone=UTC")

    def stop(self) -> None:
        """End everything; remove the data unless it is to be kept."""
        if self._supervisor is not None:
            self._supervisor.stop()
        for service in reversed(self.services.values()):
            service.go_on()
            service.end()
        if self.relays is not None:
            self.relays.stop()
        for line in self.lines.values():
            line.close()
        self.broker.stop()
        self.postgres.stop()
        if self.spool_is_small:
            subprocess.run(["umount", str(self.spool_dir)], check=False)
        if self.is_kept:
            shutil.rmtree(self.folder / "database" / "cluster", ignore_errors=True)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()
