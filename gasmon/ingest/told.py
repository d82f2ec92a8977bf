"""What mines say besides readings and definitions, with mine and arrival."""

from __future__ import annotations

from dataclasses import dataclass

from gasmon.ingest.records import (
    CmdRes,
    EventPayload,
    StatePayload,
    StatisticPayload,
)


@dataclass(frozen=True, slots=True)
class MineState:
    """A birth message or last will; a will of another boot than the present is old."""

    run: int
    area: str
    mine: str
    state: StatePayload
    arrived_us: int
    retained: bool


@dataclass(frozen=True, slots=True)
class MineEvent:
    """An abnormal event of the mine's own system: evidence beside our judgement."""

    run: int
    area: str
    mine: str
    event: EventPayload
    arrived_us: int


@dataclass(frozen=True, slots=True)
class MineStatistic:
    """An interval of the mine's own statistics: evidence, too."""

    run: int
    mine: str
    statistic: StatisticPayload
    arrived_us: int


@dataclass(frozen=True, slots=True)
class Response:
    """A gateway's answer to a command."""

    run: int
    area: str
    mine: str
    response: CmdRes
    arrived_us: int
