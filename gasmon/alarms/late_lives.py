"""The lives of one kind of alarm at one point, from all that is known of its past.

The live rule (debounce.py, levels.py) once more, over readings that are sorted by
their own times and may have come in any order: plain values, because few points have
late readings beyond a limit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import isnan, nan

from gasmon.alarms.rules import Band


@dataclass(frozen=True, slots=True)
class Known:
    """One good reading of a point.

    Attributes:
        value: NaN where it is only known to have been past every end.
        raises: beyond the limit; ``ends``: past the end. Never both.
        above: which bands above the alarm limit it is in.
        on_us, off_us: the delays that count at it [µs].
    """

    at_us: int
    value: float
    arrived_us: int
    raises: bool
    ends: bool
    above: tuple[bool, ...]
    on_us: int
    off_us: int


@dataclass(slots=True)
class Life:
    """One stretch beyond the limit.

    Attributes:
        since_us: first reading beyond the limit [µs].
        due_us: when its on-delay is over, by the newest reading before that [µs].
        raised_us: when its on-delay was over; None when it was cancelled before;
            ``raised_value``: the newest value then.
        cleared_us: its end, or when it was cancelled; None when it still goes on.
        newest: newest reading beyond the limit.
        first: what began it; ``last``: what ended it.
        inside_us: since when each band is held, for what goes on.
    """

    since_us: int
    due_us: int
    newest: Known
    first: Known
    peak: float = nan
    peak_at_us: int = 0
    raised_us: int | None = None
    raised_value: float = nan
    cleared_us: int | None = None
    last: Known | None = None
    rank: int = 0
    bands: tuple[Band, ...] = ()
    inside_us: dict[int, int] = field(default_factory=dict)

    def reaches(self, from_us: int) -> bool:
        """Whether it goes on until a moment or beyond."""
        return self.cleared_us is None or self.cleared_us >= from_us

    def beyond(self, known: Known, *, low: bool) -> None:
        """One more reading beyond the limit."""
        self.newest = known
        worse = known.value < self.peak if low else known.value > self.peak
        if isnan(self.peak) or worse:
            self.peak, self.peak_at_us = known.value, known.at_us

    def rise(self, now_us: int) -> None:
        """Earn what is due by now; time in the bands counts from the raise."""
        if self.raised_us is None:
            return
        for number, band in enumerate(self.bands):
            entered = self.since_us if number == 0 else self.inside_us.get(number)
            if entered is None:
                continue
            begun = max(entered, self.raised_us)
            for lasting_us, rank in band.steps:
                if begun + lasting_us <= now_us:
                    self.rank = max(self.rank, rank)


def lives(
    known: Sequence[Known],
    *,
    low: bool,
    bands_at: Callable[[int], tuple[Band, ...]],
    until_us: int,
) -> list[Life]:
    """Walk through what is known of a point.

    Args:
        known: in order of event time, no time twice.
        low: the kind is for values that are too low.
        bands_at: the level row of an alarm that is raised at a moment.
        until_us: how far time has run at least [µs].
    """
    found: list[Life] = []
    life: Life | None = None
    ending_us: int | None = None

    def mature(now_us: int) -> None:
        if life and life.raised_us is None and life.due_us <= now_us:
            life.raised_us = life.due_us
            life.raised_value = life.newest.value
            life.bands = bands_at(life.raised_us)
            # As live: what the delay swallowed is no peak.
            life.peak = nan
            life.beyond(life.newest, low=low)

    for one in known:
        if life is None:
            if not one.raises:
                continue
            life = Life(one.at_us, one.at_us + one.on_us, one, one)
            found.append(life)
        mature(one.at_us)
        life.rise(one.at_us)
        for number, above in enumerate(one.above, 1):
            if not above:
                life.inside_us.pop(number, None)
            else:
                life.inside_us.setdefault(number, one.at_us)
        if one.raises:
            life.beyond(one, low=low)
            life.due_us = life.since_us + one.on_us
            ending_us = None
        elif life.raised_us is None:
            life.cleared_us, life.last = one.at_us, one
        elif not one.ends:
            ending_us = None
        else:
            ending_us = one.at_us if ending_us is None else ending_us
            if one.at_us - ending_us >= one.off_us:
                # A delay may mature after the reading that ends it.
                life.cleared_us, life.last = ending_us + one.off_us, one
        if life.cleared_us is not None:
            life, ending_us = None, None
        else:
            life.rise(one.at_us)
    mature(until_us)
    return found
