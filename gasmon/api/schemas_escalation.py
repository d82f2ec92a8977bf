"""What HTTP answers about escalation."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from gasmon.api.schemas import Answer, NextStep, Tier


class TierCounts(Answer):
    nearly_due: int = Field(description="a step is due within `nearly_due_s`")
    overdue: int = Field(description="it must act now")


class AllTierCounts(Answer):
    mine: TierCounts
    county: TierCounts
    city: TierCounts


class EscalationNow(Answer):
    at: datetime
    nearly_due_s: float
    tiers: AllTierCounts


class EscalationStep(Answer):
    escalation_id: int
    step: str = Field(description="what is missing / whose duty / which of its steps")
    rank: int
    rule: str
    tier: Tier = Field(description="who must act")
    of_tier: Tier = Field(description="whom the rule names")
    due_at: datetime
    recorded_at: datetime
    outcome: Literal["called", "folded", "answered"]
    folded_into: int | None
    record_id: int


class AlarmEscalation(Answer):
    alarm_id: int
    overdue: list[Tier]
    next_step: NextStep | None
    steps: list[EscalationStep]
