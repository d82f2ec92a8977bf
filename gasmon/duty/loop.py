"""DutyLoop: runs due jobs while it holds the duty lock."""

import logging
import threading
from collections.abc import Callable, Sequence

import psycopg

from gasmon.clock import Clock
from gasmon.duty.courier import Couriers
from gasmon.duty.jobs import Job
from gasmon.errors import GasmonError
from gasmon.settings import Settings
from gasmon.store import jobs as memory
from gasmon.store.db import Connection, connect, reason_of
from gasmon.telemetry import Metrics
from gasmon.units import US_PER_S

SILENT_S = 10.0
"""The server ends duty's session when it says nothing amid a transaction for so long
[s] (``db.SILENT_S`` has why). Ours: jobs compute for a tenth of it between statements.
"""

log = logging.getLogger(__name__)


class DutyLoop:
    """A thread that looks every ``duty.interval_s`` for jobs that are due.

    Attributes:
        holds_lock: it is the one that runs jobs.
    """

    def __init__(
        self,
        settings: Settings,
        jobs: Sequence[Job],
        clock: Clock,
        metrics: Metrics,
        couriers: Couriers | None = None,
    ) -> None:
        self.holds_lock = False
        self._couriers = couriers
        self._settings = settings
        self._jobs = jobs
        self._clock = clock
        self._problem: str | None = "not started"
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="gasmon[duty]", daemon=True
        )
        self._n_runs = metrics.counter("gasmon_jobs_total", "Jobs run, by result")
        metrics.gauge("gasmon_duty_holder", "1 while this process runs jobs").follow(
            lambda: float(self.holds_lock)
        )

    def start(self) -> None:
        """Begin."""
        self._thread.start()
        if self._couriers is not None:
            self._couriers.start()

    def stop(self, timeout_s: float = 20.0) -> None:
        """Finish the present job and end."""
        self._stop.set()
        self._thread.join(timeout_s)
        if self._couriers is not None:
            self._couriers.stop()

    def checks(self) -> dict[str, Callable[[], str | None]]:
        """Readiness: name → what is wrong, None when nothing is."""
        found: dict[str, Callable[[], str | None]] = {"duty": lambda: self._problem}
        if self._couriers is not None:
            found["channels"] = self._couriers.problem
        return found

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with connect(self._settings.database, silent_s=SILENT_S) as conn:
                    self._on_duty(conn)
            except Exception as error:
                self._problem = reason_of(error)
                expected = isinstance(error, GasmonError | psycopg.Error)
                log.error("duty: %s", self._problem, exc_info=not expected)
                self._stop.wait(self._settings.duty.interval_s)
            finally:
                self.holds_lock = False

    def _on_duty(self, conn: Connection) -> None:
        while not self._stop.is_set():
            if not self.holds_lock:
                self.holds_lock = memory.take_lock(conn)
            if self.holds_lock:
                self.run_due(conn)
            self._problem = None
            self._stop.wait(self._settings.duty.interval_s)

    def run_due(self, conn: Connection) -> int:
        """Run every job that is due; returns how many were."""
        known, n = memory.load(conn), 0
        for job in self._jobs:
            row = known.get(job.name)
            now_us = self._clock.now_us()
            last_us = row.last_start_us if row else None
            # A last start in the future is a clock that was set back: run now.
            if last_us is not None and 0 <= now_us - last_us < job.every_s * US_PER_S:
                continue
            if self._stop.is_set():
                break
            self._run_one(conn, job, now_us)
            n += 1
        return n

    def _run_one(self, conn: Connection, job: Job, now_us: int) -> None:
        memory.started(conn, job.name, job.every_s, now_us)
        result = error = None
        try:
            result = job.run(conn, now_us)
            conn.commit()
        except Exception as failure:
            if conn.closed or conn.broken:
                raise
            conn.rollback()
            # Our own mistake in one job must not end the others, nor pass unseen.
            expected = isinstance(failure, GasmonError | psycopg.Error)
            error = str(failure) if expected else repr(failure)
            log.error("job %s failed: %s", job.name, error, exc_info=not expected)
        self._n_runs.inc(job=job.name, result="failed" if error else "ok")
        memory.ended(conn, job.name, self._clock.now_us(), result, error)
