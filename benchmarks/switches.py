"""Safeguards that have no setting, switched off in a process of a benchmark alone.

``BENCH_OFF`` names them, with commas. Nothing of this is reachable from gasmon's own
commands: what is switched off here is a promise broken. What stands in takes the same
arguments as what it replaces: mypy holds it to that, and the smallest form of the
benchmark runs with all of them.
"""

import os
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from gasmon.alarms.steps import Step
from gasmon.batch import Frame, FrameKey, Int32, ReadingBatch
from gasmon.ingest.clocks import MineClocks
from gasmon.ingest.dedupe import SeenFrames
from gasmon.ingest.gaps import GapKeeper, Resend
from gasmon.ingest.order import HOLD_S
from gasmon.pipeline.ahead import Ahead
from gasmon.pipeline.evaluate import Judged, Snapshot
from gasmon.pipeline.persist import Writer
from gasmon.pipeline.point_ids import PointIds
from gasmon.pipeline.sealed import ArrivalLog

VARIABLE = "BENCH_OFF"


def _hold() -> None:
    # Changed in its place: whoever imported the table by its name sees it too.
    cast(dict[str, float], HOLD_S).update(dict.fromkeys(HOLD_S, 0.0))


def _gaps() -> None:
    def heard(self: GapKeeper, frames: Sequence[Frame], now_s: float) -> None:
        pass

    def due(self: GapKeeper, now_s: float) -> list[Resend]:
        return []

    GapKeeper.heard = heard  # type: ignore[method-assign]
    GapKeeper.due = due  # type: ignore[method-assign]


def _clocks() -> None:
    def correct(
        self: MineClocks,
        key: FrameKey,
        channel: str,
        device_ms: int,
        arrived_us: int,
        *,
        is_repeated: bool = False,
    ) -> int:
        return 0

    MineClocks.correct = correct  # type: ignore[method-assign]


def _dedupe() -> None:
    def is_new(
        self: SeenFrames,
        key: FrameKey,
        device_ms: int | None = None,
        arrived_ms: int | None = None,
    ) -> bool:
        return True

    SeenFrames.is_new = is_new  # type: ignore[method-assign]


def _log() -> None:
    def append(self: Writer, steps: Sequence[Step], ids: PointIds, now_us: int) -> None:
        pass

    def save(self: Writer, snapshot: Snapshot) -> None:
        pass  # it is refused when its step is not in the log

    Writer._append_steps = append  # type: ignore[method-assign]
    Writer.save = save  # type: ignore[method-assign]


def _ahead() -> None:
    def offer(self: Ahead, judged: Judged) -> None:
        pass

    Ahead.offer = offer  # type: ignore[method-assign]


def _seals() -> None:
    def add(
        self: ArrivalLog,
        frames: Sequence[Frame],
        point_id: Int32,
        batch: ReadingBatch,
        stored: NDArray[np.intp] | None,
        now_us: int,
    ) -> None:
        pass

    ArrivalLog.add = add  # type: ignore[method-assign]


SWITCHES: dict[str, Callable[[], None]] = {
    "hold": _hold,
    "gaps": _gaps,
    "clocks": _clocks,
    "dedupe": _dedupe,
    "log": _log,
    "ahead": _ahead,
    "seals": _seals,
}


def switch_off() -> None:
    """Switch off what the environment names."""
    for name in filter(None, os.environ.get(VARIABLE, "").split(",")):
        SWITCHES[name]()
