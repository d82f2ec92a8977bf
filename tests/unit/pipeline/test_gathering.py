"""Turns gather before they are stored, but nobody waits who has waited already."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gasmon.batch import Packet
from gasmon.clock import SystemClock
from gasmon.pipeline.ahead import ahead_of
from gasmon.pipeline.counts import IngestCounts
from gasmon.pipeline.evaluate import Judged
from gasmon.pipeline.persisting import Persisting
from gasmon.pipeline.spool import Spool
from gasmon.pipeline.storing import Storing
from gasmon.settings import IngestSettings, Settings
from gasmon.telemetry import Metrics
from tests.fix_spool import Turns
from tests.fix_wait import wait_until

FOR_EVER = IngestSettings(max_batch_frames=4).model_copy(update={"linger_ms": 6e5})
"""Readings that wait for others wait longer than any test."""


class Heard:
    """Counts what is acknowledged."""

    def __init__(self) -> None:
        self.n = 0

    def ack(self, packets: Sequence[Packet]) -> int:
        self.n += len(packets)
        return 0


def quiet(judged: Judged) -> Judged:
    """A turn that nobody waits for: readings of one frame."""
    return replace(judged, events=[])


def test_what_did_not_fit_into_a_commit_does_not_wait_for_more(tmp_path: Path) -> None:
    """It was worth hurrying before, and nothing has to come that says so again."""
    turns, clock, stop, heard = Turns(2), SystemClock(), threading.Event(), Heard()
    book, counts = turns.live.book, IngestCounts(Metrics())
    storing = Storing(
        Settings(), book, lambda _: "{}", clock, counts, stop, owner="test:1", run=0
    )
    storing.spool = Spool(tmp_path)
    ahead = ahead_of(storing, lambda _: "{}", clock, counts, stop)
    persisting = Persisting(
        storing, heard, turns.live.evaluator, clock, stop, ahead, FOR_EVER
    )
    for seq in range(1, 11):
        persisting.hand_over(quiet(turns.take(seq)))
    # Its alarm has nobody but this turn to record it, and stands behind ten others.
    persisting.hand_over(turns.take(11))
    thread = threading.Thread(target=persisting.run)
    thread.start()
    try:
        wait_until(lambda: heard.n == 11, 20, "all are stored")
    finally:
        stop.set()
        persisting.fed_by(lambda: None)
        persisting.hand_over(turns.take(12))
        thread.join(20)
    assert not thread.is_alive()
