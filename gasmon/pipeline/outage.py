"""What waits for the database, as the evaluating thread tells it.

Measured by the persisting thread, which alone uses the spool.
"""

from dataclasses import dataclass

from gasmon.pipeline.spool import Spool


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


def measure(spool: Spool | None, now_us: int) -> Outage | None:
    """What waits in the spool; None when nothing does.

    Args:
        now_us: wall time [µs UTC].
    """
    if spool is None or spool.n_turns == 0:
        return None
    return Outage(spool.n_turns, spool.minutes_left(now_us), spool.readings_refused)
