"""Safeguards that have no setting, switched off in a process of a benchmark alone.

``BENCH_OFF`` names them, with commas. Nothing of this is reachable from gasmon's own
commands: what is switched off here is a promise broken.
"""

import os
from collections.abc import Callable, Sequence

from gasmon.alarms.steps import Step
from gasmon.batch import Frame, FrameKey
from gasmon.ingest.clocks import MineClocks
from gasmon.ingest.dedupe import SeenFrames
from gasmon.ingest.gaps import GapKeeper, Resend
from gasmon.pipeline import loops
from gasmon.pipeline.evaluate import Snapshot
from gasmon.pipeline.persist import Writer

VARIABLE = "BENCH_OFF"


def _hold() -> None:
    loops.HOLD_S = dict.fromkeys(loops.HOLD_S, 0.0)


def _gaps() -> None:
    def heard(_self: GapKeeper, _frames: Sequence[Frame], _now_s: float) -> None:
        pass

    def due(_self: GapKeeper, _now_s: float) -> list[Resend]:
        return []

    GapKeeper.heard = heard  # type: ignore[method-assign]
    GapKeeper.due = due  # type: ignore[method-assign]


def _clocks() -> None:
    def correct(
        _self: MineClocks, _key: FrameKey, _channel: str, _ms: int, _arrived_us: int
    ) -> int:
        return 0

    MineClocks.correct = correct  # type: ignore[method-assign]


def _dedupe() -> None:
    def is_new(
        _self: SeenFrames, _key: FrameKey, _device_ms: int | None = None
    ) -> bool:
        return True

    SeenFrames.is_new = is_new  # type: ignore[method-assign]


def _log() -> None:
    def append(_self: Writer, _steps: Sequence[Step], _ids: object) -> None:
        pass

    def save(_self: Writer, _snapshot: Snapshot) -> None:
        pass  # it is refused when its step is not in the log

    Writer._append_steps = append  # type: ignore[method-assign]
    Writer.save = save  # type: ignore[method-assign]


SWITCHES: dict[str, Callable[[], None]] = {
    "hold": _hold,
    "gaps": _gaps,
    "clocks": _clocks,
    "dedupe": _dedupe,
    "log": _log,
}


def switch_off() -> None:
    """Switch off what the environment names."""
    for name in filter(None, os.environ.get(VARIABLE, "").split(",")):
        SWITCHES[name]()
