"""Remembering which frames were taken, in little memory.

The broker repeats what was not acknowledged, and gateways send again after an outage.
Sequence numbers of one boot run up by one, so what was seen is nearly always one
stretch: its two ends and a short list of islands are kept per (run, mine, boot).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any

from gasmon.batch import FrameKey

BOOTS_PER_MINE = 8
"""Boots remembered per mine: the present one and those that backfill may carry."""

ISLANDS = 1024
"""Separate stretches kept per boot: at 5 s a cycle every second frame lost for 2.8 h.

Beyond that the lowest stretch is forgotten and counts as new again: a repeat is
harmless to the engine and the store (same keys), a new frame taken for a repeat would
be lost.
"""

DUMPED = 64
"""Newest stretches of a boot that a dump holds; ours: what is older counts as new
again, which is harmless, and is not asked for, which the copy of a start can bear."""


class SeenFrames:
    """Tells new frames from repeated ones; not thread-safe.

    A forgotten frame counts as new again. The memory of a live city is 259 mines ×
    1 stretch; of the worst case 8 × 1024 stretches of 16 bytes per mine.
    """

    def __init__(self) -> None:
        """Start with nothing seen."""
        self._boots: dict[tuple[int, str], dict[str, _Stretches]] = {}

    def is_new(
        self,
        key: FrameKey,
        device_ms: int | None = None,
        arrived_ms: int | None = None,
    ) -> bool:
        """Tell whether this frame was not taken yet, or was forgotten.

        Args:
            key: Its identity.
            device_ms: Its time as sent [ms UTC]. A known number with a time later
                than all of its boot is no repeat: the gateway began to count again
                without a new boot name, and its frames must not be lost for that.
            arrived_ms: When it arrived [ms UTC]. A time ahead of that is compared
                with those that were ahead themselves: a repeat of a clock's bad
                minutes is later than every true time, and a repeat all the same.
        """
        boot = self._boots.get((key.run, key.mine), {}).get(key.boot)
        if boot is None or key.seq not in boot:
            return True
        if device_ms is None:
            return False
        is_ahead = arrived_ms is not None and device_ms > arrived_ms
        return device_ms > (boot.ahead_ms if is_ahead else boot.newest_ms)

    def add(
        self,
        key: FrameKey,
        device_ms: int | None = None,
        arrived_ms: int | None = None,
    ) -> None:
        """Remember a frame and its time; adding it again changes nothing."""
        boots = self._boots.setdefault((key.run, key.mine), {})
        # Taken out and put back: the dict's order is that of last use.
        stretches = boots.pop(key.boot, None) or _Stretches()
        stretches.add(key.seq)
        if device_ms is not None:
            stretches.at(device_ms, arrived_ms)
        boots[key.boot] = stretches
        if len(boots) > BOOTS_PER_MINE:
            del boots[next(iter(boots))]

    def newest(self, run: int, mine: str, boot: str) -> int | None:
        """The highest number seen of a boot; None when nothing of it is known."""
        stretches = self._boots.get((run, mine), {}).get(boot)
        return None if stretches is None else stretches.lasts[-1]

    def newest_of_boots(self, run: int, mine: str) -> dict[str, int]:
        """The highest number seen of each boot of a mine."""
        boots = self._boots.get((run, mine), {})
        return {boot: stretches.lasts[-1] for boot, stretches in boots.items()}

    def missing(self, run: int, mine: str, boot: str) -> list[tuple[int, int]]:
        """Return the gaps between seen frames, first and last number of each.

        They are what `cmd/req` asks the gateway to send again.
        """
        stretches = self._boots.get((run, mine), {}).get(boot)
        return [] if stretches is None else stretches.gaps()

    def dump(self, run: int) -> list[list[Any]]:
        """All boots of a run as plain values, in order of last use; for ``restore``."""
        return [
            [mine, boot, s.newest_ms, s.ahead_ms, s.firsts[-DUMPED:], s.lasts[-DUMPED:]]
            for (its_run, mine), boots in self._boots.items()
            if its_run == run
            for boot, s in boots.items()
        ]

    def restore(self, run: int, told: Iterable[Sequence[Any]]) -> None:
        """Know what ``dump`` told, instead of what was known of those boots."""
        for mine, boot, newest_ms, ahead_ms, firsts, lasts in told:
            stretches = _Stretches()
            stretches.newest_ms, stretches.ahead_ms = newest_ms, ahead_ms
            stretches.firsts, stretches.lasts = list(firsts), list(lasts)
            self._boots.setdefault((run, mine), {})[boot] = stretches

    def forget_run(self, run: int) -> None:
        """Forget a drill that is over."""
        for key in [key for key in self._boots if key[0] == run]:
            del self._boots[key]


class _Stretches:
    """Sorted, disjoint, non-touching stretches [first, last] of numbers.

    Attributes:
        newest_ms: the latest time; of times ahead of their arrival, that counts.
        ahead_ms: the latest of the times ahead of their arrival, as sent.
    """

    __slots__ = ("ahead_ms", "firsts", "lasts", "newest_ms")

    def __init__(self) -> None:
        self.newest_ms = -(2**63)
        self.ahead_ms = -(2**63)
        self.firsts: list[int] = []
        self.lasts: list[int] = []

    def __contains__(self, seq: int) -> bool:
        i = bisect_right(self.firsts, seq) - 1
        return i >= 0 and seq <= self.lasts[i]

    def at(self, device_ms: int, arrived_ms: int | None) -> None:
        if arrived_ms is not None and device_ms > arrived_ms:
            # A time ahead of its arrival would make all frames of these numbers with
            # true times look like repeats, and a repeat is not read.
            self.ahead_ms = max(self.ahead_ms, device_ms)
            device_ms = arrived_ms
        self.newest_ms = max(self.newest_ms, device_ms)

    def add(self, seq: int) -> None:
        i = bisect_right(self.firsts, seq) - 1
        if i >= 0 and seq <= self.lasts[i]:
            return
        joins_left = i >= 0 and self.lasts[i] == seq - 1
        joins_right = i + 1 < len(self.firsts) and self.firsts[i + 1] == seq + 1
        if joins_left and joins_right:
            self.lasts[i] = self.lasts.pop(i + 1)
            del self.firsts[i + 1]
        elif joins_left:
            self.lasts[i] = seq
        elif joins_right:
            self.firsts[i + 1] = seq
        else:
            self.firsts.insert(i + 1, seq)
            self.lasts.insert(i + 1, seq)
            if len(self.firsts) > ISLANDS:
                del self.firsts[0], self.lasts[0]

    def gaps(self) -> list[tuple[int, int]]:
        return [
            (last + 1, first - 1)
            for last, first in zip(self.lasts, self.firsts[1:], strict=False)
        ]
