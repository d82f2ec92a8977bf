"""When each frame was judged, also of those that are not stored.

A frame of a right clock is judged at its own time. Once a gateway's clock was wrong,
the times of its mine may stay off (0010): then the record says when a frame was judged.
Of a frame that a full disk gave up there is no record of that, even if it came again
and was judged at another time, which then was late; its neighbours tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from gasmon.units import US_PER_MS
from tests.faults.facts import Facts
from tests.faults.gateways import Frame
from tests.faults.truth import Truth


@dataclass(frozen=True)
class Judged:
    """A frame with the time at which it was judged.

    Attributes:
        at_us: when; a guess between its neighbours when ``is_known`` is false [µs].
    """

    frame: Frame
    at_us: int
    is_known: bool = True


def judged_times(
    frames: Sequence[Frame], facts: Facts, *, is_stepped: bool
) -> list[Judged]:
    """The frames of one mine with their times.

    Args:
        frames: in the order in which they were made.
        is_stepped: the gateway's clock was wrong at some time.
    """
    if not is_stepped:
        return [Judged(frame, frame.sent_ms * US_PER_MS) for frame in frames]
    out: list[Judged] = []
    runs = [
        (is_stored, list(run))
        for is_stored, run in groupby(frames, lambda f: _is_on_record(f, facts))
    ]
    for number, (is_stored, run) in enumerate(runs):
        if is_stored:
            out += [Judged(f, facts.frames[f.key][0].judged_us) for f in run]
            continue
        before = out[-1] if out else None
        after = None
        if number + 1 < len(runs):
            first = runs[number + 1][1][0]
            after = Judged(first, facts.frames[first.key][0].judged_us)
        out += _between(run, before, after)
    return out


def _is_on_record(frame: Frame, facts: Facts) -> bool:
    given_up = any(lost.names(frame.key) for lost in facts.lost)
    return not given_up and bool(facts.frames.get(frame.key))


def _between(
    run: Sequence[Frame], before: Judged | None, after: Judged | None
) -> Iterator[Judged]:
    """Frames without a record, between two that have one.

    Both neighbours off by the same, and the times rise: so were those between them.
    """
    off = {_off_us(near) for near in (before, after) if near is not None}
    by_off = [f.sent_ms * US_PER_MS + min(off, default=0) for f in run]
    ends = (
        before.at_us if before else by_off[0] - 1,
        after.at_us if after else by_off[-1] + 1,
    )
    rising = [ends[0], *by_off, ends[1]]
    if len(off) == 1 and all(a < b for a, b in pairwise(rising)):
        yield from (Judged(f, at) for f, at in zip(run, by_off, strict=True))
        return
    step_us = (ends[1] - ends[0]) // (len(run) + 1)
    for place, frame in enumerate(run, 1):
        yield Judged(frame, ends[0] + place * step_us, is_known=False)


def _off_us(judged: Judged) -> int:
    return judged.at_us - judged.frame.sent_ms * US_PER_MS


def judge_series(
    truth: Truth,
    mine: str,
    judged: Sequence[Judged],
    pauses: Sequence[tuple[int, int]],
) -> None:
    """Let the truth model judge all frames of a mine.

    Args:
        judged: in the order in which they were made.
        pauses: begins and ends of times in which none was made [µs UTC].
    """
    waits, off_us = [end_us for _, end_us in pauses], 0
    for each in judged:
        while waits and waits[0] < each.frame.true_us:
            truth.wait(mine, waits.pop(0) + off_us)
        truth.frame(mine, each.at_us, each.frame.samples)
        # The time of a mine whose clock was ahead stays ahead, and goes on.
        off_us = max(0, each.at_us - each.frame.true_us)
    for end_us in waits:
        truth.wait(mine, end_us + off_us)
