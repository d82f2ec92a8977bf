"""AlarmEvent: what the engine says, one value per thing that happened.

An event never changes after it was made. Its key is built from event time only, so
the same readings give the same keys however often they are judged.
"""

from dataclasses import dataclass, field
from typing import Any

RANK_NAMES = ("ungraded", "blue", "yellow", "orange", "red")
"""Colour by rank. Both are kept everywhere, because one province counts its level 3
as the worst while the colours count red (seen on live platforms)."""

RANK_NAMES_ZH = ("未分级", "蓝色", "黄色", "橙色", "红色")

RED = 4


@dataclass(frozen=True, slots=True)
class AlarmEvent:
    """One transition of one alarm.

    Attributes:
        event: raised, level, cleared, unknown (raised, and now without data) or
            known (data is back, still raised).
        kind: over_limit, cut_off, … (docs/alarm-rules.md lists them).
        rule: where the limit came from, e.g. ``law:FACE_T2`` or ``mine``.
        subject_type: point, unit, substation, mine or link.
        subject_id: for a point ``mine-system-number``, for a mine its code.
        raised_at_us: event time at which this alarm began; part of its key.
        happened_at_us: event time of this transition.
        arrived_at_us: when the reading (or clock mark) behind it arrived.
        decided_at_us: when the engine spoke.
        rank: the level now, 0 to 4; latched while the alarm lives.
        value: the reading's value in the point's unit; None when there was none.
        limit: the limit it was compared with; None when no limit is involved.
        peak: the worst value so far and when it was.
        late: found after it was over, from data that came afterwards.
        quiet: why nobody is woken (a record's name), or None.
        explain: what a person needs to see why it spoke.
    """

    event: str
    kind: str
    rule: str
    subject_type: str
    subject_id: str
    area: str
    mine: str
    raised_at_us: int
    happened_at_us: int
    arrived_at_us: int
    decided_at_us: int
    rank: int
    run: int = 0
    system: str | None = None
    no: str | None = None
    unit: str | None = None
    row: int = -1
    value: float | None = None
    limit: float | None = None
    peak: float | None = None
    peak_at_us: int | None = None
    late: bool = False
    planned: bool = False
    quiet: str | None = None
    explain: dict[str, Any] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        """``point:530627004499-01-001A01`` and the like."""
        return f"{self.subject_type}:{self.subject_id}"

    @property
    def key(self) -> str:
        """Identity of the alarm."""
        return f"{self.run}/{self.subject}/{self.kind}/{self.raised_at_us}"

    @property
    def event_id(self) -> str:
        """Identity of this transition; the same twice is the same thing told twice."""
        return f"{self.key}/{self.event}/{self.rank}/{self.happened_at_us}"

    @property
    def level(self) -> str:
        """The colour of ``rank``."""
        return RANK_NAMES[self.rank]
