"""Refusals of one turn: what is of another run, and how much of all is kept (pure)."""

from collections.abc import Sequence
from dataclasses import replace

from gasmon.batch import Packet, Reject
from gasmon.ingest.gather import FIRST_BYTES
from gasmon.ingest.topics import is_of_other_run

WHOLE_MOST = 20
"""Refused messages of one mine and reason that one turn keeps with their first bytes.
A turn has up to 400 messages (`ingest.max_batch_frames`), and a flood fills it: of
5,000 a second 270 rows are kept then, and all are counted. Ours."""

_MESSAGES = ("packet", "frame")


def of_run(
    packets: Sequence[Packet], run: int
) -> tuple[Sequence[Packet], list[Reject]]:
    """Refuse what belongs to another run: a drill must not touch a live row.

    Returns:
        The packets of this run, in order, and what is refused.
    """
    foreign = [p for p in packets if is_of_other_run(p.topic, run)]
    if not foreign:
        return packets, []
    refused = [
        Reject(
            reason="other_run",
            detail=f"{packet.topic[:100]} is not of run {run}",
            topic=packet.topic[:300],
            mine=None,
            run=run,
            arrived_us=packet.arrived_us,
            first_bytes=packet.payload[:FIRST_BYTES],
            size=len(packet.payload),
            where="packet",
        )
        for packet in foreign
    ]
    return [p for p in packets if not is_of_other_run(p.topic, run)], refused


def folded(rejects: Sequence[Reject]) -> list[Reject]:
    """Keep the first of a kind, and let one more stand for the rest.

    A flood of garbage fills no disk.

    Refused readings and definitions are kept as they are: a contradiction is evidence.

    Args:
        rejects: of one turn, in order.

    Returns:
        In the same order; the numbers ``n`` add up to what they did.
    """
    if len(rejects) <= WHOLE_MOST:
        return list(rejects)
    kept: list[Reject] = []
    counts: dict[tuple[str | None, str], int] = {}
    last: dict[tuple[str | None, str], int] = {}
    for reject in rejects:
        kind = reject.mine, reject.reason
        if reject.where not in _MESSAGES:
            kept.append(reject)
            continue
        counts[kind] = counts.get(kind, 0) + 1
        if counts[kind] <= WHOLE_MOST:
            kept.append(reject)
        elif kind not in last:
            last[kind] = len(kept)
            kept.append(reject)
        else:
            first = kept[last[kind]]
            kept[last[kind]] = replace(first, n=first.n + reject.n)
    return kept
