"""How much of a time mines were online. Pure.

A mine is offline while a ``link_break`` alarm of it is on: from
``engine.mine_stale_after_s`` after the last thing that came from it until something
comes again. Time in which gasmon itself was down is nobody's break. The rate is online
time ÷ time of the mines that are actually linked; a mine without any online moment in
the period whose break began a week before its end is *long offline*, and one from which
nothing ever came is *never heard*: both stand beside the rate and not in it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from gasmon.reports.facts import MineLink
from gasmon.units import US_PER_DAY

LONG_OFFLINE_US = 7 * US_PER_DAY
"""From when on a mine is long offline [µs]; ours: no repair of a line takes a week."""


@dataclass(frozen=True, slots=True)
class Online:
    """What links came to.

    Attributes:
        n_registered: mines that are known.
        n_linked: mines that the rate is of.
        linked_us: time of those [µs].
        online_us: of which they were online [µs].
        n_breaks: breaks of linked mines that began in the time.
        longest_break_us: within the time [µs].
    """

    n_registered: int = 0
    n_linked: int = 0
    n_long_offline: int = 0
    n_never_heard: int = 0
    linked_us: int = 0
    online_us: int = 0
    n_breaks: int = 0
    longest_break_us: int = 0

    @property
    def rate_pct(self) -> float | None:
        """Online time ÷ linked time [%]; None without any linked mine."""
        return 100.0 * self.online_us / self.linked_us if self.linked_us else None


def online_of(links: Iterable[MineLink], from_us: int, end_us: int) -> Online:
    """What the links of mines came to in a time.

    Args:
        from_us: first moment [µs UTC].
        end_us: first moment after it, not after now [µs UTC].
    """
    parts = [_one(link, from_us, end_us) for link in links]
    return Online(
        n_registered=sum(part.n_registered for part in parts),
        n_linked=sum(part.n_linked for part in parts),
        n_long_offline=sum(part.n_long_offline for part in parts),
        n_never_heard=sum(part.n_never_heard for part in parts),
        linked_us=sum(part.linked_us for part in parts),
        online_us=sum(part.online_us for part in parts),
        n_breaks=sum(part.n_breaks for part in parts),
        longest_break_us=max((part.longest_break_us for part in parts), default=0),
    )


def _one(link: MineLink, from_us: int, end_us: int) -> Online:
    begin_us = max(from_us, link.from_us)
    until_us = end_us if link.until_us is None else min(end_us, link.until_us)
    if begin_us >= until_us:
        return Online()
    if not link.heard:
        return Online(n_registered=1, n_never_heard=1)
    broken = _merged(link.breaks, begin_us, until_us)
    broken_us = sum(end - begin for begin, end in broken)
    whole_us = until_us - begin_us
    first_us = min((begin for begin, _ in link.breaks), default=until_us)
    if broken_us == whole_us and first_us <= until_us - LONG_OFFLINE_US:
        return Online(n_registered=1, n_long_offline=1)
    return Online(
        n_registered=1,
        n_linked=1,
        linked_us=whole_us,
        online_us=whole_us - broken_us,
        n_breaks=sum(begin_us <= begin < until_us for begin, _ in link.breaks),
        longest_break_us=max((end - begin for begin, end in broken), default=0),
    )


def _merged(
    breaks: Iterable[tuple[int, int | None]], from_us: int, end_us: int
) -> list[tuple[int, int]]:
    """The parts of breaks within a time, those that overlap as one."""
    found: list[tuple[int, int]] = []
    for begin_us, ended_us in sorted(breaks, key=lambda one: one[0]):
        begin = max(begin_us, from_us)
        end = end_us if ended_us is None else min(ended_us, end_us)
        if begin >= end:
            continue
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found
