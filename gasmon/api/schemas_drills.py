"""What HTTP asks and answers about drills."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from gasmon.api.schemas import Alarm, Answer, AreaCode, MineCode, Query, Text, TimeUs
from gasmon.api.schemas_life import Body, JournalRow, Key, Note
from gasmon.store.drills import END_CAUSES

Word = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]+$")]
DrillState = Literal["declared", "running", "ended"]


class DrillBody(Body):
    scenario: Word
    title: str = Field("", max_length=200, pattern=r"^[^\x00]*$")
    areas: list[AreaCode] = Field(min_length=1, max_length=50)
    announced: bool = Field(
        True, description="false: those who are tested do not see it before its end"
    )
    from_: TimeUs | None = Field(None, alias="from", description="null: now; RFC 3339")
    until: TimeUs = Field(description="it ends by itself then, RFC 3339")
    stop_on_real_alarm: bool = True
    participants: list[Word] = Field([], max_length=50, description="who is to act")
    note: Note
    key: Key


class DrillEndBody(Body):
    reason: str = Field(min_length=1, max_length=1000, pattern=r"^[^\x00]*\S[^\x00]*$")


class DrillsQuery(Query):
    area: AreaCode | None = None
    current: bool = Field(False, description="only those that are not over")
    cursor: int | None = Field(None, ge=1, le=2**31 - 1)
    limit: int = Field(50, ge=1, le=500)


class DrillPointsQuery(Query):
    mine: MineCode | None = None


class DrillRecordQuery(Query):
    cursor: str | None = Field(None, max_length=60)
    limit: int = Field(50, ge=1, le=200)


class Judge(Answer):
    scope: str = Field(description="its areas, or * for all")
    owner: str
    since: datetime


class RealAlarm(Answer):
    alarm_id: int
    at: datetime


class DrillScoreBody(Body):
    sheet: Word = Field(description="name of the criteria")
    points: float = Field(ge=0, le=1e6, allow_inf_nan=False)
    of_points: float = Field(gt=0, le=1e6, allow_inf_nan=False)
    passed: bool


class DrillScore(Answer):
    sheet: str
    points: float
    of_points: float
    passed: bool
    by: str
    at: datetime


class Drill(Answer):
    run: int
    scenario: str
    title: str
    areas: list[str]
    announced: bool
    declared_by: str
    declared_at: datetime
    from_: datetime = Field(alias="from")
    until: datetime
    stop_on_real_alarm: bool
    participants: list[str]
    note: str
    state: DrillState
    may_end: bool = Field(description="whether the asker may end it now")
    ended_at: datetime | None
    end_cause: str | None = Field(description=", ".join(END_CAUSES))
    end_text: Text | None
    end_reason: str
    ended_by: str | None
    judged_by: list[Judge] = Field(description="processes that took it up; none yet")
    real_alarms: list[RealAlarm] = Field(description="real ones in its areas meanwhile")
    alarms: int
    open_alarms: int
    score: DrillScore | None = Field(description="the latest; null: nobody scored it")
    topic_root: str = Field(description="where its gateways publish")


class DrillMine(Answer):
    mine: str
    mine_name: str
    points: int
    last_at: datetime | None
    online: bool


class DrillShown(Drill):
    mines: list[DrillMine] = Field(description="mines that sent their points")


class DrillPage(Answer):
    items: list[Drill]
    next: int | None


class DrillAlarm(Alarm):
    records: list[JournalRow] = Field(description="as /alarms/{alarm_id}/history")
    escalations: list[dict[str, Any]] = Field(
        description="as the steps of /alarms/{alarm_id}/escalation"
    )
    ledger: list[dict[str, Any]] = Field(
        description="as the events of /alarms/{alarm_id}/ledger"
    )


class DrillRecord(Answer):
    drill: DrillShown
    alarms: list[DrillAlarm]
    next: str | None


class DrillRefused(Answer):
    run: int = Field(description="-1: no run at all, or too many different ones")
    reason: str
    n: int
    first_at: datetime
    last_at: datetime


class DrillRefusedList(Answer):
    items: list[DrillRefused]
