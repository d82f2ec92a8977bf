"""What a check finds, and when and where something was broken."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

SHOWN = 12
"""Keys of one sort that are named; the rest is counted."""


@dataclass(frozen=True)
class Finding:
    """Something that should not be."""

    invariant: str
    text: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.text}"


@dataclass(frozen=True)
class Span:
    """A time in which something was broken; ``mine`` None concerns all mines."""

    begin_us: int
    end_us: int
    mine: str | None = None

    def touches(self, mine: str, begin_us: int, end_us: int) -> bool:
        """Whether it concerns a mine within a stretch of time."""
        concerned = self.mine in (None, mine)
        return concerned and self.begin_us < end_us and begin_us < self.end_us


def findings(invariant: str, what: str, keys: Iterable[object]) -> list[Finding]:
    found = sorted(str(key) for key in keys)
    if not found:
        return []
    shown = ", ".join(found[:SHOWN])
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return [Finding(invariant, f"{len(found)} {what}: {shown}{more}")]
