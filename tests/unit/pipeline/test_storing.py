"""What storing does when the database takes less than it is given."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from gasmon.clock import ManualClock
from gasmon.pipeline.counts import IngestCounts
from gasmon.pipeline.evaluate import Judged
from gasmon.pipeline.spool import Spool
from gasmon.pipeline.storing import Storing
from gasmon.settings import Settings
from gasmon.telemetry import Metrics
from tests.fix_pipeline import at
from tests.fix_spool import Turns, seqs


def test_a_drain_that_is_too_much_gets_smaller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow database gets fewer turns at a time, and in the end all, in order."""
    turns, clock = Turns(), ManualClock(at(0))
    storing = Storing(
        Settings(),
        turns.live.book,
        lambda _: "{}",
        clock,
        IngestCounts(Metrics()),
        threading.Event(),
        owner="test:1",
        run=0,
    )
    storing.spool = Spool(tmp_path)
    for seq in range(1, 21):
        turns.append(storing.spool, seq)
    written: list[int] = []

    def slow(judged: Judged) -> bool:
        if len(judged.batches) > 3:
            return False  # cut off after database.write_timeout_s
        written.extend(seqs(judged))
        return True

    monkeypatch.setattr(storing, "_try", slow)
    for _ in range(100):
        clock.advance(6)
        storing.work()
    assert written == list(range(1, 21))
    assert storing.spool.n_turns == 0
    storing.spool.close()
