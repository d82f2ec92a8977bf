"""Frames of a gateway's earlier start that come behind the first ones of the next.

The embedded broker sends what is new before what it repeats, so after a restart of a
gateway and one of ours both may still be on their way.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from gasmon.batch import FrameKey
from gasmon.pipeline.evaluate import Judged
from gasmon.pipeline.restore import know_newest
from gasmon.pipeline.turns import decode_turn, encode_turn
from tests.fix_pipeline import BOOT, MINE, Live, at, defined, frame

LOW = [("001A01", 0.1, 0)]
NEXT = "k3fa"
"""The gateway's next start."""


def first() -> tuple[Live, list[Judged]]:
    """Frames 1 and 2, then the next start's 1 and 2 at 20 s, then the old 3."""
    live = Live()
    turns = [
        live.take(defined(), frame(1, LOW), frame(2, LOW)),
        live.take(frame(1, LOW, second=20, boot=NEXT)),
        live.take(frame(2, LOW, second=21, boot=NEXT)),
        live.take(replace(frame(3, LOW), arrived_us=at(21.5))),
    ]
    return live, turns


@pytest.fixture(params=["spooled", "recorded"])
def second(request: pytest.FixtureRequest) -> Live:
    """A process that goes on from there, by the spool or by the record."""
    former, turns = first()
    live = Live()
    recorded: dict[str, FrameKey] = {}
    for judged in turns:
        encoded = encode_turn(judged, former.book.table)
        known = decode_turn(encoded, live.book)
        recorded |= {mine: told.key for mine, told in known.newest.items()}
        live.evaluator.adopt(at(22))
        live.evaluator.know(known)
        for batch in known.batches:
            live.engine.tick(batch, now_us=at(22))
    if request.param == "recorded":
        live.evaluator.boots = {}
    boots = {mine: key.boot for mine, key in recorded.items()}
    know_newest(live.evaluator, boots, recorded)
    return live


def times(live: Live, seq: int, second: float, boot: str) -> list[int]:
    """When a frame is judged that arrives at 23 s."""
    packet = frame(seq, LOW, second=second, boot=boot)
    (batch,) = live.take(replace(packet, arrived_us=at(23))).batches
    return list(batch.at_us)


def test_the_newest_frame_is_one_of_the_newest_start() -> None:
    """However late an older one comes."""
    live, turns = first()
    newest = [t.newest[MINE].key for t in turns if MINE in t.newest]
    assert [(key.boot, key.seq) for key in newest] == [(BOOT, 2), (NEXT, 1), (NEXT, 2)]
    assert live.evaluator.boots == {MINE: NEXT}


def test_after_a_restart_old_frames_keep_their_time(second: Live) -> None:
    """They are old, and no sign of a clock that went back."""
    assert times(second, 4, 4, BOOT) == [at(4)]
    assert times(second, 3, 22.5, NEXT) == [at(22.5)]
    assert times(second, 5, 5, BOOT) == [at(5)]
    assert second.evaluator.clocks.offset_us == {}


def test_after_a_restart_a_clock_that_goes_back_is_still_noticed(second: Live) -> None:
    """The next start's clock is set back behind what was judged of it."""
    assert times(second, 3, 15, NEXT) == [at(23)]


def test_an_older_number_of_the_same_start_is_not_the_newest() -> None:
    """Otherwise what was given up after it would come again as a clock set back."""
    live = Live()
    live.take(defined(), frame(1, LOW), frame(3, LOW))
    late = live.take(replace(frame(2, LOW), arrived_us=at(4)))
    assert late.newest == {}
