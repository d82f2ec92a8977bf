"""What is refused of drills, counted by run and reason until the database has it."""

from collections import Counter

from gasmon.store import drills
from gasmon.store.db import Connection
from gasmon.telemetry import Metrics

REFUSED_RUNS = 1000
"""Runs of which a process counts refusals apart: whoever sends under ever new numbers
would fill the table; the others are ``NO_RUN``."""

NO_RUN = -1
"""Where refusals are counted that belong to no run of their own."""


class DrillRefusals:
    """The counts of one process."""

    def __init__(self, metrics: Metrics) -> None:
        self._waiting: Counter[tuple[int, str]] = Counter()
        self._named: set[int] = set()
        self._n_refused = metrics.counter(
            "gasmon_drill_refused_total", "Packets of drills refused, by reason"
        )

    def note(self, run: int, reason: str) -> None:
        """Count one packet."""
        self._n_refused.inc(reason=reason)
        if len(self._named) < REFUSED_RUNS:
            self._named.add(run)
        self._waiting[run if run in self._named else NO_RUN, reason] += 1

    def write(self, conn: Connection, now_us: int) -> None:
        """Write what was counted since the last time, and commit.

        Raises:
            psycopg.Error: the database went away; the counts are kept.
        """
        if not self._waiting:
            return
        rows = [(run, why, n) for (run, why), n in sorted(self._waiting.items())]
        drills.count_refused(conn, rows, now_us)
        conn.commit()
        self._waiting.clear()
