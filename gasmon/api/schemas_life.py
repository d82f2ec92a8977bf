"""What HTTP asks and answers about the life of an alarm."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gasmon.api.schemas import Answer, Mark, Text, Tier
from gasmon.units import TIME_MAX_US, TIME_MIN_US

MOST_AT_ONCE = 200
"""Alarms that one request confirms at most: a screen shows fewer, and each is a
transaction of its own (about 5 ms)."""

Note = Annotated[str, Field("", max_length=1000, pattern=r"^[^\x00]*$")]
Key = Annotated[
    str | None,
    Field(
        None,
        min_length=8,
        max_length=80,
        pattern=r"^[!-~]+$",
        description="chosen by the asker; the same key is done once",
    ),
]
Cause = Annotated[str | None, Field(None, max_length=40, pattern=r"^[a-z0-9_]+$")]


class Body(BaseModel):
    """Base of bodies: unknown members are refused."""

    model_config = ConfigDict(extra="forbid")


class ActionBody(Body):
    text: Note
    cause_code: Cause
    to: str | None = Field(
        None,
        max_length=100,
        pattern=r"^[^\x00]*$",
        description="assign: a principal's name; request_status: a tier",
    )
    refers_to: int | None = Field(
        None, ge=1, le=2**63 - 1, description="correct, withdraw: record_id"
    )
    minutes: int | None = Field(None, ge=1, le=10_080, description="shelve: how long")
    key: Key


class MadeBody(Body):
    """What a node says of a record that was made there."""

    alarm: str = Field(
        max_length=200, pattern=r"^[^\x00]+$", description="as its event ids begin"
    )
    at_us: int = Field(ge=TIME_MIN_US, lt=TIME_MAX_US, description="µs UTC")
    rank: int = Field(ge=0, le=4, description="the level that its writer saw")
    tier: Tier | None
    by: str = Field(
        min_length=1,
        max_length=400,
        pattern=r"^[^\x00]+$",
        description="with the nodes that it came through, each with `@`",
    )
    refers_to: str | None = Field(
        None,
        max_length=300,
        pattern=r"^[^\x00]+$",
        description="correct, withdraw: the record's key, or its event's id",
    )


class ConfirmManyBody(Body):
    alarm_ids: list[Annotated[int, Field(ge=1, le=2**63 - 1)]] = Field(
        min_length=1, max_length=MOST_AT_ONCE
    )
    text: Note
    cause_code: Cause
    key: Key


class RowResult(Answer):
    alarm_id: int
    ok: bool
    status: int
    detail: str
    record_id: int | None


class RowResults(Answer):
    items: list[RowResult]


class JournalRow(Answer):
    record_id: int
    event: str
    happened_at: datetime
    arrived_at: datetime | None
    decided_at: datetime
    recorded_at: datetime
    rank: int
    value: float | None
    limit: float | None
    by: str | None
    tier: Tier | None
    note: str | None
    cause_code: str | None
    refers_to: int | None
    detail: dict[str, Any] = Field(description="until, to, rule … of the action")
    stands: bool = Field(description="false: withdrawn")


class Doubt(Text):
    doubt: str


class DoubtedRow(JournalRow):
    doubts: list[Doubt] = Field(description="what speaks against it; only a note")


class History(Answer):
    items: list[JournalRow]


class TierRecord(Answer):
    phase: Literal["none", "verified", "handling", "fed_back"]
    owes_status: bool
    confirmed: Mark | None


class TierRecords(Answer):
    mine: TierRecord
    county: TierRecord
    city: TierRecord


class Life(Answer):
    alarm_id: int
    state: str
    cause_code: str | None
    assigned_to: str | None
    shelved_until: datetime | None
    closed_at: datetime | None
    tiers: TierRecords
    own_tier: Tier | None
    actions: dict[str, Text | None] = Field(
        description="what the asker's role may do; null: now, else why not now"
    )
    records: list[DoubtedRow]
