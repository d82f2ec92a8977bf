"""QuietTable: what may keep an alarm from waking people, and up to where.

Plans, shelves and calibration windows are filled in by people and handed to the
engine as an argument. Quiet is always a record with a reason, an end and a ceiling;
what is worse than the ceiling breaks through. Nothing quiet is hidden: the event is
made, stored and counted all the same.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf


@dataclass(frozen=True, slots=True)
class Quiet:
    """One window.

    Attributes:
        name: how the record is called, e.g. ``plan:17``.
        subject: ``point:…``, ``unit:mine/slug`` or ``mine:…``.
        from_us: first event time it covers [µs UTC].
        until_us: first event time it no longer covers [µs UTC].
        rank_ceiling: highest level that stays quiet; never red.
        value_ceiling: highest value that stays quiet, in the point's unit.
        planned: registered work, as opposed to a shelf.
        alarm_kind: the only kind of alarm it is about; None for every kind. A shelf
            on a broken sensor must not quiet gas at the same place.
        test_gas: content of the test gas of a planned calibration, in the point's
            unit; what does not look like it breaks through (planned.py).
    """

    name: str
    subject: str
    from_us: int
    until_us: int
    rank_ceiling: int
    value_ceiling: float = inf
    planned: bool = True
    alarm_kind: str | None = None
    test_gas: float | None = None

    def __post_init__(self) -> None:
        assert 0 <= self.rank_ceiling <= 3, f"{self.name}: red cannot be quiet"
        assert self.until_us > self.from_us, f"{self.name}: ends before it begins"

    def covers(
        self, happened_us: int, rank: int, value: float | None, kind: str = ""
    ) -> bool:
        """Whether an event of this rank, value and kind stays quiet."""
        return (
            self.alarm_kind in (None, kind)
            and self.from_us <= happened_us < self.until_us
            and rank <= self.rank_ceiling
            and (value is None or value <= self.value_ceiling)
        )


@dataclass(frozen=True, slots=True)
class QuietTable:
    """All windows, by subject."""

    by_subject: dict[str, tuple[Quiet, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, windows: Iterable[Quiet]) -> "QuietTable":
        table: dict[str, tuple[Quiet, ...]] = {}
        for window in windows:
            table[window.subject] = (*table.get(window.subject, ()), window)
        return cls(table)

    def look_up(
        self,
        subjects: Iterable[str],
        happened_us: int,
        rank: int,
        value: float | None,
        kind: str = "",
    ) -> Quiet | None:
        """The first window of any of the subjects that keeps an event quiet."""
        for subject in subjects:
            for window in self.by_subject.get(subject, ()):
                if window.covers(happened_us, rank, value, kind):
                    return window
        return None
