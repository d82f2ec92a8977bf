"""The real database and broker that a benchmark runs on, started for it alone.

Debian's PostgreSQL with TimescaleDB and Debian's Mosquitto where they are installed,
else those of the embedded wheels; the report says which.
"""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from gasmon.embedded.broker import EmbeddedBroker
from gasmon.embedded.postgres import EmbeddedPostgres
from gasmon.embedded.process import LOOPBACK, Child, free_port, wait_for
from gasmon.errors import DependencyError
from gasmon.settings import DatabaseSettings
from gasmon.store import db, migrate

START_S = 30.0

DATABASE_SETTINGS = {
    # Durable, as in production: what is committed is on the disk.
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    # Says of each row when its transaction was committed, without asking meanwhile.
    "track_commit_timestamp": "on",
}
TIMESCALE_SETTINGS = {
    "shared_preload_libraries": "timescaledb",
    "timescaledb.max_background_workers": "0",
    "timescaledb.telemetry_level": "off",
}


@dataclass(frozen=True, slots=True)
class Servers:
    """What runs.

    Attributes:
        database_kind: ``timescaledb 2.19 on PostgreSQL 15`` or the like.
        log_dir: where children of the benchmark write what they say.
    """

    database_url: str
    database_kind: str
    broker_port: int
    broker_kind: str
    log_dir: Path

    @property
    def database(self) -> DatabaseSettings:
        """Where the database is."""
        return DatabaseSettings(url=self.database_url)

    def settings(self) -> dict[str, Any]:
        """For the report."""
        return {
            "database": self.database_kind,
            "database_settings": dict(DATABASE_SETTINGS),
            "broker": self.broker_kind,
        }


@contextmanager
def servers() -> Iterator[Servers]:
    """Start a migrated database and a broker; both are gone afterwards.

    Raises:
        DependencyError: neither the system's nor the wheels' programs are there.
    """
    folder = Path(tempfile.mkdtemp(prefix="gasmon-bench-"))
    folder.chmod(0o711)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        bin_dir = timescaledb_bin_dir()
        postgres = EmbeddedPostgres(
            folder / "postgres",
            extra_settings=DATABASE_SETTINGS | (TIMESCALE_SETTINGS if bin_dir else {}),
            bin_dir=bin_dir,
            state_dir=folder / "state",
        )
        stack.enter_context(postgres)
        broker_port, broker_kind = _start_broker(folder / "broker", stack)
        database = DatabaseSettings(url=postgres.dsn())
        with db.connect(database, autocommit=True) as conn:
            migrate.upgrade(conn)
            kind = _database_kind(conn, "system" if bin_dir else "wheel")
        yield Servers(postgres.dsn(), kind, broker_port, broker_kind, folder)


def timescaledb_bin_dir() -> Path | None:
    """The programs of a system PostgreSQL that has the extension."""
    for control in sorted(
        Path("/usr/share/postgresql").glob("*/extension/timescaledb.control"),
        key=lambda path: int(path.parts[4]),
        reverse=True,
    ):
        bin_dir = Path("/usr/lib/postgresql") / control.parts[4] / "bin"
        if (bin_dir / "postgres").exists():
            return bin_dir
    return None


def _database_kind(conn: psycopg.Connection[Any], origin: str) -> str:
    version = conn.info.server_version // 10000
    found = conn.execute(
        "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'"
    ).fetchone()
    with_timescale = f"TimescaleDB {found[0]} on " if found else ""
    return f"{with_timescale}PostgreSQL {version} ({origin})"


def _start_broker(folder: Path, stack: ExitStack) -> tuple[int, str]:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        broker = EmbeddedBroker(folder)
        stack.enter_context(broker)
        assert broker.port is not None
        return broker.port, "nats-server (wheel)"
    folder.mkdir()
    port = free_port()
    settings = [
        f"listener {port} {LOOPBACK}",
        "allow_anonymous true",
        "persistence true",
        f"persistence_location {folder}/",
        "autosave_interval 1800",
        "max_queued_messages 1000000",
        "max_inflight_messages 2000",
        # As deploy/mosquitto.conf: without it a frame waits until the one before it
        # is acknowledged, which is after its commit.
        "set_tcp_nodelay true",
        "log_dest stderr",
        "log_type error",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        # Otherwise it becomes the user "mosquitto", who does not reach the folder.
        settings.append("user root")
    config = folder / "mosquitto.conf"
    config.write_text("\n".join(settings) + "\n", "utf-8")
    child = Child(
        [program, "-c", str(config)],
        log_path=folder / "mosquitto.log",
        cwd=folder,
        env=os.environ,
    )
    stack.callback(child.stop, ((15, 20.0),))
    if not wait_for(lambda: not child.alive or accepts(port), START_S) or (
        not child.alive
    ):
        raise DependencyError(f"Mosquitto did not start: {child.own_log()}")
    return port, "Mosquitto (system)"


def accepts(port: int) -> bool:
    """Whether somebody listens on a port of loopback."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=1.0).close()
    except OSError:
        return False
    return True
