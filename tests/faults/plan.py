"""What a campaign is made of, and what comes out of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.chaos import KINDS
from tests.faults.finding import Finding

SETTINGS = {
    "ingest.gap_patience_s": "2.0",
    "engine.mine_stale_after_s": "20",
    "engine.stale_after_s": "30",
    "engine.late_calm_s": "3.0",
    "api.heartbeat_s": "1.0",
    "duty.interval_s": "1.0",
    "mqtt.keepalive_s": "5",
}
"""gasmon's settings in a campaign: as shipped, but for patience, which is short so
that a round of a minute shows what an hour would."""


@dataclass(frozen=True)
class Plan:
    """What a campaign is made of."""

    seed: int
    minutes: float
    brokers: tuple[str, ...] = ("nats", "mosquitto")
    kinds: tuple[str, ...] = tuple(KINDS)
    n_mines: int = 14
    cycle_s: float = 1.0
    round_s: float = 60.0
    mean_gap_s: float = 2.0
    keep: Path | None = None
    delays: str = "both"
    standby: bool = False
    timescaledb: bool = False


@dataclass
class Outcome:
    """What a campaign survived and what it found."""

    plan: Plan
    faults: Counter[str] = field(default_factory=Counter)
    totals: Counter[str] = field(default_factory=Counter)
    now: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    chaos_s: float = 0.0
