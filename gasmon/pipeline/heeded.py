"""Which of a mine's definitions is the newest (pure).

A revision above every one that counted before is newer. But a gateway may begin to
count anew, and one absurd number must not end all definitions for good. So another one
counts too if it was written after the one in force had come: what the broker kept, or
sends again, was written before that. A gateway whose clock is ahead proves nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from gasmon.ingest.clocks import AHEAD_US
from gasmon.ingest.decode import Definition
from gasmon.points import MineDef, PointDef
from gasmon.units import US_PER_MS

REMEMBERED = 16
"""Newest definitions of a mine that are known again by revision and time of writing,
for gateways whose clock was ahead. Ours: a broker keeps one, few are on their way."""


@dataclass(frozen=True, slots=True)
class Heeded:
    """What counts of a mine's definitions so far.

    Attributes:
        rev: of the definition in force.
        highest: the highest revision that ever counted, as far as the versions tell.
        told_us: when the one in force had come, or was written if that is later
            [µs UTC].
        seen: revision and time of writing [ms UTC] of the newest that counted.
    """

    rev: int
    highest: int
    told_us: int
    seen: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, definition: Definition, before: "Heeded | None") -> "Heeded":
        """After a definition that counts."""
        arrived_us = definition.arrived_us
        written_us = min(definition.ts_ms * US_PER_MS, arrived_us + AHEAD_US)
        seen = (definition.rev, definition.ts_ms)
        now = cls(definition.rev, definition.rev, max(arrived_us, written_us), (seen,))
        return now.after(before)

    def after(self, before: "Heeded | None") -> "Heeded":
        """This one in force, with what was remembered before it."""
        if before is None:
            return self
        return Heeded(
            self.rev,
            max(self.highest, before.highest),
            max(self.told_us, before.told_us),
            (*before.seen, *self.seen)[-REMEMBERED:],
        )

    def is_older(self, definition: Definition) -> bool:
        """Whether a definition does not count, or is one that did."""
        if definition.rev > self.highest:
            return False
        if (definition.rev, definition.ts_ms) in self.seen:
            return True
        newest_us = definition.arrived_us + AHEAD_US
        return not self.told_us < definition.ts_ms * US_PER_MS <= newest_us


def heeded_of(
    mines: Iterable[MineDef], versions: Iterable[PointDef]
) -> dict[str, Heeded]:
    """What a start knows of it, by code of the mine.

    Args:
        versions: of the mines' points, with the revisions that they came with.
    """
    highest: dict[str, int] = {}
    for point in versions:
        if point.rev is not None:
            mine = point.key.mine
            highest[mine] = max(highest.get(mine, 0), point.rev)
    return {
        mine.code: Heeded(
            mine.rev, max(mine.rev, highest.get(mine.code, 0)), mine.told_us
        )
        for mine in mines
        if mine.rev is not None
    }
