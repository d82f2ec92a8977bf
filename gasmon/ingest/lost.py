"""Frames that are missing and that nobody is asked for any more: told by name (pure).

A gap that is given up is a loss, and a loss is not to be found out by somebody who
misses it. A gateway that refuses a range may be sending part of it, and a broker may
repeat some: so what is given up is looked at once more after a while, and only what is
missing then is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import inf

from gasmon.batch import Reject
from gasmon.ingest.dedupe import SeenFrames

REASON = "frames_missing"

TELL_AFTER = 20
"""Told so many times the patience before the first request later: 5 min. What a gateway
still has comes on ``backfill`` at a slow pace meanwhile. Ours."""

RANGES_MOST = 64
"""Ranges kept apart of one start of a gateway; further ones widen the last. Ours: a
gateway that leaves out every second frame takes no memory."""

REASONS_MOST = 3
"""Reasons that one word of it gives; each answer of a gateway has words of its own."""

COUNT_MOST = 1_000_000
"""More than these frames are no loss but a number that jumped; counted as these."""

Range = tuple[int, int]


@dataclass(slots=True)
class _Given:
    """What was given up of one start of a gateway, and when it is told [s]."""

    due_s: float
    why: list[str] = field(default_factory=list)
    ranges: list[Range] = field(default_factory=list)


class LostFrames:
    """Ranges that were given up, until they are told; not thread-safe.

    Attributes:
        n_told: frames that were told as missing.
    """

    def __init__(self, seen: SeenFrames, tell_after_s: float) -> None:
        """Begin with none.

        Args:
            seen: which frames were accepted; read only.
            tell_after_s: how long after it was given up the first of a start's ranges
                is told, and all others with it [s].
        """
        self.n_told = 0
        self._seen = seen
        self._tell_after_s = tell_after_s
        self._given: dict[tuple[int, str, str], _Given] = {}
        self._due_s = inf

    def note(
        self, place: tuple[int, str, str], first: int, last: int, why: str, now_s: float
    ) -> None:
        """These are not asked for any more.

        Args:
            place: run, mine and boot.
            why: in words, for people.
            now_s: monotonic time [s].
        """
        due_s = now_s + self._tell_after_s
        given = self._given.setdefault(place, _Given(due_s))
        if why not in given.why and len(given.why) < REASONS_MOST:
            given.why.append(why)
        self._due_s = min(self._due_s, given.due_s)
        if len(given.ranges) < RANGES_MOST:
            given.ranges.append((first, last))
        else:
            begun, ended = given.ranges[-1]
            given.ranges[-1] = min(begun, first), max(ended, last)

    def tell(self, now_s: float, now_us: int) -> list[Reject]:
        """What is due and still missing: one for each start of a gateway.

        Args:
            now_s: monotonic time [s].
            now_us: stamped as the time of the refusal [µs UTC].
        """
        if now_s < self._due_s:
            return []
        told: list[Reject] = []
        for place in [p for p, given in self._given.items() if given.due_s <= now_s]:
            given = self._given.pop(place)
            missing = list(self._missing(place, given.ranges))
            if missing:
                told.append(_reject(place, missing, "; ".join(given.why), now_us))
                self.n_told += told[-1].n
        self._due_s = min((g.due_s for g in self._given.values()), default=inf)
        return told

    def forget_run(self, run: int) -> None:
        """Forget a drill that is over."""
        for place in [place for place in self._given if place[0] == run]:
            del self._given[place]

    def _missing(
        self, place: tuple[int, str, str], ranges: Iterable[Range]
    ) -> Iterator[Range]:
        """Parts of the ranges that did not come, each once, ascending."""
        gaps = self._seen.missing(*place)
        for first, last in _joined(ranges):
            for begins, ends in gaps:
                if ends >= first and begins <= last:
                    yield max(first, begins), min(last, ends)


def _joined(ranges: Iterable[Range]) -> list[Range]:
    """The same numbers as ranges that do not overlap, ascending."""
    out: list[Range] = []
    for first, last in sorted(ranges):
        if out and first <= out[-1][1] + 1:
            out[-1] = out[-1][0], max(out[-1][1], last)
        else:
            out.append((first, last))
    return out


def _reject(
    place: tuple[int, str, str], missing: list[Range], why: str, now_us: int
) -> Reject:
    run, mine, boot = place
    n = sum(last - first + 1 for first, last in missing)
    return Reject.without_packet(
        REASON,
        f"{n} frames of {mine}, boot {boot}, numbers {missing[0][0]} to "
        f"{missing[-1][1]}, did not come, or could not be taken, and are not asked for "
        f"any more: {why}",
        mine=mine,
        run=run,
        arrived_us=now_us,
        where="frame",
        n=min(n, COUNT_MOST),
    )
