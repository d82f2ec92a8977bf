"""Courier: a thread per channel that sends what waits for it.

A channel whose other side hangs holds up nobody but itself: neither the jobs of duty,
which find out what is due, nor the other channels. Couriers need no lock of duty; each
letter is held by one process at a time.
"""

import logging
import threading
from collections.abc import Sequence
from functools import partial

import psycopg

from gasmon.clock import Clock
from gasmon.duty.channel_file import Channel
from gasmon.duty.senders import call_of, send
from gasmon.errors import GasmonError
from gasmon.settings import Settings
from gasmon.store import deliveries
from gasmon.store.db import SILENT_S, Connection, connect
from gasmon.store.deliveries import Attempt
from gasmon.telemetry import Metrics
from gasmon.units import US_PER_MIN

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""How often a courier looks for letters [s]."""


class Couriers:
    """All channels of a process."""

    def __init__(
        self,
        settings: Settings,
        channels: Sequence[Channel],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._channels = channels
        self._clock = clock
        self._stop = threading.Event()
        self._problems: dict[str, str] = {}
        self._n_sent = metrics.counter(
            "gasmon_deliveries_total", "Attempts to call somebody, by result"
        )
        failing = metrics.gauge(
            "gasmon_channel_failing", "1 while a channel's last attempt failed"
        )
        for channel in channels:
            is_failing = partial(self._is_failing, channel.name)
            failing.follow(is_failing, channel=channel.name)
        self._threads = [
            threading.Thread(
                target=self._run,
                args=(channel,),
                name=f"gasmon[channel {channel.name}]",
                daemon=True,
            )
            for channel in channels
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float = 30.0) -> None:
        """Finish the present letters and end."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout_s)

    def problem(self) -> str | None:
        """Which channels fail and why; None when none does."""
        failing = sorted(self._problems.items())
        return "; ".join(f"{name}: {why}" for name, why in failing) or None

    def _is_failing(self, name: str) -> float:
        return float(name in self._problems)

    def _run(self, channel: Channel) -> None:
        while not self._stop.is_set():
            try:
                with connect(self._settings.database, silent_s=SILENT_S) as conn:
                    while not self._stop.is_set():
                        if not self.send_next(conn, channel):
                            self._stop.wait(LOOK_S)
            except Exception as error:
                expected = isinstance(error, GasmonError | psycopg.Error)
                log.error("channel %s: %s", channel.name, error, exc_info=not expected)
                self._stop.wait(self._settings.duty.interval_s)

    def send_next(self, conn: Connection, channel: Channel) -> bool:
        """Send the next letter of a channel; False when nothing is due."""
        attempt = deliveries.take(conn, channel.name, self._clock.now_us())
        if attempt is None:
            return False
        error = self._send(channel, attempt)
        now_us = self._clock.now_us()
        self._n_sent.inc(channel=channel.name, result="failed" if error else "sent")
        if error is None:
            self._problems.pop(channel.name, None)
            deliveries.succeeded(conn, channel.name, channel.kind, attempt, now_us)
            return True
        self._problems[channel.name] = error
        deliver_for_us = self._settings.escalation.deliver_for_min * US_PER_MIN
        again = deliveries.failed(
            conn,
            channel.name,
            channel.kind,
            attempt,
            error,
            deliver_for_us=deliver_for_us,
            now_us=now_us,
        )
        log.error(
            "channel %s, attempt %d: %s; %s",
            channel.name,
            attempt.n,
            error,
            "again later" if again else "given up",
        )
        return True

    def _send(self, channel: Channel, attempt: Attempt) -> str | None:
        """Why it was not sent; None when it was."""
        try:
            send(
                channel,
                call_of(
                    attempt.body,
                    key=attempt.delivery_key,
                    to=attempt.recipient,
                    now_us=self._clock.now_us(),
                ),
            )
        except GasmonError as error:
            return str(error)
        return None
