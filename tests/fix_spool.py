"""Turns for tests of the spool, and a process that appends them until it is killed.

python -m tests.fix_spool FOLDER   prints the frame's number after each append
"""

from __future__ import annotations

import sys
from pathlib import Path

from gasmon.pipeline.evaluate import Judged
from gasmon.pipeline.spool import Spool
from tests.fix_pipeline import Live, at, defined, frame


class Turns:
    """Turns of one frame each from one mine; every one raises or clears an alarm."""

    def __init__(self, n_points: int = 40) -> None:
        self.live = Live()
        self.live.take(defined())
        self._n_points = n_points

    def take(self, seq: int) -> Judged:
        """The turn of frame ``seq``."""
        items = [("001A01", 1.6 if seq % 2 else 0.9, 0)]
        items += [(f"{i:03d}A02", (i * 37 + seq * 101) % 997 / 7, 0)
                  for i in range(1, self._n_points)]  # fmt: skip
        return self.live.take(frame(seq, items))

    def append(self, spool: Spool, seq: int, second: float | None = None) -> bool:
        """Judge a frame and spool it; whether its readings were stored."""
        judged = self.take(seq)
        now_us = at(seq if second is None else second)
        appended = spool.append(judged, self.live.book.table, now_us)
        return appended.stored_readings


def seqs(judged: Judged) -> list[int]:
    """The numbers of a turn's frames."""
    return [frame.key.seq for batch in judged.batches for frame in batch.frames]


def append_for_ever(folder: Path) -> None:
    """Until somebody ends this process."""
    turns, spool, seq = Turns(), Spool(folder, segment_bytes=64 * 1024), 0
    while True:
        seq += 1
        turns.append(spool, seq)
        sys.stdout.write(f"{seq}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    append_for_ever(Path(sys.argv[1]))
