"""The jobs: names, how often, and what each does."""

from collections.abc import Callable
from dataclasses import dataclass

from gasmon.alarms.rules import RuleSet
from gasmon.duty.forecasts import find_outcomes
from gasmon.settings import Settings
from gasmon.store import retention, sessions
from gasmon.store.db import Connection
from gasmon.store.partitions import open_partitions


@dataclass(frozen=True, slots=True)
class Job:
    """One thing to do again and again.

    Attributes:
        name: its row in the table ``job``.
        every_s: time from one start to the next [s].
        run: does it, given a connection and the wall time [µs]; returns one line
            about what was done.
    """

    name: str
    every_s: int
    run: Callable[[Connection, int], str]


def jobs(settings: Settings, rules: RuleSet) -> tuple[Job, ...]:
    """All jobs of a site.

    Args:
        rules: those of the engine, which give each point its limit.
    """

    def partitions(conn: Connection, now_us: int) -> str:
        made = open_partitions(conn, settings.storage).ensure_ahead(conn, now_us)
        return f"{made} partitions made"

    def keep(conn: Connection, now_us: int) -> str:
        return str(retention.apply_retention(conn, settings.storage, now_us))

    def log_out(conn: Connection, now_us: int) -> str:
        return f"{sessions.delete_expired(conn, now_us)} log-ins expired"

    def outcomes(conn: Connection, now_us: int) -> str:
        return find_outcomes(conn, rules, settings.storage, now_us)

    return (
        Job("partitions", 3600, partitions),
        # A capped database is looked at often: a demo writes about 1 MB/s at most.
        Job("retention", 60 if settings.storage.max_database_mb else 600, keep),
        Job("sessions", 600, log_out),
        Job("forecast_outcomes", 600, outcomes),
    )
