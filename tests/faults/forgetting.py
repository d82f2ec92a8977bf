"""What an end of ingest may take with it while the spool's disk is full.

Readings are given up then, and with them the engine's log. Its memory is kept beside
the spool instead, about once a second (``judging.SNAPSHOT_APART_S``); what was judged
after the last time is forgotten when ingest is killed. No other frame is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from tests.faults.facts import Facts
from tests.faults.times import Judged

FORGETS_US = 4_000_000
"""From a frame's arrival to the memory that knows it, on a busy machine [µs]: its turn,
the next that may carry a snapshot, and the next clock mark."""


def forgotten(
    judged: Mapping[str, Sequence[Judged]], facts: Facts, ends_us: Iterable[int]
) -> dict[str, list[int]]:
    """Times of frames that were given up right before an end of ingest, by mine [µs].

    Args:
        judged: the frames of each mine.
        ends_us: when ingest ended [µs UTC].
    """
    ends = list(ends_us)
    risky = [
        lost
        for lost in facts.lost
        if any(0 <= end - lost.arrived_us <= FORGETS_US for end in ends)
    ]
    out: dict[str, list[int]] = defaultdict(list)
    for mine, series in judged.items():
        named = [lost for lost in risky if lost.mine == mine]
        for each in series if named else ():
            if any(lost.names(each.frame.key) for lost in named):
                out[mine].append(each.at_us)
    return out
