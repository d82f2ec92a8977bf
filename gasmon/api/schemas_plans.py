"""What HTTP asks and answers about planned work."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from gasmon.alarms.plans import PLAN_STATES, PLANNABLE, WORKS
from gasmon.api.schemas import Answer, AreaCode, MineCode, Query, Text, TimeUs
from gasmon.api.schemas_life import Body, Key, Note
from gasmon.store.plan_wish import MOST_SUBJECTS

WorkName = Annotated[
    str, Field(max_length=40, pattern=r"^[a-z_]+$", description=", ".join(WORKS))
]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
Kind = Annotated[str, Field(max_length=60, pattern=r"^[a-z0-9_]+$")]


class PlanBody(Body):
    mine: MineCode
    work: WorkName
    points: list[Name] = Field(
        [], max_length=MOST_SUBJECTS, description="system-number, e.g. 01-001A01"
    )
    units: list[Name] = Field([], max_length=MOST_SUBJECTS, description="slugs")
    whole_mine: bool = Field(False, description="instead of points and units")
    alarm_kinds: list[Kind] = Field(
        [],
        max_length=len(PLANNABLE),
        description="without any, those of the work; " + ", ".join(PLANNABLE),
    )
    from_: TimeUs = Field(alias="from", description="RFC 3339")
    until: TimeUs = Field(description="end, not included, RFC 3339")
    rank_ceiling: int = Field(2, ge=0, le=3, description="highest level that is quiet")
    value_ceiling: float | None = Field(
        None, description="highest value that is quiet, in the points' unit"
    )
    test_gas: float | None = Field(
        None, description="calibration: content of the gas, in the points' unit"
    )
    reason: str = Field(min_length=1, max_length=1000, pattern=r"^[^\x00]*\S[^\x00]*$")
    key: Key


class PlanActionBody(Body):
    reason: Note
    key: Key


class PlansQuery(Query):
    current: bool = Field(False, description="only those whose window is not over")
    mine: MineCode | None = None
    area: AreaCode | None = None
    cursor: int | None = Field(None, ge=1, le=2**63 - 1)
    limit: int = Field(50, ge=1, le=500)


class StatisticsQuery(Query):
    from_: TimeUs = Field(alias="from", description="first time, RFC 3339")
    to: TimeUs = Field(description="end, not included, RFC 3339")


class PlanRecord(Answer):
    event: Literal["filed", "approved", "refused", "withdrawn"]
    by: str
    role: str
    reason: str
    at: datetime


class Plan(Answer):
    plan_id: int
    mine: str
    mine_name: str
    area: str
    work: str
    work_text: Text
    subjects: list[str] = Field(description="point:…, unit:… or mine:…")
    alarm_kinds: list[str]
    from_: datetime = Field(alias="from")
    until: datetime
    rank_ceiling: int
    level_ceiling: str
    value_ceiling: float | None
    test_gas: float | None
    reason: str
    state: str = Field(description=", ".join(PLAN_STATES))
    state_text: Text
    records: list[PlanRecord]
    actions: dict[str, Text | None] = Field(
        description="what the asker's role may do; null: now, else why not now"
    )


class PlanPage(Answer):
    items: list[Plan]
    next: int | None


class BrokeThrough(Answer):
    window_over: int
    level: int
    ceiling: int
    no_test_gas: int
    unknown_plan: int


class PlanStatistic(Answer):
    mine: str
    mine_name: str
    area: str
    filed: int
    approved: int
    refused: int
    withdrawn: int
    alarms: int = Field(description="raised in this time, planned or not")
    planned: int = Field(description="of them, raised in a plan's window and quiet")
    planned_share: float | None
    broke_through: BrokeThrough = Field(description="alarms, by why they did")
    misused_plans: int = Field(description="calibrations that were no test gas")


class PlanStatistics(Answer):
    items: list[PlanStatistic]
