"""The jobs: names, how often, and what each does."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from gasmon.alarms.closing import load_closing
from gasmon.alarms.escalation_rules import load_escalation
from gasmon.alarms.rules import RuleSet
from gasmon.duty.back_testing import BackTests, rules_in_force
from gasmon.duty.channel_file import check_names, load_channels
from gasmon.duty.differences import find_differences
from gasmon.duty.drainage import count_days
from gasmon.duty.escalating import Escalation, Settling
from gasmon.duty.forecasts import find_outcomes
from gasmon.duty.hours import gather_hours
from gasmon.remote.frames import encode_body
from gasmon.settings import Settings, StorageSettings
from gasmon.store import (
    drill_sweep,
    handovers,
    life_jobs,
    retention,
    seals,
    sessions,
)
from gasmon.store.db import Connection
from gasmon.store.expected import expecting_of
from gasmon.store.partitions import open_partitions

log = logging.getLogger("gasmon.duty")


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


def jobs(settings: Settings, rules: Callable[[], RuleSet]) -> tuple[Job, ...]:
    """All jobs of a site.

    Args:
        rules: gives those of the site's file.

    Raises:
        ConfigError: the closing rules, the escalation rules or the channels are wrong.
    """
    closing_rules = load_closing(settings.life.closing_file)
    escalation = escalation_of(settings)
    back_tests = BackTests(rules, time.monotonic)
    gather = partial(gather_hours, monotonic_s=time.monotonic)
    by_storage = partial(_by_storage, settings.storage)

    def partitions(conn: Connection, now_us: int) -> str:
        made = open_partitions(conn, settings.storage).ensure_ahead(conn, now_us)
        return f"{made} partitions made"

    def keep(conn: Connection, now_us: int) -> str:
        return str(
            retention.apply_retention(
                conn, settings.storage, now_us, settings.ledger.retention_days
            )
        )

    def log_out(conn: Connection, now_us: int) -> str:
        idle_us = sessions.life_of(settings.api).idle_us
        return f"{sessions.delete_expired(conn, idle_us, now_us)} log-ins expired"

    def outcomes(conn: Connection, now_us: int) -> str:
        counting = rules_in_force(conn, rules(), now_us)
        return find_outcomes(conn, counting, settings.storage, now_us)

    def unshelve(conn: Connection, now_us: int) -> str:
        n_ended = life_jobs.tell_ended_shelves(conn, encode_body, now_us)
        return f"{n_ended} shelves ended"

    def close(conn: Connection, now_us: int) -> str:
        n = life_jobs.close_what_may(conn, closing_rules, encode_body, now_us)
        return f"{n} alarms closed"

    def hand_over(conn: Connection, now_us: int) -> str:
        said = handovers.remind(conn, now_us)
        for words in said:
            log.warning("hand-over without two signatures: %s", words)
        return f"{len(said)} reminders"

    return (
        # People first: behind an outage all of them are due at once, and those that
        # delete and search have the more to do, the longer it was.
        # An alarm that comes back from its shelf is told as soon as duty looks.
        Job("shelves", 1, unshelve),
        Job("escalation", 1, Settling(escalation).look),
        Job("closing", 30, close),
        Job("handovers", 60, hand_over),
        Job("partitions", 3600, partitions),
        # A capped database is looked at often: a demo writes about 1 MB/s at most.
        Job("retention", 60 if settings.storage.max_database_mb else 600, keep),
        Job("sessions", 600, log_out),
        Job("forecast_outcomes", 600, outcomes),
        Job("back_tests", 1, back_tests.look),
        Job("drainage", 1800, by_storage(count_days)),
        Job("differences", 60, by_storage(find_differences)),
        Job("seals", 20, _seal_hours),
        # Each round does a second's work at most; an hour of a city is some of them.
        Job("hours", 10, by_storage(gather)),
        # Ingest looks each second; this is for when it does not.
        Job("drills", 5, _end_drills),
    )


def _seal_hours(conn: Connection, now_us: int) -> str:
    # A clock that is ahead must not seal what is yet to come.
    believed_us = retention.believed(conn, now_us)
    conn.commit()
    return f"{len(seals.seal_due(conn, believed_us))} hours sealed"


def _by_storage(
    storage: StorageSettings, run: Callable[[Connection, StorageSettings, int], str]
) -> Callable[[Connection, int], str]:
    return lambda conn, now_us: run(conn, storage, now_us)


def _end_drills(conn: Connection, now_us: int) -> str:
    return f"{len(drill_sweep.sweep(conn, encode_body, now_us))} drills ended"


def escalation_of(settings: Settings) -> Escalation:
    """Escalation as a site has set it.

    Raises:
        ConfigError: the rules or the channels are wrong.
    """
    rules = load_escalation(settings.escalation.rules_file)
    channels = load_channels(settings.escalation.channels_file)
    check_names(rules, channels)
    # Only a real site calls real telephones.
    is_exercise = settings.mode != "production"
    expecting = expecting_of(settings.ledger)
    return Escalation(rules, expecting, encode_body, channels, is_exercise)
