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


class ChannelNow(Answer):
    channel: str
    kind: Literal["webhook", "mail", "sms"]
    ok_at: datetime | None
    failing_since: datetime | None = Field(description="null: the last attempt went")
    n_failed: int = Field(description="attempts since then")
    last_error: str | None
    n_waiting: int


class EscalationNow(Answer):
    at: datetime
    nearly_due_s: float
    tiers: AllTierCounts
    channels: list[ChannelNow] = Field(description="empty for a mine's own people")
    rooms_not_ready: list[str] = Field(
        description="posts with a shift where no console would sound; see `consoles`"
    )


class Delivery(Answer):
    channel: str
    kind: Literal["webhook", "mail", "sms"]
    recipient: str = Field(description="masked")
    state: Literal["waiting", "sent", "given_up", "withheld"]
    attempts: int
    created_at: datetime
    next_at: datetime | None
    sent_at: datetime | None
    last_error: str | None


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
    deliveries: list[Delivery] = Field(description="empty for a mine's own people")


class AlarmEscalation(Answer):
    alarm_id: int
    overdue: list[Tier]
    next_step: NextStep | None
    steps: list[EscalationStep]
