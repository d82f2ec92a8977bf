"""What following tells people: log lines, metrics, health."""

import logging
from typing import Any

from gasmon.clock import Clock
from gasmon.remote.client_session import Wish
from gasmon.remote.parsing import Result
from gasmon.settings import UpstreamSettings
from gasmon.store.following import Taken
from gasmon.store.upstream import Queue
from gasmon.telemetry import Metrics
from gasmon.units import US_PER_S, parse_iso_us

log = logging.getLogger("gasmon.upstream")


class Notes:
    """How it stands with the node above.

    Attributes:
        problem: why nothing is heard; None while all is well.
        n_answers: subscriptions that were answered since the start.
        n_waiting, n_refused: commands without an answer, and with a bad one.
    """

    def __init__(self, name: str, clock: Clock, metrics: Metrics) -> None:
        self.problem: str | None = "not connected yet"
        self.n_answers = 0
        self.n_waiting = self.n_refused = 0
        self._name = name
        self._clock = clock
        self._complete_us: int | None = None
        self._events = metrics.counter(
            "gasmon_upstream_events_total",
            "events of the node above by result: new, known, unknown_alarm, refused",
        )
        self._results = metrics.counter(
            "gasmon_upstream_commands_total", "commands answered above, by status"
        )
        self._connects = metrics.counter(
            "gasmon_upstream_connects_total", "subscriptions answered above, by how"
        )
        metrics.gauge(
            "gasmon_upstream_connected", "1 while the node above is heard"
        ).follow(lambda: float(self.problem is None))
        metrics.gauge(
            "gasmon_upstream_lag_seconds",
            "how far behind the node above the newest complete moment is [s]",
        ).follow(self._lag_s)
        metrics.gauge(
            "gasmon_upstream_commands_waiting", "records that the node above lacks"
        ).follow(lambda: float(self.n_waiting))
        metrics.gauge(
            "gasmon_upstream_commands_refused",
            "records that the node above refused; they stand here alone",
        ).follow(lambda: float(self.n_refused))

    def _lag_s(self) -> float:
        if self._complete_us is None:
            return float("nan")
        return (self._clock.now_us() - self._complete_us) / US_PER_S

    def noticed(self, kind: str, facts: dict[str, Any]) -> None:
        """Something that the session says aloud."""
        words = " ".join(f"{key}={value}" for key, value in facts.items())
        log.warning("上级平台 %s · upstream: %s %s", self._name, kind, words)
        if kind == "connected":
            self.problem = None
            self.n_answers += 1
            self._connects.inc(how=str(facts["how"]))

    def kept(self, n_events: int, taken: Taken) -> None:
        """Events were stored."""
        n_known = n_events - taken.n_new - taken.n_unknown - len(taken.refused)
        for result, n in (
            ("new", taken.n_new),
            ("known", max(n_known, 0)),
            ("unknown_alarm", taken.n_unknown),
            ("refused", len(taken.refused)),
        ):
            if n:
                self._events.inc(n, result=result)
        for text in taken.refused:
            log.error("an event of %s cannot be stored: %s", self._name, text)

    def heard(self, complete_to: str) -> None:
        """A heartbeat."""
        self._complete_us = parse_iso_us(complete_to) or None

    def queued(self, queue: Queue) -> None:
        """How it stands with the commands."""
        self.n_waiting, self.n_refused = queue.n_waiting, queue.n_refused

    def answered(self, result: Result) -> None:
        """The node above answered a command."""
        self._results.inc(status=str(result.status))
        if not result.ok:
            log.error(
                "%s 未接受本平台记录 · does not take record %s: %s %s",
                *(self._name, result.key, result.status, result.detail),
            )

    def lost(self, reason: str) -> None:
        """The line ended, or cannot be had."""
        if self.problem is None:
            log.warning("上级平台 %s 断开 · upstream lost: %s", self._name, reason)
        self.problem = reason


def wish_of(settings: UpstreamSettings) -> Wish:
    """What to subscribe to."""
    return Wish(
        areas=tuple(sorted(set(settings.areas))) or None,
        min_rank=settings.min_rank,
        kinds=tuple(sorted(set(settings.kinds))) or None,
        history=True,
    )
