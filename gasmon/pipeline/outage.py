"""What waits for the database, as the evaluating thread tells it.

Measured by the persisting thread, which alone uses the spool.
"""

import logging
from dataclasses import dataclass

from gasmon.pipeline.spool import Spool

WARN_EVERY_S = 60.0
LOUD_BELOW_MIN = 60.0
"""The spool's remaining time is said every minute, as critical below an hour."""

RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Waits between tries while the database is away [s]; the last one repeats."""

STOPPED = (
    "not even alarms are taken any more, frames wait at the broker and judging stops"
)
"""When nothing goes into the spool; relays sound once they hear no more."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outage:
    """The database is away, or was and has not got everything yet.

    Attributes:
        n_turns: turns that wait in the spool.
        minutes_left: how long readings still fit [min]; None while that is not known.
        readings_refused: they do not fit any more.
    """

    n_turns: int
    minutes_left: float | None
    readings_refused: bool


def retry_s(n_failed: int) -> float:
    """How long to wait for the next try after so many in a row before this one [s]."""
    return RETRY_S[min(n_failed, len(RETRY_S) - 1)]


def measure(spool: Spool | None, now_us: int) -> Outage | None:
    """What waits in the spool; None when nothing does.

    Args:
        now_us: wall time [µs UTC].
    """
    if spool is None or spool.n_turns == 0:
        return None
    return Outage(spool.n_turns, spool.minutes_left(now_us), spool.readings_refused)


def warn(spool: Spool, now_us: int) -> None:
    """Say loudly how long readings can still be kept.

    Args:
        now_us: wall time [µs UTC].
    """
    left_min = spool.minutes_left(now_us)
    if spool.takes_nothing:
        log.critical("the database is away and the spool is full: %s", STOPPED)
    elif spool.readings_refused:
        log.critical(
            "the database is away and the spool takes no readings any more: %d were not"
            " kept; alarms go on",
            spool.n_refused,
        )
    elif left_min is not None:
        say = log.critical if left_min < LOUD_BELOW_MIN else log.warning
        say(
            "the database is away: %d turns are spooled, readings fit for %.0f"
            " more minutes",
            spool.n_turns,
            left_min,
        )


def problem(spool: Spool | None, now_us: int, since_start: bool) -> str:
    """What people are told while the database is away or behind.

    Args:
        now_us: wall time [µs UTC].
        since_start: it was away when this process began.
    """
    if spool is None:
        return "the database is away"
    left_min = spool.minutes_left(now_us)
    room = "" if left_min is None else f", room for {left_min:.0f} more minutes"
    if spool.takes_nothing:
        room = f", {STOPPED}"
    elif spool.readings_refused:
        room = (
            f", no room for readings any more ({spool.n_refused} were not kept);"
            " alarms go on"
        )
    began = " since the start, which was from the local copy" if since_start else ""
    waiting = f"{spool.n_turns} turns are spooled"
    if spool.unreadable:
        return f"the spool cannot be read, {waiting}{room}: {spool.unreadable}"
    return f"the database is away or behind{began}: {waiting}{room}"
