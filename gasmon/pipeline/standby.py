"""Standing by: looking at the owner's lock until it was free for long enough."""

import logging
import threading
from collections.abc import Callable, Sequence

import psycopg

from gasmon.clock import Clock
from gasmon.errors import DependencyError
from gasmon.pipeline.patience import Patience
from gasmon.store import owners
from gasmon.store.db import Connection, reason_of

GRACE_S = 3.5
"""How long areas must be free before a standby takes them [s]: above the beat and the
time of a reconnect, so that an owner whose database restarts is not overtaken. While
the database answers nobody, or the machine stands still, the owner cannot come back
either, so that does not count."""

LOOK_S = 0.25
"""How often it looks [s]."""

AWAY_S = 1.0
"""Wait before the next try while the database is away [s]."""

SAID_EVERY_S = 60.0
"""How often the log is told of it [s]."""

log = logging.getLogger(__name__)


def wait_until_free(
    scopes: Sequence[str],
    connect: Callable[[], Connection],
    clock: Clock,
    stop: threading.Event,
    on_other: Callable[[], None],
) -> bool:
    """Look on until areas were free for GRACE_S.

    Args:
        scopes: area codes, or ``*``.
        on_other: told once that another process owns them.

    Returns:
        False when told to stop.

    Raises:
        DependencyError: the database cannot be reached at first.
    """
    was_free = Patience(GRACE_S)
    said, without_s = False, float("-inf")
    conn = connect()
    try:
        while not stop.is_set():
            now_s = clock.monotonic_s()
            try:
                if conn.closed:
                    conn = connect()
                free = owners.is_free(conn, scopes)
                if not free and not said:
                    said = True
                    on_other()
                    log.warning("standing by: %s", owners.present_owner(conn, scopes))
            except (psycopg.Error, DependencyError) as error:
                # Not free: nobody could tell us of an owner.
                free = False
                conn.close()
                if now_s - without_s >= SAID_EVERY_S:
                    without_s = now_s
                    why = reason_of(error)
                    log.warning("standing by, without database: %s", why)
                stop.wait(AWAY_S)
            if was_free.look(free, now_s):
                return True
            stop.wait(LOOK_S)
    finally:
        conn.close()
    return False
