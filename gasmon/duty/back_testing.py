"""The job that back-tests changes of limits, a slice of the past at a time.

Its turns are short because it shares a thread with escalation, which must not wait. How
far it is lives in this process; another one that takes over begins again.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import psycopg

from gasmon.alarms.back_test import BackTest, limits_of, why_impossible
from gasmon.alarms.rule_changes import (
    in_force,
    rule_text,
    that_fit,
    with_changes,
)
from gasmon.alarms.rules import RuleSet
from gasmon.batch import ReadingBatch
from gasmon.errors import ConfigError
from gasmon.points import PointKey
from gasmon.store import back_tests, limit_changes, points
from gasmon.store.back_tests import Waiting
from gasmon.store.db import Connection
from gasmon.units import US_PER_H

log = logging.getLogger("gasmon.duty")

TURN_S = 0.25
"""How long one turn may take [s]: a quarter of escalation's time. Ours."""

SLICE_US = 2 * US_PER_H
"""What is read and judged at once [µs]: 10 points each 15 s, 4,800 readings. Ours."""


def rules_in_force(conn: Connection, site: RuleSet, at_us: int) -> RuleSet:
    """The site's rules with the approved changes that count at a time [µs UTC]."""
    counting = in_force(limit_changes.approved(conn), at_us)
    return with_changes(site, rule_text(that_fit(site, counting)[0]))


class BackTests:
    """Goes on with the oldest back-test that waits, turn by turn."""

    def __init__(
        self, rules: Callable[[], RuleSet], monotonic_s: Callable[[], float]
    ) -> None:
        """Nothing is under way.

        Args:
            rules: gives those of the site's file.
            monotonic_s: a clock for the length of a turn [s].
        """
        self._rules = rules
        self._monotonic_s = monotonic_s
        self._under_way: tuple[int, Iterator[float]] | None = None

    def look(self, conn: Connection, now_us: int) -> str:
        """One turn; returns a line about it."""
        waiting = back_tests.oldest_waiting(conn)
        if waiting is None:
            self._under_way = None
            return "none waits"
        # Of this turn: the one before it may have had another.
        self._conn = conn
        number = waiting.change.number
        if self._under_way is None or self._under_way[0] != number:
            self._under_way = (number, self._slices(waiting, now_us))
        try:
            share = self._go_on(self._under_way[1])
        except psycopg.Error:
            self._under_way = None
            raise
        except Exception as error:
            # Our own mistake with one of them must not keep the others waiting.
            log.exception("the back-test of change %d failed", number)
            share = None
            why = f"it cannot be back-tested: {error!r}"
            back_tests.finish(conn, number, now_us, failure=why)
        if share is None:
            self._under_way = None
            return f"change {number}: done"
        back_tests.note_progress(conn, number, share)
        return f"change {number}: {share:.0%}"

    def _go_on(self, slices: Iterator[float]) -> float | None:
        """One turn's slices: the share that is done, or None at the end."""
        end_s = self._monotonic_s() + TURN_S
        for share in slices:
            if self._monotonic_s() >= end_s:
                return share
        return None

    def _slices(self, waiting: Waiting, now_us: int) -> Iterator[float]:
        """Do it all, yielding the share that is done after each slice."""
        conn = self._conn
        change, number = waiting.change, waiting.change.number
        mine = next(m for m in points.load_mines(conn) if m.code == waiting.key.mine)
        versions = back_tests.unit_versions(conn, waiting.key, retired=change.retired)
        newest = [v for v in versions if v.key == waiting.key][-1]
        try:
            before, after = self._both(waiting)
        except ConfigError as error:
            back_tests.finish(conn, number, now_us, failure=str(error))
            return
        why = why_impossible(newest, mine, after, dict(change.limits))
        limits = [limits_of(newest, mine, rules) for rules in (before, after)]
        places = [rules.corrected(newest).place_class for rules in (before, after)]
        same = limits[0] == limits[1] and places[0] == places[1]
        if why is None and same and not change.retired:
            why = "it changes nothing"
        if why is not None:
            back_tests.finish(conn, number, now_us, failure=why)
            return
        test = BackTest(mine, versions, before, after)
        ids = {version.point_id: version.key for version in versions}
        first_us = back_tests.first_reading_us(conn, list(ids), waiting.from_us)
        at_us = waiting.until_us if first_us is None else first_us
        whole_us = max(1, waiting.until_us - at_us)
        while at_us < waiting.until_us:
            end_us = min(at_us + SLICE_US, waiting.until_us)
            found = back_tests.readings(self._conn, list(ids), at_us, end_us)
            test.feed(_batch(test, ids, found), end_us)
            at_us = end_us
            yield 1 - (waiting.until_us - at_us) / whole_us
        result = {
            "before": limits[0],
            "after": limits[1],
            "place_class": {"before": places[0], "after": places[1]},
            **test.result(),
        }
        back_tests.finish(self._conn, number, now_us, result=result)

    def _both(self, waiting: Waiting) -> tuple[RuleSet, RuleSet]:
        """The rules at the change's time without it, and with it.

        Raises:
            ConfigError: it contradicts them.
        """
        change, site = waiting.change, self._rules()
        at_us = max(change.from_us, waiting.until_us)
        counting = in_force(limit_changes.approved(self._conn), at_us)
        fitting = that_fit(site, counting)[0]
        others = [one for one in fitting if one.point != change.point]
        before = with_changes(site, rule_text(fitting))
        return before, with_changes(site, rule_text([*others, change]))


def _batch(
    test: BackTest, keys: Mapping[int, PointKey], found: tuple[Any, ...]
) -> ReadingBatch:
    """Stored readings as the engine takes them: each as if it had come in time."""
    point_id, at_us, value, state = found
    rows = {number: test.table.index[key] for number, key in keys.items()}
    row = np.asarray([rows[number] for number in point_id.tolist()], np.int32)
    return ReadingBatch(
        row=row, value=value, at_us=at_us, arrived_us=at_us, state=state
    )
