"""Packets of one mine, and an evaluator of its own, for tests of the pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gasmon.alarms.engine import AlarmEngine, Patience
from gasmon.batch import Packet
from gasmon.ingest.dedupe import SeenFrames
from gasmon.ingest.payloads import (
    Item,
    MineInfo,
    PointInfo,
    UnitInfo,
    encode_data,
    encode_points,
    encode_state,
)
from gasmon.ingest.topics import (
    backfill_topic,
    data_topic,
    points_topic,
    state_topic,
)
from gasmon.ingest.upload.profiles import Profiles
from gasmon.pipeline.book import PointBook
from gasmon.pipeline.evaluate import Evaluator, Judged
from gasmon.units import US_PER_MS, US_PER_S
from tests.engine_world import PLAIN_RULES

AREA = "530627"
MINE = "530627004499"
BOOT = "k3f9"
START_US = 1_790_000_000 * US_PER_S
"""An ordinary moment in 2026 [µs UTC]."""

CH4 = PointInfo(
    "001A01",
    type="0001",
    unit_id="11121",
    place="回风隅角",
    place_class="FACE_T0",
    uom="%",
    range=(0, 4),
    alarm_high=1.0,
    clear_high=1.0,
    cut_high=1.5,
    restore_high=1.0,
)
"""Methane at a return corner: alarm at 1.0 %, cut-off at 1.5 %."""


def at(second: float) -> int:
    """A moment of the test's day [µs UTC]."""
    return START_US + round(second * US_PER_S)


def defined(
    *points: PointInfo, rev: int = 1, second: float = 0, mine: str = MINE
) -> Packet:
    """Definitions of a mine; without arguments one methane sensor."""
    payload = encode_points(
        rev,
        at(second) // US_PER_MS,
        MineInfo("示范煤矿", "outburst"),
        [UnitInfo("11121", "face", "11121采煤工作面")],
        points or (CH4,),
    )
    return Packet(points_topic(mine[:6], mine), payload, at(second), retained=True)


def frame(
    seq: int,
    d: Sequence[Item],
    *,
    second: float | None = None,
    boot: str = BOOT,
    mine: str = MINE,
    backfill: bool = False,
    mid: int = 0,
) -> Packet:
    """A data frame; it arrives when it was measured, at ``seq`` seconds if not told."""
    moment = at(seq if second is None else second)
    topic = (backfill_topic if backfill else data_topic)(mine[:6], mine)
    payload = encode_data(boot, seq, moment // US_PER_MS, d)
    return Packet(topic, payload, moment, mid=mid)


def told_state(
    word: str,
    second: float,
    *,
    boot: str = BOOT,
    retained: bool = False,
    mine: str = MINE,
) -> Packet:
    """A birth message or last will."""
    payload = encode_state(word, boot, at(second) // US_PER_MS)
    return Packet(state_topic(mine[:6], mine), payload, at(second), retained)


class Live:
    """An evaluator with nothing before it."""

    def __init__(
        self,
        areas: Sequence[str] = (),
        profiles: Profiles | None = None,
        **patience: int,
    ) -> None:
        self.book = PointBook(areas)
        self.engine = AlarmEngine(PLAIN_RULES, Patience(**patience))
        self.seen = SeenFrames()
        written = profiles or Profiles()
        self.evaluator = Evaluator(
            self.book, self.engine, self.seen, profiles=lambda: written
        )

    def take(
        self, *packets: Packet, marks: Sequence[float] = (), **more: Any
    ) -> Judged:
        """One turn; marks are seconds."""
        last_us = packets[-1].arrived_us if packets else at(marks[-1])
        return self.evaluator.evaluate(
            packets, now_us=last_us, marks=[at(m) for m in marks], **more
        )


def spoken(judged: Judged) -> list[tuple[str, str]]:
    """(kind, event) of each event."""
    return [(event.kind, event.event) for event in judged.events]
