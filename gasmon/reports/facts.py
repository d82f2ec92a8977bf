"""What statistics are made of: alarms, and mines with the breaks of their links."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gasmon.alarms.kinds import LINK_BREAK

OVER_LIMIT = "over_limit"
"""Time over the limit is that of this kind: a cut-off lies within it, and would count
the same minutes twice."""

METHANE = "CH4"


@dataclass(frozen=True, slots=True)
class AlarmFact:
    """One alarm.

    Attributes:
        mine: 12 digits; None when it is about no single mine.
        subject: its id, a point's ``mine-system-number``.
        rank: the highest level it had.
        planned: planned work kept it quiet; one that broke through is like any other.
        late: discovered after the fact.
        cleared_us: None while it is on [µs UTC].
        peak: in ``uom``; None where there is no value.
        told_us: when it was recorded, from which on somebody could answer [µs UTC].
        confirmed: first confirmation of each tier [µs UTC].
        handled: first record of handling or feedback of each tier that was not
            withdrawn [µs UTC].
    """

    alarm_id: int
    kind: str
    area: str
    mine: str | None
    mine_name: str
    subject: str
    place: str
    quantity: str
    uom: str
    rank: int
    planned: bool
    late: bool
    raised_us: int
    cleared_us: int | None
    peak: float | None
    peak_us: int | None
    told_us: int
    confirmed: Mapping[str, int] = field(default_factory=dict)
    handled: Mapping[str, int] = field(default_factory=dict)
    cause_code: str | None = None

    def within_us(self, from_us: int, end_us: int) -> int:
        """How much of it lies in a time [µs]."""
        until_us = end_us if self.cleared_us is None else min(self.cleared_us, end_us)
        return max(0, until_us - max(self.raised_us, from_us))

    def touches(self, from_us: int, end_us: int) -> bool:
        """Whether it was raised in a time, or began before and was still on in it."""
        if self.raised_us >= from_us:
            return self.raised_us < end_us
        return self.cleared_us is None or self.cleared_us > from_us

    def is_on_at(self, time_us: int) -> bool:
        """Whether it was on just before a time."""
        if self.raised_us >= time_us:
            return False
        return self.cleared_us is None or self.cleared_us >= time_us


@dataclass(frozen=True, slots=True)
class MineLink:
    """A mine, and when nothing came from it.

    Attributes:
        from_us: since when it is known [µs UTC].
        until_us: when it was retired [µs UTC]; None: it was not.
        heard: whether anything ever came from it here.
        breaks: begin and end [µs UTC] of each break; None: it is not over.
    """

    mine: str
    name: str
    area: str
    from_us: int
    until_us: int | None
    heard: bool
    breaks: tuple[tuple[int, int | None], ...] = ()


def breaks_of(facts: Iterable[AlarmFact]) -> dict[str, list[tuple[int, int | None]]]:
    """Breaks of each mine's link, from the alarms that told of them."""
    found: dict[str, list[tuple[int, int | None]]] = {}
    for fact in facts:
        if fact.kind == LINK_BREAK and fact.mine is not None:
            found.setdefault(fact.mine, []).append((fact.raised_us, fact.cleared_us))
    return found
