"""How shelves, plans, changes of limits and rulings on places reach us: by looking.

A thread and a connection of their own, because neither judging nor storing may wait for
them. While the database is away the windows that are known run to their end, as each
carries it, and there are no new ones: whatever is unknown sounds.
"""

import logging
import threading
from collections.abc import Callable

import psycopg

from gasmon.alarms.quiet import QuietTable
from gasmon.alarms.rule_changes import LimitChange
from gasmon.clock import Clock
from gasmon.errors import DependencyError
from gasmon.settings import DatabaseSettings
from gasmon.store import limit_changes, place_rulings, shelves
from gasmon.store.db import Connection, connect
from gasmon.store.place_rulings import Rulings
from gasmon.units import US_PER_H

log = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0
"""Between two looks [s]: so long a new shelf may go unheard. Ours."""

KEEP_US = 24 * US_PER_H
"""Windows that ended are kept this long [µs], for readings that come late. Ours."""

HANG_S = 10.0
"""Longest look, and longest silence of the line [s]."""


class QuietWindows:
    """The windows that count, as far as the database was heard."""

    def __init__(
        self,
        database: DatabaseSettings,
        clock: Clock,
        stop: threading.Event,
        hear: Callable[[tuple[LimitChange, ...]], None],
        rule: Callable[[Rulings], None] = lambda rulings: None,
    ) -> None:
        """Know none yet.

        Args:
            stop: ends ``run``.
            hear: is told at each look which changes of limits are approved.
            rule: is told at each look which places people decided.
        """
        self._database = database
        self._clock = clock
        self._stop = stop
        self._hear = hear
        self._rule = rule
        self._rulings: Rulings = {}
        self._table = QuietTable()
        self._problem = ""

    def table(self) -> QuietTable:
        """What counts now; replaced as a whole, never changed."""
        return self._table

    def begin(self) -> None:
        """Look once before anything is judged, if the database answers now."""
        try:
            with self._connect() as conn:
                self.look(conn)
        except (DependencyError, psycopg.Error) as error:
            self._tell(str(error))

    def _connect(self) -> Connection:
        return connect(
            self._database,
            name="gasmon windows",
            statement_timeout_s=HANG_S,
            line_timeout_s=HANG_S,
        )

    def run(self) -> None:
        """Look until told to stop; a database that is away is asked again."""
        while not self._stop.is_set():
            try:
                with self._connect() as conn:
                    self._follow(conn)
            except (DependencyError, psycopg.Error) as error:
                self._tell(str(error))
                self._stop.wait(LOOK_EVERY_S)

    def _follow(self, conn: Connection) -> None:
        while not self._stop.is_set():
            self.look(conn)
            self._tell("")
            self._stop.wait(LOOK_EVERY_S)

    def look(self, conn: Connection) -> None:
        """Read what counts now."""
        from_us = self._clock.now_us() - KEEP_US
        table = shelves.windows(conn, from_us)
        changes = limit_changes.approved(conn)
        rulings = place_rulings.in_force(conn)
        conn.commit()
        self._hear(changes)
        if rulings != self._rulings:
            self._rulings = rulings
        # The same object while nothing changed; each look, as the hearer may be new.
        self._rule(self._rulings)
        if table != self._table:
            # The same object while nothing changed: whoever derives from it may rest.
            self._table = table

    def _tell(self, problem: str) -> None:
        """Say once what is wrong, and once that it is over."""
        if problem == self._problem:
            return
        self._problem = problem
        if problem:
            log.warning("no new shelves, plans and limits: %s", problem)
        else:
            log.info("shelves, plans and limits are read again")
